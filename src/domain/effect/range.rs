//! Ranges of addresses: cut out of each other, joined, written shortly.
//!
//! Must not know tags or rules.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::prefix::{Family, Prefix};

/// Addresses from the first to the last one, both included. Never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Range {
    family: Family,
    first: u128,
    last: u128,
}

/// Addresses that the Internet has no way to: of private networks, of links, of the platform, of nobody.
const NOT_PUBLIC: [(&str, &str); 9] = [
    ("0.0.0.0", "0.255.255.255"),
    ("10.0.0.0", "10.255.255.255"),
    ("100.64.0.0", "100.127.255.255"),
    ("127.0.0.0", "127.255.255.255"),
    ("168.63.129.16", "168.63.129.16"),
    ("169.254.0.0", "169.254.255.255"),
    ("172.16.0.0", "172.31.255.255"),
    ("192.168.0.0", "192.168.255.255"),
    ("fc00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
];

impl Range {
    /// Every address of both families.
    pub(super) const ALL: [Self; 2] = [
        Self { family: Family::V4, first: 0, last: u32::MAX as u128 },
        Self { family: Family::V6, first: 0, last: u128::MAX },
    ];

    /// A prefix, one address, or `a-b`. Host bits are taken as others write them: they mean the network.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some((first, last)) = text.split_once('-') {
            return Self::between(first.trim().parse().ok()?, last.trim().parse().ok()?);
        }
        if let Ok(net) = text.parse::<IpNet>() {
            return Self::between(net.network(), net.broadcast());
        }
        let alone = text.parse().ok()?;
        Self::between(alone, alone)
    }

    fn between(first: IpAddr, last: IpAddr) -> Option<Self> {
        let ((family, first), (other, last)) = (number(first), number(last));
        (family == other && first <= last).then_some(Self { family, first, last })
    }

    /// Whether it holds more addresses than a /8: enough that a name is taken to lead into it. IPv6 is left out, as
    /// firewalls look names up for IPv4.
    pub(super) fn is_wide(&self) -> bool {
        self.family == Family::V4 && self.last - self.first >= 1 << 24
    }

    /// Whether it holds every address of IPv4.
    pub(super) fn is_all_v4(&self) -> bool {
        *self == Self::ALL[0]
    }

    fn common(&self, other: &Self) -> Option<Self> {
        let (first, last) = (self.first.max(other.first), self.last.min(other.last));
        (self.family == other.family && first <= last).then_some(Self { family: self.family, first, last })
    }
}

impl From<&Prefix> for Range {
    fn from(prefix: &Prefix) -> Self {
        let (first, last) = prefix.ends();
        let (family, first) = number(first);
        Self { family, first, last: number(last).1 }
    }
}

fn number(address: IpAddr) -> (Family, u128) {
    match address {
        IpAddr::V4(v4) => (Family::V4, u128::from(u32::from(v4))),
        IpAddr::V6(v6) => (Family::V6, u128::from(v6)),
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (width, write): (u32, fn(u128) -> IpAddr) = match self.family {
            // The numbers of a V4 range come from 32 bits.
            Family::V4 => (32, |number| Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX)).into()),
            Family::V6 => (128, |number| Ipv6Addr::from(number).into()),
        };
        let (first, last) = (write(self.first), write(self.last));
        let free = self.last ^ self.first;
        let is_prefix = free & free.wrapping_add(1) == 0 && self.first & free == 0;
        match (free, is_prefix) {
            (0, _) => write!(f, "{first}"),
            (_, true) => write!(f, "{first}/{}", width - free.count_ones()),
            (_, false) => write!(f, "{first}-{last}"),
        }
    }
}

/// A set of addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ranges(Vec<Range>);

impl Ranges {
    /// In order, apart from each other.
    pub(super) fn of(ranges: impl IntoIterator<Item = Range>) -> Self {
        let mut all: Vec<Range> = ranges.into_iter().collect();
        all.sort();
        let mut joined: Vec<Range> = Vec::with_capacity(all.len());
        for range in all {
            match joined.last_mut() {
                Some(before) if before.family == range.family && range.first <= before.last.saturating_add(1) => {
                    before.last = before.last.max(range.last);
                }
                _ => joined.push(range),
            }
        }
        Self(joined)
    }

