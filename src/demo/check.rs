//! The demonstration clicks through itself and says what it saw.

mod three_layers;

use std::fmt::Display;

use super::browser::{Browser, BrowserError, Page};
use super::stage::Addresses;
use crate::saml::binding::{Parameter, soap};
use crate::saml::logout_response::LogoutResponse;
use crate::saml::open::Unopened;

/// How often to look for what takes a moment.
const LOOKS: usize = 100;
/// How long to wait between two looks.
const BETWEEN_LOOKS: std::time::Duration = std::time::Duration::from_millis(100);

/// A step that was not as promised.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A page could not be had at all.
    #[error(transparent)]
    Browser(#[from] BrowserError),
    /// Something else was seen.
    #[error("expected {expected}, saw {seen}")]
    Otherwise {
        /// What was promised.
        expected: String,
        /// What was there.
        seen: String,
    },
}

/// Goes through the main job over real HTTP: sign-in, sign-out by the person, sign-out by the
/// identity provider over each binding, a LogoutRequest that nobody signed, and the same with an
/// OpenID provider as well, if there is one. Prints one line a step.
///
/// # Errors
/// [`CheckError`] at the first step that is not as promised.
pub async fn run(at: &Addresses) -> Result<(), CheckError> {
    let mut walk = Walk { at, browser: Browser::new()?, step: 0 };
    walk.metadata().await?;
    walk.sign_in().await?;
    walk.both_applications().await?;
    walk.person_signs_out().await?;
    for (via, name) in [("redirect", "Redirect"), ("post", "POST"), ("soap", "SOAP")] {
        walk.sign_in().await?;
        walk.identity_provider_signs_out(via, name).await?;
    }
    walk.sign_in().await?;
    walk.unsigned_request_is_refused().await?;
    walk.three_layers().await
}

struct Walk<'a> {
    at: &'a Addresses,
    browser: Browser,
    step: u32,
}

