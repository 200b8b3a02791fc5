//! Firewall policies and network security groups: what a new document costs where Storage and Batch change, what an idle
//! round costs, and whether two hundred policies with live firewalls take longer than those that must wait for each other.

use std::path::Path;

use armsim::model::World;
use armsim::server::Running;
use serde_json::{Value, json};

use crate::round::{self, Ran};

/// Policies with one firewall each, which nothing connects.
const ALONE: usize = 120;
/// Two policies below one parent, and an IP group that both use: three writes, one after the other.
const FAMILIES: usize = 40;
const WRITES_OF_A_FAMILY: usize = 3;
const POLICIES: usize = ALONE + 2 * FAMILIES;
const SECURITY_GROUPS: usize = 60;
/// A rule of Batch node management and one of Storage in each security group.
const RULES: usize = 2 * SECURITY_GROUPS;
/// Policies and security groups each that allow Azure Monitor alone.
const QUIET: usize = 10;
/// A firewall takes this long with a change of its policy (docs/facts.md, "Durations").
const FIREWALL_SECONDS: f64 = 200.0;
/// As in `many_tables`, long enough that the machine is not what is measured.
const TIME_SCALE: f64 = 0.2;
const SOURCES: &str = "10.1.0.0/24";

/// A small document with so many prefixes of Batch node management and of Storage, which no rule may name as tags.
fn document(change_number: u64, of_batch: usize, of_storage: usize) -> String {
    let list = |count: usize, of: usize| (0..count).map(|n| format!("20.{of}.{n}.0/28")).collect::<Vec<_>>();
    let tag = |name: &str, region: &str, prefixes: &[String], features: &[&str]| {
        json!({"name": name, "id": name, "properties": {"changeNumber": 1, "region": region, "regionId": 0,
            "platform": "Azure", "systemService": "", "addressPrefixes": prefixes, "networkFeatures": features}})
    };
    let (batch, storage) = (list(of_batch, 1), list(of_storage, 16));
    let values = [
        tag("AzureCloud.eastus2", "eastus2", &["20.0.0.0/8".to_owned()], &["UDR"]),
        tag("AzureMachineLearning", "", &["20.64.0.0/26".to_owned()], &["UDR", "NSG", "FW"]),
        tag("AzureMachineLearning.EastUS2", "eastus2", &["20.64.0.0/26".to_owned()], &["UDR"]),
        tag("BatchNodeManagement", "", &batch, &["UDR"]),
        tag("BatchNodeManagement.EastUS2", "eastus2", &batch, &["UDR"]),
        tag("Storage.EastUS2", "eastus2", &storage, &["UDR"]),
        tag("AzureMonitor", "", &list(5, 32), &["UDR", "NSG", "FW"]),
    ];
    json!({"changeNumber": change_number, "cloud": "Public", "values": values}).to_string()
}

/// A resource in the subscription of its Network.
fn resource(network: usize, of_type: &str, name: &str) -> String {
    format!(
        "/subscriptions/00000000-0000-0000-0000-{network:012}/resourceGroups/rg/providers/Microsoft.Network/{of_type}/{name}"
    )
}

/// What is in the world, and what amlnet is asked for.
#[derive(Default)]
struct Estate {
    resources: Vec<Value>,
    networks: Vec<Value>,
}

impl Estate {
    fn new() -> Self {
        let mut estate = Self::default();
        for _ in 0..ALONE {
            let n = estate.networks.len();
            let policy = estate.policy(n, "alone", None);
            estate.network(
                &["batch", "storage", "monitor"],
                &json!({"firewallPolicies": [asked(&policy, "Auto")]}),
                &[],
            );
        }
        for _ in 0..FAMILIES {
            let n = estate.networks.len();
            let parent = resource(n, "firewallPolicies", "parent");
            estate.resources.push(json!({"id": parent, "location": "eastus2"}));
            let children = ["left", "right"].map(|name| estate.policy(n, name, Some(&parent)));
            let policies: Vec<Value> = children.iter().map(|id| asked(id, "IpGroups")).collect();
            let group = json!({"id": resource(n, "ipGroups", "batch"), "requirement": "own-batch",
                "create": {"location": "eastus2"}});
            let wanted = json!({"firewallPolicies": policies, "ipGroups": [group]});
            estate.network(&["batch", "storage", "monitor"], &wanted, &[]);
        }
        for quiet in (0..SECURITY_GROUPS).map(|_| false).chain((0..QUIET).map(|_| true)) {
            let n = estate.networks.len();
            let group = resource(n, "networkSecurityGroups", if quiet { "quiet" } else { "nsg" });
            estate.resources.push(json!({"id": group, "location": "eastus2", "properties": {"securityRules": []}}));
            let group = json!({"id": group, "directions": ["Outbound"], "priorityRange": {"from": 2000, "to": 2099}});
            if quiet {
                let policy = estate.policy(n, "quiet", None);
                let wanted = json!({"firewallPolicies": [asked(&policy, "Auto")]});
                estate.network(&["monitor"], &wanted, &[group]);
            } else {
                estate.network(&["batch", "storage", "monitor"], &json!({}), &[group]);
            }
        }
        estate
    }

