//! Where notifications may go: an application's URL is typed by somebody, and the host in it resolves
//! to whatever its owner likes.
//!
//! Every address is judged after it was resolved and before it is connected to, and the connection
//! goes to that very address. Addresses that carry an IPv4 address inside are judged by that as well.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use url::{Host, Url};

/// What may be reached.
#[derive(Debug, Clone)]
pub struct Guard {
    /// Networks beside the public ones (`outbound.allow`).
    allow: Vec<IpNet>,
    /// Whether we are ourselves reached at a loopback address, for trying things out.
    loopback: bool,
}

/// Why a URL or an address is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// Not a URL with a host.
    #[error("expected an absolute URL with a host")]
    NotUrl,
    /// Neither https, nor http where that is possible.
    #[error("expected https (http only while our own base URL is a loopback address)")]
    Scheme,
    /// A user name, password or fragment.
    #[error("expected a URL without user name, password and fragment")]
    Adorned,
    /// Link-local, a cloud's metadata service, multicast and so on.
    #[error("it leads to an address that is never used: link-local, cloud metadata, multicast or reserved")]
    Never,
    /// This machine.
    #[error("it leads to this machine, which is possible only while our own base URL is a loopback address")]
    Loopback,
    /// A private network that is not listed.
    #[error("it leads into a private network that outbound.allow does not list")]
    Private,
}

impl Guard {
    /// `loopback`: whether our own base URL is a loopback address.
    #[must_use]
    pub fn new(allow: Vec<IpNet>, loopback: bool) -> Self {
        Self { allow, loopback }
    }

    /// Reads a URL and judges what can be judged without resolving its host.
    ///
    /// # Errors
    /// [`Forbidden`].
    pub fn url(&self, text: &str) -> Result<Url, Forbidden> {
        let url = Url::parse(text).map_err(|_| Forbidden::NotUrl)?;
        let host = url.host().ok_or(Forbidden::NotUrl)?;
        match url.scheme() {
            "https" => {}
            "http" if self.loopback => {}
            _ => return Err(Forbidden::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(Forbidden::Adorned);
        }
        match host {
            Host::Ipv4(address) => self.address(address.into())?,
            Host::Ipv6(address) => self.address(address.into())?,
            Host::Domain(_) => {}
        }
        Ok(url)
    }

    /// Judges an address.
    ///
    /// # Errors
    /// [`Forbidden`].
    pub fn address(&self, address: IpAddr) -> Result<(), Forbidden> {
        match address {
            IpAddr::V4(address) => self.v4(address),
            IpAddr::V6(address) => self.v6(address),
        }
    }

    fn v4(&self, address: Ipv4Addr) -> Result<(), Forbidden> {
        if never_v4(address) {
            return Err(Forbidden::Never);
        }
        if address.is_loopback() {
            return if self.loopback { Ok(()) } else { Err(Forbidden::Loopback) };
        }
        if is_public_v4(address) || self.lists(address.into()) { Ok(()) } else { Err(Forbidden::Private) }
    }

    fn v6(&self, address: Ipv6Addr) -> Result<(), Forbidden> {
        if address == Ipv6Addr::LOCALHOST {
            return if self.loopback { Ok(()) } else { Err(Forbidden::Loopback) };
        }
        if let Some(inside) = address.to_ipv4_mapped() {
            // The same destination in another spelling.
            return self.v4(inside);
        }
        if never_v6(address) {
            return Err(Forbidden::Never);
        }
        if let Some(inside) = embedded(address) {
            self.v4(inside)?;
            // A loopback address behind a translator is somebody else's.
            if inside.is_loopback() {
                return Err(Forbidden::Never);
            }
        }
        if is_public_v6(address) || self.lists(address.into()) { Ok(()) } else { Err(Forbidden::Private) }
    }

    fn lists(&self, address: IpAddr) -> bool {
        self.allow.iter().any(|network| network.contains(&address))
    }
}

/// What no setting opens.
fn never_v4(address: Ipv4Addr) -> bool {
    // Metadata services outside the link-local range: Alibaba's, Oracle's, Azure's.
    const METADATA: [Ipv4Addr; 3] =
        [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192), Ipv4Addr::new(168, 63, 129, 16)];
    let [first, ..] = address.octets();
    // 0.0.0.0/8 is this machine in disguise; from 224 on: multicast, reserved, broadcast.
    first == 0 || first >= 224 || address.is_link_local() || METADATA.contains(&address)
}

fn never_v6(address: Ipv6Addr) -> bool {
    // The metadata service of AWS.
    const METADATA: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    let [first, second, ..] = address.segments();
    let teredo = first == 0x2001 && second == 0;
    address.is_unspecified()
        || address.is_multicast()
        || first & 0xffc0 == 0xfe80
        || address == METADATA
        // Its IPv4 address is behind a stranger's relay.
        || teredo
}

/// The IPv4 address that an IPv6 address is made of.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [head @ .., high, low] = address.segments();
    let from = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    match head {
        // IPv4-compatible (RFC 4291, 2.5.5.1), translated (RFC 2765), NAT64 (RFC 6052, RFC 8215).
        [0, 0, 0, 0, 0 | 0xffff, 0] | [0x64, 0xff9b, 0, 0, 0, 0] | [0x64, 0xff9b, 1, ..] => {
            Some(from(high, low))
        }
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => Some(from(high, low)),
        _ => None,
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let shared = a == 100 && b & 0xc0 == 64;
    let benchmark = a == 198 && b & 0xfe == 18;
    let protocol = (a, b, c) == (192, 0, 0) || (a, b, c) == (192, 88, 99);
    !(address.is_private() || address.is_documentation() || shared || benchmark || protocol)
}

