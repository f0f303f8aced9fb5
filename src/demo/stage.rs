//! Who plays where: the addresses of the demonstration, and the cast around the service.

use std::net::SocketAddr;
use std::path::Path;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::application::{Application, Sessions, TOLD_PATH};
use super::identity_provider::{IdentityProvider, IdpError, ServiceProvider};
use super::openid::{Absent, OpenIdProvider};
use super::told::Told;
use crate::clock::Clock;
use crate::config::Settings;
use crate::entropy::Entropy;
use crate::keys::{self, KeyError, KeyKind, Owner, Purpose, SigningKey};
use crate::saml::names::{EntityId, Location, NameError};

/// The ports of a demonstration that a person looks at: the identity provider and two applications.
const PORTS: [u16; 3] = [8090, 8081, 8082];
/// The IDs of the two applications.
const IDS: [&str; 2] = ["timesheets", "wiki"];
/// Their names.
const NAMES: [&str; 2] = ["Timesheets", "Wiki"];

/// Why the demonstration cannot start.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A port is taken.
    #[error("{address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// No HTTP client.
    #[error("no HTTP client: {0}")]
    Http(#[from] reqwest::Error),
    /// The identity provider cannot start.
    #[error(transparent)]
    Idp(#[from] IdpError),
    /// Its key pair cannot be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A name that cannot be one.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The secret of an application's webhooks cannot be read.
    #[error("the secret of a webhook cannot be read")]
    Secret,
    /// Our own key cannot be written as the identity provider wants it.
    #[error(transparent)]
    OpenSsl(#[from] openssl::error::ErrorStack),
}

/// Where everything is.
#[derive(Clone)]
pub struct Addresses {
    /// The service.
    pub signoff: String,
    /// The identity provider.
    pub idp: String,
    /// The OpenID provider, or why there is none.
    pub openid: Result<String, String>,
    /// The two applications.
    pub applications: (String, String),
    /// The clock that all of them go by.
    pub clock: Clock,
}

/// What an application got when it was registered.
pub struct Membership {
    /// Its token for the API.
    pub token: String,
    /// How it is told.
    pub told: Told,
}

/// The listeners of the cast.
pub struct Stage {
    idp: TcpListener,
    applications: [TcpListener; 2],
    addresses: Addresses,
}

impl Stage {
    /// Takes the ports of the cast: the customary ones for a person, if they are free, any for a
    /// check. `signoff` is the service's base URL; `openid` stands beside the stage already, or does not.
    ///
    /// # Errors
    /// [`DemoError::Bind`].
    pub async fn set(
        signoff: &str,
        free_ports: bool,
        openid: &Result<OpenIdProvider, Absent>,
        clock: Clock,
    ) -> Result<Self, DemoError> {
        let [idp, first, second] = PORTS.map(|port| if free_ports { 0 } else { port });
        let (idp, first, second) = (bind(idp).await?, bind(first).await?, bind(second).await?);
        let addresses = Addresses {
            signoff: signoff.to_owned(),
            idp: origin(&idp)?,
            openid: openid.as_ref().map(|openid| openid.issuer().to_owned()).map_err(ToString::to_string),
            applications: (origin(&first)?, origin(&second)?),
            clock,
        };
        Ok(Self { idp, applications: [first, second], addresses })
    }

    /// Where everything is.
    #[must_use]
    pub const fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The identity provider, with a key of its own, trusting the service of these settings and
    /// that signing key.
    ///
    /// # Errors
    /// [`DemoError`].
    pub fn identity_provider(
        &self,
        settings: &Settings,
        signing: &SigningKey,
        entropy: &Entropy,
    ) -> Result<IdentityProvider, DemoError> {
        let sp = ServiceProvider {
            entity_id: EntityId::parse(settings.saml.entity_id.as_str())?,
            acs: Location::parse(settings.public_url("/saml/acs"))?,
            slo: Location::parse(settings.public_url("/saml/slo"))?,
            slo_soap: Location::parse(settings.public_url("/saml/slo/soap"))?,
            signing_key: signing.certificate().public_key()?.public_key_to_der()?,
        };
        let key = key(&settings.data_dir.join("demo-idp"), &self.addresses.clock, entropy)?;
        let (clock, entropy) = (self.addresses.clock.clone(), entropy.clone());
        Ok(IdentityProvider::new(&self.addresses.idp, &key, sp, clock, entropy, client()?)?)
    }

    /// The ID, the name and the address for notifications of each application.
    #[must_use]
    pub fn applications(&self) -> [(&'static str, &'static str, String); 2] {
        let (first, second) = &self.addresses.applications;
        [
            (IDS[0], NAMES[0], format!("{first}{TOLD_PATH}")),
            (IDS[1], NAMES[1], format!("{second}{TOLD_PATH}")),
        ]
    }

    /// Raises the curtain: identity provider and applications, which are members by now, answer until
    /// `stop`.
    ///
    /// # Errors
    /// [`DemoError::Http`].
    pub fn play(
        self,
        idp: IdentityProvider,
        members: [Membership; 2],
        entropy: &Entropy,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<(), DemoError> {
        let application = |number: usize, base: &str, member: Membership| {
            let (name, id) = if number == 0 { (NAMES[0], IDS[0]) } else { (NAMES[1], IDS[1]) };
            Ok::<_, DemoError>(Application {
                name,
                id,
                base: base.to_owned(),
                signoff: self.addresses.signoff.clone(),
                idp: self.addresses.idp.clone(),
                openid: self.addresses.openid.clone().ok(),
                token: member.token,
                told: member.told,
                http: client()?,
                clock: self.addresses.clock.clone(),
                entropy: entropy.clone(),
                sessions: Sessions::default(),
            })
        };
        let [first, second] = members;
        let first = application(0, &self.addresses.applications.0, first)?.router();
        let second = application(1, &self.addresses.applications.1, second)?.router();
        let [one, two] = self.applications;
        for (listener, router) in [(self.idp, idp.router()), (one, first), (two, second)] {
            tasks.spawn(serve(listener, router, stop.clone()));
        }
        Ok(())
    }
}

async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!(%error, "a part of the demonstration ended");
    }
}

async fn bind(port: u16) -> Result<TcpListener, DemoError> {
    let (customary, any) = (SocketAddr::from(([127, 0, 0, 1], port)), SocketAddr::from(([127, 0, 0, 1], 0)));
    match TcpListener::bind(customary).await {
        Ok(listener) => Ok(listener),
        // Another demonstration, or something else: the addresses are printed, so any port will do.
        Err(_) => TcpListener::bind(any).await.map_err(|source| DemoError::Bind { address: any, source }),
    }
}

fn origin(listener: &TcpListener) -> Result<String, DemoError> {
    let unbound = SocketAddr::from(([127, 0, 0, 1], 0));
    let address = listener.local_addr().map_err(|source| DemoError::Bind { address: unbound, source })?;
    Ok(format!("http://{address}"))
}

/// The identity provider's key pair: the one that is there, else a new one.
fn key(directory: &Path, clock: &Clock, entropy: &Entropy) -> Result<SigningKey, KeyError> {
    if let Some(file) = keys::list(directory)?.pop() {
        return SigningKey::load(&file.files());
    }
    let owner = Owner { directory: directory.to_owned(), host: "demo-idp".to_owned() };
    SigningKey::load(&keys::generate(KeyKind::Rsa2048, Purpose::Signing, &owner, clock.now(), entropy)?)
}

fn client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder().no_proxy().timeout(std::time::Duration::from_secs(10)).build()
}
