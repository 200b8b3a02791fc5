//! The addresses of many prefixes together, and which other prefixes lie among them.
//!
//! Asked in a logarithm of their number: a document has thousands of prefixes a region. Two neighbours are not taken for
//! the prefix that they make up together.

use super::prefix::Prefix;

/// Prefixes of which none contains another, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cover(Vec<Prefix>);

impl FromIterator<Prefix> for Cover {
    fn from_iter<I: IntoIterator<Item = Prefix>>(prefixes: I) -> Self {
        let mut all: Vec<Prefix> = prefixes.into_iter().collect();
        // A prefix comes right before what it contains.
        all.sort_unstable();
        let mut widest: Vec<Prefix> = Vec::new();
        for prefix in all {
            if !widest.last().is_some_and(|wide| wide.contains(&prefix)) {
                widest.push(prefix);
            }
        }
        Self(widest)
    }
}

impl Cover {
    /// The prefix that contains it, if one does.
    pub fn of(&self, prefix: &Prefix) -> Option<&Prefix> {
        let after = self.0.partition_point(|wide| wide <= prefix);
        self.0[..after].last().filter(|wide| wide.contains(prefix))
    }

    /// Whether one of the prefixes contains it.
    pub fn contains(&self, prefix: &Prefix) -> bool {
        self.of(prefix).is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::prefix;

    #[test]
    fn what_lies_in_a_prefix_is_covered_and_what_reaches_beyond_is_not() {
        let cover: Cover = ["10.1.0.0/16", "10.0.0.0/8", "20.0.0.0/25", "20.0.0.128/25", "2603::/16"]
            .into_iter()
            .map(prefix)
            .collect();
        for (text, expected) in [
            ("10.0.0.0/8", true),
            ("10.1.2.0/24", true),
            ("10.200.0.0/16", true),
            ("10.0.0.0/7", false),
            ("11.0.0.0/8", false),
            ("20.0.0.128/26", true),
            ("20.0.0.0/24", false),
            ("2603:1030::/32", true),
            ("::/0", false),
            ("0.0.0.0/0", false),
        ] {
            assert_eq!(cover.contains(&prefix(text)), expected, "{text}");
        }
        assert!(!Cover::default().contains(&prefix("10.0.0.0/8")));
    }

    /// Of both families, with few leading bits, so that many of them lie in each other.
    fn any_prefix() -> impl Strategy<Value = Prefix> {
        (any::<bool>(), 0_u16..256, 0_u32..9).prop_map(|(is_v4, bits, length)| {
            let bits = (bits >> (8 - length)) << (8 - length);
            let address = if is_v4 { format!("{bits}.0.0.0") } else { format!("{:x}::", bits << 8) };
            prefix(&format!("{address}/{length}"))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_is_the_same_as_asking_each(wide in prop::collection::vec(any_prefix(), 0..12), narrow in any_prefix()) {
            let cover: Cover = wide.iter().copied().collect();
            prop_assert_eq!(cover.contains(&narrow), wide.iter().any(|wide| wide.contains(&narrow)));
        }
    }
}
