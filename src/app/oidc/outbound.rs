//! Requests to OpenID providers: bounded in time and size, never redirected, never through a proxy, and
//! only to addresses that the guard lets pass, wherever a URL comes from: the settings or what a provider
//! says of itself.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response};
use url::{Url, form_urlencoded};

use crate::outbox::guard::{Forbidden, Guard};
use crate::outbox::resolver::{NotResolved, Resolver};
use crate::outbox::tls;

/// The largest answer that is read.
const LARGEST: usize = 256 * 1024;

/// Why a provider could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutboundFault {
    /// The URL or the address of its host may not be used.
    #[error("not asked: {0}")]
    Forbidden(#[from] Forbidden),
    /// The host has no address.
    #[error("not asked: its host has no address")]
    NoAddress,
    /// There was no connection, or no whole answer in time.
    #[error("it cannot be reached: {}", chain(.0))]
    Unreachable(#[source] reqwest::Error),
    /// Another status than 200 came back.
    #[error("it answered with HTTP {0}")]
    Status(u16),
    /// The answer is larger than the limit.
    #[error("its answer is too large")]
    TooLarge,
    /// A secret or token cannot stand in a header, or an address cannot be made of the settings.
    #[error("what proves us to it cannot stand in a request")]
    Header,
    /// It wants us to come again, and has said when.
    #[error("it wants us to come again in {} s", .0.num_seconds())]
    NotNow(TimeDelta),
    /// The token endpoint gave none.
    #[error("it gave us no access token")]
    NoToken,
}

/// Asks providers. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    client: Client,
    guard: Arc<Guard>,
}

impl Asker {
    /// 2 seconds to connect, 5 in all.
    ///
    /// # Errors
    /// What the TLS library says.
    pub(crate) fn new(guard: Guard) -> Result<Self, reqwest::Error> {
        let guard = Arc::new(guard);
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let client = tls::shared(Client::builder())
            .default_headers(headers)
            .dns_resolver(Arc::new(Resolver::new(Arc::clone(&guard))))
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(2))
            .timeout(Duration::from_secs(5))
            .build()?;
        Ok(Self { client, guard })
    }

    /// A request to a URL that is judged first: a host that is an address is not resolved, so the
    /// resolver does not see it.
    fn request(&self, method: Method, url: &Url) -> Result<RequestBuilder, OutboundFault> {
        let url = self.guard.url(url.as_str())?;
        Ok(self.client.request(method, url))
    }
}

impl From<reqwest::Error> for OutboundFault {
    fn from(error: reqwest::Error) -> Self {
        match NotResolved::of(&error) {
            Some(NotResolved::Forbidden(forbidden)) => Self::Forbidden(forbidden),
            Some(NotResolved::NoAddress) => Self::NoAddress,
            None => Self::Unreachable(error),
        }
    }
}

/// Reads a document.
pub(super) async fn get(asker: &Asker, url: Url) -> Result<Vec<u8>, OutboundFault> {
    let response = asker.request(Method::GET, &url)?.send().await?;
    whole(response).await
}

/// Sends a form; `basic` is the user name and password that go into the header (RFC 6749 2.3.1).
pub(super) async fn post(
    asker: &Asker,
    url: Url,
    fields: &[(&str, &str)],
    basic: Option<(&str, &str)>,
) -> Result<Vec<u8>, OutboundFault> {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = asker.request(Method::POST, &url)?;
    let mut request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
    if let Some((user, password)) = basic {
        request = request.header(AUTHORIZATION, basic_authorization(user, password)?);
    }
    whole(request.send().await?).await
}

/// An answer, whatever its status; the body only of a good one.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    pub(super) retry_after: Option<String>,
    pub(super) reset: Option<String>,
}

/// A request with an access token; a POST has an empty object for a body.
pub(super) async fn call(
    asker: &Asker,
    method: Method,
    url: Url,
    token: &str,
) -> Result<Answer, OutboundFault> {
    let mut bearer = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| OutboundFault::Header)?;
    bearer.set_sensitive(true);
    let mut request = asker.request(method.clone(), &url)?.header(AUTHORIZATION, bearer);
    if method == Method::POST {
        request = request.header(CONTENT_TYPE, "application/json").body("{}");
    }
    answered(request.send().await?).await
}

/// Sends a form, and takes whatever comes back.
pub(super) async fn submit(
    asker: &Asker,
    url: Url,
    fields: &[(&str, &str)],
) -> Result<Answer, OutboundFault> {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = asker.request(Method::POST, &url)?;
    let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
    answered(request.send().await?).await
}

async fn answered(response: Response) -> Result<Answer, OutboundFault> {
    let header = |name: &str| {
        response.headers().get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned)
    };
    let (retry_after, reset) = (header("retry-after"), header("x-ratelimit-reset"));
    let status = response.status().as_u16();
    let body = if status == 200 { whole(response).await? } else { Vec::new() };
    Ok(Answer { status, body, retry_after, reset })
}

fn basic_authorization(user: &str, password: &str) -> Result<HeaderValue, OutboundFault> {
    use base64::Engine as _;
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(user), encoded(password));
    let value = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
    let mut value = HeaderValue::try_from(value).map_err(|_| OutboundFault::Header)?;
    value.set_sensitive(true);
    Ok(value)
}

async fn whole(mut response: Response) -> Result<Vec<u8>, OutboundFault> {
    if response.status() != reqwest::StatusCode::OK {
        return Err(OutboundFault::Status(response.status().as_u16()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > LARGEST {
            return Err(OutboundFault::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The innermost cause says what the person at the log needs: refused, no such host, certificate. No
/// URL is told, because one may hold a code.
fn chain(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if std::ptr::addr_eq(cause, error) && !error.is_timeout() {
        return String::from("the request failed");
    }
    if error.is_timeout() { String::from("no answer in time") } else { cause.to_string() }
}
