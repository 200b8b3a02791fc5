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

/// Every object of `tests/objects` that is of a kind of ours, as the API server would receive it.
fn received() -> Vec<(String, String, Value)> {
    let folders = ["good", "bad"].map(|folder| format!("{}/tests/objects/{folder}", env!("CARGO_MANIFEST_DIR")));
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap()).map(|file| file.unwrap().path());
    let read = |file: std::path::PathBuf| {
        let mut value: Value = serde_yaml::from_str(&std::fs::read_to_string(&file).unwrap()).ok()?;
        let kind =
            value["kind"].as_str().filter(|kind| ["AmlNetwork", "ServiceTagFeed", "PlanApproval"].contains(kind));
        let kind = kind?.to_owned();
        as_received(&mut value, &Schema::of(&kind).text);
        Some((file.display().to_string(), kind, value))
    };
    files.filter_map(read).collect()
}

#[test]
fn the_parts_that_an_object_has_say_of_it_what_the_whole_schema_says() {
    let said = |validator: &jsonschema::Validator, value: &Value| {
        let errors = validator.iter_errors(value);
        let mut said: Vec<String> =
            errors.map(|error| format!("{} {} {error}", error.instance_path(), error.schema_path())).collect();
        said.sort();
        said
    };
    let options = || jsonschema::options().with_draft(jsonschema::Draft::Draft7).should_validate_formats(false);
    let kinds = ["AmlNetwork", "ServiceTagFeed", "PlanApproval"];
    let shared = kinds.map(|kind| (kind, Schema::of(kind)));
    let whole = shared.each_ref().map(|(kind, schema)| (*kind, options().build(&schema.text).unwrap()));
    let (mut with_errors, all) = (0, received());
    assert!(all.len() > 450, "{} objects", all.len());
    for (file, kind, value) in all {
        let (_, whole) = whole.iter().find(|(of, _)| *of == kind).unwrap();
        let (_, shared) = shared.iter().find(|(of, _)| *of == kind).unwrap();
        let expected = said(whole, &value);
        assert_eq!(said(&Schema::of(&kind).validator(&value), &value), expected, "{file}: the first of its kind");
        assert_eq!(said(&shared.validator(&value), &value), expected, "{file}: after others");
        with_errors += usize::from(!expected.is_empty());
    }
    assert!(with_errors > 150, "{with_errors} objects that the schemas refuse");
}
