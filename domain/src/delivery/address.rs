//! Which addresses an organiser may name. What is not plainly a public host on https is refused.
//!
//! The text is judged as a browser would read it, with every unusual spelling refused rather than understood: `0x7f.1`,
//! `2130706433` and `127.1` are all 127.0.0.1 to somebody. A public name that resolves to a private address cannot be
//! seen here.

use core::net::{Ipv4Addr, Ipv6Addr};

/// Longest address of an endpoint, in bytes.
pub const URL_MAX_BYTES: usize = 2048;

const HOST_MAX_BYTES: usize = 253;
const LABEL_MAX_BYTES: usize = 63;

/// Names that never lead to the public network, and all names under them.
const PRIVATE_NAMES: [&str; 9] =
    ["localhost", "local", "localdomain", "internal", "intranet", "lan", "home.arpa", "test", "onion"];

/// Ranges that are not public, as first address and prefix length.
const PRIVATE_V4: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// Global unicast is `2000::/3`; these parts of it are for documentation, protocols, or carry a v4 address.
const PRIVATE_V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];
const PUBLIC_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Whether an organiser may have envelopes sent to `url`. In development http and private hosts are allowed too.
///
/// # Errors
/// What is wrong with it, to follow the name of the field.
pub fn endpoint_allowed(url: &str, development: bool) -> Result<(), &'static str> {
    if url.len() > URL_MAX_BYTES {
        return Err("must be at most 2048 bytes");
    }
    if !url.bytes().all(|b| b.is_ascii_graphic() && b != b'\\') {
        return Err("must be a URL of visible ASCII characters without backslashes");
    }
    let (scheme, rest) = url.split_once("://").ok_or("must be an https URL")?;
    let insecure = development && scheme.eq_ignore_ascii_case("http");
    if !insecure && !scheme.eq_ignore_ascii_case("https") {
        return Err("must be an https URL");
    }
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    if authority.contains('@') {
        return Err("must not name a user");
    }
    let (host, port) = split_port(authority)?;
    if !port.is_none_or(is_port) {
        return Err("must have a port from 1 to 65535");
    }
    match Host::parse(host).ok_or("must name a host in its plain spelling")? {
        _ if development => Ok(()),
        Host::Name(name) if is_public_name(&name) => Ok(()),
        Host::V4(address) if is_public_v4(address) => Ok(()),
        Host::V6(address) if is_public_v6(address) => Ok(()),
        _ => Err("must not be a private address"),
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<&str>), &'static str> {
    let host_end = if authority.starts_with('[') {
        authority.find(']').ok_or("must close its bracket")? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (host, port) = authority.split_at(host_end);
    match port.strip_prefix(':') {
        Some(port) => Ok((host, Some(port))),
        None if port.is_empty() => Ok((host, None)),
        None => Err("must have nothing between host and port"),
    }
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

enum Host {
    Name(String),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        if let Some(inner) = text.strip_prefix('[') {
            return inner.strip_suffix(']')?.parse().ok().map(Self::V6);
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if name.is_empty() || name.len() > HOST_MAX_BYTES || !name.split('.').all(is_label) {
            return None;
        }
        let last = name.rsplit('.').next()?;
        let is_number = last.bytes().all(|b| b.is_ascii_digit()) || last.starts_with("0x");
        // Whoever reads a URL takes a host that ends in a number for an address; only the four-part form is plain.
        if is_number { name.parse().ok().map(Self::V4) } else { Some(Self::Name(name)) }
    }
}

fn is_label(label: &str) -> bool {
    let plain = label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_');
    (1..=LABEL_MAX_BYTES).contains(&label.len()) && plain
}

fn is_public_name(name: &str) -> bool {
    let under = |private: &&str| name.strip_suffix(*private).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    name.contains('.') && !PRIVATE_NAMES.iter().any(under)
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let within = |(first, length): &(Ipv4Addr, u32)| (address.to_bits() ^ first.to_bits()) >> (32 - length) == 0;
    !PRIVATE_V4.iter().any(within)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let within = |(first, length): &(Ipv6Addr, u32)| (address.to_bits() ^ first.to_bits()) >> (128 - length) == 0;
    within(&PUBLIC_V6) && !PRIVATE_V6.iter().any(within)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(url: &str) -> bool {
        endpoint_allowed(url, false).is_ok()
    }

    #[test]
    fn a_public_host_on_https_is_allowed() {
        for url in [
            "https://hooks.example.com",
            "https://hooks.example.com./in?key=1#x",
            "HTTPS://Hooks.Example.COM:8443/a@b",
            "https://8.8.8.8/in",
            "https://1.1.1.1.example.com/in",
            "https://[2606:4700:4700::1111]:443/in",
            "https://xn--9n2bp8q.kr/",
        ] {
            assert!(allowed(url), "{url}");
        }
    }

    #[test]
    fn only_https_is_allowed() {
        for url in ["", "http://hooks.example.com", "ftp://hooks.example.com", "hooks.example.com", "https:hooks.example.com"] {
            assert!(!allowed(url), "{url}");
        }
    }

    #[test]
    fn private_loopback_and_link_local_addresses_are_refused() {
        for host in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "198.19.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "[::]",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:8.8.8.8]",
            "[64:ff9b::7f00:1]",
            "[fc00::1]",
            "[fd12::1]",
            "[fe80::1]",
            "[ff02::1]",
            "[2001:db8::1]",
            "[2001::1]",
            "[2002:7f00:1::]",
        ] {
            assert!(!allowed(&format!("https://{host}/in")), "{host}");
        }
        for host in ["172.15.0.1", "172.32.0.1", "100.128.0.1", "[2600::1]"] {
            assert!(allowed(&format!("https://{host}/in")), "{host}");
        }
    }

    #[test]
    fn other_spellings_of_an_address_are_refused() {
        for host in [
            "2130706433",
            "0x7f000001",
            "0x7f.0.0.1",
            "127.0.0.0x1",
            "127.1",
            "0177.0.0.1",
            "127.0.0.01",
            "8.8.8.8.8",
            "127.0.0.1.",
            "%31%32%37.0.0.1",
            "①②⑦.0.0.1",
            "[::1%25lo]",
            "[127.0.0.1]",
            "::1",
        ] {
            assert!(!allowed(&format!("https://{host}/in")), "{host}");
        }
    }

    #[test]
    fn names_of_private_networks_are_refused() {
        for host in ["localhost", "LOCALHOST", "localhost.", "a.localhost", "printer.local", "db.internal", "router", "a..b", "."]
        {
            assert!(!allowed(&format!("https://{host}/in")), "{host}");
        }
        assert!(allowed("https://notlocalhost.com"));
        assert!(allowed("https://local.example.com"));
    }

    #[test]
    fn what_readers_of_urls_disagree_about_is_refused() {
        for url in [
            "https://user@hooks.example.com/",
            "https://hooks.example.com@127.0.0.1/",
            "https://127.0.0.1\\@hooks.example.com/",
            "https://hooks.example.com\\.evil/",
            "https:///hooks.example.com",
            "https://?hooks.example.com",
            "https://hooks.example.com:",
            "https://hooks.example.com:0",
            "https://hooks.example.com:+443",
            "https://hooks.example.com:65536",
            "https://[2600::1",
            "https://[2600::1]x:443",
            " https://hooks.example.com",
            "https://hooks.example.com/a b",
            "https://hooks.\texample.com/",
        ] {
            assert!(!allowed(url), "{url}");
        }
        assert!(!allowed(&format!("https://hooks.example.com/{}", "a".repeat(URL_MAX_BYTES))));
    }

    #[test]
    fn development_allows_http_and_private_hosts_but_no_nonsense() {
        for url in ["http://127.0.0.1:8788/in", "http://localhost:3000", "https://[::1]/"] {
            assert_eq!(endpoint_allowed(url, true), Ok(()), "{url}");
        }
        for url in ["ftp://localhost", "http://", "http://a b", "file:///etc/passwd"] {
            assert!(endpoint_allowed(url, true).is_err(), "{url}");
        }
    }
}
