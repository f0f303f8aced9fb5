//! All three layers at once: an application, an OpenID provider that we did not write, and the
//! identity provider, each in turn saying "over".

use super::{CheckError, Walk, expect, passed, remark, ways};

impl Walk<'_> {
    /// Begins with a session that rests on the identity provider alone. Without an OpenID provider it
    /// only says so.
    pub(super) async fn three_layers(&mut self) -> Result<(), CheckError> {
        let openid = match &self.at.openid {
            Ok(address) => address.clone(),
            Err(why) => {
                remark(&format!("not shown: a session at an OpenID provider as well; {why}"));
                return Ok(());
            }
        };
        self.sign_in_there_too(&openid).await?;
        self.person_ends_all_three(&openid).await?;
        self.sign_in().await?;
        self.sign_in_there_too(&openid).await?;
        self.openid_provider_signs_out(&openid).await?;
        self.sign_in().await?;
        self.sign_in_there_too(&openid).await?;
        self.success_is_not_claimed_before_it_is_seen(&openid).await
    }

    async fn sign_in_there_too(&mut self, openid: &str) -> Result<(), CheckError> {
        let application = self.at.applications.0.as_str();
        let back: String =
            url::form_urlencoded::byte_serialize(format!("{application}/").as_bytes()).collect();
        let form = self.browser.open(&format!("{}/auth0/login?return_to={back}", self.at.signoff)).await?;
        expect("the OpenID provider's sign-in form", form.url.as_str().starts_with(openid), ways(&form))?;
        let page = self.browser.submit(&form, "person", Some("alice")).await?;
        expect("the way through /auth0/callback", passed(&page, "/auth0/callback"), ways(&page))?;
        expect("back at the application", page.url.as_str().starts_with(application), &page.url)?;
        let session = self.browser.open(&format!("{}/session", self.at.signoff)).await?;
        for authority in [openid, &self.at.idp] {
            expect("a session that rests on both", session.body.contains(authority), &session.body)?;
        }
        self.openid_session_lives(openid, true).await?;
        self.say("signed in at the OpenID provider, too: authorization code with PKCE, one session that rests on both");
        Ok(())
    }

    async fn person_ends_all_three(&mut self, openid: &str) -> Result<(), CheckError> {
        let question = self.browser.open(&format!("{}/logout", self.at.signoff)).await?;
        let asked = self.browser.submit(&question, "scope", Some("everywhere")).await?;
        expect("the OpenID provider's question", asked.url.as_str().starts_with(openid), ways(&asked))?;
        self.session_lives(false).await?;
        let page = self.browser.submit(&asked, "logout", Some("yes")).await?;
        expect("the way through /auth0/logged-out", passed(&page, "/auth0/logged-out"), ways(&page))?;
        expect("the way through the identity provider", passed(&page, "/slo"), ways(&page))?;
        expect("the result page", page.url.path().starts_with("/logout/"), &page.url)?;
        // The applications may take a moment to acknowledge.
        self.sees(page.url.as_str(), "<h1>You are signed out</h1>").await?;
        self.openid_session_lives(openid, false).await?;
        self.idp_session_lives(false).await?;
        self.applications_know_nobody().await?;
        self.say("the person signed out of all three: asked and confirmed at the OpenID provider, then at the identity provider");
        Ok(())
    }

    async fn openid_provider_signs_out(&mut self, openid: &str) -> Result<(), CheckError> {
        self.leave(openid).await?;
        self.session_lives(false).await?;
        self.applications_know_nobody().await?;
        self.sees(&self.at.idp, "Nobody is signed in").await?;
        self.say("the OpenID provider signed out: verified logout token, session dead, applications told, the identity provider by SOAP");
        Ok(())
    }

    /// Without a browser there is no way to end the session at this provider: the identity provider is
    /// told so, and the browser is led there when it next comes by.
    async fn success_is_not_claimed_before_it_is_seen(&mut self, openid: &str) -> Result<(), CheckError> {
        let home = self.browser.open(&self.at.idp).await?;
        let page = self.browser.submit(&home, "via", Some("soap")).await?;
        let answered = "Signoff answered over soap: Responder/PartialLogout";
        expect(answered, page.body.contains(answered), &page.body)?;
        self.session_lives(false).await?;
        self.openid_session_lives(openid, true).await?;
        let asked = self.browser.open(&format!("{}/logout", self.at.signoff)).await?;
        expect(
            "the OpenID provider's question at the next visit",
            asked.url.as_str().starts_with(openid),
            ways(&asked),
        )?;
        let page = self.browser.submit(&asked, "logout", Some("yes")).await?;
        expect("a page of ours", page.url.as_str().starts_with(&self.at.signoff), ways(&page))?;
        self.openid_session_lives(openid, false).await?;
        self.say("the identity provider signed out by SOAP while the OpenID provider needs a browser: PartialLogout, and ended there at the next visit");
        Ok(())
    }

    /// The person signs out at the OpenID provider itself.
    async fn leave(&self, openid: &str) -> Result<(), CheckError> {
        let question = self.browser.open(&format!("{openid}/session/end")).await?;
        let page = self.browser.submit(&question, "logout", Some("yes")).await?;
        let over = "You are signed out here";
        expect("the OpenID provider to say that it is over", page.body.contains(over), ways(&page))
    }

    async fn openid_session_lives(&self, openid: &str, lives: bool) -> Result<(), CheckError> {
        let page = self.browser.open(openid).await?;
        let seen = page.body.contains("is signed in here") && !page.body.contains("Nobody is signed in");
        expect(&format!("a session at the OpenID provider: {lives}"), seen == lives, &page.body)
    }
}
