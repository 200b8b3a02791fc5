use serde_json::{Value, json};

use super::*;

const TABLE: &str =
    "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg/providers/Microsoft.Network/routeTables/rt";

fn key_of(name: &str) -> ObjectKey {
    ObjectKey { namespace: "team".to_owned(), name: name.to_owned() }
}

/// A Network as the API server shows it; `change` is put over metadata, spec and status.
fn network(name: &str, version: u64, change: &[(&str, &str, Value)]) -> DynamicObject {
    let mut object = json!({"apiVersion": "amlnet.dev/v1alpha1", "kind": "AmlNetwork",
        "metadata": {"name": name, "namespace": "team", "uid": format!("uid of {name}"), "generation": 1,
            "resourceVersion": version.to_string()},
        "spec": {"region": "eastus2", "mode": "Sync", "routes": {"routeTables": [{"id": TABLE}]}},
        "status": {"installation": "prod"}});
    for (part, field, value) in change {
        object[part][field] = value.clone();
    }
    serde_json::from_value(object).unwrap()
}

#[expect(clippy::needless_pass_by_value, reason = "so that calls stay short")]
fn approval_of(namespace: &str, spec: Value) -> DynamicObject {
    serde_json::from_value(json!({"apiVersion": "amlnet.dev/v1alpha1", "kind": "PlanApproval",
        "metadata": {"name": "one", "namespace": namespace, "uid": "u1", "resourceVersion": "1",
            "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": spec}))
    .unwrap()
}

fn objects() -> Objects {
    Objects::new("prod", "amlnet")
}

#[test]
fn nothing_is_done_for_a_network_before_it_is_claimed_nor_for_one_of_another_installation() {
    let mut objects = objects();
    objects.apply(Kind::Network, &network("ours", 1, &[]));
    objects.apply(Kind::Network, &network("new", 1, &[("status", "installation", json!(""))]));
    objects.apply(Kind::Network, &network("theirs", 1, &[("status", "installation", json!("blue"))]));
    let world = objects.world();
    assert_eq!(world.networks.keys().collect::<Vec<_>>(), [&key_of("ours")]);
    let unclaimed: Vec<&ObjectKey> = world.unclaimed.keys().collect();
    assert_eq!(unclaimed, [&key_of("new")]);
    assert_eq!(world.unclaimed[&key_of("new")].len(), 1, "what it names is known before it is claimed");
    assert_eq!(world.foreign, BTreeMap::from([(key_of("theirs"), "blue".to_owned())]));
    assert!(world.unusable(&key_of("theirs")).unwrap().contains("installation blue"));
}

#[test]
fn what_cannot_be_read_keeps_its_last_text_tells_its_own_generation_and_stops_no_other() {
    let mut objects = objects();
    let broken = [("spec", "mode", json!("Ask")), ("metadata", "generation", json!(2))];
    objects.apply(Kind::Network, &network("good", 1, &[]));
    objects.apply(Kind::Network, &network("known", 1, &[]));
    objects.apply(Kind::Network, &network("known", 2, &broken));
    objects.apply(Kind::Network, &network("unknown", 2, &broken));
    let world = objects.world();
    assert_eq!(world.networks.keys().collect::<Vec<_>>(), [&key_of("good"), &key_of("known")]);
    let known = &world.networks[&key_of("known")];
    assert!(known.broken.as_ref().unwrap().contains("spec.mode"), "{:?}", known.broken);
    assert_eq!((known.object.intent.mode, known.object.generation), (Mode::Sync, 2));
    let told: Vec<_> = world.undecodable.iter().map(|u| (u.network.clone().unwrap().name, u.generation)).collect();
    assert_eq!(told, [("known".to_owned(), 2), ("unknown".to_owned(), 2)]);
    // Another object of the same name has no last text.
    let mut anew = broken.to_vec();
    anew.push(("metadata", "uid", json!("another")));
    objects.apply(Kind::Network, &network("known", 3, &anew));
    assert!(!objects.world().networks.contains_key(&key_of("known")));
}

#[test]
fn an_answer_about_the_past_brings_nothing_back() {
    let mut objects = objects();
    objects.apply(Kind::Network, &network("ml", 5, &[]));
    objects.answered(Kind::Network, &network("ml", 4, &[("spec", "mode", json!("Observe"))]));
    assert_eq!(objects.world().networks[&key_of("ml")].object.intent.mode, Mode::Sync, "older than what is known");
    objects.delete(Kind::Network, &key_of("ml"));
    objects.answered(Kind::Network, &network("ml", 6, &[]));
    assert!(objects.world().networks.is_empty(), "the watch told first that it is gone");
    let anew = network("ml", 8, &[("metadata", "uid", json!("another"))]);
    objects.apply(Kind::Network, &anew);
    objects.answered(Kind::Network, &network("ml", 9, &[]));
    assert_eq!(objects.get(Kind::Network, &key_of("ml")).unwrap().uid, "another");
}

#[test]
fn a_list_takes_away_what_it_does_not_hold_in_its_own_namespace_only() {
    let mut objects = objects();
    let elsewhere = network("ml", 1, &[("metadata", "namespace", json!("other"))]);
    for object in [&network("a", 1, &[]), &network("b", 1, &[]), &elsewhere] {
        objects.apply(Kind::Network, object);
    }
    assert!(objects.take_difference());
    objects.replace(Kind::Network, Some("team"), &[network("a", 1, &[])]);
    assert!(objects.take_difference());
    let names: Vec<String> = objects.world().networks.keys().map(ToString::to_string).collect();
    assert_eq!(names, ["other/ml", "team/a"]);
    objects.replace(Kind::Network, Some("team"), &[network("a", 2, &[("status", "pending", json!(7))])]);
    assert!(!objects.take_difference(), "our own statuses are no news");
}

#[test]
fn only_a_network_with_our_finalizer_leaves_and_deletes_by_its_spec_as_it_is_now() {
    let leaving = |name: &str, finalizer: &str, policy: &str, mode: &str| {
        let change = [
            ("metadata", "deletionTimestamp", json!("2026-01-01T00:00:00Z")),
            ("metadata", "finalizers", json!([finalizer])),
            ("spec", "deletionPolicy", json!(policy)),
            ("spec", "mode", json!(mode)),
        ];
        network(name, 1, &change)
    };
    let mut objects = objects();
    for object in [
        leaving("deletes", FINALIZER, "Delete", "UpsertOnly"),
        leaving("observes", FINALIZER, "Delete", "Observe"),
        leaving("retains", FINALIZER, "Retain", "Sync"),
        leaving("unreadable", FINALIZER, "Delete", "Ask"),
        leaving("kept-by-others", "example.com/other", "Delete", "Sync"),
    ] {
        objects.apply(Kind::Network, &object);
    }
    let world = objects.world();
    assert!(world.networks.is_empty() && world.undecodable.is_empty());
    let deletes: Vec<_> = world.leaving.iter().map(|(key, leaving)| (key.name.as_str(), leaving.deletes)).collect();
    assert_eq!(deletes, [("deletes", true), ("observes", false), ("retains", false), ("unreadable", false)]);
}

#[test]
fn an_approval_is_its_name_and_uid_and_one_of_a_feed_counts_at_home_only() {
    let hash = format!("sha256:{}", "a".repeat(64));
    let mut objects = objects();
    objects.apply(Kind::Approval, &approval_of("team", json!({"network": "ml", "hash": hash})));
    objects.apply(Kind::Approval, &approval_of("other", json!({"feed": "public", "hash": hash})));
    objects.apply(Kind::Approval, &approval_of("amlnet", json!({"feed": "public", "hash": hash})));
    objects.apply(Kind::Approval, &approval_of("third", json!({"network": "ml", "hash": "short"})));
    let (approvals, problems) = objects.approvals();
    let subjects: BTreeSet<String> = approvals.iter().map(|approval| approval.subject.to_string()).collect();
    assert_eq!(subjects.len(), 2, "{subjects:?}");
    assert!(approvals.iter().all(|approval| approval.id == "one u1"));
    assert!(approvals.iter().all(|approval| approval.expires_at.to_string() == "2026-01-08T00:00:00Z"));
    let places: Vec<&str> = problems.iter().map(|problem| problem.place.as_str()).collect();
    assert_eq!(places, ["PlanApproval other/one", "PlanApproval third/one"]);
}
