//! The pages for people, each beside its template. Everything in them is escaped by the template
//! engine: a value may come from an identity provider, an address bar or a form.

mod outcome;

use askama::Template;

pub use outcome::result;

/// Who is signed in.
#[derive(Debug, Template)]
#[template(path = "home.html")]
pub struct Home {
    /// One line for each identity provider; none when nobody is signed in.
    pub sign_ins: Option<Vec<SignIn>>,
    /// When the session ends at the latest, for a person to read.
    pub expires: String,
}

/// One sign-in that a session rests on.
#[derive(Debug)]
pub struct SignIn {
    /// The identity provider.
    pub idp: String,
    /// The person as that identity provider names them.
    pub name_id: String,
}

/// The question where to sign in.
#[derive(Debug, Template)]
#[template(path = "choose.html")]
pub struct Choose {
    /// The identity providers that accept sign-ins.
    pub choices: Vec<Choice>,
}

/// One identity provider to choose.
#[derive(Debug)]
pub struct Choice {
    /// Where the choice leads.
    pub href: String,
    /// The name to show.
    pub name: String,
    /// The short name: two organisations may have the same display name, never the same slug.
    pub slug: String,
}

/// A message on its way over the POST binding (Bindings 3.5.4; BIND-14).
#[derive(Debug, Template)]
#[template(path = "post.html")]
pub struct Post {
    /// The endpoint.
    pub action: String,
    /// The endpoint's host, for the person.
    pub host: String,
    /// `SAMLRequest` or `SAMLResponse`.
    pub parameter: &'static str,
    /// The message in base64.
    pub message: String,
    /// RelayState, exactly as it is to arrive.
    pub relay_state: Option<String>,
    /// The nonce of the submitting script.
    pub nonce: String,
}

/// The question whether to sign out (SLO-48).
#[derive(Debug, Template)]
#[template(path = "logout_question.html")]
pub struct LogoutQuestion {
    /// The token that proves that our own page asked.
    pub csrf: String,
    /// What says where the person wants to go afterwards, by name, unchecked until then.
    pub carried: Vec<(&'static str, String)>,
}

/// What a logout has come to.
#[derive(Debug, Template)]
#[template(path = "logout_result.html")]
pub struct LogoutResult {
    /// The outcome in a few words.
    pub heading: &'static str,
    /// The outcome in a sentence, with what to do next.
    pub summary: &'static str,
    /// What happened, layer by layer.
    pub layers: Vec<Layer>,
    /// Whether nothing more will change.
    pub finished: bool,
    /// Where the person wanted to go, checked.
    pub return_to: Option<String>,
    /// Where to sign in again, when that is what to do next.
    pub sign_in_again: Option<String>,
}

/// One session layer and what happened to it.
#[derive(Debug)]
pub struct Layer {
    /// This site, or an identity provider's name.
    pub name: String,
    /// How to mark it.
    pub tone: Tone,
    /// What happened, in a sentence.
    pub what: &'static str,
}

/// How a line is marked, besides its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Ended.
    Good,
    /// Not yet known.
    Wait,
    /// Not ended, or not known to be.
    Warn,
    /// Not ended, as the person chose.
    Plain,
}

impl Tone {
    /// The class in the stylesheet.
    #[must_use]
    pub const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Wait => "wait",
            Self::Warn => "warn",
            Self::Plain => "plain",
        }
    }
}

/// Something to tell: a refusal, or an end without a next step of its own.
#[derive(Debug, Default, Template)]
#[template(path = "notice.html")]
pub struct Notice {
    /// What it is about.
    pub heading: String,
    /// What happened and what to do.
    pub paragraphs: Vec<String>,
    /// Where to go from here.
    pub links: Vec<Link>,
    /// The rule that decided, for the administrator.
    pub rule: Option<String>,
    /// What to search the log for.
    pub incident: Option<String>,
}

/// Something to click.
#[derive(Debug)]
pub struct Link {
    /// Where to.
    pub href: String,
    /// What it says.
    pub text: &'static str,
}

