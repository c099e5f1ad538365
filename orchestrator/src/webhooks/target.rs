//! Where webhooks may go: to public addresses, and to those that the settings allow. Decides, and asks nobody.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::LazyLock,
};

use ipnet::IpNet;
use reqwest::Url;

use crate::network::Network;

/// Longest URL that is kept, in bytes.
const LONGEST: usize = 2048;

/// IPv4 that is not for the public, by the IANA registry of special-purpose addresses (RFC 6890) and what came after it.
const CLOSED_V4: [&str; 15] = [
    "0.0.0.0/8",       // this network
    "10.0.0.0/8",      // private
    "100.64.0.0/10",   // shared behind a carrier's NAT
    "127.0.0.0/8",     // loopback
    "169.254.0.0/16",  // link-local, and the metadata services of clouds
    "172.16.0.0/12",   // private
    "192.0.0.0/24",    // protocol assignments
    "192.0.2.0/24",    // documentation
    "192.88.99.0/24",  // 6to4 relays
    "192.168.0.0/16",  // private
    "198.18.0.0/15",   // benchmarks
    "198.51.100.0/24", // documentation
    "203.0.113.0/24",  // documentation
    "224.0.0.0/4",     // multicast
    "240.0.0.0/4",     // reserved, and broadcast
];

/// All public IPv6 lies in here. What maps or carries IPv4 (`::ffff:0:0/96`, `64:ff9b::/96`), loopback, unique-local,
/// link-local and multicast lie outside.
const OPEN_V6: &str = "2000::/3";
/// And of that, these are not for the public.
const CLOSED_V6: [&str; 4] = [
    "2001::/23",     // protocol assignments, Teredo among them
    "2001:db8::/32", // documentation
    "2002::/16",     // 6to4, which carries IPv4
    "3fff::/20",     // documentation
];

static CLOSED: LazyLock<Vec<IpNet>> =
    LazyLock::new(|| CLOSED_V4.iter().chain(&CLOSED_V6).map(|text| network(text)).collect());
static OPEN: LazyLock<[IpNet; 2]> = LazyLock::new(|| [network("0.0.0.0/0"), network(OPEN_V6)]);

fn network(text: &str) -> IpNet {
    text.parse().expect("the networks of this file are well written")
}

fn is_public(address: IpAddr) -> bool {
    OPEN.iter().any(|open| open.contains(&address)) && !CLOSED.iter().any(|closed| closed.contains(&address))
}

/// Says that an address must not be called. What the address is stays inside: a name may be resolved by those who should not
/// learn it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the address is not a public one")]
pub(super) struct NotAllowed;

/// Where webhooks may go.
#[derive(Debug, Clone)]
pub struct Targets {
    networks: Vec<Network>,
    hosts: HashSet<String>,
    ports: Vec<u16>,
}

impl Targets {
    /// Public addresses, those that `allow` names beside them (networks, addresses and host names), and of each only these
    /// `ports`; all when there are none.
    ///
    /// # Errors
    /// When an entry is none of these; the text names it.
    pub fn new(allow: &[String], ports: &[u16]) -> Result<Self, String> {
        let mut targets = Self { networks: Vec::new(), hosts: HashSet::new(), ports: ports.to_vec() };
        for entry in allow {
            if let Ok(network) = entry.parse() {
                targets.networks.push(network);
            } else if is_host_name(entry) {
                targets.hosts.insert(entry.to_ascii_lowercase());
            } else {
                return Err(format!(
                    "{entry:?} is neither a network such as 10.0.0.0/8, nor an address, nor a host name"
                ));
            }
        }
        Ok(targets)
    }

    /// Reads a URL that a client gives. Names are not resolved here: that is done when it is called.
    ///
    /// # Errors
    /// What would be right instead.
    pub fn read(&self, text: &str) -> Result<Url, String> {
        if text.len() > LONGEST {
            return Err(format!("must be at most {LONGEST} bytes"));
        }
        let url =
            Url::parse(text).map_err(|error| format!("must be a URL such as https://example.com/hook: {error}"))?;
        self.check(&url)?;
        Ok(url)
    }

