//! What several of these tests need: small worlds, and Azure's part in applying a step.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::LazyLock;

use amlnet::domain::accept::obeys_identity;
use amlnet::domain::desired::Address;
use amlnet::domain::guard::{Situation, guard};
use amlnet::domain::intent::{
    Addressing, Approval, Budget, DeletionPolicy, Growth, Intent, Mode, NextHop, Removal, RouteTableIntent,
};
use amlnet::domain::memory::TargetMemory;
use amlnet::domain::plan::{Action, Limits, Observed, ObservedEntry, Plan, Step, TargetInput, entries};
use amlnet::domain::prefix::Family;
use amlnet::domain::region::Regions;
use amlnet::domain::resolve::PairedRegion;
use amlnet::domain::resource_id::ResourceId;
use amlnet::domain::service_tags::Document;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Tags of a document: name to prefixes.
pub(crate) type Tags = BTreeMap<String, Vec<String>>;

pub(crate) fn manifest_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The JSON of a Public document. The suffix of a tag is its region; the global tag of a service that obeys the
/// identity is the union of its regional tags, unless it is given.
pub(crate) fn document_json(change_number: u64, tags: &Tags) -> Value {
    let mut all = tags.clone();
    for (name, prefixes) in tags {
        let regional = name.split_once('.').filter(|(service, _)| obeys_identity(service));
        if let Some((service, _)) = regional
            && !tags.contains_key(service)
        {
            all.entry(service.to_owned()).or_default().extend(prefixes.iter().cloned());
        }
    }
    let values: Vec<Value> = all
        .iter()
        .map(|(name, prefixes)| {
            let region = name.split_once('.').map(|(_, region)| region.to_lowercase()).unwrap_or_default();
            let features = (region.is_empty()).then_some(["API", "NSG", "UDR", "FW"]);
            json!({"name": name, "id": name, "properties": {"changeNumber": 1, "region": region, "regionId": 0,
                "platform": "Azure", "systemService": "", "addressPrefixes": prefixes, "networkFeatures": features}})
        })
        .collect();
    json!({"changeNumber": change_number, "cloud": "Public", "values": values})
}

pub(crate) fn table_id(name: &str) -> ResourceId {
    let text = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network";
    format!("{text}/routeTables/{name}").parse().unwrap()
}

/// A prefix where it is one, else a service tag.
pub(crate) fn address(text: &str) -> Address {
    text.parse().map_or_else(|_| Address::Tag(text.to_owned()), Address::Prefix)
}

/// `Internet`, the address of an appliance, or any other that may stand in a table.
pub(crate) fn hop(text: &str) -> NextHop {
    match text {
        "Internet" => NextHop::Internet,
        _ => text.parse().map_or_else(|_| NextHop::Other(text.to_owned()), NextHop::VirtualAppliance),
    }
}

pub(crate) fn guarded(input: &TargetInput, observed: &Observed, limits: Limits) -> Plan {
    let now = "2026-01-05T12:00:00Z".parse().unwrap();
    let (memory, _) = TargetMemory::default().look(input, observed, now);
    guard(entries::plan(input, observed, limits), Situation { input, observed, memory: &memory, approvals: &[], now })
}

/// The steps that whoever applies the plan may take.
pub(crate) fn executable(plan: &Plan) -> &[Step] {
    if plan.blocked.is_some() { &[] } else { &plan.steps }
}