impl Link {
    /// To where somebody wanted to go, checked.
    #[must_use]
    pub fn go_on(target: &str) -> Self {
        Self { href: target.to_owned(), text: "Continue" }
    }

    /// Our first page.
    #[must_use]
    pub fn home() -> Self {
        Self { href: String::from("/"), text: "To the start page" }
    }

    /// A fresh sign-in.
    #[must_use]
    pub fn sign_in() -> Self {
        Self { href: String::from("/saml/login"), text: "Sign in" }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    const EVIL: &str = r#""><script>alert('x')</script>&amp;"#;

    fn assert_inert(html: &str) {
        assert!(!html.contains("<script>"), "{html}");
        assert!(html.contains("&#34;&#62;&#60;script&#62;"), "the text is still there, escaped: {html}");
    }

    #[test]
    fn bind_14_relay_state_and_message_are_inert_in_the_form() {
        let page = Post {
            action: "https://idp.example/slo".into(),
            host: EVIL.into(),
            parameter: "SAMLResponse",
            message: "PHg+".into(),
            relay_state: Some(EVIL.into()),
            nonce: "n0nce".into(),
        };
        let html = page.render().unwrap();
        assert_inert(&html);
        assert!(
            html.contains(r#"<form id="saml" method="post" action="https://idp.example/slo">"#),
            "{html}"
        );
        assert!(html.contains(r#"name="SAMLResponse""#), "{html}");
        assert!(html.contains(r#"<button class="button" type="submit">"#), "works without scripts");
        assert!(html.contains(r#"<script nonce="n0nce">"#), "{html}");
    }

    #[test]
    fn bind_19_no_relay_state_in_means_no_field_out_and_an_empty_one_stays() {
        let page = |relay_state: Option<&str>| {
            let page = Post {
                action: "https://idp.example/slo".into(),
                host: "idp.example".into(),
                parameter: "SAMLRequest",
                message: "PHg+".into(),
                relay_state: relay_state.map(Into::into),
                nonce: "n".into(),
            };
            page.render().unwrap()
        };
        assert!(!page(None).contains("RelayState"));
        assert!(page(Some("")).contains(r#"name="RelayState" value="""#));
    }

    #[test]
    fn f_31_names_from_an_identity_provider_are_inert() {
        let choose = Choose {
            choices: vec![Choice { href: "/saml/login?idp=a".into(), name: EVIL.into(), slug: EVIL.into() }],
        };
        assert_inert(&choose.render().unwrap());
        let home = Home {
            sign_ins: Some(vec![SignIn { idp: EVIL.into(), name_id: EVIL.into() }]),
            expires: "soon".into(),
        };
        assert_inert(&home.render().unwrap());
    }

    #[test]
    fn slo_55_what_an_identity_provider_is_called_in_a_result_is_inert() {
        let result = LogoutResult {
            heading: "h",
            summary: "s",
            layers: vec![Layer { name: EVIL.into(), tone: Tone::Warn, what: "w" }],
            finished: true,
            return_to: Some(EVIL.into()),
            sign_in_again: None,
        };
        assert_inert(&result.render().unwrap());
        let notice = Notice { heading: EVIL.into(), paragraphs: vec![EVIL.into()], ..Notice::default() };
        assert_inert(&notice.render().unwrap());
    }

    #[test]
    fn a_wanted_return_target_is_inert_in_the_question() {
        let question = LogoutQuestion { csrf: "token".into(), carried: vec![("return_to", EVIL.into())] };
        assert_inert(&question.render().unwrap());
    }

    #[test]
    fn an_unfinished_result_looks_again_without_scripts_and_a_finished_one_does_not() {
        let result = |finished| LogoutResult {
            heading: "h",
            summary: "s",
            layers: vec![],
            finished,
            return_to: None,
            sign_in_again: None,
        };
        assert!(result(false).render().unwrap().contains(r#"http-equiv="refresh""#));
        assert!(!result(true).render().unwrap().contains("refresh"));
    }
}
