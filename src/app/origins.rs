//! Where applications live, as this node knows it: a sign-in or sign-out may return there.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use sqlx::PgConnection;

use crate::app::{App, DATABASE_PATIENCE};
use crate::store::{StoreError, applications};

/// How many strangers are remembered.
const MOST_STRANGERS: usize = 100;

/// A copy of all registered origins, a few seconds old at most.
#[derive(Debug, Default)]
pub(super) struct Origins {
    known: RwLock<Arc<[String]>>,
    /// Unregistered ones for which a proxy has asked: each is worth one line in the log.
    strangers: Mutex<BTreeSet<String>>,
}

impl Origins {
    /// The copy.
    pub(super) fn known(&self) -> Arc<[String]> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads them anew.
    pub(super) async fn renew(&self, conn: &mut PgConnection) -> Result<(), StoreError> {
        let fresh = applications::origins(conn).await?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if **known != *fresh {
            *known = fresh.into();
        }
        Ok(())
    }

    /// Whether this is the first time that an unregistered origin turns up.
    pub(super) fn is_new_stranger(&self, origin: &str) -> bool {
        let mut strangers = self.strangers.lock().unwrap_or_else(PoisonError::into_inner);
        strangers.len() < MOST_STRANGERS && strangers.insert(origin.to_owned())
    }
}

impl App {
    /// Whether an application has registered this origin, as every node knows it now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_registered_origin(&self, origin: &str) -> Result<bool, StoreError> {
        let looking = async {
            let mut conn = self.connection().await?;
            Ok(applications::by_origin(&mut conn, origin).await?.is_some())
        };
        tokio::time::timeout(DATABASE_PATIENCE, looking).await.unwrap_or(Err(StoreError::Late))
    }

    /// Says once in the log that somebody asks like a proxy who is none of ours.
    pub fn note_untrusted_proxy(&self, peer: IpAddr) {
        if self.0.origins.is_new_stranger(&peer.to_string()) {
            tracing::warn!(
                %peer,
                "the original address that it names at /forward-auth is not read: it is not in trusted_proxies"
            );
        }
    }
}
