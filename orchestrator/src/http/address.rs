//! Where a request comes from.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::{
    extract::ConnectInfo,
    http::{HeaderMap, request::Parts},
};

use crate::network::Network;

/// The address of whoever sent this request. A proxy that is trusted is taken at its word.
pub(super) fn of(parts: &Parts, trusted: &[Network]) -> IpAddr {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().expect("the server adds the peer to every request");
    behind_proxies(peer.0.ip(), &parts.headers, trusted)
}

/// The last address that a trusted proxy did not have itself. What stands before it, anybody may have written.
fn behind_proxies(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut address = peer.to_canonical();
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    let mut hops = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(',')).map(str::trim);
    while is_trusted(address)
        && let Some(Ok(hop)) = hops.next().map(str::parse::<IpAddr>)
    {
        address = hop.to_canonical();
    }
    address
}

/// The address as limits count it: one customer of a provider has a whole /64 of IPv6.
pub(super) fn counted(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(peer: &str, lines: &[&'static str]) -> String {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", axum::http::HeaderValue::from_static(line));
        }
        behind_proxies(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_taken_at_its_word() {
        assert_eq!(found("192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(found("10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(found("::ffff:10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
    }

    #[test]
    fn what_a_stranger_wrote_before_the_proxies_counts_for_nothing() {
        assert_eq!(found("10.0.0.1", &["203.0.113.9, 198.51.100.7, 10.2.2.2"]), "198.51.100.7");
        assert_eq!(found("10.0.0.1", &["203.0.113.9", "198.51.100.7 ,::1"]), "198.51.100.7");
    }

    #[test]
    fn the_last_proxy_stands_for_what_cannot_be_read() {
        assert_eq!(found("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(found("10.0.0.1", &["198.51.100.7, unknown, 10.3.3.3"]), "10.3.3.3");
        assert_eq!(found("10.0.0.1", &["10.4.4.4"]), "10.4.4.4");
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_together() {
        assert_eq!(counted("2001:db8:1:2:3::4".parse().unwrap()), "2001:db8:1:2::/64");
        assert_eq!(counted("192.0.2.1".parse().unwrap()), "192.0.2.1");
    }
}
