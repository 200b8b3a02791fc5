//! Several Networks on one firewall policy or security group: what is united, what is kept apart, and what is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use amlnet::domain::desired::{Contribution, Wishes};
use amlnet::domain::intent::{DeletionPolicy, Intent, Mode, Removal};
use amlnet::domain::outbound::{
    Additional, FirewallPolicyIntent, IpGroupIntent, Outbound, Port, Priorities, Protocol, Reach, RuleAddressing,
    SecurityGroupIntent,
};
use amlnet::domain::plan::{BlockedReason, Departure, HeldReason};
use amlnet::domain::requirement::{Direction, Requirements};
use amlnet::domain::resolve::{PairedRegion, Unresolved};
use amlnet::domain::rule;
use amlnet::domain::service_tags::Document;

use crate::rules::{Azure, PRIORITY, RANGE, World, contribution, key, nsg_id, policy_id, resource};
use crate::support::{AT_ONCE, REGIONS, Tags, document_json, executable, intent};

static REQUIREMENTS: LazyLock<Requirements> = LazyLock::new(Requirements::built_in);

/// What one Network says; whatever is left out is as in most scenes.
#[derive(Debug, Clone)]
pub(crate) struct Net {
    pub(crate) name: &'static str,
    pub(crate) region: &'static str,
    pub(crate) sources: Vec<&'static str>,
    pub(crate) profiles: Vec<&'static str>,
    pub(crate) exclude: Vec<&'static str>,
    pub(crate) storage_account: Option<&'static str>,
    pub(crate) additional: Vec<Additional>,
    pub(crate) ip_groups: Vec<IpGroupIntent>,
    pub(crate) addressing: RuleAddressing,
    pub(crate) mode: Mode,
    pub(crate) removal: Removal,
    pub(crate) deletion_policy: DeletionPolicy,
    pub(crate) unresolved: bool,
}

impl Default for Net {
    fn default() -> Self {
        Self {
            name: "a",
            region: "eastus2",
            sources: vec!["10.1.0.0/24"],
            profiles: vec![],
            exclude: vec![],
            storage_account: None,
            additional: vec![batch(), vault()],
            ip_groups: vec![],
            addressing: RuleAddressing::Auto,
            mode: Mode::Sync,
            removal: AT_ONCE,
            deletion_policy: DeletionPolicy::Retain,
            unresolved: false,
        }
    }
}

/// By prefixes, in the Network's region.
pub(crate) fn batch() -> Additional {
    let to = Reach::Tag { name: "BatchNodeManagement".to_owned(), regional: true };
    Additional { name: "batch".to_owned(), to, ports: vec![Port { protocol: Protocol::Tcp, port: 443 }] }
}

/// By its name, everywhere.
pub(crate) fn vault() -> Additional {
    let to = Reach::Tag { name: "AzureKeyVault".to_owned(), regional: false };
    Additional { name: "vault".to_owned(), to, ports: vec![Port { protocol: Protocol::Tcp, port: 443 }] }
}

pub(crate) fn code(hosts: &[&str]) -> Additional {
    let to = Reach::Hosts(hosts.iter().map(|host| host.parse().unwrap()).collect());
    Additional { name: "code".to_owned(), to, ports: vec![Port { protocol: Protocol::Https, port: 443 }] }
}

/// Batch has these prefixes in East US 2.
pub(crate) fn document(number: u64, batch: &[&str]) -> Document {
    let rows: [(&str, &[&str]); 6] = [
        ("AzureCloud.eastus2", &["20.0.0.0/8"]),
        ("AzureCloud.westus3", &["50.0.0.0/8"]),
        ("BatchNodeManagement.EastUS2", batch),
        ("BatchNodeManagement.WestUS3", &["50.2.0.0/28"]),
        ("AzureKeyVault", &["20.9.0.0/24", "50.9.0.0/24"]),
        ("AzureMachineLearning.EastUS2", &["20.1.0.0/26"]),
    ];
    let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    let tags: Tags = rows.iter().map(|(name, list)| ((*name).to_owned(), owned(list))).collect();
    Document::parse(document_json(number, &tags).to_string().as_bytes()).unwrap()
}

pub(crate) static FIRST: LazyLock<Document> = LazyLock::new(|| document(1, &["20.2.0.0/28", "20.2.1.0/28"]));

