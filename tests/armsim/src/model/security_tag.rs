//! Which service tags a security rule may name: those of the published document that have NSG among their features.

use super::{discovery::cloud_of, world::World};

const FEATURE: &str = "NSG";

/// A tag's own list decides; one without a list can be named nowhere, as every `AzureMachineLearning.<Region>`.
fn allows(features: Option<&[String]>) -> bool {
    features.is_some_and(|features| features.iter().any(|known| known == FEATURE))
}

impl World {
    /// Compared without case (ASSUMPTION). Where nothing readable is published, every name that could be a tag's is
    /// taken: the simulator has no list of its own.
    pub(super) fn is_security_tag(&self, location: &str, name: &str) -> bool {
        self.is_tag(location, name, allows)
    }

    /// As `is_security_tag`, but what a tag's list of features must be is for `allows` to say.
    pub(super) fn is_tag(&self, location: &str, name: &str, allows: fn(Option<&[String]>) -> bool) -> bool {
        if let Some(given) = &self.discovery {
            let mut tags = given.tags.iter().filter(|tag| tag.name.eq_ignore_ascii_case(name));
            return tags.any(|tag| allows(tag.properties.network_features.as_deref()));
        }
        self.download_page.has_tag(cloud_of(location), name, allows).unwrap_or(true)
    }
}