/// What Azure does with one step. Fails on what Azure would refuse, and on what is not as the step says it is.
pub(crate) fn apply(step: &Step, observed: &mut Observed) -> Result<(), TestCaseError> {
    let same_address = |a: &Address, b: &Address| a.to_string().eq_ignore_ascii_case(&b.to_string());
    let position = observed.entries.iter().position(|entry| entry.name.eq_ignore_ascii_case(&step.entry));
    prop_assert_eq!(position.is_some(), step.action != Action::Add, "by its name, {:?}", step);
    let before = position.map(|at| observed.entries.remove(at)).map(|entry| (entry.address, entry.next_hop));
    prop_assert_eq!(&before, &step.before, "{:?} does not know what it replaces", step);
    prop_assert_eq!(step.next_hop.is_none(), step.action == Action::Remove);
    let Some(next_hop) = step.next_hop.clone() else {
        return Ok(());
    };
    prop_assert!(
        !observed.entries.iter().any(|entry| same_address(&entry.address, &step.address)),
        "collides: {step:?}"
    );
    let entry = ObservedEntry { name: step.entry.clone(), address: step.address.clone(), next_hop, failed: false };
    observed.entries.insert(position.unwrap_or(observed.entries.len()), entry);
    Ok(())
}

/// A spec in mode Sync for eastus2 and its pair, both families.
pub(crate) fn intent(services: &[&str], removal: Removal) -> Intent {
    Intent {
        security_groups: Vec::new(),
        feed: "public".to_owned(),
        region: "eastus2".to_owned(),
        paired_region: PairedRegion::Auto,
        mode: Mode::Sync,
        suspended: false,
        deletion_policy: DeletionPolicy::Retain,
        families: BTreeSet::from([Family::V4, Family::V6]),
        removal,
        growth: Growth { per_service: 40, total: 100 },
        services: services.iter().map(ToString::to_string).collect(),
        route_tables: vec![],
        outbound: None,
    }
}

pub(crate) fn table() -> RouteTableIntent {
    RouteTableIntent {
        id: table_id("rt"),
        next_hop: NextHop::Internet,
        addressing: Addressing::Prefixes,
        default_route: None,
    }
}

pub(crate) const AT_ONCE: Removal =
    Removal { hold_seconds: 0, budget: Budget { max: 1000, percent: 100 }, approval: Approval::Never };
pub(crate) const CAREFUL: Removal = Removal { hold_seconds: 42 * 86400, approval: Approval::Always, ..AT_ONCE };

/// The tags of a small document in which the identity holds.
pub(crate) fn base_tags() -> Tags {
    let rows: [(&str, &[&str]); 9] = [
        ("AzureCloud.eastus2", &["20.0.0.0/8", "2603:1030::/32"]),
        ("AzureCloud.centralus", &["40.0.0.0/8"]),
        ("AzureCloud.westus3", &["50.0.0.0/8"]),
        ("AzureMachineLearning", &["20.1.0.0/26", "20.1.0.64/26", "2603:1030:1::/122", "40.1.0.0/26", "50.1.0.0/26"]),
        ("AzureMachineLearning.EastUS2", &["20.1.0.0/26", "20.1.0.64/26", "2603:1030:1::/122"]),
        ("AzureMachineLearning.CentralUS", &["40.1.0.0/26"]),
        ("AzureMachineLearning.WestUS3", &["50.1.0.0/26"]),
        ("Storage", &["20.3.0.0/16"]),
        ("Storage.EastUS2", &["20.3.0.0/16"]),
    ];
    rows.iter().map(|(name, list)| ((*name).to_owned(), list.iter().map(ToString::to_string).collect())).collect()
}

pub(crate) static BASE: LazyLock<Document> =
    LazyLock::new(|| Document::parse(document_json(100, &base_tags()).to_string().as_bytes()).unwrap());
pub(crate) static REGIONS: LazyLock<Regions> = LazyLock::new(Regions::built_in);

/// Every state from the first to the last, in order.
pub(crate) fn states(steps: &[Step], first: &Observed) -> Result<Vec<Observed>, TestCaseError> {
    let mut all = vec![first.clone()];
    for step in steps {
        let mut next = all.last().unwrap().clone();
        apply(step, &mut next)?;
        all.push(next);
    }
    Ok(all)
}

/// A file that is made from something else says it.
#[track_caller]
pub(crate) fn is_as_written(path: &str, text: &str, what: &str) {
    let path = manifest_dir().join(path);
    if crate::objects::update() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == text, "{} is not {what}; `make golden` writes it anew", path.display());
}