impl Net {
    pub(crate) fn wishes(&self, azure: &Azure, document: &Document) -> Result<Wishes, Unresolved> {
        if self.unresolved {
            return Err(Unresolved::UnknownRegion("there is no such region".to_owned()));
        }
        let intent = Intent {
            region: self.region.to_owned(),
            paired_region: PairedRegion::None,
            families: BTreeSet::from([amlnet::domain::prefix::Family::V4]),
            ..intent(&[], AT_ONCE)
        };
        let account = self.storage_account.map(|name| ("storageAccount".to_owned(), name.to_owned()));
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        let outbound = Outbound {
            edition: "2026-03".to_owned(),
            profiles: owned(&self.profiles),
            exclude: owned(&self.exclude),
            parameters: account.into_iter().collect(),
            sources: self.sources.iter().map(|text| text.parse().unwrap()).collect(),
            additional: self.additional.clone(),
            ip_groups: self.ip_groups.clone(),
            ..Outbound::default()
        };
        let prod = "prod".parse().unwrap();
        if let Azure::Policy { .. } = azure {
            let policy = FirewallPolicyIntent { id: policy_id(), priority: 1200, addressing: self.addressing };
            return rule::firewall::wishes(&intent, &outbound, &policy, &prod, document, &REGIONS, &REQUIREMENTS);
        }
        let directions = BTreeSet::from([Direction::Outbound]);
        let group = SecurityGroupIntent { id: nsg_id(), directions, priorities: RANGE };
        rule::security::wishes(&intent, &outbound, &group, &prod, document, &REGIONS, &REQUIREMENTS)
    }

    pub(crate) fn on(&self, azure: &Azure, document: &Document) -> Contribution {
        let deletion_policy = self.deletion_policy;
        let outcome = self.wishes(azure, document);
        Contribution { mode: self.mode, deletion_policy, ..contribution(self.name, self.removal, outcome) }
    }
}

pub(crate) fn b(net: Net) -> Net {
    Net { name: "b", sources: vec!["10.2.0.0/24"], ..net }
}

/// A policy on which these have been written.
pub(crate) fn world(azure: Azure, nets: &[Net]) -> World {
    let contributions = nets.iter().map(|net| net.on(&azure, &FIRST)).collect();
    let mut world = World::new(azure, contributions);
    world.settle();
    world
}

/// The far sides and sources of each rule, such as `10.1.0.0/24 -> AzureKeyVault`.
pub(crate) fn shown(azure: &Azure) -> BTreeMap<String, String> {
    let text = |rule| {
        let all = azure.permissions_of(rule);
        let joined = |of: fn(&crate::rules::Permission) -> &String| {
            all.iter().map(of).map(String::as_str).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" ")
        };
        format!("{} -> {}", joined(|one| &one.source), joined(|one| &one.destination))
    };
    azure.ours().into_iter().map(|(name, rule)| (name, text(rule))).collect()
}

fn assert_shown(azure: &Azure, expected: &[(&str, &str)]) {
    let expected: BTreeMap<String, String> =
        expected.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    assert_eq!(shown(azure), expected);
}

#[test]
fn two_networks_of_one_region_share_each_rule() {
    for (azure, side) in [(Azure::policy(), ""), (Azure::group(), "out.")] {
        let world = world(azure, &[Net::default(), b(Net::default())]);
        let both = "10.1.0.0/24 10.2.0.0/24";
        assert_shown(
            &world.azure,
            &[
                (
                    &format!("amlnet.prod.{side}additional.batch.eastus2.tcp-ip"),
                    &format!("{both} -> 20.2.0.0/28 20.2.1.0/28"),
                ),
                (&format!("amlnet.prod.{side}additional.vault.tcp"), &format!("{both} -> AzureKeyVault")),
            ],
        );
    }
}

#[test]
fn networks_of_two_regions_have_a_rule_each_for_what_is_regional() {
    let world = world(Azure::policy(), &[Net::default(), b(Net { region: "westus3", ..Net::default() })]);
    assert_shown(
        &world.azure,
        &[
            ("amlnet.prod.additional.batch.eastus2.tcp-ip", "10.1.0.0/24 -> 20.2.0.0/28 20.2.1.0/28"),
            ("amlnet.prod.additional.batch.westus3.tcp-ip", "10.2.0.0/24 -> 50.2.0.0/28"),
            ("amlnet.prod.additional.vault.tcp", "10.1.0.0/24 10.2.0.0/24 -> AzureKeyVault"),
        ],
    );
}

