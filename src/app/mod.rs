//! The imperative shell: load, decide, save, in one transaction. One file per story.
//!
//! [`login`] and [`acs`] sign somebody in, [`logout`] is the person's own sign-out, [`slo`] is the
//! identity provider's, [`oidc`] is both through OpenID providers, [`session`] says who is signed in,
//! [`idps`] and [`applications`] are for administrators, [`notify`] tells applications, [`worker`] does what time demands. Applications ask
//! with [`forward_auth`], follow the [`feed`], or let their pages wait for the [`session_end`].

pub mod acs;
pub mod api;
pub mod applications;
mod budget;
pub mod deliveries;
mod fault;
pub mod feed;
pub mod forward_auth;
pub mod health;
mod heavy;
pub mod idps;
pub mod inspect;
mod lanes;
mod legs;
pub mod login;
pub mod logout;
pub mod logouts;
mod lookout;
pub mod metadata;
pub mod notify;
pub mod oidc;
mod origins;
mod places;
mod policy;
mod refusals;
mod registry;
mod return_lists;
mod return_target;
mod second_opinion;
mod send;
pub mod session;
pub mod session_end;
pub mod slo;
mod sweep;
pub mod tokens;
mod turned_away;
mod visitor;
pub mod worker;

use std::sync::atomic::AtomicI64;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use openssl::pkey::PKey;
use openssl::sign::Signer as Hmac;
use sqlx::Transaction;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgPool, Postgres};
use tokio::sync::{Notify, Semaphore};
use tokio_util::task::TaskTracker;

pub use fault::AppError;
pub use logout::LogoutHandle;
pub use policy::{IdpPolicy, SwitchError};
pub use return_lists::{WantedAddress, WantedReturn};
pub use return_target::ReturnTarget;
pub use turned_away::TurnedAway;
pub use visitor::{ContinueToken, CorrelationToken, SessionToken, Visitor};

use crate::clock::Clock;
use crate::config::Settings;
use crate::database;
use crate::entropy::Entropy;
use crate::keys::{KeyRing, TokenKeys};
use crate::outbox::guard::Guard;
use crate::outbox::notify::Notifier;
use crate::saml::binding::Received;
use crate::saml::encryption::DecryptionKeys;
use crate::saml::names::{EntityId, Location, MessageId};
use crate::saml::signing::Signers;
use crate::store::sessions::Alive;
use crate::store::{StoreError, audit, secrets};
use budget::Budget;
use fault::Fault;
use heavy::HeavyWork;
use lanes::Lanes;
use login::Beginnings;
use lookout::Lookout;
use origins::Origins;
use refusals::{RefusalLog, Refusals, Refused};
use registry::{KnownIdp, Registry};
use second_opinion::LargeCases;

/// The path of the assertion consumer service.
pub const ACS_PATH: &str = "/saml/acs";

/// The path of the single-logout service for browsers.
pub const SLO_PATH: &str = "/saml/slo";

/// The path of the single-logout service over SOAP.
pub const SOAP_PATH: &str = "/saml/slo/soap";

/// How long a request waits for the database before it counts as down (status table, row f).
const DATABASE_PATIENCE: Duration = Duration::from_secs(3);

/// Signed denials for each claimed issuer: so many at once, and so many a second after that.
const DENIALS: (u32, f64) = (20, 2.0);

/// Messages logged whole for each claimed issuer for which that is switched on: as above.
const DEBUGGED: (u32, f64) = (100, 5.0);

/// The most characters of such a message.
const LONGEST_DEBUGGED: usize = 16 * 1024;

/// How many deliveries are under way at once, to all applications together.
const DELIVERIES: usize = 96;

/// How many connections to one application are kept between deliveries.
const CONNECTIONS_KEPT: usize = 8;

/// The application: everything a story needs. Cheap to clone, one per process.
#[derive(Clone)]
pub struct App(Arc<Inner>);

struct Inner {
    settings: Settings,
    pool: PgPool,
    keys: KeyRing,
    /// Opens what identity providers have encrypted to us.
    decryption: DecryptionKeys,
    clock: Clock,
    entropy: Entropy,
    me: Me,
    registry: Registry,
    refusals: Refusals,
    refusal_log: RefusalLog,
    denials: Budget,
    /// How much the API may be asked.
    limits: tokens::Limits,
    debugged: Budget,
    /// What all nodes share, to seal form tokens.
    secret: [u8; 32],
    http: reqwest::Client,
    providers: oidc::Providers,
    /// For OpenID providers.
    oidc_http: oidc::Asker,
    lanes: Lanes,
    large_cases: LargeCases,
    heavy: HeavyWork,
    beginnings: Beginnings,
    /// Up to which principal the worker has looked for those that can be forgotten.
    tidied_to: AtomicI64,
    /// Rings when there is something in the outbox.
    outbox_bell: Notify,
    /// Tells applications.
    notifier: Notifier,
    /// How many deliveries may be under way at once, to all applications together.
    notify_room: Semaphore,
    /// Rings when there is something to tell an application.
    notify_bell: Notify,
    /// The keys that sign what applications are told.
    token_keys: RwLock<Arc<TokenKeys>>,
    /// What goes on after the request that began it was answered.
    tasks: TaskTracker,
    /// Who waits for the end of sessions.
    lookout: Lookout,
    /// Where applications live.
    origins: Origins,
}