    /// A policy that a firewall follows.
    fn policy(&mut self, network: usize, name: &str, parent: Option<&str>) -> String {
        let id = resource(network, "firewallPolicies", name);
        let properties = parent.map_or(json!({}), |parent| json!({"basePolicy": {"id": parent}}));
        self.resources.push(json!({"id": id, "location": "eastus2", "properties": properties}));
        let firewall = resource(network, "azureFirewalls", name);
        self.resources
            .push(json!({"id": firewall, "location": "eastus2", "properties": {"firewallPolicy": {"id": id}}}));
        id
    }

    fn network(&mut self, rows: &[&str], outbound: &Value, groups: &[Value]) {
        let n = self.networks.len();
        let tag = |row: &&str| match *row {
            "batch" => {
                json!({"name": "own-batch", "serviceTag": "BatchNodeManagement", "regional": true, "ports": ports()})
            }
            "storage" => json!({"name": "own-storage", "serviceTag": "Storage", "regional": true, "ports": ports()}),
            _ => json!({"name": "own-monitor", "serviceTag": "AzureMonitor", "ports": ports()}),
        };
        let mut all = json!({"edition": "2026-03", "profiles": [], "sourceAddresses": [SOURCES],
            "additional": rows.iter().map(tag).collect::<Vec<_>>()});
        for (key, value) in outbound.as_object().into_iter().flatten() {
            all[key] = value.clone();
        }
        let mut spec = json!({"region": "eastus2", "pairedRegion": "None", "mode": "UpsertOnly", "outbound": all});
        if !groups.is_empty() {
            spec["networkSecurityGroups"] = json!(groups);
        }
        self.networks.push(json!({"apiVersion": "amlnet.dev/v1alpha1", "kind": "AmlNetwork",
            "metadata": {"name": format!("n{n}")}, "spec": spec}));
    }
}

fn ports() -> Value {
    json!([{"protocol": "TCP", "port": 443}])
}

fn asked(policy: &str, addressing: &str) -> Value {
    json!({"id": policy, "priority": 1200, "addressing": addressing})
}

