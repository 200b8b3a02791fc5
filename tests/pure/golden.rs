//! Golden plans: `golden/NAME.yaml` describes a small world, `golden/NAME.txt` is its guarded plan as text.
//!
//! `AMLNET_UPDATE_GOLDEN=1 cargo test --test pure golden` writes the texts anew; read the diff before you commit it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use amlnet::azure::kind::{Kind as _, ip_group};
use amlnet::domain::desired::{self, Contribution, Wishes};
use amlnet::domain::intent::{
    Addressing, Approval, DeletionPolicy, Growth, Intent, Mode, ObjectKey, Removal, RouteTableIntent,
};
use amlnet::domain::members;
use amlnet::domain::outbound::{IpGroupIntent, Outbound};
use amlnet::domain::plan::{Limits, Observed, ObservedEntry, Standing, TargetInput};
use amlnet::domain::prefix::Family;
use amlnet::domain::region::Regions;
use amlnet::domain::requirement::Requirements;
use amlnet::domain::resolve::{PairedRegion, Unresolved};
use amlnet::domain::resource_id::ResourceId;
use amlnet::domain::service_tags::Document;
use serde::Deserialize;
use serde_json::json;

use crate::golden_rules::{Asks, Scene};
use crate::support::{self, Tags, document_json, guarded, hop, manifest_dir};

/// One case. Whatever is left out is as in most cases.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Case {
    /// The rule that the case shows, in a sentence.
    rule: String,
    #[serde(default = "installation")]
    installation: String,
    /// Tags that differ from `document.yaml`; null takes one out.
    #[serde(default)]
    document: BTreeMap<String, Option<Vec<String>>>,
    networks: Vec<Network>,
    /// Name: `address nextHop`, and `failed` behind where the route is.
    #[serde(default)]
    routes: BTreeMap<String, String>,
    /// So many routes of others beside these, and so many by service tag.
    #[serde(default)]
    others: usize,
    #[serde(default)]
    others_by_tag: usize,
    #[serde(default = "one")]
    subnets: usize,
    /// Where it is not that of the kind.
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    removals_frozen: Option<String>,
    /// An IP group in place of a route table.
    #[serde(default)]
    group: Option<Group>,
    /// A firewall policy or a security group in place of a route table.
    #[serde(default)]
    rules: Option<Scene>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct Group {
    /// It does not exist, and may be created.
    missing: bool,
    /// The installation whose mark it bears; empty: none.
    owner: String,
    addresses: Vec<String>,
    failed: bool,
    used: bool,
}

impl Default for Group {
    fn default() -> Self {
        Self { missing: false, owner: installation(), addresses: vec![], failed: false, used: true }
    }
}

impl Group {
    fn observed(&self) -> Observed {
        if self.missing {
            return ip_group::absent("eastus2");
        }
        let mark = (!self.owner.is_empty()).then_some(("amlnet-installation", &self.owner));
        let policy = group_id().to_string().replace("ipGroups/ipg", "firewallPolicies/p");
        let users: Vec<_> = self.used.then(|| json!({"id": policy})).into_iter().collect();
        let body = json!({"location": "eastus2", "tags": BTreeMap::from_iter(mark), "properties": {
            "ipAddresses": self.addresses, "firewallPolicies": users,
            "provisioningState": if self.failed { "Failed" } else { "Succeeded" }}});
        ip_group::IpGroup.observe(&group_id(), &body).unwrap()
    }
}

fn group_id() -> ResourceId {
    support::table_id("ipg").to_string().replace("routeTables", "ipGroups").parse().unwrap()
}

fn installation() -> String {
    "prod".to_owned()
}

