//! The host of a URL becomes an address, and only one that the guard lets pass.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::outbox::guard::{Forbidden, Guard};

/// Resolves hosts for a client: its connection goes to one of exactly the addresses that were judged.
///
/// A host that is an address is not resolved: [`Guard::url`] judges that before.
#[derive(Debug, Clone)]
pub struct Resolver(Arc<Guard>);

/// Why a host was not resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotResolved {
    /// It has only addresses that may not be used.
    #[error("{0}")]
    Forbidden(Forbidden),
    /// It has none.
    #[error("the host has no address")]
    NoAddress,
}

impl Resolver {
    /// Lets pass what this guard lets pass.
    #[must_use]
    pub const fn new(guard: Arc<Guard>) -> Self {
        Self(guard)
    }
}

impl NotResolved {
    /// What of it is behind a request that failed.
    #[must_use]
    pub fn of(error: &reqwest::Error) -> Option<Self> {
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            if let Some(resolved) = cause.downcast_ref() {
                return Some(*resolved);
            }
            source = cause.source();
        }
        None
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = Arc::clone(&self.0);
        Box::pin(async move {
            let found =
                tokio::net::lookup_host((name.as_str(), 0)).await.map_err(|_| NotResolved::NoAddress)?;
            Ok(Box::new(passed(&guard, found)?.into_iter()) as Addrs)
        })
    }
}

fn passed(
    guard: &Guard,
    found: impl IntoIterator<Item = SocketAddr>,
) -> Result<Vec<SocketAddr>, NotResolved> {
    let mut forbidden = None;
    let mut passed = Vec::new();
    for address in found {
        match guard.address(address.ip()) {
            Ok(()) => passed.push(address),
            Err(why) => forbidden = Some(why),
        }
    }
    if passed.is_empty() {
        return Err(forbidden.map_or(NotResolved::NoAddress, NotResolved::Forbidden));
    }
    Ok(passed)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn judged(allow: &[&str], found: &[&str]) -> Result<Vec<String>, NotResolved> {
        let guard = Guard::new(allow.iter().map(|network| network.parse().unwrap()).collect(), false);
        let found = found.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 0));
        passed(&guard, found).map(|passed| passed.iter().map(|address| address.ip().to_string()).collect())
    }

    #[test]
    fn of_the_addresses_of_a_host_only_those_are_used_that_may_be() {
        assert_eq!(judged(&[], &["10.0.0.1", "93.184.216.34", "127.0.0.1"]).unwrap(), ["93.184.216.34"]);
        assert_eq!(judged(&["10.0.0.0/8"], &["10.0.0.1", "fd00::1"]).unwrap(), ["10.0.0.1"]);
        assert_eq!(judged(&[], &["10.0.0.1"]), Err(NotResolved::Forbidden(Forbidden::Private)));
        assert_eq!(judged(&["::/0"], &["169.254.169.254"]), Err(NotResolved::Forbidden(Forbidden::Never)));
        assert_eq!(judged(&[], &["::1"]), Err(NotResolved::Forbidden(Forbidden::Loopback)));
        assert_eq!(judged(&[], &[]), Err(NotResolved::NoAddress));
    }
}
