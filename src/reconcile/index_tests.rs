use std::collections::BTreeSet;

use super::*;
use crate::api::read::{self, Object};
use crate::domain::testing;
use crate::store::Undecodable;

const BASE: &str =
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network/routeTables";

fn world(networks: &[(&str, &str)]) -> World {
    let mut world = World::default();
    for (name, tables) in networks {
        let tables: Vec<String> = tables.split(' ').map(|table| format!("{{id: \"{BASE}/{table}\"}}")).collect();
        let text = format!(
            "apiVersion: amlnet.dev/v1alpha1\nkind: AmlNetwork\nmetadata: {{name: {name}}}\n\
             spec: {{region: eastus2, pairedRegion: None, mode: Sync, routes: {{routeTables: [{}]}}}}\n",
            tables.join(", ")
        );
        let Object::Network(network) = read::read(&text).unwrap().remove(0).unwrap() else { panic!("no network") };
        world.networks.insert(network.key.clone(), Held { object: *network, origin: "a.yaml".into(), broken: None });
    }
    world
}

fn setting() -> Setting {
    Setting {
        installation: "prod".parse().unwrap(),
        regions: Arc::new(Regions::built_in()),
        requirements: crate::domain::requirement::Tables::BuiltIn,
        no_memory: None,
        absent: Absent::Deleted,
        read_only: None,
        scopes: Arc::new(Scopes::any()),
    }
}

fn documents() -> Documents {
    let document = testing::document(&[
        ("AzureMachineLearning", "", &["20.1.0.0/26"]),
        ("AzureMachineLearning.EastUS2", "eastus2", &["20.1.0.0/26"]),
        ("AzureCloud.eastus2", "eastus2", &["20.0.0.0/8"]),
    ]);
    Documents { by_feed: [("public".to_owned(), Ok(Arc::new(document)))].into(), ..Documents::default() }
}

#[test]
fn a_table_that_several_networks_name_is_one_target_whatever_the_case_of_its_id() {
    let targets = index(&world(&[("a", "rt one"), ("b", "RT")]), &documents(), &Memories::new(), &setting());
    let contributors: Vec<Vec<String>> =
        targets.values().map(|input| input.contributions.iter().map(|c| c.network.name.clone()).collect()).collect();
    assert_eq!(contributors, [vec!["a".to_owned()], vec!["a".to_owned(), "b".to_owned()]]);
}

#[test]
fn without_a_document_a_contribution_says_why_and_wishes_nothing() {
    for (documents, wanted) in [
        (Documents::default(), "FeedMissing"),
        (
            Documents {
                by_feed: [("public".to_owned(), Err("the page is gone".to_owned()))].into(),
                ..Documents::default()
            },
            "the page is gone",
        ),
    ] {
        let targets = index(&world(&[("a", "rt")]), &documents, &Memories::new(), &setting());
        let error = targets.values().next().unwrap().contributions[0].outcome.clone().unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
    }
}

#[test]
fn an_object_that_cannot_be_read_freezes_removals_everywhere() {
    let mut world = world(&[("a", "rt"), ("b", "other")]);
    let frozen = |world: &World| -> BTreeSet<bool> {
        index(world, &documents(), &Memories::new(), &setting())
            .values()
            .map(|input| input.removals_frozen.is_some())
            .collect()
    };
    assert_eq!(frozen(&world), [false].into());
    let broken = Undecodable { place: "c.yaml".into(), network: None, generation: 0, message: "not YAML".into() };
    world.undecodable.push(broken);
    assert_eq!(frozen(&world), [true].into());
}

#[test]
fn two_installations_have_targets_of_their_own_names_only() {
    let input = index(&world(&[("a", "rt")]), &documents(), &Memories::new(), &setting());
    assert_eq!(input.values().next().unwrap().installation.as_str(), "prod");
}

#[test]
fn one_document_may_stand_for_every_feed() {
    let only = documents().by_feed.remove("public").unwrap().unwrap();
    let documents = Documents { instead: Some(only), ..Documents::default() };
    let targets = index(&world(&[("a", "rt")]), &documents, &Memories::new(), &setting());
    assert!(targets.values().next().unwrap().contributions[0].outcome.is_ok());
}

/// What is remembered of table `RT` when these Networks contributed to it.
fn memories(networks: &[(&str, &str)]) -> Memories {
    let inputs = index(&world(networks), &documents(), &Memories::new(), &setting());
    let look = |input: &TargetInput| TargetMemory::default().look(input, &testing::observed(&[]), testing::noon()).0;
    inputs.iter().map(|(id, input)| (id.clone(), look(input))).collect()
}

fn departures(world: &World, setting: &Setting) -> Vec<(String, Vec<Departure>, bool)> {
    let targets = index(world, &documents(), &memories(&[("a", "rt"), ("b", "rt other")]), setting);
    let row = |input: &TargetInput| {
        let gone = input.departed.values().copied().collect();
        (input.id.name.clone(), gone, input.removals_frozen.is_some())
    };
    targets.values().map(row).collect()
}

#[test]
fn a_network_that_is_gone_was_deleted_where_all_were_to_be_given() {
    let rows = departures(&world(&[("a", "rt")]), &setting());
    let deleted = vec![Departure::Deleted];
    assert_eq!(rows, [("other".to_owned(), deleted.clone(), false), ("rt".to_owned(), deleted, false)]);
}

#[test]
fn a_network_that_is_not_given_is_still_reckoned_with_on_its_tables() {
    let some = Setting { absent: Absent::NotGiven, ..setting() };
    assert_eq!(departures(&world(&[("a", "rt")]), &some), [("rt".to_owned(), vec![], true)]);
}