pub(crate) fn measure(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let Estate { resources, networks } = Estate::new();
    let latency = format!("{FIREWALL_SECONDS}s");
    let world = json!({"resources": resources, "latencies": {"attachedFirewall": [latency, latency]}});
    let world = World::from_yaml(&world.to_string(), folder).expect("a world").with_time_scale(TIME_SCALE);
    let simulator = runtime.block_on(armsim::server::start(world, armsim::server::Options::default())).expect("armsim");
    let (objects, state) = (folder.join("rules"), folder.join("rules-state"));
    std::fs::create_dir_all(&objects).expect("the temporary folder");
    let feed = json!({"apiVersion": "amlnet.dev/v1alpha1", "kind": "ServiceTagFeed", "metadata": {"name": "public"},
        "spec": {"cloud": "Public", "sources": [{"file": {"path": "tags.json"}}]}});
    let all: Vec<String> = [feed].iter().chain(&networks).map(Value::to_string).collect();
    std::fs::write(objects.join("all.yaml"), all.join("\n---\n")).expect("a file");
    let publish = |document: String| std::fs::write(objects.join("tags.json"), document).expect("a file");

    publish(document(1, 20, 40));
    let first = once(&simulator, &objects, &state);
    println!(
        "{POLICIES} policies, {FAMILIES} IP groups and {SECURITY_GROUPS} security groups filled for the first time: {:.1} s",
        first.seconds
    );

    publish(document(2, 25, 50));
    let changed = once(&simulator, &objects, &state);
    println!(
        "a document with 15 new prefixes in Storage and Batch: {} writes of {POLICIES} rule collection groups that it \
         touches, ratio {:.2} (at most 1); {} of {RULES} security rules, ratio {:.2} (at most 1); {} of {FAMILIES} IP \
         groups, ratio {:.2} (at most 1); {} elsewhere (at most 0); {} refused (at most 0)",
        changed.policies.writes,
        ratio(changed.policies.writes, POLICIES),
        changed.rules.writes,
        ratio(changed.rules.writes, RULES),
        changed.groups.writes,
        ratio(changed.groups.writes, FAMILIES),
        changed.quiet.writes + changed.elsewhere.writes,
        changed.refused
    );
    let bound = (WRITES_OF_A_FAMILY as f64) * FIREWALL_SECONDS;
    let seconds = changed.seconds / TIME_SCALE;
    println!(
        "{POLICIES} policies with live firewalls, {FIREWALL_SECONDS} s a write, simulated: {seconds:.0} s; the longest of \
         those that wait for each other {bound:.0} s; ratio {:.2} (at most 1.1); {} throttled",
        seconds / bound,
        changed.throttled
    );

    let idle = once(&simulator, &objects, &state);
    let (policies, groups) = (POLICIES + QUIET, SECURITY_GROUPS + QUIET);
    println!(
        "the same, nothing changed: {} reads of policies, ratio {:.2} (at most 1), {} of rule collection groups, ratio \
         {:.2} (at most 1), {} of security groups, ratio {:.2} (at most 1), {} of IP groups, ratio {:.2} (at most 1), {} \
         of firewalls (at most 0); {} writes (at most 0); {} reads of what is kept for an hour; {:.2} s of CPU",
        idle.parents_of_rules,
        ratio(idle.parents_of_rules, policies),
        idle.own_groups,
        ratio(idle.own_groups, policies),
        idle.rules.reads,
        ratio(idle.rules.reads, groups),
        idle.groups.reads,
        ratio(idle.groups.reads, FAMILIES),
        idle.firewalls,
        idle.policies.writes + idle.rules.writes + idle.groups.writes + idle.quiet.writes + idle.elsewhere.writes,
        idle.elsewhere.reads,
        idle.cpu_seconds
    );
}

fn ratio(count: usize, of: usize) -> f64 {
    count as f64 / of as f64
}

#[derive(Default)]
struct Count {
    reads: usize,
    writes: usize,
}

#[derive(Default)]
struct Round {
    seconds: f64,
    cpu_seconds: f64,
    /// Rule collection groups of policies that a document touches, security rules, IP groups.
    policies: Count,
    rules: Count,
    groups: Count,
    /// Writes where the document touches nothing.
    quiet: Count,
    elsewhere: Count,
    parents_of_rules: usize,
    own_groups: usize,
    firewalls: usize,
    refused: usize,
    throttled: usize,
}

/// One `run --once`, and what the simulator saw of it.
fn once(simulator: &Running, objects: &Path, state: &Path) -> Round {
    let Ran { seconds, cpu_seconds, seen, .. } = round::once(simulator, objects, state);
    let mut round = Round { seconds, cpu_seconds, ..Round::default() };
    let world = simulator.world();
    for entry in world.log()[seen..].iter().filter(|entry| entry.url.starts_with("/subscriptions/")) {
        let path = entry.url.split('?').next().unwrap_or_default();
        round.refused += usize::from(entry.status == 409);
        round.throttled += usize::from(entry.status == 429);
        if entry.method == "GET" {
            round.read(path);
            continue;
        }
        let count = match path {
            path if path.contains("/quiet") => &mut round.quiet,
            path if path.contains("/firewallPolicies/") => &mut round.policies,
            path if path.contains("/networkSecurityGroups/") => &mut round.rules,
            path if path.contains("/ipGroups/") => &mut round.groups,
            _ => &mut round.elsewhere,
        };
        count.writes += 1;
    }
    round
}

impl Round {
    fn read(&mut self, path: &str) {
        if path.contains("/azureFirewalls/") {
            self.firewalls += 1;
        } else if path.ends_with("/ruleCollectionGroups/amlnet-bench") {
            self.own_groups += 1;
        } else if ["/alone", "/left", "/right", "/quiet"].iter().any(|name| path.ends_with(name))
            && path.contains("/firewallPolicies/")
        {
            self.parents_of_rules += 1;
        } else if path.contains("/networkSecurityGroups/") {
            self.rules.reads += 1;
        } else if path.contains("/ipGroups/") {
            self.groups.reads += 1;
        } else {
            self.elsewhere.reads += 1;
        }
    }
}