#[test]
fn one_name_for_two_things_stops_that_rule_alone() {
    let with = |hosts: &[&str]| Net { additional: vec![vault(), code(hosts)], ..Net::default() };
    let alone = [
        ("amlnet.prod.additional.code.http", "10.1.0.0/24 -> github.com"),
        ("amlnet.prod.additional.vault.tcp", "10.1.0.0/24 -> AzureKeyVault"),
    ];
    let mut world = world(Azure::policy(), &[with(&["github.com"])]);
    assert_shown(&world.azure, &alone);
    let other = b(with(&["gitlab.com"]));
    let both = [with(&["github.com"]).on(&world.azure, &FIRST), other.on(&world.azure, &FIRST)];
    let plan = world.ask(both.to_vec()).settle();
    assert_eq!(plan.conflicts.len(), 1, "{plan}");
    let why = &plan.conflicts[0].why;
    assert!(why.contains("team/a and team/b") && why.contains("names of their own"), "{why}");
    let united = ("amlnet.prod.additional.vault.tcp", "10.1.0.0/24 10.2.0.0/24 -> AzureKeyVault");
    assert_shown(&world.azure, &[alone[0], united]);
    // The same in another order and letter case is no dispute.
    let same = b(with(&["GitHub.com"]));
    world.ask(vec![both[0].clone(), same.on(&world.azure, &FIRST)]);
    assert!(world.settle().conflicts.is_empty());
    assert_eq!(shown(&world.azure)[alone[0].0], "10.1.0.0/24 10.2.0.0/24 -> github.com");
}

#[test]
fn what_differs_by_a_parameter_is_kept_apart() {
    let with = |account| Net {
        profiles: vec!["KubernetesCompute"],
        exclude: vec!["KubernetesCompute.ContainerRegistry", "KubernetesCompute.Service"],
        storage_account: Some(account),
        additional: vec![],
        ..Net::default()
    };
    let world = world(Azure::policy(), &[with("first"), b(with("second"))]);
    let shown = shown(&world.azure);
    let of = |account: &str| shown[&format!("amlnet.prod.KubernetesCompute.Storage.{account}.http")].clone();
    assert_eq!(of("first"), "10.1.0.0/24 -> first.blob.core.windows.net");
    assert_eq!(of("second"), "10.2.0.0/24 -> second.blob.core.windows.net");
    assert_eq!(shown["amlnet.prod.KubernetesCompute.PyPI.http"], "10.1.0.0/24 10.2.0.0/24 -> pypi.org");
    // What was left out stands nowhere.
    assert!(!shown.keys().any(|name| name.contains("ContainerRegistry") || name.contains("Service")), "{shown:?}");
}

#[test]
fn the_sources_of_a_network_that_observes_wait_and_the_others_are_written() {
    let observe = Net { mode: Mode::Observe, additional: vec![vault(), code(&["github.com"])], ..b(Net::default()) };
    let mut world = world(Azure::policy(), &[Net::default(), observe]);
    assert_shown(
        &world.azure,
        &[
            ("amlnet.prod.additional.batch.eastus2.tcp-ip", "10.1.0.0/24 -> 20.2.0.0/28 20.2.1.0/28"),
            ("amlnet.prod.additional.vault.tcp", "10.1.0.0/24 -> AzureKeyVault"),
        ],
    );
    let plan = world.decide();
    let held: BTreeSet<String> = plan.held.iter().map(|held| held.step.address.to_string()).collect();
    assert!(held.contains("amlnet.prod.additional.vault.tcp at 10.2.0.0/24"), "{plan}");
    assert!(held.contains("amlnet.prod.additional.code.http host github.com"), "{plan}");
    assert!(plan.held.iter().all(|held| held.reason == HeldReason::Mode) && held.len() == 4, "{plan}");
}