fn one() -> usize {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
// Flags that a person writes into a file.
#[allow(clippy::struct_excessive_bools)]
struct Network {
    name: String,
    region: String,
    /// Auto, None or a region.
    pair: String,
    mode: String,
    services: Vec<String>,
    /// Internet, or the address of an appliance.
    next_hop: String,
    by_tag: bool,
    default_route: Option<String>,
    ipv6: bool,
    hold_seconds: u64,
    approval: bool,
    no_document: bool,
    /// For IP groups.
    requirement: String,
    /// For firewall policies and security groups.
    asks: Asks,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            name: "ml".to_owned(),
            region: "eastus2".to_owned(),
            pair: "None".to_owned(),
            mode: "Sync".to_owned(),
            services: vec!["AzureMachineLearning".to_owned()],
            next_hop: "Internet".to_owned(),
            by_tag: false,
            default_route: None,
            ipv6: false,
            hold_seconds: 0,
            approval: false,
            no_document: false,
            requirement: "BatchNodeManagement".to_owned(),
            asks: Asks::default(),
        }
    }
}

impl Network {
    fn mode(&self) -> Mode {
        match self.mode.as_str() {
            "Observe" => Mode::Observe,
            "UpsertOnly" => Mode::UpsertOnly,
            "Sync" => Mode::Sync,
            other => panic!("mode {other}"),
        }
    }

    fn contribution(&self, document: &Document, case: &Case) -> Contribution {
        let families = if self.ipv6 { BTreeSet::from([Family::V4, Family::V6]) } else { BTreeSet::from([Family::V4]) };
        let approval = if self.approval { Approval::Always } else { Approval::Never };
        let intent = Intent {
            security_groups: Vec::new(),
            feed: "public".to_owned(),
            region: self.region.clone(),
            paired_region: match self.pair.as_str() {
                "Auto" => PairedRegion::Auto,
                "None" => PairedRegion::None,
                named => PairedRegion::Named(named.to_owned()),
            },
            mode: self.mode(),
            families,
            suspended: false,
            deletion_policy: DeletionPolicy::Retain,
            removal: Removal { hold_seconds: self.hold_seconds, approval, ..support::AT_ONCE },
            growth: Growth { per_service: 40, total: 100 },
            services: self.services.clone(),
            route_tables: vec![],
            outbound: None,
        };
        let table = RouteTableIntent {
            id: support::table_id("rt-ml"),
            next_hop: hop(&self.next_hop),
            addressing: if self.by_tag { Addressing::ServiceTag } else { Addressing::Prefixes },
            default_route: self.default_route.as_ref().map(|text| text.parse().unwrap()),
        };
        let outcome = if self.no_document {
            Err(Unresolved::NoDocument { feed: "public".to_owned(), why: "none was accepted yet".to_owned() })
        } else if let Some(scene) = &case.rules {
            scene.wishes(&intent, &self.asks, document)
        } else if case.group.is_some() {
            self.members(&intent, document)
        } else {
            desired::wishes(&intent, &table, document, &Regions::built_in())
        };
        Contribution {
            network: ObjectKey { namespace: "team".to_owned(), name: self.name.clone() },
            generation: 1,
            mode: intent.mode,
            suspended: false,
            deletion_policy: intent.deletion_policy,
            removal: intent.removal,
            growth: intent.growth,
            clocks_may_start: true,
            outcome: outcome.map(Arc::new),
        }
    }
}

impl Network {
    fn members(&self, intent: &Intent, document: &Document) -> Result<Wishes, Unresolved> {
        let outbound = Outbound {
            firewall_policies: Vec::new(),
            edition: "2026-03".to_owned(),
            profiles: ["Base", "PythonPackages"].map(ToOwned::to_owned).into(),
            parameters: BTreeMap::new(),
            exclude: BTreeSet::new(),
            sources: vec![],
            additional: vec![],
            ip_groups: vec![],
            lists: vec![],
        };
        let group = IpGroupIntent { id: group_id(), requirement: self.requirement.clone(), create: None };
        members::wishes(intent, &outbound, &group, document, &Regions::built_in(), &Requirements::built_in())
    }
}