/// Whether an address is of the range that is routed, or leads there through a translator.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let documentation = (a, b) == (0x2001, 0xdb8) || a == 0x3fff && b < 0x1000;
    let well_known_nat64 = address.segments().starts_with(&[0x64, 0xff9b, 0, 0, 0, 0]);
    (a & 0xe000 == 0x2000 && !documentation) || well_known_nat64
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    fn guard(allow: &[&str], loopback: bool) -> Guard {
        Guard::new(allow.iter().map(|network| network.parse().unwrap()).collect(), loopback)
    }

    fn judged(guard: &Guard, address: &str) -> Result<(), Forbidden> {
        guard.address(address.parse().unwrap())
    }

    #[test]
    fn public_addresses_are_reached() {
        for address in
            ["93.184.216.34", "100.128.0.1", "172.32.0.1", "2606:2800:220:1::1", "64:ff9b::5db8:d822"]
        {
            assert_eq!(judged(&guard(&[], false), address), Ok(()), "{address}");
        }
    }

    #[test]
    fn private_addresses_are_reached_only_as_listed() {
        for (address, network) in [
            ("10.1.2.3", "10.0.0.0/8"),
            ("172.16.0.1", "172.16.0.0/12"),
            ("192.168.1.1", "192.168.0.0/16"),
            ("100.64.0.1", "100.64.0.0/10"),
            ("198.18.0.1", "198.18.0.0/15"),
            ("192.0.2.1", "192.0.2.0/24"),
            ("fd12::1", "fd12::/16"),
            ("2001:db8::1", "2001:db8::/32"),
            ("fec0::1", "fec0::/10"),
        ] {
            assert_eq!(judged(&guard(&[], true), address), Err(Forbidden::Private), "{address}");
            assert_eq!(judged(&guard(&[network], false), address), Ok(()), "{address}");
            assert_eq!(
                judged(&guard(&["10.99.0.0/16"], true), address),
                Err(Forbidden::Private),
                "{address}"
            );
        }
    }

    #[test]
    fn link_local_and_cloud_metadata_are_never_reached_in_no_spelling() {
        let open = guard(&["0.0.0.0/0", "::/0"], true);
        for address in [
            "169.254.169.254",
            "169.254.170.2",
            "100.100.100.200",
            "192.0.0.192",
            "168.63.129.16",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "::",
            "fe80::1",
            "febf::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001::1",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "::ffff:0:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "64:ff9b::100.100.100.200",
            "64:ff9b:1::169.254.169.254",
            "2002:a9fe:a9fe::1",
            "64:ff9b::127.0.0.1",
            "2002:7f00:1::",
        ] {
            assert_eq!(judged(&open, address), Err(Forbidden::Never), "{address}");
        }
    }

    #[test]
    fn loopback_is_reached_only_from_a_loopback_base_url_whatever_is_listed() {
        for address in ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(
                judged(&guard(&["0.0.0.0/0", "::/0"], false), address),
                Err(Forbidden::Loopback),
                "{address}"
            );
            assert_eq!(judged(&guard(&[], true), address), Ok(()), "{address}");
        }
    }

    #[test]
    fn a_private_address_behind_a_translator_is_private() {
        let guard = guard(&[], true);
        for address in ["64:ff9b::10.0.0.1", "2002:a00:1::", "::10.0.0.1", "::ffff:192.168.0.1"] {
            assert_eq!(judged(&guard, address), Err(Forbidden::Private), "{address}");
        }
    }

    #[test]
    fn a_url_is_https_and_bare_and_its_literal_host_is_judged() {
        let strict = guard(&[], false);
        assert!(strict.url("https://app.example.com/logout?x=1").is_ok());
        for (text, why) in [
            ("http://app.example.com/", Forbidden::Scheme),
            ("ftp://app.example.com/", Forbidden::Scheme),
            ("javascript:alert(1)", Forbidden::NotUrl),
            ("app.example.com", Forbidden::NotUrl),
            ("https://user@app.example.com/", Forbidden::Adorned),
            ("https://:secret@app.example.com/", Forbidden::Adorned),
            ("https://app.example.com/#x", Forbidden::Adorned),
            ("https://169.254.169.254/latest/meta-data/", Forbidden::Never),
            // The URL standard reads all of these as 127.0.0.1 or 169.254.169.254.
            ("https://2852039166/", Forbidden::Never),
            ("https://0xa9.254.0xa9.0376/", Forbidden::Never),
            ("https://[::ffff:a9fe:a9fe]/", Forbidden::Never),
            ("https://127.1/", Forbidden::Loopback),
            ("https://[::1]/", Forbidden::Loopback),
            ("https://10.0.0.1/", Forbidden::Private),
        ] {
            assert_eq!(strict.url(text), Err(why), "{text}");
        }
        let loose = guard(&[], true);
        assert!(loose.url("http://127.0.0.1:3000/").is_ok());
        assert!(loose.url("http://localhost:3000/").is_ok());
        assert_eq!(loose.url("http://169.254.169.254/"), Err(Forbidden::Never));
    }
}
