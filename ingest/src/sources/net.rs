//! Source addresses as logs write them, honest or not.
//!
//! In: the text of an address field. Out: what kind of thing it is, and its network. Logs put host
//! names, words, masked and anonymised addresses where an address belongs; leading zeros are read as
//! decimal, because publishers pad octets and nobody writes octal.

use std::net::{Ipv4Addr, Ipv6Addr};

/// What stands in an address field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Address {
    /// An IPv4 address (also one mapped into IPv6).
    V4(Ipv4Addr),
    /// An IPv6 address.
    V6(Ipv6Addr),
    /// An IPv4 address whose last octet the log hides: the first three.
    Masked([u8; 3]),
    /// A text that hides the address altogether.
    Hidden,
    /// A word for an address inside the provider's network (`gce-internal-ip`, `private`).
    Internal,
    /// None of these, or an address that cannot be (`300.1.2.3`).
    Invalid,
}

impl Address {
    /// Reads an address field.
    pub fn parse(text: &str) -> Self {
        let text = without_port(text);
        if INTERNAL_WORDS.iter().any(|word| word.eq_ignore_ascii_case(text)) {
            return Self::Internal;
        }
        if let Some(address) = parse_v4(text) {
            return address;
        }
        if let Ok(v6) = text.parse::<Ipv6Addr>() {
            return v6.to_ipv4_mapped().map_or(Self::V6(v6), Self::V4);
        }
        if text.starts_with("HIDDEN") || (!text.is_empty() && text.chars().all(|c| c == '*')) {
            return Self::Hidden;
        }
        Self::Invalid
    }

    /// `public`, `private`, `masked`, `internal` or `invalid`.
    pub fn kind(self) -> &'static str {
        match self {
            Self::V4(v4) if is_private_v4(v4) => "private",
            Self::V6(v6) if is_private_v6(v6) => "private",
            Self::V4(_) | Self::V6(_) => "public",
            Self::Masked(_) | Self::Hidden => "masked",
            Self::Internal => "internal",
            Self::Invalid => "invalid",
        }
    }

    /// The /24 of an IPv4 address or the /48 of an IPv6 address; a masked one still has its /24.
    pub fn network(self) -> Option<String> {
        match self {
            Self::V4(v4) => {
                let [a, b, c, _] = v4.octets();
                Some(format!("{a}.{b}.{c}.0/24"))
            }
            Self::Masked([a, b, c]) => Some(format!("{a}.{b}.{c}.0/24")),
            Self::V6(v6) => {
                let [a, b, c, ..] = v6.segments();
                Some(format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)))
            }
            Self::Hidden | Self::Internal | Self::Invalid => None,
        }
    }
}

/// Words that Google Cloud writes in place of an address of its own network.
const INTERNAL_WORDS: &[&str] = &["private", "gce-internal-ip"];

/// An address as logged, without the port behind it: `203.0.113.7:443`, `[2001:db8::1]:443`. An IPv6
/// address without brackets has no port.
pub fn without_port(text: &str) -> &str {
    let text = text.trim();
    if let Some((address, port)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_digits);
        return if is_port { address } else { text };
    }
    match text.split_once(':') {
        Some((address, port)) if address.contains('.') && is_digits(port) => address,
        _ => text,
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn parse_v4(text: &str) -> Option<Address> {
    let mut parts = text.split('.');
    let mut next = || parts.next();
    let (a, b, c, last) = (octet(next()?)?, octet(next()?)?, octet(next()?)?, next()?);
    if next().is_some() {
        return None;
    }
    if !last.is_empty() && last.chars().all(|c| matches!(c, 'x' | 'X' | '*')) {
        return Some(Address::Masked([a, b, c]));
    }
    octet(last).map(|d| Address::V4(Ipv4Addr::new(a, b, c, d)))
}

/// A decimal octet of one to three digits, leading zeros allowed.
fn octet(text: &str) -> Option<u8> {
    let plain = (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

fn is_private_v4(v4: Ipv4Addr) -> bool {
    let [a, b, ..] = v4.octets();
    // 100.64.0.0/10 is shared address space (RFC 6598): never a source on the internet
    let shared = a == 100 && (64..128).contains(&b);
    v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || shared
}

fn is_private_v6(v6: Ipv6Addr) -> bool {
    v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_apart() {
        for (text, kind, network) in [
            ("203.0.113.7", "public", Some("203.0.113.0/24")),
            ("035.249.253.232", "public", Some("35.249.253.0/24")),
            ("010.1.2.3", "private", Some("10.1.2.0/24")),
            ("172.16.0.1", "private", Some("172.16.0.0/24")),
            ("172.32.0.1", "public", Some("172.32.0.0/24")),
            ("192.168.1.1", "private", Some("192.168.1.0/24")),
            ("127.0.0.1", "private", Some("127.0.0.0/24")),
            ("169.254.169.254", "private", Some("169.254.169.0/24")),
            ("100.64.0.1", "private", Some("100.64.0.0/24")),
            ("100.128.0.1", "public", Some("100.128.0.0/24")),
            ("2001:db8:1:2::3", "public", Some("2001:db8:1::/48")),
            ("fd00:1:2:3::4", "private", Some("fd00:1:2::/48")),
            ("fe80::1", "private", Some("fe80::/48")),
            ("::1", "private", Some("::/48")),
            ("::ffff:203.0.113.7", "public", Some("203.0.113.0/24")),
            ("203.0.113.xxx", "masked", Some("203.0.113.0/24")),
            ("203.0.113.*", "masked", Some("203.0.113.0/24")),
            ("HIDDEN_DUE_TO_SECURITY_REASONS", "masked", None),
            ("203.0.113.7:44321", "public", Some("203.0.113.0/24")),
            ("10.0.0.4:0", "private", Some("10.0.0.0/24")),
            ("203.0.113.xxx:443", "masked", Some("203.0.113.0/24")),
            ("[2001:db8:1:2::3]:443", "public", Some("2001:db8:1::/48")),
            ("[2001:db8:1:2::3]", "public", Some("2001:db8:1::/48")),
            ("203.0.113.7:", "invalid", None),
            ("203.0.113.7:x", "invalid", None),
            ("[2001:db8::1]x", "invalid", None),
            ("gce-internal-ip", "internal", None),
            ("private", "internal", None),
            ("300.1.2.3", "invalid", None),
            ("300.1.2.3:80", "invalid", None),
            ("1.2.3", "invalid", None),
            ("1.2.3.4.5", "invalid", None),
            ("1.2.3.0004", "invalid", None),
            ("+1.2.3.4", "invalid", None),
            ("console.example", "invalid", None),
            ("", "invalid", None),
        ] {
            let address = Address::parse(text);
            assert_eq!((address.kind(), address.network().as_deref()), (kind, network), "{text}");
        }
    }
}
