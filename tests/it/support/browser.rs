//! A person's browser: cookies by the rules of SameSite, forms, and no redirect followed unasked.

use std::collections::BTreeMap;
use std::sync::Mutex;

use super::dsig::{Hex, percent};
use super::http::{HttpReply, send};
use super::xml::unescape;

/// A cookie with the attributes it was set with.
#[derive(Debug, Clone)]
pub struct Cookie {
    pub value: String,
    /// Everything after the first `;`, in lower case.
    pub attributes: Vec<String>,
}

impl Cookie {
    pub fn has(&self, attribute: &str) -> bool {
        self.attributes.iter().any(|own| own == attribute)
    }
}

/// Where a navigation comes from, which decides about cookies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// A link or form of our own pages, or the address bar.
    Here,
    /// A page of another site: a POST carries no cookie with SameSite=Lax.
    Elsewhere,
}

/// One browser with its cookies.
pub struct Browser {
    authority: String,
    cookies: Mutex<BTreeMap<String, Cookie>>,
}

impl Browser {
    pub fn new(authority: &str) -> Self {
        Self { authority: authority.to_owned(), cookies: Mutex::default() }
    }

    /// The same cookies against another node of the service.
    pub fn at(&self, authority: &str) -> Self {
        Self { authority: authority.to_owned(), cookies: Mutex::new(self.cookies.lock().unwrap().clone()) }
    }

    pub fn cookie(&self, name: &str) -> Option<Cookie> {
        self.cookies.lock().unwrap().get(name).cloned()
    }

    pub fn plant(&self, name: &str, value: &str) {
        let cookie = Cookie { value: value.to_owned(), attributes: Vec::new() };
        self.cookies.lock().unwrap().insert(name.to_owned(), cookie);
    }

    pub async fn get(&self, target: &str) -> HttpReply {
        self.request("GET", target, &[], None, From::Here).await
    }

    /// Follows a link on another site, or a redirect that came from there.
    pub async fn get_from_elsewhere(&self, target: &str) -> HttpReply {
        self.request("GET", target, &[], None, From::Elsewhere).await
    }

    /// Submits a form of our own pages.
    pub async fn submit(&self, target: &str, fields: &[(&str, &str)]) -> HttpReply {
        self.post_form(target, fields, From::Here).await
    }

    /// Submits a form that another site made, as an identity provider does.
    pub async fn submit_from_elsewhere(&self, target: &str, fields: &[(&str, &str)]) -> HttpReply {
        self.post_form(target, fields, From::Elsewhere).await
    }

    async fn post_form(&self, target: &str, fields: &[(&str, &str)], from: From) -> HttpReply {
        let body = form_body(fields);
        let kind = [("Content-Type", "application/x-www-form-urlencoded")];
        self.request("POST", target, &kind, Some(body.as_bytes()), from).await
    }

    /// Any request; the target is a path or an absolute URL of this service.
    pub async fn request(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
        from: From,
    ) -> HttpReply {
        let cross_post = from == From::Elsewhere && method != "GET";
        let cookies = {
            let jar = self.cookies.lock().unwrap();
            let sent = jar.iter().filter(|(_, cookie)| {
                !(cookie.has("samesite=strict") || cross_post && cookie.has("samesite=lax"))
            });
            sent.map(|(name, cookie)| format!("{name}={}", cookie.value)).collect::<Vec<_>>().join("; ")
        };
        let mut headers = headers.to_vec();
        if !cookies.is_empty() && !headers.iter().any(|(name, _)| *name == "Cookie") {
            headers.push(("Cookie", &cookies));
        }
        let reply = send(&self.authority, method, path_of(target), &headers, body).await;
        for line in reply.headers_named("set-cookie") {
            self.store(line);
        }
        reply
    }

    fn store(&self, line: &str) {
        let mut parts = line.split(';').map(str::trim);
        let (name, value) = parts.next().unwrap().split_once('=').unwrap();
        let attributes: Vec<_> = parts.map(str::to_ascii_lowercase).collect();
        let gone = value.is_empty() || attributes.iter().any(|a| a == "max-age=0");
        let mut jar = self.cookies.lock().unwrap();
        if gone {
            jar.remove(name);
        } else {
            jar.insert(name.to_owned(), Cookie { value: value.to_owned(), attributes });
        }
    }