/// Our own names.
struct Me {
    entity_id: EntityId,
    acs: Location,
    slo: Location,
    soap: Location,
}

impl App {
    /// Puts the application together; the database has to be there and migrated.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn new(
        settings: Settings,
        pool: PgPool,
        keys: KeyRing,
        clock: Clock,
        entropy: Entropy,
    ) -> Result<Self, AppError> {
        let signers = Signers::new(keys.signing.private().clone(), keys.signing.certificate_der())?;
        let decryption = DecryptionKeys::new(keys.encryption.iter().map(|key| key.private().clone()));
        let me = Me::of(&settings)?;
        let registry = Registry::new(settings.saml.clone(), signers, clock.now());
        let mut conn = pool.acquire().await.map_err(StoreError::from)?;
        registry.reload(&mut conn).await?;
        let origins = Origins::default();
        origins.renew(&mut conn).await?;
        let secret = secrets::shared(&mut conn, "forms", entropy.bytes()?).await?;
        secrets::signing_key(&mut conn, keys.signing.fingerprint(), clock.now()).await?;
        drop(conn);
        let limits = tokens::Limits::new(settings.api.requests_per_minute);
        let refusal_log = RefusalLog::new(clock.now());
        let lanes = Lanes::new(usize::try_from(database::lanes(&settings)).unwrap_or(1));
        let guard = Guard::new(settings.outbound_allow.clone(), settings.base_url.is_loopback());
        let notifier = Notifier::new(guard.clone(), CONNECTIONS_KEPT)?;
        let token_keys = Arc::new(keys.tokens.clone());
        Ok(Self(Arc::new(Inner {
            http: crate::outbox::deliver::client()?,
            providers: oidc::Providers::new(&settings.oidc),
            oidc_http: oidc::Asker::new(guard)?,
            settings,
            pool,
            keys,
            decryption,
            clock,
            entropy,
            me,
            registry,
            refusals: Refusals::default(),
            refusal_log,
            denials: Budget::new(DENIALS.0, DENIALS.1),
            limits,
            debugged: Budget::new(DEBUGGED.0, DEBUGGED.1),
            secret,
            lanes,
            large_cases: LargeCases::default(),
            heavy: HeavyWork::default(),
            beginnings: Beginnings::default(),
            tidied_to: AtomicI64::new(0),
            outbox_bell: Notify::new(),
            notifier,
            notify_room: Semaphore::new(DELIVERIES),
            notify_bell: Notify::new(),
            token_keys: RwLock::new(token_keys),
            tasks: TaskTracker::new(),
            lookout: Lookout::default(),
            origins,
        })))
    }

    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The clock that all decisions go by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Where unguessable octets come from.
    #[must_use]
    pub fn entropy(&self) -> &Entropy {
        &self.0.entropy
    }

    /// How many operations of private decryption keys there have been: what is refused before one is
    /// no oracle (SLO-29).
    #[must_use]
    pub fn decryption_operations(&self) -> u64 {
        self.0.decryption.operations()
    }

    /// The origins of all known identity providers: they may hold our single-logout endpoints in a
    /// frame (SLO-32).
    #[must_use]
    pub fn frame_origins(&self) -> Arc<[String]> {
        self.0.registry.snapshot().origins()
    }

    /// Writes down the refusals counted since the last time; says how many lines that made.
    ///
    /// # Errors
    /// [`StoreError`]; the counts taken are then lost, and the log says so.
    pub async fn flush_audit(&self) -> Result<usize, StoreError> {
        let entries = self.0.refusals.take();
        if entries.is_empty() {
            return Ok(0);
        }
        let written = async {
            let mut tx = self.begin().await?;
            for entry in &entries {
                audit::add(&mut tx, entry).await?;
            }
            Ok::<_, StoreError>(tx.commit().await?)
        };
        if let Err(error) = written.await {
            tracing::error!(%error, lines = entries.len(), "refusals could not be written into the audit");
            return Err(error);
        }
        Ok(entries.len())
    }

    fn now(&self) -> DateTime<Utc> {
        self.0.clock.now()
    }

    /// When a session counts as alive now.
    fn alive(&self) -> Alive {
        let now = self.now();
        Alive { now, idle_since: now - self.0.settings.session.idle }
    }

    /// Until when a logout of now bars assertions: the latest moment at which one that was issued
    /// before could still be accepted, and no less than 15 minutes.
    fn bar_until(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let saml = &self.0.settings.saml;
        now + (saml.max_age + saml.skew * 2).max(TimeDelta::minutes(15))
    }

    async fn connection(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        in_time(self.0.pool.acquire()).await
    }

    async fn begin(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        in_time(self.0.pool.begin()).await
    }

    /// The identity providers, read anew if any has changed.
    async fn renewed(&self) -> Result<Arc<registry::Snapshot>, StoreError> {
        let mut conn = self.connection().await?;
        let renewal = async {
            self.0.origins.renew(&mut conn).await?;
            self.0.registry.renew(&mut conn).await
        };
        tokio::time::timeout(DATABASE_PATIENCE, renewal).await.unwrap_or(Err(StoreError::Late))
    }

    /// Does work on the database, but does not wait for ever.
    async fn patiently<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
        match tokio::time::timeout(DATABASE_PATIENCE * 2, work).await {
            Ok(done) => done,
            Err(_) => Err(StoreError::Late.into()),
        }
    }

    fn message_id(&self) -> Result<MessageId, Fault> {
        MessageId::parse(self.0.entropy.message_id()?).map_err(|_| Fault::Identifier)
    }

    /// A name under which the log knows what the person was told.
    pub(crate) fn incident(&self) -> String {
        use std::fmt::Write as _;
        let octets = self.0.entropy.bytes::<6>().unwrap_or_default();
        octets.iter().fold(String::new(), |mut text, octet| {
            let _ = write!(text, "{octet:02x}");
            text
        })
    }

    /// Counts a refusal for the audit and logs it, as long as they do not come in floods; gives the
    /// name under which the log has it.
    fn refuse(&self, refused: &Refused<'_>) -> String {
        let (incident, now) = (self.incident(), self.now());
        self.0.refusals.note(refused, now);
        let Some(unwritten) = self.0.refusal_log.may_write(now) else { return incident };
        if unwritten > 0 {
            tracing::warn!(unwritten, "refusals came too fast to log each; the audit has their number");
        }
        tracing::info!(
            incident,
            endpoint = refused.endpoint,
            binding = refused.binding,
            issuer = refused.issuer,
            message.id = refused.message_id,
            rule = refused.rule,
            source = refused.source.map(tracing::field::display),
            "refused: {}",
            refused.detail
        );
        incident
    }

    /// Logs a message whole, if that is switched on for the identity provider it claims to be from.
    /// Anybody can claim that, so how much and how often is bounded.
    fn debug_message(&self, idp: &KnownIdp, received: &Received) {
        if idp.policy.debug_messages && self.0.debugged.take(idp.entity_id.as_str(), self.now()) {
            let body: String = received.octets.chars().take(LONGEST_DEBUGGED).collect();
            tracing::warn!(
                idp = idp.slug,
                binding = received.binding.as_str(),
                ?body,
                "debug_messages is on for this identity provider: its message stands here as it came, people's \
                 names and all; switch it off again as soon as you can"
            );
        }
    }

    /// Logs a fault of ours, with all its causes; gives the name under which the log has it.
    fn fault(&self, doing: &str, fault: &Fault) -> String {
        let incident = self.incident();
        let mut causes = String::new();
        let mut source = std::error::Error::source(fault);
        while let Some(cause) = source {
            causes.push_str(": ");
            causes.push_str(&cause.to_string());
            source = cause.source();
        }
        tracing::error!(incident, "{doing}: {fault}{causes}");
        incident
    }

    /// A token for a form of the browser that holds this session cookie (SLO-48).
    fn form_token(&self, session: &SessionToken) -> Result<String, Fault> {
        use base64::Engine as _;
        let key = PKey::hmac(&self.0.secret).map_err(Fault::Crypto)?;
        let mut hmac = Hmac::new(openssl::hash::MessageDigest::sha256(), &key).map_err(Fault::Crypto)?;
        hmac.update(b"logout form:").map_err(Fault::Crypto)?;
        hmac.update(session.as_str().as_bytes()).map_err(Fault::Crypto)?;
        let seal = hmac.sign_to_vec().map_err(Fault::Crypto)?;
        Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(seal))
    }
}

impl Me {
    fn of(settings: &Settings) -> Result<Self, AppError> {
        let named = |key| move |source| AppError::Name { key, source };
        let at = |path| Location::parse(settings.base_url.join(path)).map_err(named("base_url"));
        Ok(Self {
            entity_id: EntityId::parse(settings.saml.entity_id.clone()).map_err(named("saml.entity_id"))?,
            acs: at(ACS_PATH)?,
            slo: at(SLO_PATH)?,
            soap: at(SOAP_PATH)?,
        })
    }
}

/// Waits for the database, but not for ever.
async fn in_time<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, StoreError> {
    match tokio::time::timeout(DATABASE_PATIENCE, work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(StoreError::Late),
    }
}