#[test]
fn who_leaves_takes_its_sources_along_and_what_only_it_asked_for() {
    let more = Net { additional: vec![batch(), vault(), code(&["github.com"])], ..b(Net::default()) };
    for (azure, departure, at_once) in [
        (Azure::policy(), Departure::DeletedWithEntries, true),
        (Azure::group(), Departure::DeletedWithEntries, true),
        (Azure::policy(), Departure::Deleted, false),
        (Azure::policy(), Departure::TakenOut, false),
        (Azure::group(), Departure::TakenOut, false),
    ] {
        let alone = world(azure.clone(), &[Net::default()]).azure;
        let mut world = world(azure, &[Net::default(), more.clone()]);
        let both = world.azure.clone();
        let left = Net::default().on(&world.azure, &FIRST);
        world.ask(vec![left]);
        world.input.departed.insert(key("b"), departure);
        let plan = world.settle();
        if !at_once {
            // It is left behind, for a person to take away.
            assert_eq!(shown(&world.azure), shown(&both), "{departure:?} {plan}");
            assert!(
                plan.held.iter().all(|held| held.reason == HeldReason::Approval) && !plan.held.is_empty(),
                "{plan}"
            );
            world.approve(&plan, "a");
            world.settle();
        }
        assert_eq!(shown(&world.azure), shown(&alone), "{departure:?}");
    }
}

#[test]
fn addresses_are_written_by_tag_by_prefixes_or_through_groups() {
    let group = resource("ipGroups", "batch");
    let by = |addressing| Net {
        addressing,
        ip_groups: vec![IpGroupIntent { id: group.clone(), requirement: "batch".to_owned(), create: None }],
        ..Net::default()
    };
    let stands = |addressing| shown(&world(Azure::policy(), &[by(addressing)]).azure);
    let text = |name: &str, far: &str| (format!("amlnet.prod.additional.{name}"), format!("10.1.0.0/24 -> {far}"));
    let batch = text("batch.eastus2.tcp-ip", "20.2.0.0/28 20.2.1.0/28");
    let vault = text("vault.tcp", "AzureKeyVault");
    assert_eq!(stands(RuleAddressing::Auto), BTreeMap::from([batch.clone(), vault.clone()]));
    let prefixes = text("vault.tcp-ip", "20.9.0.0/24 50.9.0.0/24");
    assert_eq!(stands(RuleAddressing::Prefixes), BTreeMap::from([batch, prefixes.clone()]));
    let through = text("batch.eastus2.tcp-group", &group.to_string());
    assert_eq!(stands(RuleAddressing::IpGroups), BTreeMap::from([through, vault.clone()]));
    // Two ways are two rules, each for those who ask for it.
    let other = Net { addressing: RuleAddressing::Prefixes, ..b(Net::default()) };
    let both = shown(&world(Azure::policy(), &[Net::default(), other]).azure);
    assert_eq!(both[&vault.0], "10.1.0.0/24 -> AzureKeyVault");
    assert_eq!(both[&prefixes.0], "10.2.0.0/24 -> 20.9.0.0/24 50.9.0.0/24");
    assert_eq!(both.len(), 3);
}

#[test]
fn different_priorities_block_all_and_name_who_wants_what() {
    let policy = (Azure::policy(), Priorities { from: 1300, to: 1300 }, "priority");
    let group = (Azure::group(), Priorities { from: 3000, to: 3099 }, "priorityRange");
    for (azure, other, field) in [policy, group] {
        let mut world = world(azure, &[Net::default()]);
        let contributions = [Net::default(), b(Net::default())].map(|net| net.on(&world.azure, &FIRST));
        world.ask(contributions.to_vec());
        world.input.priorities.insert(key("b"), other);
        let plan = world.decide();
        let blocked = plan.blocked.as_ref().unwrap();
        assert_eq!((blocked.reason, executable(&plan).len()), (BlockedReason::Conflict, 0));
        let says = [format!("team/b wants {other}"), "team/a wants".to_owned(), format!("agree about {field}")];
        assert!(says.iter().all(|text| blocked.message.contains(text)), "{}", blocked.message);
    }
}

#[test]
fn documents_of_two_feeds_are_united_in_a_rule() {
    let second = document(9, &["20.2.0.0/28", "20.2.7.0/28"]);
    let azure = Azure::policy();
    let contributions = vec![Net::default().on(&azure, &FIRST), b(Net::default()).on(&azure, &second)];
    let mut world = World::new(azure, contributions);
    assert!(world.settle().conflicts.is_empty());
    let far = "20.2.0.0/28 20.2.1.0/28 20.2.7.0/28";
    let batch = &shown(&world.azure)["amlnet.prod.additional.batch.eastus2.tcp-ip"];
    assert_eq!(*batch, format!("10.1.0.0/24 10.2.0.0/24 -> {far}"));
    assert_eq!((PRIORITY.from, world.decide().documents.len()), (1200, 2));
}