    /// Whether `GET /session` says that this browser is signed in.
    pub async fn is_signed_in(&self) -> bool {
        let reply = self.get("/session").await;
        match reply.status {
            200 => true,
            401 => {
                assert_eq!(reply.json(), serde_json::json!({"active": false}));
                false
            }
            other => panic!("GET /session gave {other}: {}", reply.body),
        }
    }

    /// What `GET /session` tells a signed-in browser.
    pub async fn session(&self) -> serde_json::Value {
        let reply = self.get("/session").await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.json()
    }
}

/// The path and query of an absolute URL; a path stays what it is.
pub fn path_of(target: &str) -> &str {
    match target.split_once("://") {
        Some((scheme, rest)) if scheme.len() < 6 => rest.find('/').map_or("/", |at| &rest[at..]),
        _ => target,
    }
}

/// Fields as `application/x-www-form-urlencoded`.
pub fn form_body(fields: &[(&str, &str)]) -> String {
    let pairs: Vec<_> = fields
        .iter()
        .map(|(name, value)| format!("{}={}", percent(name, Hex::Upper), percent(value, Hex::Upper)))
        .collect();
    pairs.join("&")
}

/// A form as a browser sees it.
#[derive(Debug, Clone, Default)]
pub struct Form {
    pub action: String,
    pub method: String,
    pub fields: Vec<(String, String)>,
    pub buttons: Vec<(String, String)>,
}

impl Form {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The fields as pairs to submit, with some added.
    pub fn with<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let mut all: Vec<_> = self.fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        all.extend_from_slice(more);
        all
    }
}

/// The start tags of a page with their attributes, entities replaced.
pub fn tags(html: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut found = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        if !rest.starts_with(|c: char| c.is_ascii_alphabetic()) {
            continue;
        }
        let end = rest.find([' ', '\t', '\n', '\r', '/', '>']).unwrap_or(rest.len());
        let name = rest[..end].to_ascii_lowercase();
        rest = &rest[end..];
        let mut attributes = Vec::new();
        loop {
            rest = rest.trim_start_matches([' ', '\t', '\n', '\r', '/']);
            if rest.is_empty() || rest.starts_with('>') {
                break;
            }
            let end = rest.find([' ', '\t', '\n', '\r', '/', '>', '=']).unwrap_or(rest.len());
            let key = rest[..end].to_ascii_lowercase();
            rest = &rest[end..];
            let mut value = "";
            if let Some(after) = rest.strip_prefix('=') {
                let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
                if let Some(quote) = quote {
                    let end = after[1..].find(quote).map_or(after.len(), |at| at + 1);
                    value = &after[1..end];
                    rest = after.get(end + 1..).unwrap_or("");
                } else {
                    let end = after.find([' ', '\t', '\n', '\r', '>']).unwrap_or(after.len());
                    value = &after[..end];
                    rest = &after[end..];
                }
            }
            attributes.push((key, unescape(value).unwrap_or_else(|_| value.to_owned())));
        }
        found.push((name, attributes));
    }
    found
}

/// The forms of a page.
pub fn forms(html: &str) -> Vec<Form> {
    let mut found: Vec<Form> = Vec::new();
    for (name, attributes) in tags(html) {
        let attribute = |key: &str| {
            attributes.iter().find(|(own, _)| own == key).map(|(_, value)| value.clone()).unwrap_or_default()
        };
        match name.as_str() {
            "form" => found.push(Form {
                action: attribute("action"),
                method: attribute("method").to_ascii_lowercase(),
                ..Form::default()
            }),
            "input" if !attribute("name").is_empty() => {
                if let Some(form) = found.last_mut() {
                    form.fields.push((attribute("name"), attribute("value")));
                }
            }
            "button" => {
                if let Some(form) = found.last_mut() {
                    form.buttons.push((attribute("name"), attribute("value")));
                }
            }
            _ => {}
        }
    }
    found
}
