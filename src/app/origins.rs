//! Where applications live, as this node knows it: a sign-in or sign-out may return there.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use sqlx::PgConnection;

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
