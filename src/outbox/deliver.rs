//! One SOAP message out, its answer back: bounded in time and size, never redirected, never through
//! a proxy. What the answer is worth is not decided here.

use std::time::Duration;

use reqwest::Client;
use reqwest::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue, PRAGMA};
use reqwest::redirect::Policy;

use crate::outbox::tls;
use crate::saml::names::Location;

/// The largest answer that is read (VAL-01).
const LARGEST: usize = 128 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// There was no connection: the message cannot have arrived.
    #[error("no connection to the identity provider")]
    NoConnection(#[source] reqwest::Error),
    /// It may have arrived, but no whole answer came back.
    #[error("the identity provider did not answer properly")]
    NoAnswer(#[source] reqwest::Error),
    /// Another status than 200 came back.
    #[error("the identity provider answered with HTTP {0}")]
    Status(u16),
    /// The answer is larger than the limit.
    #[error("the identity provider's answer is too large")]
    TooLarge,
}

impl DeliveryError {
    /// Whether the message may have arrived.
    #[must_use]
    pub const fn may_have_arrived(&self) -> bool {
        !matches!(self, Self::NoConnection(_))
    }
}

/// A client for SOAP: 2 seconds to connect, 5 in all (SLO-52).
///
/// # Errors
/// What the TLS library says.
pub fn client() -> Result<Client, reqwest::Error> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/xml; charset=utf-8"));
    // Bindings 3.2.3.2 (BIND-30).
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    headers
        .insert("SOAPAction", HeaderValue::from_static("\"http://www.oasis-open.org/committees/security\""));
    tls::shared(Client::builder())
        .default_headers(headers)
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(Duration::from_secs(2))
        .timeout(Duration::from_secs(5))
        .build()
}

/// Sends an envelope to an endpoint out of an administrator's metadata and gives the octets that
/// come back.
///
/// # Errors
/// [`DeliveryError`].
pub async fn post(client: &Client, to: &Location, envelope: String) -> Result<Vec<u8>, DeliveryError> {
    let sent = client.post(to.as_str()).body(envelope).send().await;
    let mut response = sent.map_err(|error| {
        if error.is_connect() { DeliveryError::NoConnection(error) } else { DeliveryError::NoAnswer(error) }
    })?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(DeliveryError::Status(response.status().as_u16()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(DeliveryError::NoAnswer)? {
        if body.len() + chunk.len() > LARGEST {
            return Err(DeliveryError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
