//! Applications are told: in their form, at least once, in order, whatever breaks.

mod counted;
mod delivery;
mod forms;
mod guard;
mod operators;

use std::path::PathBuf;
use std::sync::LazyLock;

use openssl::asn1::Asn1Time;
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::x509::X509Builder;
use signoff::app::applications::{self, Created, NewApplication, Subject, TokenType};
use signoff::logout::hearing::Form;
use signoff::store::participations::{self, NewParticipation, Parent};
use signoff::store::{applications as stored, sessions};

use crate::support::app::{TestApp, write_pem};
use crate::support::browser::Browser;
use crate::support::dsig::EC_256;
use crate::support::idp::Idp;
use crate::support::messages::Name;
use crate::support::receiver::Receiver;

/// A key pair for tokens as the two PEM files that the settings name.
pub static TOKEN_FILES: LazyLock<(PathBuf, PathBuf)> = LazyLock::new(|| {
    let directory = tempfile::Builder::new().prefix("signoff-tokens").tempdir().unwrap().keep();
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let mut builder = X509Builder::new().unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(1).unwrap()).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    let pem = builder.build().to_pem().unwrap();
    (
        write_pem(&directory, "tokens.key", &key.private_key_to_pem_pkcs8().unwrap()),
        write_pem(&directory, "tokens.crt", &pem),
    )
});

/// A node that has a key for tokens, an identity provider, and people.
pub struct House {
    pub app: TestApp,
    pub idp: Idp,
}

impl House {
    pub async fn new() -> Self {
        Self::with(&[]).await
    }

    pub async fn with(variables: &[(&str, &str)]) -> Self {
        let (key, certificate) = &*TOKEN_FILES;
        let (key, certificate) = (key.display().to_string(), certificate.display().to_string());
        let mut all = vec![
            ("SIGNOFF_TOKENS__SIGNING_KEY", key.as_str()),
            ("SIGNOFF_TOKENS__SIGNING_CERTIFICATE", certificate.as_str()),
        ];
        all.extend_from_slice(variables);
        let app = TestApp::start_with(&all).await;
        let idp = app.idp("idp-a", &EC_256).await;
        Self { app, idp }
    }

    /// Registers an application that is told there.
    pub async fn application(&self, id: &str, form: Form, receiver: &Receiver) -> Created {
        self.try_application(&new(id, form, &receiver.url)).await
    }

    /// The same, and what is said about Success.
    pub async fn counted(&self, id: &str, form: Form, receiver: &Receiver, counts: bool) -> Created {
        self.try_application(&NewApplication {
            counts_for_success: Some(counts),
            ..new(id, form, &receiver.url)
        })
        .await
    }

    pub async fn try_application(&self, new: &NewApplication) -> Created {
        applications::create(&self.app.app, new).await.unwrap()
    }

    /// Somebody signs in.
    pub async fn person(&self, name: &str) -> Person {
        let browser = self.app.browser();
        let name = Name::email(&format!("{name}@example.org"));
        let index = format!("i-{}", name.value);
        browser.arrive(&self.idp, &name, &index).await;
        let session = browser.session().await["session_id"].as_str().unwrap().to_owned();
        Person { browser, name, index, session }
    }

    /// An application takes part in that person's session.
    pub async fn takes_part(&self, application: &str, person: &Person) {
        let mut conn = self.app.pool.acquire().await.unwrap();
        let application = stored::by_slug(&mut conn, application).await.unwrap().unwrap();
        let session = sessions::by_public_id(&mut conn, &person.session).await.unwrap().unwrap();
        let new = NewParticipation {
            public_id: &format!("p-{}-{}", application.slug, person.session),
            application: application.id,
            parent: Parent::Session(session.id),
            reference: None,
            name_id: None,
            session_indexes: &[],
            subject: None,
            connection: None,
        };
        participations::register(&mut conn, &new, self.app.now()).await.unwrap();
    }

    /// (state, attempts, status, error) of all notifications, the oldest first.
    pub async fn notifications(&self) -> Vec<(String, i32, Option<i32>, Option<String>)> {
        sqlx::query_as("select state, attempts, http_status, last_error from notification order by id")
            .fetch_all(&self.app.pool)
            .await
            .unwrap()
    }

    pub async fn states(&self) -> Vec<String> {
        self.notifications().await.into_iter().map(|(state, ..)| state).collect()
    }

    pub async fn done(self) {
        self.app.done().await;
    }
}

/// Somebody who is signed in.
pub struct Person {
    pub browser: Browser,
    pub name: Name,
    pub index: String,
    pub session: String,
}

/// An application as most are registered.
pub fn new(id: &str, form: Form, url: &str) -> NewApplication {
    NewApplication {
        id: id.to_owned(),
        name: None,
        form,
        url: Some(url.to_owned()),
        origins: Vec::new(),
        logout_urls: Vec::new(),
        token_type: TokenType::default(),
        subject: Subject::default(),
        counts_for_success: None,
    }
}
