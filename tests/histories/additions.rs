//! With the settings that a spec has by itself, no real addition to the regional tags of Azure Machine Learning and
//! Azure Batch waits for anybody.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use amlnet::api::read::{Object, read};
use amlnet::domain::decision::{Basis, decide};
use amlnet::domain::memory::TargetMemory;
use amlnet::domain::plan::{Action, Limits, Observed, ObservedEntry};
use amlnet::domain::scope::Scopes;
use amlnet::domain::service_tags::Cloud;
use amlnet::reconcile::index::{Absent, Documents, Memories, Setting, index};
use amlnet::store::{Held, World};

use crate::replay::files::Edition;
use crate::replay::{Stage, noon};
use crate::stage;

/// A Network with both services and no other setting for what may be added.
fn network(region: &str) -> World {
    let text = format!(
        "apiVersion: amlnet.dev/v1alpha1
kind: AmlNetwork
metadata: {{name: ml}}
spec:
  region: {region}
  pairedRegion: none
  ipFamilies: [IPv4, IPv6]
  mode: UpsertOnly
  routes:
    services: [AzureMachineLearning, BatchNodeManagement]
    routeTables:
    - id: /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network/routeTables/rt
      nextHop: {{type: Internet}}
"
    );
    let Object::Network(object) = read(&text).unwrap().remove(0).unwrap() else { panic!("a Network") };
    let held = Held { object: *object, origin: PathBuf::new(), broken: None };
    World { networks: BTreeMap::from([(held.object.key.clone(), held)]), ..World::default() }
}

/// How many prefixes came after the first file, if the region is known.
fn additions(stage: &Stage, region: &str, cloud: Cloud) -> Vec<usize> {
    let (world, mut memories, mut came) = (network(region), Memories::new(), Vec::new());
    let mut table = Observed {
        location: "eastus".to_owned(),
        entries: Vec::new(),
        subnets: 1,
        updating: false,
        whole: None,
        rules: None,
    };
    let limits = Limits { entries: 400, tag_entries: 25, addresses: 0 };
    for (_, edition) in stage.shelf.of_cloud(cloud) {
        let Some(needed) = needed(edition, region) else { continue };
        let documents = Documents {
            by_feed: BTreeMap::from([("public".to_owned(), Ok(Arc::clone(&edition.document)))]),
            ..Documents::default()
        };
        let setting = Setting {
            installation: "prod".parse().unwrap(),
            regions: Arc::clone(&stage.regions),
            requirements: amlnet::domain::requirement::Tables::BuiltIn,
            no_memory: None,
            absent: Absent::Deleted,
            read_only: None,
            scopes: Arc::new(Scopes::any()),
        };
        let (id, input) = index(&world, &documents, &memories, &setting).pop_first().unwrap();
        let remembered = memories.remove(&id).unwrap_or_default();
        let basis = |remembered| Basis { remembered, approvals: &[], now: noon(edition.date) };
        let (plan, memory) = decide(&input, &table, limits, &[], basis(&remembered));
        let waits: Vec<_> = plan.held.iter().filter(|held| held.step.action == Action::Add).collect();
        assert!(waits.is_empty() && plan.blocked.is_none(), "{region}, {}: {waits:?} {:?}", edition.name, plan.blocked);
        came.push(plan.steps.iter().filter(|step| step.action == Action::Add).count());
        for step in plan.steps {
            let (name, address, next_hop) = (step.entry, step.address, step.next_hop.unwrap());
            table.entries.push(ObservedEntry { name, address, next_hop, failed: false });
        }
        let (plan, memory): (_, TargetMemory) = decide(&input, &table, limits, &[], basis(&memory));
        assert!(plan.steps.is_empty(), "{region}, {}: {:?}", edition.name, plan.steps);
        let stands: BTreeSet<String> = table.entries.iter().map(|entry| entry.address.to_string()).collect();
        let missing: Vec<_> = needed.difference(&stands).collect();
        assert!(missing.is_empty(), "{region}, {}: {missing:?}", edition.name);
        memories.insert(id, memory);
    }
    came
}

/// The prefixes of both services in a region, where the file has IPv4 prefixes of both under the region's own name.
fn needed(edition: &Edition, region: &str) -> Option<BTreeSet<String>> {
    let of = |service: &str| {
        let all = edition.tags.get(&format!("{service}.{region}"))?;
        all.iter().any(|prefix| !prefix.contains(':')).then_some(all)
    };
    Some(of("azuremachinelearning")? | of("batchnodemanagement")?)
}

#[test]
fn with_the_defaults_no_real_addition_waits() {
    let Some(stage) = stage() else { return };
    let (mut regions, mut most) = (0, 0);
    for cloud in Cloud::ALL {
        let suffixes: BTreeSet<String> = stage
            .shelf
            .of_cloud(cloud)
            .flat_map(|(_, edition)| edition.tags.keys())
            .filter_map(|tag| Some(tag.strip_prefix("azuremachinelearning.")?.to_owned()))
            .collect();
        for region in suffixes {
            let came = additions(stage, &region, cloud);
            regions += usize::from(!came.is_empty());
            most = came.iter().skip(1).copied().chain([most]).max().unwrap();
        }
    }
    // docs/facts.md, "What changes": EastUS2 gained 15 at once, the most of all.
    assert!(regions > 60 && most >= 15, "{regions} regions, at most {most} additions");
}
