//! The identity providers as this node knows them: a copy of the table, parsed, with the version of
//! each row, so that a statement can tell when the copy is old.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::app::budget::Bucket;
use crate::app::policy::IdpPolicy;
use crate::config::SamlSettings;
use crate::logout::plan::Reach;
use crate::saml::message::Limits;
use crate::saml::metadata::{EncryptionTarget, Endpoint, IdpMetadata};
use crate::saml::names::{Binding, EntityId, Location};
use crate::saml::signature::TrustedKeys;
use crate::saml::signing::{Signer, Signers};
use crate::store::identity_providers::{self, IdpRow};
use crate::store::{IdpId, StoreError};

/// One identity provider, ready to be used.
pub(crate) struct KnownIdp {
    pub(crate) id: IdpId,
    pub(crate) slug: String,
    pub(crate) entity_id: EntityId,
    pub(crate) version: i64,
    /// For people.
    pub(crate) name: String,
    pub(crate) policy: IdpPolicy,
    pub(crate) keys: TrustedKeys,
    pub(crate) limits: Limits,
    /// Our key, with the algorithm of its choice (MD-24).
    pub(crate) signer: Signer,
    enabled: bool,
    valid_until: Option<DateTime<Utc>>,
    single_sign_on: Vec<Endpoint>,
    single_logout: Vec<Endpoint>,
    /// What the NameID in a LogoutRequest to it is encrypted to, if that is wanted and possible.
    encrypt_to: Option<EncryptionTarget>,
}

/// How a principal is named in a LogoutRequest.
#[derive(Clone, Copy)]
pub(crate) enum Naming<'a> {
    Plain,
    Encrypted(&'a EncryptionTarget),
}

/// All identity providers at one moment.
#[derive(Default)]
pub(crate) struct Snapshot {
    by_entity_id: HashMap<String, Arc<KnownIdp>>,
    /// The origins of all endpoints to which a browser may be sent from a single-logout page.
    origins: Arc<[String]>,
    /// What [`identity_providers::mark`] was for these rows.
    mark: (i64, i64),
}

/// The copy, and when it may be renewed.
pub(crate) struct Registry {
    snapshot: RwLock<Arc<Snapshot>>,
    /// An unknown issuer causes a look into the database, but nobody can make us look all the time.
    reloads: Mutex<Bucket>,
    saml: SamlSettings,
    signers: Signers,
}

/// The most renewals for unknown issuers at once, and how many come back each second.
const RELOADS: (u32, f64) = (20, 1.0);

impl KnownIdp {
    /// Whether it may sign somebody in (SSO-26, MD-12). Its `LogoutRequests` are honoured regardless.
    pub(crate) fn may_sign_in(&self, now: DateTime<Utc>) -> bool {
        self.enabled && self.valid_until.is_none_or(|until| now < until)
    }

    /// The single sign-on endpoint to use, in the order of preference.
    pub(crate) fn single_sign_on(&self) -> Option<(Binding, &Location)> {
        self.policy.front_bindings().into_iter().find_map(|binding| {
            let endpoint = self.single_sign_on.iter().find(|endpoint| endpoint.binding == binding)?;
            Some((binding, &endpoint.location))
        })
    }

    /// The single-logout endpoint of a binding.
    pub(crate) fn single_logout(&self, binding: Binding) -> Option<&Endpoint> {
        self.single_logout.iter().find(|endpoint| endpoint.binding == binding)
    }

    /// The front-channel single-logout endpoints, the preferred first.
    pub(crate) fn front_logout(&self) -> impl Iterator<Item = &Endpoint> {
        self.policy.front_bindings().into_iter().filter_map(|binding| self.single_logout(binding))
    }

    /// How it can be told of a logout.
    pub(crate) fn reach(&self) -> Reach {
        if self.naming().is_none() {
            // SLO-43: what is to be secret is not sent in clear because a key is missing.
            return Reach::NONE;
        }
        Reach {
            soap: self.single_logout(Binding::Soap).is_some(),
            front: self.front_logout().next().is_some(),
        }
    }

    /// How a principal is named towards it; none if it has to be encrypted and there is no key.
    pub(crate) fn naming(&self) -> Option<Naming<'_>> {
        match &self.encrypt_to {
            _ if !self.policy.encrypt_name_id => Some(Naming::Plain),
            target => target.as_ref().map(Naming::Encrypted),
        }
    }

    /// Makes a row ready; none, with a line in the log, if it cannot be used.
    fn of(row: IdpRow, saml: &SamlSettings, signers: &Signers) -> Option<Self> {
        let (entity_id, row_id) = (row.entity_id.clone(), row.id);
        let ready = Self::read(row, saml, signers);
        if ready.is_none() {
            tracing::error!(idp = entity_id, row = %row_id, "this identity provider's row cannot be read");
        } else if ready.as_ref().is_some_and(|idp| idp.naming().is_none()) {
            tracing::error!(
                idp = entity_id,
                "encrypt_name_id is set, but its metadata has no RSA key to encrypt to: it is told of no logout"
            );
        }
        ready
    }

    fn read(row: IdpRow, saml: &SamlSettings, signers: &Signers) -> Option<Self> {
        let mut kept: IdpMetadata = serde_json::from_value(row.metadata).ok()?;
        let signer = chosen(signers, &kept);
        if signer.is_none() {
            tracing::error!(
                idp = row.entity_id,
                "its metadata lists no signature algorithm that our key can sign with: it is sent nothing"
            );
            // An endpoint for which nothing can be signed is none.
            kept.single_sign_on.clear();
            kept.single_logout.clear();
        }
        let policy: IdpPolicy = serde_json::from_value(row.policy).ok()?;
        let entity_id = EntityId::parse(row.entity_id).ok()?;
        let keys = kept.signing_keys.iter().map(AsRef::as_ref);
        Some(Self {
            id: row.id,
            slug: row.slug,
            version: row.version,
            keys: TrustedKeys::new(entity_id.clone(), keys, policy.signature()).ok()?,
            name: kept.display_name.unwrap_or_else(|| entity_id.to_string()),
            entity_id,
            limits: Limits {
                skew: saml.skew,
                max_age: saml.max_age,
                accept_offset_times: policy.accept_offset_times,
            },
            // What answers over SOAP is signed in any case: there is no other endpoint to leave out.
            signer: signer.unwrap_or(signers.suiting()).clone(),
            encrypt_to: kept.encryption_keys.into_iter().next(),
            policy,
            enabled: row.state == "enabled",
            valid_until: row.valid_until,
            single_sign_on: kept.single_sign_on,
            single_logout: kept.single_logout,
        })
    }
}

