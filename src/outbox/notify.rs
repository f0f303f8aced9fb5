//! One notification out, the receiver's verdict back: bounded in time and size, never redirected, never
//! through a proxy, and only to addresses that the guard lets pass.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use reqwest::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use tokio::time::Instant;

use crate::logout::hearing::Form;
use crate::outbox::guard::{Forbidden, Guard};
use crate::outbox::resolver::{NotResolved, Resolver};
use crate::outbox::tls;

/// A connection that fails as soon as this is tried once more.
const AT_ONCE: Duration = Duration::from_millis(300);
/// How long one exchange may take.
pub const EXCHANGE: Duration = Duration::from_secs(5);
/// How much of an answer is read: its status is what counts.
const LARGEST: usize = 8 * 1024;
/// How long a connection is kept for the next notification.
const KEEP: Duration = Duration::from_secs(30);

/// What is sent: made by one of the forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// `Content-Type`.
    pub content_type: &'static str,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

/// Why a notification is not acknowledged.
#[derive(Debug, thiserror::Error)]
pub enum Unacknowledged {
    /// The URL or the address of its host may not be used.
    #[error("not sent: {0}")]
    Forbidden(#[from] Forbidden),
    /// The host has no address.
    #[error("not sent: its host has no address")]
    NoAddress,
    /// There was no connection, and why, as far as the machine says it.
    #[error("no connection{}", .0.map(|kind| format!(" ({kind})")).unwrap_or_default())]
    NoConnection(Option<ErrorKind>),
    /// No answer came in time, or none that is one.
    #[error("no answer")]
    NoAnswer,
    /// It was to be fetched elsewhere.
    #[error("it answered with a redirect (HTTP {0}), which is not followed")]
    Redirected(u16),
    /// It looked at the notification and did not take it.
    #[error("it refused the notification (HTTP {status}{})", code.as_deref().map(|code| format!(", {code}")).unwrap_or_default())]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The error code of the answer, if it has one.
        code: Option<String>,
    },
    /// It could not take it now.
    #[error("it answered with HTTP {0}")]
    Status(u16),
}

impl Unacknowledged {
    /// The status that was answered.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Redirected(status) | Self::Refused { status, .. } | Self::Status(status) => Some(*status),
            _ => None,
        }
    }

    /// Whether it is about this one notification, and says nothing about the next.
    #[must_use]
    pub const fn is_about_the_notice(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}

/// Sends notifications. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct Notifier {
    client: Client,
    guard: Arc<Guard>,
}

impl Notifier {
    /// `most_idle`: how many connections to one host are kept between notifications.
    ///
    /// # Errors
    /// What the TLS library says.
    pub fn new(guard: Guard, most_idle: usize) -> Result<Self, reqwest::Error> {
        let guard = Arc::new(guard);
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let client = tls::shared(Client::builder())
            .user_agent(concat!("signoff/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .dns_resolver(Arc::new(Resolver::new(Arc::clone(&guard))))
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(Duration::from_secs(2))
            .timeout(EXCHANGE)
            .pool_idle_timeout(KEEP)
            .pool_max_idle_per_host(most_idle)
            .tcp_nodelay(true)
            .build()?;
        Ok(Self { client, guard })
    }

    /// Judges a URL as far as that is possible now: as it is written, and by what its host resolves to
    /// at this moment. A host without an address passes: it may get one.
    ///
    /// # Errors
    /// [`Forbidden`].
    pub async fn check(&self, url: &str) -> Result<(), Forbidden> {
        let url = self.guard.url(url)?;
        let Some(url::Host::Domain(host)) = url.host() else { return Ok(()) };
        let lookup = tokio::net::lookup_host((host, 0));
        let Ok(Ok(addresses)) = tokio::time::timeout(Duration::from_secs(2), lookup).await else {
            return Ok(());
        };
        let mut first = None;
        for address in addresses {
            match self.guard.address(address.ip()) {
                Ok(()) => return Ok(()),
                Err(forbidden) => first = first.or(Some(forbidden)),
            }
        }
        first.map_or(Ok(()), Err)
    }

    /// Sends one notification. Gives the status of an acknowledgement.
    ///
    /// # Errors
    /// [`Unacknowledged`].
    pub async fn send(&self, form: Form, url: &str, notice: Notice) -> Result<u16, Unacknowledged> {
        // A host that is an address is not resolved, so the resolver does not see it.
        let url = self.guard.url(url)?;
        let mut request = self.client.post(url).header(CONTENT_TYPE, notice.content_type).body(notice.body);
        for (name, value) in notice.headers {
            request = request.header(name, value);
        }
        let (again, began) = (request.try_clone(), Instant::now());
        let response = match (request.send().await, again) {
            // Nothing has left yet, so nothing can arrive twice; and somebody may be waiting.
            (Err(error), Some(again)) if error.is_connect() && began.elapsed() < AT_ONCE => {
                again.send().await
            }
            (response, _) => response,
        };
        let mut response = response.map_err(|error| not_sent(&error))?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        // A body that was read to its end leaves the connection good for the next notification.
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() > LARGEST {
                break;
            }
        }
        judge(form, status, &body)
    }
}

/// What a status means in a form.
fn judge(form: Form, status: u16, body: &[u8]) -> Result<u16, Unacknowledged> {
    let acknowledged = match form {
        // Back-Channel Logout 2.8: 200; some frameworks send 204 where there is no body.
        Form::LogoutToken => matches!(status, 200 | 204),
        // RFC 8935 2.2: 202.
        Form::Caep => matches!(status, 200 | 202),
        Form::Webhook | Form::Pull => (200..300).contains(&status),
    };
    match status {
        _ if acknowledged => Ok(status),
        300..400 => Err(Unacknowledged::Redirected(status)),
        // Back-Channel Logout 2.8 and RFC 8935 2.3: the token was not accepted.
        400 if form.is_token() => Err(Unacknowledged::Refused { status, code: error_code(body) }),
        _ => Err(Unacknowledged::Status(status)),
    }
}

/// The error code in a JSON answer (`error` of OAuth, `err` of RFC 8935), if it looks like one: nothing
/// else of what a stranger writes goes into our database.
fn error_code(body: &[u8]) -> Option<String> {
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    let code = answer.get("error").or_else(|| answer.get("err"))?.as_str()?;
    let plain = code.len() <= 64 && code.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'_');
    plain.then(|| code.to_owned())
}