#[test]
fn a_table_that_a_spec_no_longer_names_was_taken_out() {
    let rows = departures(&world(&[("a", "rt"), ("b", "rt")]), &setting());
    assert_eq!(rows, [("other".to_owned(), vec![Departure::TakenOut], false), ("rt".to_owned(), vec![], false)]);
}

#[test]
fn nothing_found_and_nothing_readable_never_mean_deleted() {
    let empty = World::default();
    let mut unreadable = world(&[("a", "rt")]);
    unreadable.undecodable.push(Undecodable {
        place: "b.yaml".into(),
        network: None,
        generation: 0,
        message: "not YAML".into(),
    });
    for world in [empty, unreadable] {
        let rows = departures(&world, &setting());
        assert!(rows.iter().all(|(_, gone, frozen)| gone.is_empty() && *frozen), "{rows:?}");
    }
}

/// Everything is allowed to the namespace `default` in these tables, and nothing to others.
fn scoped(tables: &[&str]) -> Setting {
    let ids: Vec<String> = tables.iter().map(|table| format!("\"{BASE}/{table}\"")).collect();
    let text = format!(
        "scopes: [{{namespaces: [default], resourceIds: [{}], serviceTags: [\"*\"], nextHops: [\"*\"]}}]",
        ids.join(", ")
    );
    Setting { scopes: Arc::new(crate::api::scopes::parse(&text).unwrap()), ..setting() }
}

#[test]
fn a_network_outside_its_scope_has_no_target_and_leaves_none() {
    let both = world(&[("a", "rt"), ("b", "rt other")]);
    let named = |setting: &Setting, memories: &Memories| -> Vec<(String, usize, bool)> {
        let row = |input: &TargetInput| {
            assert!(input.departed.is_empty(), "{:?}", input.departed);
            (input.id.name.clone(), input.contributions.len(), input.removals_frozen.is_some())
        };
        index(&both, &documents(), memories, setting).values().map(row).collect()
    };
    let (wide, narrow) = (scoped(&["rt", "other"]), scoped(&["rt"]));
    assert_eq!(named(&wide, &Memories::new()), [("other".to_owned(), 1, false), ("rt".to_owned(), 2, false)]);
    assert_eq!(named(&narrow, &Memories::new()), [("rt".to_owned(), 1, false)]);
    let remembered = memories(&[("a", "rt"), ("b", "rt other")]);
    assert_eq!(named(&narrow, &remembered), [("rt".to_owned(), 1, true)]);
    assert_eq!(named(&scoped(&["third"]), &remembered), []);
    assert_eq!(out_of_scope(&both, &narrow).into_keys().map(|key| key.name).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn whoever_left_when_the_target_was_no_longer_allowed_has_not_left_it() {
    let narrow = scoped(&["rt"]);
    for world in [world(&[("a", "rt")]), world(&[("a", "rt"), ("b", "rt")])] {
        let rows = departures(&world, &narrow);
        assert!(rows.iter().all(|(name, ..)| name == "rt"), "nobody may look at the other one: {rows:?}");
    }
}

#[test]
fn a_network_that_moved_to_another_namespace_takes_its_scope_from_there() {
    let moved = world(&[("a, namespace: team", "rt")]);
    let remembered = memories(&[("a", "rt")]);
    let input = index(&moved, &documents(), &remembered, &scoped(&["rt"])).pop_first().unwrap().1;
    assert_eq!((input.contributions.len(), input.departed.len()), (0, 1), "the old one is gone, the new one may not");
    let input = index(&moved, &documents(), &remembered, &scoped(&["other"])).pop_first();
    assert_eq!(input, None);
}

#[test]
fn what_a_network_names_that_is_not_claimed_yet_stays_whoever_leaves() {
    let cluster = Setting { absent: Absent::Retained, ..setting() };
    let key = |name: &str| ObjectKey { namespace: "default".into(), name: name.into() };
    // `b` is deleted with its entries, and `new`, which takes over `rt`, is not claimed yet.
    let mut world = world(&[("a", "rt")]);
    world.leaving.insert(key("b"), crate::store::Leaving { generation: 2, deletes: true });
    world.unclaimed.insert(key("new"), BTreeSet::from([format!("{BASE}/rt").parse().unwrap()]));
    let rows = departures(&world, &cluster);
    let deleted = vec![Departure::DeletedWithEntries];
    assert_eq!(rows, [("other".to_owned(), deleted.clone(), false), ("rt".to_owned(), vec![], true)]);
    world.unclaimed.clear();
    assert_eq!(
        departures(&world, &cluster),
        [("other".to_owned(), deleted.clone(), false), ("rt".to_owned(), deleted, false)]
    );
}

#[test]
fn in_a_cluster_whoever_is_gone_without_being_seen_to_leave_leaves_everything_behind() {
    let cluster = Setting { absent: Absent::Retained, ..setting() };
    let taken_out = vec![Departure::TakenOut];
    let rows = departures(&world(&[("a", "rt")]), &cluster);
    assert_eq!(rows, [("other".to_owned(), taken_out.clone(), false), ("rt".to_owned(), taken_out, false)]);
    let mut foreign = world(&[("a", "rt")]);
    let key = ObjectKey { namespace: "default".into(), name: "b".into() };
    foreign.foreign.insert(key, "blue".into());
    let rows = departures(&foreign, &cluster);
    assert!(rows.iter().all(|(_, gone, frozen)| gone.is_empty() && *frozen), "{rows:?}");
}
