//! What the tests of this folder share. Compiled for tests only.

use std::sync::LazyLock;

use super::Requirements;
use crate::outbound::Outbound;
use crate::region::{Region, Regions};
use crate::testing::document;

pub(super) static TABLES: LazyLock<Requirements> = LazyLock::new(Requirements::built_in);

/// The newest edition with these profiles and nothing else.
pub(super) fn outbound(profiles: &[&str]) -> Outbound {
    Outbound {
        edition: "2026-03".to_owned(),
        profiles: profiles.iter().map(|name| (*name).to_owned()).collect(),
        ..Outbound::default()
    }
}

/// A region of any cloud.
pub(super) fn region(name: &str) -> Region {
    let mut document = document(&[("AzureCloud.eastus2", "eastus2", &["20.0.0.0/8"])]);
    if name.starts_with("china") {
        document.cloud = crate::service_tags::Cloud::China;
    }
    Regions::built_in().find(name, &document).unwrap()
}
