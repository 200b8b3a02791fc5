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
    Setting { installation: "prod".parse().unwrap(), regions: Arc::new(Regions::built_in()), no_memory: None }
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
    let targets = index(&world(&[("a", "rt one"), ("b", "RT")]), &documents(), &Retained::new(), &setting());
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
        let targets = index(&world(&[("a", "rt")]), &documents, &Retained::new(), &setting());
        let error = targets.values().next().unwrap().contributions[0].outcome.clone().unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
    }
}

#[test]
fn an_object_that_cannot_be_read_freezes_removals_everywhere() {
    let mut world = world(&[("a", "rt"), ("b", "other")]);
    let frozen = |world: &World| -> BTreeSet<bool> {
        index(world, &documents(), &Retained::new(), &setting())
            .values()
            .map(|input| input.removals_frozen.is_some())
            .collect()
    };
    assert_eq!(frozen(&world), [false].into());
    let broken = Undecodable { place: "c.yaml".into(), network: None, message: "not YAML".into() };
    world.undecodable.push(broken);
    assert_eq!(frozen(&world), [true].into());
}

#[test]
fn two_installations_have_targets_of_their_own_names_only() {
    let input = index(&world(&[("a", "rt")]), &documents(), &Retained::new(), &setting());
    assert_eq!(input.values().next().unwrap().installation.as_str(), "prod");
}

#[test]
fn one_document_may_stand_for_every_feed() {
    let only = documents().by_feed.remove("public").unwrap().unwrap();
    let documents = Documents { instead: Some(only), ..Documents::default() };
    let targets = index(&world(&[("a", "rt")]), &documents, &Retained::new(), &setting());
    assert!(targets.values().next().unwrap().contributions[0].outcome.is_ok());
}

#[test]
fn a_network_that_is_gone_is_still_reckoned_with_on_its_tables() {
    let retained = Retained::from([(format!("{BASE}/RT").parse().unwrap(), "b is gone".to_owned())]);
    let targets = index(&world(&[("a", "rt other")]), &documents(), &retained, &setting());
    let frozen: Vec<bool> = targets.values().map(|input| input.removals_frozen.is_some()).collect();
    assert_eq!(frozen, [false, true]);
}
