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

/// With statuses, which the API server drops from what people write.
fn with_statuses() -> Vec<(String, String, Value)> {
    let condition = json!({"type": "Ready", "status": "False", "reason": "A", "message": "", "observedGeneration": 1,
        "lastTransitionTime": "2026-01-05T12:00:00Z"});
    let target = json!({"id": "/a", "state": "InSync", "message": "", "entries": 1, "capacity": 400, "add": 1,
        "remove": 0, "held": 2, "removedIn7Days": 1, "conflicts": [], "conflictsNotListed": 0,
        "warnings": [{"code": "A", "message": ""}]});
    let statuses = [
        json!({"observedGeneration": 1, "conditions": [condition], "pending": 3, "targets": [target]}),
        json!({"observedGeneration": "1", "conditions": [{"type": "Ready"}], "pending": -3, "targets": [{"id": 1}]}),
        json!({"conditions": {"type": "Ready"}, "unheardOf": true}),
        json!({"targets": [target, {"warnings": [{"code": 1}], "unheardOf": []}]}),
    ];
    let spec = json!({"region": "eastus2", "mode": "Sync"});
    let object = |(index, status): (usize, Value)| {
        let object = json!({"apiVersion": "amlnet.dev/v1alpha1", "kind": "AmlNetwork", "metadata": {"name": "a"},
            "spec": spec, "status": status});
        (format!("status {index}"), "AmlNetwork".to_owned(), object)
    };
    statuses.into_iter().enumerate().map(object).collect()
}

fn sorted(said: impl Iterator<Item = String>) -> Vec<String> {
    let mut said: Vec<String> = said.collect();
    said.sort();
    said
}

/// What is wrong with an object by its schema.
fn said(validator: &jsonschema::Validator, value: &Value) -> Vec<String> {
    let errors = validator.iter_errors(value);
    sorted(errors.map(|error| format!("{} {} {error}", error.instance_path(), error.schema_path())))
}

/// What is wrong with it by the rules.
fn broken(errors: impl IntoIterator<Item = kube::core::cel::ValidationError>) -> Vec<String> {
    sorted(errors.into_iter().map(|error| format!("{} {}", error.field_path, error.message)))
}

#[test]
fn the_parts_that_an_object_has_say_of_it_what_the_whole_schema_says() {
    use kube::core::cel::{Validator, compile_schema};
    let kinds = ["AmlNetwork", "ServiceTagFeed", "PlanApproval"];
    // All of it at once, in the newest draft.
    let whole = kinds.map(|kind| {
        let schema = Schema::of(kind);
        (kind, jsonschema::validator_for(&schema.text).unwrap(), compile_schema(&crd::schema(kind)), schema)
    });
    let (mut with_errors, mut breaking, all) = (0, 0, [received(), with_statuses()].concat());
    assert!(all.len() > 450, "{} objects", all.len());
    for (name, kind, value) in all {
        let (_, validator, rules, shared) = whole.iter().find(|(of, ..)| *of == kind).unwrap();
        let first = Schema::of(&kind);
        let expected = said(validator, &value);
        assert_eq!(said(&first.validator(&value), &value), expected, "{name}: the first of its kind");
        assert_eq!(said(&shared.validator(&value), &value), expected, "{name}: after others");
        with_errors += usize::from(!expected.is_empty());
        if !validator.iter_errors(&value).all(|error| is_pattern(&error)) {
            continue;
        }
        let fits = expected.is_empty();
        let expected = broken(Validator::new().validate_compiled(rules, &value, None).err().into_iter().flatten());
        for (schema, when) in [(&first, "the first of its kind"), (shared, "after others")] {
            assert_eq!(broken(schema.rules.lock().unwrap().broken(&value, fits)), expected, "{name}: {when}");
        }
        breaking += usize::from(!expected.is_empty());
    }
    assert!(with_errors > 150 && breaking > 150, "{with_errors} and {breaking} objects are refused");
}

/// A rule that repeats a pattern is not asked about a text that fits. Defaults are asked about without having been looked
/// at, so they fit.
#[test]
fn defaults_fit_their_patterns() {
    fn look(schema: &Value, default: Option<&Value>, seen: &mut usize) {
        let defaults = [default, schema.get("default")].into_iter().flatten();
        for default in defaults {
            if let (Some(pattern), Some(text)) = (schema["pattern"].as_str(), default.as_str()) {
                assert!(jsonschema::is_valid(&json!({"pattern": pattern}), default), "{text:?} does not fit {pattern}");
                *seen += 1;
            }
            for item in default.as_array().into_iter().flatten() {
                look(&schema["items"], Some(item), seen);
            }
            for (name, field) in default.as_object().into_iter().flatten() {
                look(&schema["properties"][name], Some(field), seen);
            }
        }
        for part in
            schema["properties"].as_object().into_iter().flatten().map(|(_, part)| part).chain(schema.get("items"))
        {
            look(part, None, seen);
        }
    }
    let mut seen = 0;
    for kind in ["AmlNetwork", "ServiceTagFeed", "PlanApproval"] {
        look(&crd::schema(kind), None, &mut seen);
    }
    assert!(seen >= 4, "{seen} defaults have a pattern");
}
