//! Which service tag holds which, as far as their names tell.
//!
//! Must not know addresses: where names do not tell, `set` compares what the tags hold.

/// The tag of the network and what it is connected with.
pub(super) const VIRTUAL_NETWORK: &str = "VirtualNetwork";
const INTERNET: &str = "Internet";
const CLOUD: &str = "azurecloud";

/// Tags of the platform that hold no public address.
const PLATFORM: [&str; 5] =
    ["virtualnetwork", "azureloadbalancer", "azureplatformdns", "azureplatformimds", "azureplatformlkm"];

/// What names tell about two tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// All of the first is in the second.
    Within,
    /// The first holds all of the second, and more.
    Holds,
    Unknown,
}

pub(super) fn is_internet(tag: &str) -> bool {
    tag.eq_ignore_ascii_case(INTERNET)
}

pub(super) fn is_virtual_network(tag: &str) -> bool {
    tag.eq_ignore_ascii_case(VIRTUAL_NETWORK)
}

pub(super) fn is_platform(tag: &str) -> bool {
    PLATFORM.iter().any(|known| tag.eq_ignore_ascii_case(known))
}

pub(super) fn relation(first: &str, second: &str) -> Relation {
    let (one, two) = (split(first), split(second));
    if one == two {
        return Relation::Within;
    }
    if is_platform(first) || is_platform(second) {
        return Relation::Unknown;
    }
    if is_internet(second) || is_in(&one, &two) {
        return Relation::Within;
    }
    if is_internet(first) || is_in(&two, &one) {
        return Relation::Holds;
    }
    Relation::Unknown
}

/// Service and region, as names are compared: without case, and without the signs that some spellings have.
fn split(tag: &str) -> (String, Option<String>) {
    let plain = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    match tag.split_once('.') {
        Some((service, region)) => (plain(service), Some(plain(region))),
        None => (plain(tag), None),
    }
}

fn is_in((service, region): &(String, Option<String>), (other, of): &(String, Option<String>)) -> bool {
    // Internet is no part of a cloud.
    let in_service = service == other || (other == CLOUD && !is_internet(service));
    in_service && (of.is_none() || of == region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_which_tag_holds_which() {
        for (first, second, expected) in [
            ("Storage", "storage", Relation::Within),
            ("Storage.EastUS2", "Storage", Relation::Within),
            ("Storage", "Storage.EastUS2", Relation::Holds),
            ("Storage.EastUS2", "Storage.WestUS", Relation::Unknown),
            ("Storage.EastUS2", "AzureCloud", Relation::Within),
            ("AzureMonitor", "AzureCloud", Relation::Within),
            ("Storage.EastUS2", "AzureCloud.eastus2", Relation::Within),
            ("Storage.EastUS2", "AzureCloud.westus", Relation::Unknown),
            ("Storage", "AzureCloud.eastus2", Relation::Unknown),
            ("AzureCloud.eastus2", "Storage.EastUS2", Relation::Holds),
            ("AzureCloud", "Storage", Relation::Holds),
            ("Storage", "Internet", Relation::Within),
            ("AzureCloud", "Internet", Relation::Within),
            ("Internet", "AzureCloud", Relation::Holds),
            ("VirtualNetwork", "Internet", Relation::Unknown),
            ("VirtualNetwork", "AzureCloud", Relation::Unknown),
            ("VirtualNetwork", "virtualnetwork", Relation::Within),
            ("Storage", "AzureMonitor", Relation::Unknown),
        ] {
            assert_eq!(relation(first, second), expected, "{first} {second}");
        }
    }
}
