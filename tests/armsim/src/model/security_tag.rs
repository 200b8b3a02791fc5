//! Which service tags a security rule may name: those of the published document that have NSG among their features.

use super::{discovery::cloud_of, world::World};

/// A tag's own list decides. ASSUMPTION: one without a list may be used; the weekly file leaves it out for some.
pub(super) fn is_for_security_groups(features: Option<&[String]>) -> bool {
    features.is_none_or(|features| features.iter().any(|feature| feature == "NSG"))
}

impl World {
    /// Compared without case (ASSUMPTION). Where nothing readable is published, every name that could be a tag's is
    /// taken: the simulator has no list of its own.
    pub(super) fn is_security_tag(&self, location: &str, name: &str) -> bool {
        if let Some(given) = &self.discovery {
            let mut tags = given.tags.iter().filter(|tag| tag.name.eq_ignore_ascii_case(name));
            return tags.any(|tag| is_for_security_groups(tag.properties.network_features.as_deref()));
        }
        let published = self.download_page.security_tags(cloud_of(location));
        published.is_none_or(|tags| tags.contains(&name.to_ascii_lowercase()))
    }
}
