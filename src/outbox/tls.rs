//! TLS towards others: what the clients of a process have in common.

use std::sync::OnceLock;

use native_tls::{Protocol, TlsConnector};
use reqwest::ClientBuilder;

/// Gives the client the one connector of the process: TLS 1.2 or later, and the machine's certificate
/// authorities, which are read once and not for each client. They are a few megabytes of memory
/// and tens of milliseconds.
pub fn shared(client: ClientBuilder) -> ClientBuilder {
    static CONNECTOR: OnceLock<Option<TlsConnector>> = OnceLock::new();
    let connector = CONNECTOR
        .get_or_init(|| TlsConnector::builder().min_protocol_version(Some(Protocol::Tlsv12)).build().ok());
    match connector {
        Some(connector) => client.tls_backend_preconfigured(connector.clone()),
        // It will say itself what is wrong.
        None => client,
    }
}
