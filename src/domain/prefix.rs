//! An IP prefix: parsed strictly, ordered, comparable.
//!
//! Must not accept what Azure would refuse (host bits, missing length) and must not know where a prefix came from.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;

/// The address family of a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    V4,
    V6,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// A network prefix without host bits. Orders IPv4 before IPv6, then by address, then by length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix(IpNet);

/// Why a text is not a prefix. `Display` says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    #[error("{0:?} is not a prefix in CIDR notation; write an address and a length, such as 13.66.87.128/26")]
    Syntax(String),
    #[error("{text:?} has host bits set; for this length the prefix is {network}")]
    HostBits { text: String, network: Prefix },
}

impl Prefix {
    pub const DEFAULT_V4: Self = Self(IpNet::V4(ipnet::Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0)));

    /// All addresses of a family.
    pub fn everything(family: Family) -> Self {
        match family {
            Family::V4 => Self::DEFAULT_V4,
            Family::V6 => Self(IpNet::V6(ipnet::Ipv6Net::default())),
        }
    }

    pub fn family(&self) -> Family {
        match self.0 {
            IpNet::V4(_) => Family::V4,
            IpNet::V6(_) => Family::V6,
        }
    }

    /// The number of leading bits that are fixed: 0 to 32, or 0 to 128.
    pub fn length(&self) -> u8 {
        self.0.prefix_len()
    }

    /// The first and the last address.
    pub fn ends(&self) -> (IpAddr, IpAddr) {
        (self.0.network(), self.0.broadcast())
    }

    /// Whether every address of `other` is an address of `self`. Never true across families.
    pub fn contains(&self, other: &Self) -> bool {
        self.0.contains(&other.0)
    }

    /// Whether every address is global unicast, by the IANA special-purpose registries (RFC 6890 and successors).
    pub fn is_global_unicast(&self) -> bool {
        match self.0 {
            IpNet::V4(net) => {
                let (address, length) = (u32::from(net.network()), net.prefix_len());
                !SPECIAL_V4.iter().any(|&(special, special_length)| {
                    let mask = u32::MAX.checked_shl(32 - u32::from(length.min(special_length))).unwrap_or(0);
                    (address ^ u32::from_be_bytes(special)) & mask == 0
                })
            }
            IpNet::V6(net) => {
                let address = u128::from(net.network());
                let documentation = u128::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0));
                let mask = u128::MAX.checked_shl(128 - u32::from(net.prefix_len().min(32))).unwrap_or(0);
                net.prefix_len() >= 3 && address >> 125 == 1 && (address ^ documentation) & mask != 0
            }
        }
    }

    /// The bytes that stand for this prefix in a digest: family, length, address.
    pub fn digest_bytes(&self) -> ([u8; 18], usize) {
        let mut bytes = [0; 18];
        bytes[1] = self.length();
        match self.0.network() {
            IpAddr::V4(address) => {
                bytes[0] = 4;
                bytes[2..6].copy_from_slice(&address.octets());
                (bytes, 6)
            }
            IpAddr::V6(address) => {
                bytes[0] = 6;
                bytes[2..].copy_from_slice(&address.octets());
                (bytes, 18)
            }
        }
    }
}

/// Blocks that are not global unicast, so that no document may name an address in them.
const SPECIAL_V4: [([u8; 4], u8); 14] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
];

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let net: IpNet = text.parse().map_err(|_| PrefixError::Syntax(text.to_owned()))?;
        // Some programs read a leading zero as octal: such a text has two meanings, so it has none.
        if matches!(net, IpNet::V4(_)) && has_leading_zero(text) {
            return Err(PrefixError::Syntax(text.to_owned()));
        }
        if net.addr() == net.network() {
            Ok(Self(net))
        } else {
            Err(PrefixError::HostBits { text: text.to_owned(), network: Self(net.trunc()) })
        }
    }
}

fn has_leading_zero(text: &str) -> bool {
    text.as_bytes().windows(3).any(|w| !w[0].is_ascii_digit() && w[1] == b'0' && w[2].is_ascii_digit())
        || (text.starts_with('0') && text.as_bytes().get(1).is_some_and(u8::is_ascii_digit))
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

by_text!(Prefix);

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn host_bits_are_refused_with_the_network_that_was_meant() {
        let error = "10.1.2.3/16".parse::<Prefix>().unwrap_err();
        assert_eq!(error.to_string(), r#""10.1.2.3/16" has host bits set; for this length the prefix is 10.1.0.0/16"#);
    }

    #[test]
    fn an_address_without_length_is_refused() {
        for text in ["13.66.87.128", "", "13.66.87.128/33", "2603::/129", "Internet", " 10.0.0.0/8", "010.0.0.0/8"] {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_global_unicast_passes() {
        for text in ["13.66.87.128/26", "4.0.0.0/8", "2603:1030:40c:1::2c0/122", "2000::/3", "172.32.0.0/16"] {
            assert_eq!(prefix(text).is_global_unicast(), text != "2000::/3", "{text}");
        }
        for text in [
            "0.0.0.0/0",
            "0.0.0.0/1",
            "10.0.0.0/8",
            "10.1.2.0/24",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "169.254.169.254/32",
            "172.16.0.0/12",
            "192.168.1.0/24",
            "224.0.0.0/4",
            "255.255.255.255/32",
            "::/0",
            "fc00::/7",
            "fe80::/10",
            "ff00::/8",
            "2001:db8::/32",
            "2001:db8:1::/48",
            "::1/128",
            "2001::/16",
        ] {
            assert!(!prefix(text).is_global_unicast(), "{text}");
        }
    }

    #[test]
    fn containment_never_crosses_families() {
        assert!(prefix("13.64.0.0/11").contains(&prefix("13.66.87.128/26")));
        assert!(!prefix("13.66.87.128/26").contains(&prefix("13.64.0.0/11")));
        assert!(!prefix("0.0.0.0/0").contains(&prefix("2603::/16")));
    }

    #[test]
    fn ipv4_orders_before_ipv6_and_by_number_not_text() {
        let mut list = [prefix("2603::/16"), prefix("104.0.0.0/8"), prefix("20.0.0.0/8"), prefix("20.0.0.0/7")];
        list.sort();
        assert_eq!(list.map(|p| p.to_string()), ["20.0.0.0/7", "20.0.0.0/8", "104.0.0.0/8", "2603::/16"]);
    }
}
