//! Requests to OpenID providers: bounded in time and size, never redirected, never through a proxy.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response};
use url::{Url, form_urlencoded};

use crate::outbox::tls;

/// The largest answer that is read.
const LARGEST: usize = 256 * 1024;

/// Why a provider could not be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutboundFault {
    /// There was no connection, or no whole answer in time.
    #[error("it cannot be reached: {}", chain(.0))]
    Unreachable(#[from] reqwest::Error),
    /// Another status than 200 came back.
    #[error("it answered with HTTP {0}")]
    Status(u16),
    /// The answer is larger than the limit.
    #[error("its answer is too large")]
    TooLarge,
    /// A secret or token cannot stand in a header, or an address cannot be made of the settings.
    #[error("what proves us to it cannot stand in a request")]
    Header,
    /// The token endpoint gave none.
    #[error("it gave us no access token")]
    NoToken,
}

/// A client for providers: 2 seconds to connect, 5 in all.
///
/// # Errors
/// What the TLS library says.
pub(crate) fn client() -> Result<Client, reqwest::Error> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    tls::shared(Client::builder())
        .default_headers(headers)
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(Duration::from_secs(2))
        .timeout(Duration::from_secs(5))
        .build()
}

/// Reads a document.
pub(super) async fn get(client: &Client, url: Url) -> Result<Vec<u8>, OutboundFault> {
    let response = client.get(url).send().await?;
    whole(response).await
}

/// Sends a form; `basic` is the user name and password that go into the header (RFC 6749 2.3.1).
pub(super) async fn post(
    client: &Client,
    url: Url,
    fields: &[(&str, &str)],
    basic: Option<(&str, &str)>,
) -> Result<Vec<u8>, OutboundFault> {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let mut request = client.post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
    if let Some((user, password)) = basic {
        request = request.header(AUTHORIZATION, basic_authorization(user, password)?);
    }
    whole(request.send().await?).await
}

/// An answer of which only the head matters.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<String>,
    pub(super) reset: Option<String>,
}

/// A request with an access token and without a body.
pub(super) async fn call(
    client: &Client,
    method: Method,
    url: Url,
    token: &str,
) -> Result<Answer, OutboundFault> {
    let mut bearer = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| OutboundFault::Header)?;
    bearer.set_sensitive(true);
    let mut request = client.request(method.clone(), url).header(AUTHORIZATION, bearer);
    if method == Method::POST {
        request = request.header(CONTENT_LENGTH, 0);
    }
    let response = request.send().await?;
    let header = |name: &str| {
        response.headers().get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned)
    };
    Ok(Answer {
        status: response.status().as_u16(),
        retry_after: header("retry-after"),
        reset: header("x-ratelimit-reset"),
    })
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