fn not_sent(error: &reqwest::Error) -> Unacknowledged {
    match NotResolved::of(error) {
        Some(NotResolved::Forbidden(forbidden)) => Unacknowledged::Forbidden(forbidden),
        Some(NotResolved::NoAddress) => Unacknowledged::NoAddress,
        None if error.is_connect() => Unacknowledged::NoConnection(kind(error)),
        None => Unacknowledged::NoAnswer,
    }
}

/// What the machine says of a connection that was not made.
fn kind(error: &reqwest::Error) -> Option<ErrorKind> {
    if error.is_timeout() {
        return Some(ErrorKind::TimedOut);
    }
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(error) = cause.downcast_ref::<std::io::Error>() {
            return Some(error.kind());
        }
        source = cause.source();
    }
    None
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn each_form_has_its_own_acknowledgement_and_a_redirect_is_none() {
        for (form, good, bad) in [
            (Form::LogoutToken, &[200_u16, 204][..], &[201_u16, 202, 301, 400, 500][..]),
            (Form::Caep, &[200, 202], &[204, 302, 400, 401, 503]),
            (Form::Webhook, &[200, 201, 202, 204], &[301, 308, 400, 410, 500]),
        ] {
            for status in good {
                assert_eq!(judge(form, *status, b"").ok(), Some(*status), "{form:?}");
            }
            for status in bad {
                assert!(judge(form, *status, b"").is_err(), "{form:?} {status}");
            }
        }
    }

    #[test]
    fn only_a_code_of_an_answer_is_remembered() {
        assert_eq!(error_code(br#"{"error":"invalid_request"}"#).as_deref(), Some("invalid_request"));
        assert_eq!(error_code(br#"{"err":"jwtAud","description":"x"}"#).as_deref(), Some("jwtAud"));
        for body in [&b"oops"[..], b"{}", br#"{"error":"a b"}"#, br#"{"error":{"a":1}}"#, b"\xff"] {
            assert_eq!(error_code(body), None);
        }
    }

    #[test]
    fn what_is_about_one_notification_says_nothing_about_the_application() {
        let refused = Unacknowledged::Refused { status: 400, code: None };
        assert!(refused.is_about_the_notice());
        for other in [Unacknowledged::Status(500), Unacknowledged::NoAnswer, Unacknowledged::Redirected(302)]
        {
            assert!(!other.is_about_the_notice());
        }
    }

    #[tokio::test]
    async fn why_there_was_no_connection_is_told() {
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", nobody.local_addr().unwrap());
        drop(nobody);
        let notifier = Notifier::new(Guard::new(Vec::new(), true), 1).unwrap();
        let notice = Notice { content_type: "text/plain", headers: Vec::new(), body: String::new() };
        let failed = notifier.send(Form::Webhook, &url, notice).await.unwrap_err();
        assert_eq!(failed.to_string(), "no connection (connection refused)");
    }
}