impl Snapshot {
    /// The identity provider of exactly that entity ID.
    pub(crate) fn find(&self, entity_id: &str) -> Option<&Arc<KnownIdp>> {
        self.by_entity_id.get(entity_id)
    }

    /// The identity provider of that slug or entity ID.
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<KnownIdp>> {
        self.find(name).or_else(|| self.by_entity_id.values().find(|idp| idp.slug == name))
    }

    /// The identity provider of that row.
    pub(crate) fn by_id(&self, id: IdpId) -> Option<&Arc<KnownIdp>> {
        self.by_entity_id.values().find(|idp| idp.id == id)
    }

    /// Those that may sign somebody in, by name.
    pub(crate) fn open(&self, now: DateTime<Utc>) -> Vec<&Arc<KnownIdp>> {
        let mut open: Vec<_> = self.by_entity_id.values().filter(|idp| idp.may_sign_in(now)).collect();
        open.sort_by(|a, b| (a.name.as_str(), a.slug.as_str()).cmp(&(b.name.as_str(), b.slug.as_str())));
        open
    }

    /// The same without one of them.
    pub(crate) fn without(&self, id: IdpId) -> Self {
        let others = self.by_entity_id.iter().filter(|(_, idp)| idp.id != id);
        Self {
            by_entity_id: others.map(|(name, idp)| (name.clone(), Arc::clone(idp))).collect(),
            origins: self.origins(),
            mark: self.mark,
        }
    }

    /// The origins of all endpoints to which a browser may be sent from a single-logout page.
    pub(crate) fn origins(&self) -> Arc<[String]> {
        Arc::clone(&self.origins)
    }
}

fn chosen<'a>(signers: &'a Signers, of: &IdpMetadata) -> Option<&'a Signer> {
    signers.taken_by(of.signing_methods.iter().map(String::as_str))
}

/// Every origin once, in order: found when the copy is made, as every logout asks for them.
fn origins<'a>(idps: impl Iterator<Item = &'a Arc<KnownIdp>>) -> Arc<[String]> {
    let endpoints = idps.flat_map(|idp| idp.single_logout.iter().chain(&idp.single_sign_on));
    let mut origins: Vec<_> = endpoints.map(|endpoint| endpoint.location.origin()).collect();
    origins.sort();
    origins.dedup();
    origins.into()
}

impl Registry {
    /// An empty registry; [`Registry::reload`] fills it.
    pub(crate) fn new(saml: SamlSettings, signers: Signers, now: DateTime<Utc>) -> Self {
        Self {
            snapshot: RwLock::default(),
            reloads: Mutex::new(Bucket::full(RELOADS.0, RELOADS.1, now)),
            saml,
            signers,
        }
    }

    /// What is known now.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Our key with the algorithm of that identity provider's choice; none if it takes none of ours.
    pub(crate) fn signer(&self, of: &IdpMetadata) -> Option<&Signer> {
        chosen(&self.signers, of)
    }

    /// Reads all identity providers anew. A row that has not changed is not parsed again.
    pub(crate) async fn reload(&self, conn: &mut PgConnection) -> Result<Arc<Snapshot>, StoreError> {
        // First the mark: what changes before the rows are read only makes the next look find it old.
        let mark = identity_providers::mark(conn).await?;
        let rows = identity_providers::all(conn).await?;
        let old = self.snapshot();
        let known = |row: &IdpRow| {
            old.find(&row.entity_id).filter(|idp| (idp.id, idp.version) == (row.id, row.version)).cloned()
        };
        let by_entity_id: HashMap<_, _> = rows
            .into_iter()
            .filter_map(|row| {
                known(&row).or_else(|| KnownIdp::of(row, &self.saml, &self.signers).map(Arc::new))
            })
            .map(|idp| (idp.entity_id.to_string(), idp))
            .collect();
        let origins = origins(by_entity_id.values());
        let fresh = Arc::new(Snapshot { by_entity_id, origins, mark });
        *self.snapshot.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&fresh);
        Ok(fresh)
    }

    /// Reads all identity providers anew if any has changed.
    pub(crate) async fn renew(&self, conn: &mut PgConnection) -> Result<Arc<Snapshot>, StoreError> {
        let known = self.snapshot();
        if identity_providers::mark(conn).await? == known.mark { Ok(known) } else { self.reload(conn).await }
    }

    /// Whether an unknown issuer may cause a renewal now.
    pub(crate) fn may_renew(&self, now: DateTime<Utc>) -> bool {
        self.reloads.lock().unwrap_or_else(PoisonError::into_inner).take(now)
    }
}