impl Walk<'_> {
    async fn metadata(&mut self) -> Result<(), CheckError> {
        let page = self.browser.open(&format!("{}/saml/metadata", self.at.signoff)).await?;
        expect("status 200", page.status == 200, page.status)?;
        let all = [
            "SingleLogoutService",
            "HTTP-Redirect",
            "HTTP-POST",
            "bindings:SOAP",
            "AuthnRequestsSigned=\"true\"",
        ];
        for part in all {
            expect(part, page.body.contains(part), &page.body)?;
        }
        self.say("our metadata offers single logout over Redirect, POST and SOAP");
        Ok(())
    }

    async fn sign_in(&mut self) -> Result<(), CheckError> {
        let application = self.at.applications.0.as_str();
        let before = self.browser.open(application).await?;
        expect("an application that knows nobody", before.body.contains("not signed in"), &before.body)?;
        let back =
            url::form_urlencoded::byte_serialize(format!("{application}/").as_bytes()).collect::<String>();
        let start = format!("{}/saml/login?return_to={back}", self.at.signoff);
        let form = self.browser.open(&start).await?;
        expect(
            "the sign-in form of the identity provider",
            form.url.as_str().starts_with(&self.at.idp),
            &form.url,
        )?;
        let page = self.browser.submit(&form, "person", Some("alice")).await?;
        expect("the way through /saml/acs", passed(&page, "/saml/acs"), ways(&page))?;
        expect("back at the application", page.url.as_str().starts_with(application), &page.url)?;
        expect("the application knows Alice", page.body.contains("demo|alice"), &page.body)?;
        self.say("signed in: AuthnRequest by Redirect, signed Response by POST, back at the application");
        Ok(())
    }

    async fn both_applications(&mut self) -> Result<(), CheckError> {
        let page = self.browser.open(&self.at.applications.1).await?;
        expect("the other application knows Alice", page.body.contains("demo|alice"), &page.body)?;
        self.say("the second application accepts the same session, and opens one of its own under it");
        Ok(())
    }

    async fn person_signs_out(&mut self) -> Result<(), CheckError> {
        let question = self.browser.open(&format!("{}/logout", self.at.signoff)).await?;
        self.session_lives(true).await?;
        self.say("GET /logout only asks: the session lives on");
        let page = self.browser.submit(&question, "scope", Some("everywhere")).await?;
        expect("the way through the identity provider", passed(&page, "/slo"), ways(&page))?;
        expect("the result page", page.url.path().starts_with("/logout/"), &page.url)?;
        expect("a page that says it is confirmed", page.body.contains("has confirmed"), &page.body)?;
        self.session_lives(false).await?;
        self.idp_session_lives(false).await?;
        self.applications_know_nobody().await?;
        self.applications_were_told().await?;
        self.say("both applications were told, one by logout token and one by webhook, and ended their own sessions");
        self.say("the person signed out: local session first, then a signed LogoutRequest, verified Success, all over");
        Ok(())
    }

    async fn identity_provider_signs_out(&mut self, via: &str, name: &str) -> Result<(), CheckError> {
        let home = self.browser.open(&self.at.idp).await?;
        let page = self.browser.submit(&home, "via", Some(via)).await?;
        let answered = format!("Signoff answered over {via}: Success");
        expect(&answered, page.body.contains(&answered), &page.body)?;
        self.session_lives(false).await?;
        self.applications_know_nobody().await?;
        self.say(&format!(
            "the identity provider signed out by {name}: verified LogoutRequest, session dead, signed Success"
        ));
        Ok(())
    }

    async fn unsigned_request_is_refused(&mut self) -> Result<(), CheckError> {
        let answer =
            self.browser.post_soap(&format!("{}/saml/slo/soap", self.at.signoff), &self.unsigned()).await?;
        expect("status 200", answer.status == 200, answer.status)?;
        let received = soap::decode(answer.body.as_bytes(), Parameter::SamlResponse);
        let status = received
            .and_then(|received| {
                Unopened::<LogoutResponse>::read(&received).map(|answer| answer.claimed_status().to_string())
            })
            .unwrap_or_default();
        expect("Requester/RequestDenied", status == "Requester/RequestDenied", &status)?;
        self.session_lives(true).await?;
        self.say("a LogoutRequest that nobody signed is denied, and the session lives on");
        Ok(())
    }

    /// A LogoutRequest for Alice that is perfect but for its signature.
    fn unsigned(&self) -> String {
        use crate::saml::write::{SAML, SAMLP, SOAP, Writer};

        let now = crate::saml::instant::write(self.at.clock.now());
        let destination = format!("{}/saml/slo/soap", self.at.signoff);
        let attributes = [
            ("Destination", Some(destination.as_str())),
            ("ID", Some("_nobody-signed-this")),
            ("IssueInstant", Some(now.as_str())),
            ("Version", Some("2.0")),
        ];
        let mut xml = Writer::new();
        xml.element((SOAP, "Envelope"), &[], |xml| {
            xml.element((SOAP, "Body"), &[], |xml| {
                xml.element((SAMLP, "LogoutRequest"), &attributes, |xml| {
                    xml.text_element((SAML, "Issuer"), &[], &format!("{}/metadata", self.at.idp));
                    xml.text_element((SAML, "NameID"), &[], "demo|alice");
                });
            });
        });
        xml.finish()
    }

    async fn session_lives(&self, lives: bool) -> Result<(), CheckError> {
        let page = self.browser.open(&format!("{}/session", self.at.signoff)).await?;
        let wanted = if lives { 200 } else { 401 };
        expect(&format!("GET /session to answer {wanted}"), page.status == wanted, page.status)
    }

    async fn idp_session_lives(&self, lives: bool) -> Result<(), CheckError> {
        let page = self.browser.open(&self.at.idp).await?;
        let seen = page.body.contains("is signed in here");
        expect(&format!("a session at the identity provider: {lives}"), seen == lives, &page.body)
    }

    async fn applications_know_nobody(&self) -> Result<(), CheckError> {
        for application in [&self.at.applications.0, &self.at.applications.1] {
            self.sees(application, "not signed in").await?;
        }
        Ok(())
    }

    /// Each has ended a session of its own because it was told to.
    async fn applications_were_told(&self) -> Result<(), CheckError> {
        self.sees(&self.at.applications.0, "Told by logout token so far: 1 ended").await?;
        self.sees(&self.at.applications.1, "Told by webhook so far: 1 ended").await
    }

    /// Opens a page until it says something: to be told takes a moment.
    async fn sees(&self, url: &str, text: &str) -> Result<(), CheckError> {
        let mut page = self.browser.open(url).await?;
        for _ in 0..LOOKS {
            if page.body.contains(text) {
                return Ok(());
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
            page = self.browser.open(url).await?;
        }
        expect(&format!("{url} to say {text:?}"), false, &page.body)
    }

    #[expect(clippy::print_stdout, reason = "the lines are the command's output")]
    fn say(&mut self, what: &str) {
        self.step += 1;
        println!("ok {:2}  {what}", self.step);
    }
}

/// Says what is no step.
#[expect(clippy::print_stdout, reason = "the lines are the command's output")]
fn remark(what: &str) {
    println!("--     {what}");
}

fn expect(expected: &str, is_so: bool, seen: impl Display) -> Result<(), CheckError> {
    if is_so {
        Ok(())
    } else {
        Err(CheckError::Otherwise { expected: expected.to_owned(), seen: seen.to_string() })
    }
}

/// Whether the way to a page led over a path.
fn passed(page: &Page, path: &str) -> bool {
    page.way.iter().any(|url| url.path() == path)
}

fn ways(page: &Page) -> String {
    let paths: Vec<_> = page.way.iter().map(url::Url::path).collect();
    format!("{} ending with status {} and {}", paths.join(" -> "), page.status, page.body)
}