    /// What the tag `Internet` stands for.
    pub(super) fn public() -> Self {
        let private = Self::private();
        Self::of(Range::ALL.iter().flat_map(|all| private.split(all).1))
    }

    pub(super) fn private() -> Self {
        let ends =
            NOT_PUBLIC.iter().filter_map(|(first, last)| Range::between(first.parse().ok()?, last.parse().ok()?));
        Self::of(ends)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Range> {
        self.0.iter()
    }

    /// The parts of a range that are in the set, and those that are not.
    pub(super) fn split(&self, range: &Range) -> (Vec<Range>, Vec<Range>) {
        let start = self.0.partition_point(|other| (other.family, other.last) < (range.family, range.first));
        let (mut inside, mut outside) = (Vec::new(), Vec::new());
        let mut next = Some(range.first);
        for common in self.0[start..].iter().map_while(|other| other.common(range)) {
            if let Some(first) = next.filter(|first| *first < common.first) {
                outside.push(Range { first, last: common.first - 1, ..*range });
            }
            next = common.last.checked_add(1).filter(|next| *next <= range.last);
            inside.push(common);
        }
        if let Some(first) = next {
            outside.push(Range { first, ..*range });
        }
        (inside, outside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Range {
        Range::parse(text).unwrap()
    }

    fn texts(ranges: &[Range]) -> Vec<String> {
        ranges.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn ranges_are_read_in_every_way_that_rules_know() {
        for (text, shown) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.0.0.5/24", "10.0.0.0/24"),
            ("10.0.0.5", "10.0.0.5"),
            ("10.0.0.0-10.0.0.255", "10.0.0.0/24"),
            ("10.0.0.1 - 10.0.0.6", "10.0.0.1-10.0.0.6"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2603::/16", "2603::/16"),
            ("::/0", "::/0"),
            ("2603::1", "2603::1"),
        ] {
            assert_eq!(range(text).to_string(), shown);
        }
        for text in ["", "*", "Storage", "10.0.0.9-10.0.0.1", "10.0.0.1-2603::1", "10.0.0.0/33", "a-b"] {
            assert_eq!(Range::parse(text), None, "{text}");
        }
        assert_eq!(Range::from(&"20.1.0.0/26".parse::<Prefix>().unwrap()), range("20.1.0.0/26"));
    }

    #[test]
    fn a_range_is_cut_by_a_set() {
        let set = Ranges::of(["10.0.1.0/24", "10.0.0.128/25", "10.0.4.7", "2603::/16"].map(range));
        assert_eq!(set.iter().count(), 3, "neighbours are one");
        let (inside, outside) = set.split(&range("10.0.0.0/21"));
        assert_eq!(texts(&inside), ["10.0.0.128-10.0.1.255", "10.0.4.7"]);
        assert_eq!(texts(&outside), ["10.0.0.0/25", "10.0.2.0-10.0.4.6", "10.0.4.8-10.0.7.255"]);
        assert_eq!(set.split(&range("10.0.1.9")).1, []);
        assert_eq!(set.split(&range("10.1.0.0/16")), (vec![], vec![range("10.1.0.0/16")]));
        let everything = Ranges::of(Range::ALL);
        assert_eq!(everything.split(&Range::ALL[1]), (vec![Range::ALL[1]], vec![]));
        assert_eq!(Ranges::of(["0.0.0.0/1", "128.0.0.0/1"].map(range)).0, [Range::ALL[0]]);
    }

    #[test]
    fn the_internet_is_what_is_not_private() {
        let public = Ranges::public();
        for (text, is_public) in
            [("20.1.0.0/16", true), ("8.8.8.8", true), ("10.1.0.0/24", false), ("172.31.0.1", false), ("2603::1", true)]
        {
            assert_eq!(public.split(&range(text)).1.is_empty(), is_public, "{text}");
            assert_eq!(Ranges::private().split(&range(text)).1.is_empty(), !is_public, "{text}");
        }
    }

    #[test]
    fn wide_is_more_than_a_slash_8() {
        for (text, wide) in
            [("0.0.0.0/0", true), ("8.0.0.0/7", true), ("8.0.0.0/8", false), ("::/0", false), ("2603::/16", false)]
        {
            assert_eq!(range(text).is_wide(), wide, "{text}");
        }
    }
}