impl Case {
    fn document(&self) -> Document {
        let text = std::fs::read_to_string(manifest_dir().join("tests/pure/document.yaml")).unwrap();
        let mut tags: Tags = serde_yaml::from_str(&text).unwrap();
        for (name, prefixes) in &self.document {
            tags.remove(name);
            tags.extend(prefixes.clone().map(|prefixes| (name.clone(), prefixes)));
        }
        Document::parse(document_json(376, &tags).to_string().as_bytes()).unwrap()
    }

    fn observed(&self) -> Observed {
        if let Some(group) = &self.group {
            return group.observed();
        }
        if let Some(scene) = &self.rules {
            return scene.observed();
        }
        let written = self.routes.iter().map(|(name, text)| {
            let (address, rest) = text.split_once(' ').unwrap();
            entry(name, address, rest.trim_end_matches(" failed"), rest.ends_with(" failed"))
        });
        let others = (0..self.others)
            .map(|n| entry(&format!("other-{n}"), &format!("172.16.{}.{}/32", n / 256, n % 256), "VnetLocal", false));
        let by_tag = (0..self.others_by_tag)
            .map(|n| entry(&format!("other-tag-{n}"), &format!("Service{n}"), "Internet", false));
        Observed {
            location: "eastus2".to_owned(),
            entries: written.chain(others).chain(by_tag).collect(),
            subnets: self.subnets,
            updating: false,
            whole: None,
            rules: None,
        }
    }

    fn text(&self) -> String {
        let document = self.document();
        let mut contributions: Vec<_> =
            self.networks.iter().map(|network| network.contribution(&document, self)).collect();
        contributions.sort_by(|a, b| a.network.cmp(&b.network));
        let table = if self.group.is_some() { group_id() } else { support::table_id("rt-ml") };
        let table = self.rules.as_ref().map_or(table, Scene::id);
        let mut input = TargetInput {
            removals_frozen: self.removals_frozen.clone(),
            ..TargetInput::new(table, self.installation.parse().unwrap(), contributions)
        };
        if let Some(scene) = &self.rules {
            let asks = self.networks.iter().map(|network| (network.name.as_str(), &network.asks));
            scene.add_priorities(&mut input, asks);
        }
        let usual = Limits::of(input.id.kind);
        let limits = Limits { entries: self.limit.unwrap_or(usual.entries), ..usual };
        let plan = guarded(&input, &self.observed(), limits);
        let exit = match plan.standing() {
            Standing::Done => 0,
            Standing::Changes => 2,
            Standing::NeedsPerson => 3,
        };
        format!("{}\n\n{plan}{}\nexit {exit}\n", self.rule, plan.counts())
    }
}

fn entry(name: &str, address: &str, next_hop: &str, failed: bool) -> ObservedEntry {
    ObservedEntry { name: name.to_owned(), address: support::address(address), next_hop: hop(next_hop), failed }
}

fn files(folder: &Path, extension: &str) -> BTreeSet<PathBuf> {
    let all = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

#[test]
fn golden_plans_are_as_written() {
    let folder = manifest_dir().join("tests/pure/golden");
    let update = std::env::var_os("AMLNET_UPDATE_GOLDEN").is_some_and(|value| value == "1");
    let cases = files(&folder, "yaml");
    assert!(cases.len() >= 25, "{} cases", cases.len());
    let mut different = Vec::new();
    for path in &cases {
        let yaml = std::fs::read_to_string(path).unwrap();
        let case: Case = serde_yaml::from_str(&yaml).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (text, golden) = (case.text(), path.with_extension("txt"));
        if update {
            std::fs::write(&golden, text).unwrap();
        } else if std::fs::read_to_string(&golden).ok().as_ref() != Some(&text) {
            different.push(format!("{} should be\n{text}", golden.display()));
        }
    }
    assert!(different.is_empty(), "{}\nAMLNET_UPDATE_GOLDEN=1 writes them anew", different.join("\n"));
    let texts: BTreeSet<PathBuf> = files(&folder, "txt");
    assert_eq!(texts, cases.iter().map(|path| path.with_extension("txt")).collect(), "each text belongs to a case");
}
