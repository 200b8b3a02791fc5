//! What the schema and the rules let through, `convert` takes: so the API server, which knows only the former, lets
//! nothing through that the controller could not use.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::json;

use super::super::network::AmlNetwork;
use super::super::{approval::PlanApproval, convert, feed::ServiceTagFeed};
use super::*;
use crate::domain::intent::ObjectKey;

static NETWORK: LazyLock<Schema> = LazyLock::new(|| Schema::of("AmlNetwork"));
static FEED: LazyLock<Schema> = LazyLock::new(|| Schema::of("ServiceTagFeed"));
static APPROVAL: LazyLock<Schema> = LazyLock::new(|| Schema::of("PlanApproval"));

const TABLE: &str =
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network/routeTables/rt";

/// A good text with a few letters replaced, removed or put in.
fn nearly(good: &'static [&'static str]) -> impl Strategy<Value = String> {
    let letters = r#"[0-9a-zA-Z./:%\-_ @\[\]#?+~\n"'ſK٤eé]"#;
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 0..3u8, letters), 0..3);
    (prop::sample::select(good), edits).prop_map(|(good, edits)| {
        let mut text: Vec<char> = good.chars().collect();
        for (at, what, letter) in edits {
            let at = at.index(text.len() + 1);
            if what > 0 && at < text.len() {
                text.remove(at);
            }
            if what < 2 {
                text.splice(at..at, letter.chars());
            }
        }
        text.into_iter().collect()
    })
}

fn passes<T: serde::de::DeserializeOwned>(schema: &Schema, object: &Value) -> Option<T> {
    let checked = schema.check(object, true);
    (checked.rules.is_empty() && checked.others.is_empty()).then(|| serde_json::from_value(checked.value).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_network_that_passes_can_be_used(
        id in nearly(&[TABLE]),
        other in nearly(&[TABLE, "/subscriptions/00000000-0000-0000-0000-000000000001/resourcegroups/RG/providers/Microsoft.Network/routeTables/RT2"]),
        hop in nearly(&["10.0.2.4", "fd00::4", "::1.2.3.4", "255.255.255.255", "fe80::1"]),
        default_route in nearly(&["10.0.1.4", "0.0.0.0"]),
        hold in nearly(&["42d", "999999999s"]),
        families in prop::collection::vec(prop::sample::select(&["IPv4", "IPv6"][..]), 1..3),
        services in prop::collection::vec(nearly(&["AzureMachineLearning", "Storage", "storage"]), 0..3),
    ) {
        let object = json!({
            "apiVersion": "amlnet.dev/v1alpha1", "kind": "AmlNetwork", "metadata": {"name": "a"},
            "spec": {
                "region": "eastus2", "mode": "Sync", "ipFamilies": families, "removal": {"holdFor": hold},
                "routes": {"services": services, "routeTables": [
                    {"id": id, "nextHop": {"type": "VirtualAppliance", "ipAddress": hop}},
                    {"id": other, "defaultRoute": {"ipAddress": default_route}},
                ]},
            },
        });
        if let Some(network) = passes::<AmlNetwork>(&NETWORK, &object) {
            prop_assert!(convert::intent(&network.spec).is_ok(), "{object}: {:?}", convert::intent(&network.spec));
        }
    }

    #[test]
    fn a_feed_that_passes_can_be_used(
        page in nearly(&["https://mirror.example.com:8443/a?b=c#d", "https://user:secret@10.0.0.5/", "https://[fd00::5]:80"]),
        file in nearly(&["https://mirror/t.json", "https://a.b.1/", "https://10.0.0.5:65535/"]),
        interval in nearly(&["6h", "15m", "24h", "86400s", "1d"]),
    ) {
        let object = json!({
            "apiVersion": "amlnet.dev/v1alpha1", "kind": "ServiceTagFeed", "metadata": {"name": "a"},
            "spec": {"cloud": "Public", "interval": interval, "sources": [
                {"download": {"pageUrl": page}}, {"download": {"fileUrl": file}},
            ]},
        });
        if let Some(feed) = passes::<ServiceTagFeed>(&FEED, &object) {
            prop_assert!(convert::feed(&feed.spec).is_ok(), "{object}: {:?}", convert::feed(&feed.spec));
        }
    }

    #[test]
    fn an_approval_that_passes_can_be_used(
        time in nearly(&["2026-12-31T12:00:00Z", "2028-02-29T23:59:59.5+14:00", "2099-06-30T00:00:00-23:59"]),
    ) {
        let object = json!({
            "apiVersion": "amlnet.dev/v1alpha1", "kind": "PlanApproval", "metadata": {"name": "a"},
            "spec": {"network": "a", "hash": format!("sha256:{}", "a".repeat(64)), "expiresAt": time},
        });
        if let Some(approval) = passes::<PlanApproval>(&APPROVAL, &object) {
            let key = ObjectKey { namespace: "default".to_owned(), name: "a".to_owned() };
            let found = convert::approval(&key, &approval.spec);
            prop_assert!(found.is_ok(), "{object}: {found:?}");
        }
    }
}
