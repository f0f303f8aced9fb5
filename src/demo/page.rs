//! The demonstration's own pages, apart from the product's: plain, and recognisable as the demo.

use askama::Template;

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"><title>{{ title }}</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 3rem auto; padding: 0 1rem; color: #1c2430; background: #f4f1ea }
main { background: #fff; border: 1px solid #ddd5c5; border-radius: .6rem; padding: 1.5rem 1.75rem }
small { color: #7a6f5c; letter-spacing: .04em; text-transform: uppercase }
h1 { font-size: 1.35rem; margin: .25rem 0 .75rem }
form { display: inline } button, a.button { font: inherit; display: inline-block; margin: .25rem .35rem .25rem 0; padding: .4rem .9rem;
  border-radius: .4rem; border: 1px solid #8a6d3b; background: #fff; color: #5d4722; text-decoration: none; cursor: pointer }
button:hover, a.button:hover { background: #f7efe0 }
</style></head><body><main><small>{{ kind }}</small><h1>{{ title }}</h1>
{% if !text.is_empty() %}<p>{{ text }}</p>{% endif %}
{% for form in forms %}<form method="post" action="{{ form.action }}"{% if form.automatic %} id="carry"{% endif %}>
{% for (name, value) in form.fields %}<input type="hidden" name="{{ name }}" value="{{ value }}">{% endfor %}
<button type="submit">{{ form.label }}</button></form>
{% endfor %}
{% for (href, label) in links %}<a class="button" href="{{ href }}">{{ label }}</a>
{% endfor %}
</main>{% if automatic %}<script>document.getElementById("carry").submit()</script>{% endif %}</body></html>
"#
)]
struct Page<'a> {
    kind: &'a str,
    title: &'a str,
    text: &'a str,
    forms: Vec<Form<'a>>,
    links: Vec<(&'a str, &'a str)>,
    automatic: bool,
}

struct Form<'a> {
    action: &'a str,
    label: &'a str,
    fields: Vec<(&'a str, &'a str)>,
    automatic: bool,
}

impl Page<'_> {
    fn html(&self) -> String {
        self.render().unwrap_or_default()
    }
}

/// A page that only says something.
pub fn notice(title: &str, text: &str, links: &[(&str, &str)]) -> String {
    let links = links.to_vec();
    Page { kind: "Identity provider", title, text, forms: Vec::new(), links, automatic: false }.html()
}

/// The identity provider's sign-in form, which asks for no password.
pub fn sign_in(waiting: &str) -> String {
    let form = |person, label| Form {
        action: "/sign-in",
        label,
        fields: vec![("waiting", waiting), ("person", person)],
        automatic: false,
    };
    Page {
        kind: "Identity provider",
        title: "Who are you?",
        text: "This is the demonstration's identity provider. It takes your word for it.",
        forms: vec![form("alice", "I am Alice"), form("bob", "I am Bob")],
        links: Vec::new(),
        automatic: false,
    }
    .html()
}

/// The identity provider's home page, with a sign-out by each binding.
pub fn identity_provider(person: Option<&str>, base: &str) -> String {
    let Some(person) = person else {
        let text = format!("Nobody is signed in at {base}.");
        return notice("Demo IdP", &text, &[]);
    };
    let form = |via, label| Form { action: "/sign-out", label, fields: vec![("via", via)], automatic: false };
    Page {
        kind: "Identity provider",
        title: "Demo IdP",
        text: &format!("{person} is signed in here. Signing out here sends Signoff a signed LogoutRequest."),
        forms: vec![
            form("redirect", "Sign out by Redirect"),
            form("post", "Sign out by POST"),
            form("soap", "Sign out by SOAP"),
        ],
        links: Vec::new(),
        automatic: false,
    }
    .html()
}

/// A form that carries a message over the POST binding and submits itself.
pub fn carry(action: &str, parameter: &str, message: &str, relay_state: Option<&str>) -> String {
    let mut fields = vec![(parameter, message)];
    fields.extend(relay_state.map(|relay_state| ("RelayState", relay_state)));
    Page {
        kind: "Identity provider",
        title: "One moment …",
        text: "",
        forms: vec![Form { action, label: "Continue", fields, automatic: true }],
        links: Vec::new(),
        automatic: true,
    }
    .html()
}

/// What a demonstration application's only page says.
pub struct ApplicationPage<'a> {
    /// The application's name.
    pub name: &'a str,
    /// Who has a session there.
    pub person: Option<&'a str>,
    /// How it hears of the end.
    pub told_by: &'a str,
    /// How many ends it has heard of.
    pub told: usize,
    /// Where to sign in.
    pub sign_in: &'a str,
    /// Where to sign in at the OpenID provider, if there is one.
    pub sign_in_there_too: Option<&'a str>,
    /// Where to sign out.
    pub sign_out: &'a str,
    /// The identity provider.
    pub idp: &'a str,
    /// The OpenID provider, if there is one.
    pub openid: Option<&'a str>,
}

/// A demonstration application's only page.
pub fn application(page: &ApplicationPage<'_>) -> String {
    let heard = format!("Told by {} so far: {} ended.", page.told_by, page.told);
    let there = |label| page.sign_in_there_too.map(|address| (address, label));
    let (text, mut links) = match page.person {
        Some(person) => (
            format!("Signed in as {person}, in a session of this application's own. {heard}"),
            vec![(page.sign_out, "Sign out"), (page.idp, "Go to the IdP")],
        ),
        None => (format!("You are not signed in. {heard}"), vec![(page.sign_in, "Sign in")]),
    };
    if page.person.is_some() {
        links.extend(there("Sign in at the OpenID provider, too"));
        links.extend(page.openid.map(|address| (address, "Go to the OpenID provider")));
    } else {
        links.extend(there("Sign in at the OpenID provider"));
    }
    Page { kind: "Application", title: page.name, text: &text, forms: Vec::new(), links, automatic: false }
        .html()
}