    /// Whether this URL may be called, as far as it can be told without resolving its host.
    pub(super) fn check(&self, url: &Url) -> Result<(), String> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("must begin with https:// or http://, not {}://", url.scheme()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must have no user name or password in it".to_owned());
        }
        let port = url.port_or_known_default().unwrap_or_default();
        if port == 0 || (!self.ports.is_empty() && !self.ports.contains(&port)) {
            let known = self.ports.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
            let known = if known.is_empty() { "1 to 65535".to_owned() } else { known };
            return Err(format!("must have a port that webhooks may call, not {port}: {known}"));
        }
        let host = url.host_str().unwrap_or_default();
        let fits = match literal(host) {
            Some(address) => self.admits(host, address),
            // Names that stand for loopback wherever they are asked for (RFC 6761).
            None if is_localhost(host) => {
                let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
                loopback.into_iter().any(|address| self.admits(host, address))
            }
            None => !host.is_empty(),
        };
        if fits { Ok(()) } else { Err("must lead to a public address, or to one that the settings allow".to_owned()) }
    }

    /// Whether this address of this host may be called.
    pub(super) fn admits(&self, host: &str, address: IpAddr) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        is_public(address)
            || self.networks.iter().any(|network| network.contains(address))
            || self.hosts.contains(&host.to_ascii_lowercase())
    }
}

/// The address that a URL's host is, when it is no name. URLs write IPv4 as four numbers however they were given, and IPv6
/// in brackets.
fn literal(host: &str) -> Option<IpAddr> {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).parse().ok()
}

fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host == "localhost" || host.ends_with(".localhost")
}

fn is_host_name(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (1..=253).contains(&text.len()) && text.split('.').all(|part| !part.is_empty() && part.chars().all(allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(allow: &[&str], ports: &[u16]) -> Targets {
        let allow: Vec<String> = allow.iter().map(|entry| (*entry).to_owned()).collect();
        Targets::new(&allow, ports).unwrap()
    }

    #[test]
    fn addresses_that_are_not_public_are_refused_however_they_are_written() {
        let targets = targets(&[], &[]);
        let hosts = [
            "127.0.0.1",
            "127.1",
            "0x7f.0.0.1",
            "017700000001",
            "2130706433",
            "0",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "198.18.0.1",
            "192.0.0.1",
            "192.0.2.1",
            "198.51.100.7",
            "203.0.113.9",
            "192.88.99.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "[::]",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:8.8.8.8]",
            "[::127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[64:ff9b:1::1]",
            "[fc00::1]",
            "[fd12:3456::1]",
            "[fe80::1]",
            "[fec0::1]",
            "[ff02::1]",
            "[2001:db8::1]",
            "[2001::1]",
            "[2002:7f00:1::]",
            "[3fff::1]",
            "[100::1]",
            "localhost",
            "LOCALHOST",
            "localhost.",
            "a.localhost",
            "１２７.0.0.1",
        ];

        for host in hosts {
            assert!(targets.read(&format!("https://{host}/hook")).is_err(), "{host}");
        }
    }

    #[test]
    fn public_addresses_and_names_pass() {
        let targets = targets(&[], &[]);
        for host in [
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "[2606:4700::1111]",
            "example.com",
            "example.com:8443",
            "münchen.de",
        ] {
            assert!(targets.read(&format!("https://{host}/hook?a=b")).is_ok(), "{host}");
        }
    }

    #[test]
    fn a_url_of_another_form_is_refused_with_what_would_be_right() {
        let targets = targets(&[], &[443, 8443]);
        for (url, reason) in [
            ("", "a URL"),
            ("/hook", "a URL"),
            ("ftp://example.com/", "https://"),
            ("file:///etc/passwd", "https://"),
            ("https://user@example.com/", "user name"),
            ("https://:password@example.com/", "password"),
            ("http://example.com/", "443, 8443"),
            ("https://example.com:6379/", "443, 8443"),
            ("https://", "a URL"),
            (&format!("https://example.com/{}", "x".repeat(2048)), "2048 bytes"),
        ] {
            let refusal = targets.read(url).unwrap_err();
            assert!(refusal.contains(reason), "{url}: {refusal}");
        }
        assert!(targets.read("https://example.com:8443/").is_ok());
    }

    #[test]
    fn what_the_settings_allow_passes_and_its_neighbour_does_not() {
        let targets = targets(&["10.1.0.0/16", "fd00::/8", "127.0.0.1", "hooks.internal"], &[]);

        for host in ["10.1.2.3", "[fd00::1]", "127.0.0.1", "localhost"] {
            assert!(targets.read(&format!("http://{host}/")).is_ok(), "{host}");
        }
        for host in ["10.2.0.1", "[fc00::1]", "127.0.0.2"] {
            assert!(targets.read(&format!("http://{host}/")).is_err(), "{host}");
        }
        let inside = IpAddr::from([192, 168, 0, 1]);
        assert!(targets.admits("hooks.internal", inside));
        assert!(targets.admits("HOOKS.internal.", inside));
        assert!(!targets.admits("other.internal", inside));
    }

    #[test]
    fn an_entry_that_means_nothing_is_refused() {
        for entry in ["10.0.0.0/33", "http://example.com", "", "a..b", "10.0.0.0/8 "] {
            assert!(Targets::new(&[entry.to_owned()], &[]).is_err(), "{entry}");
        }
    }
}
