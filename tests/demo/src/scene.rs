//! What the demonstration plays on: the simulated Azure at its beginning, and the files that amlnet is given.
//!
//! Texts and values only; whoever starts something with them is in `story`.

use std::path::Path;

use ipnet::Ipv4Net;
use serde_json::{Value, json};

use crate::documents::Document;

const PROVIDER: &str =
    "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg-ml/providers/Microsoft.Network";
/// The subnet of the computes, and its addresses.
const COMPUTES: &str = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg-ml/providers/Microsoft.Network/virtualNetworks/vnet-ml/subnets/compute";
pub(crate) const SOURCES: &str = "10.1.0.0/24";
/// The priorities that amlnet may use: of its rules in the policy as a whole, and of its rules in the security group.
pub(crate) const PRIORITY: u64 = 1200;
pub(crate) const PRIORITIES: [u64; 2] = [2000, 2099];

/// The resources, by ARM id.
#[derive(Debug, Clone)]
pub(crate) struct Ids {
    pub(crate) table: String,
    pub(crate) group: String,
    pub(crate) policy: String,
    /// The rules of the policy; one of them refers to the group.
    pub(crate) rules: String,
    /// The firewall of the policy.
    pub(crate) firewall: String,
    /// Another policy, in which amlnet keeps rules, and its firewall.
    pub(crate) own_policy: String,
    pub(crate) own_firewall: String,
    /// What amlnet keeps there, and what others keep there.
    pub(crate) own_rules: String,
    pub(crate) other_rules: String,
    /// The network security group of the computes.
    pub(crate) security: String,
}

impl Ids {
    pub(crate) fn new() -> Self {
        Self {
            table: format!("{PROVIDER}/routeTables/rt-ml"),
            group: format!("{PROVIDER}/ipGroups/ipg-storage"),
            policy: format!("{PROVIDER}/firewallPolicies/fwp-hub"),
            rules: format!("{PROVIDER}/firewallPolicies/fwp-hub/ruleCollectionGroups/azure-ml"),
            firewall: format!("{PROVIDER}/azureFirewalls/fw-hub"),
            own_policy: format!("{PROVIDER}/firewallPolicies/fwp-ml"),
            own_firewall: format!("{PROVIDER}/azureFirewalls/fw-ml"),
            own_rules: format!("{PROVIDER}/firewallPolicies/fwp-ml/ruleCollectionGroups/amlnet-demo"),
            other_rules: format!("{PROVIDER}/firewallPolicies/fwp-ml/ruleCollectionGroups/company"),
            security: format!("{PROVIDER}/networkSecurityGroups/nsg-ml"),
        }
    }

    /// The group with everything that is locked while it is written, and the rules that nobody may touch.
    pub(crate) fn around_the_group(&self) -> [&str; 4] {
        [&self.group, &self.policy, &self.rules, &self.firewall]
    }

    /// What is locked while amlnet's rules are written into a policy, and the rules of others there.
    pub(crate) fn around_the_rules(&self) -> [&str; 3] {
        [&self.own_policy, &self.own_firewall, &self.other_rules]
    }
}

/// The last part of an id.
pub(crate) fn last(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or_default()
}

pub(crate) fn world(ids: &Ids, documents: &[Document; 2], conflict: Ipv4Net) -> Result<Value, String> {
    let mut files = Vec::new();
    for document in documents {
        let path = &document.path;
        files.push(path.canonicalize().map_err(|error| format!("{}: {error}", path.display()))?);
    }
    Ok(json!({
        "resources": [
            table(&ids.table, conflict),
            {"id": ids.group, "location": "eastus2", "tags": {"costCentre": "4711"}, "properties": {"ipAddresses": []}},
            {"id": ids.policy, "location": "eastus2"},
            rules(ids),
            {"id": ids.firewall, "location": "eastus2", "properties": {"firewallPolicy": {"id": ids.policy}}},
            {"id": ids.own_policy, "location": "eastus2"},
            company_rules(&ids.other_rules),
            {"id": ids.own_firewall, "location": "eastus2", "properties": {"firewallPolicy": {"id": ids.own_policy}}},
            security_group(&ids.security),
        ],
        "serviceTagFiles": files,
    }))
}

fn table(id: &str, conflict: Ipv4Net) -> Value {
    let route = |name: &str, prefix: &str, hop: &str, ip: Option<&str>| json!({"name": name, "properties": {"addressPrefix": prefix, "nextHopType": hop, "nextHopIpAddress": ip}});
    json!({"id": id, "location": "eastus2", "properties": {
        "routes": [
            route("default-to-firewall", "0.0.0.0/0", "VirtualAppliance", Some("10.0.1.4")),
            route("on-premises", "10.0.0.0/8", "VirtualNetworkGateway", None),
            route("inspect-by-firewall", &conflict.to_string(), "VirtualAppliance", Some("10.0.1.4")),
        ],
        "subnets": [{"id": COMPUTES}],
    }})
}

fn security_group(id: &str) -> Value {
    let rule = |name: &str, direction: &str, access: &str, priority: u16, source: &str, port: &str| {
        json!({"name": name, "properties": {
        "direction": direction, "access": access, "priority": priority, "protocol": "*", "sourceAddressPrefix": source,
        "sourcePortRange": "*", "destinationAddressPrefix": "*", "destinationPortRange": port}})
    };
    json!({"id": id, "location": "eastus2", "properties": {
        "securityRules": [
            rule("allow-bastion", "Inbound", "Allow", 1000, "10.0.5.0/24", "22"),
            rule("deny-everything-else", "Outbound", "Deny", 4000, "*", "*"),
        ],
        "subnets": [{"id": COMPUTES}],
    }})
}

fn rules(ids: &Ids) -> Value {
    allowing(&ids.rules, "allow-azure-ml", "storage", "443", &json!({"destinationIpGroups": [ids.group]}))
}

fn company_rules(id: &str) -> Value {
    allowing(id, "allow-company", "time", "123", &json!({"destinationAddresses": ["10.0.0.10"]}))
}

/// A rule collection group of somebody else, with one rule; `to` says where it leads.
fn allowing(id: &str, collection: &str, name: &str, port: &str, to: &Value) -> Value {
    let mut rule = json!({"ruleType": "NetworkRule", "name": name, "ipProtocols": ["TCP"], "destinationPorts": [port],
        "sourceAddresses": [SOURCES]});
    if let (Some(rule), Some(to)) = (rule.as_object_mut(), to.as_object()) {
        rule.extend(to.clone());
    }
    let collection = json!({"ruleCollectionType": "FirewallPolicyFilterRuleCollection", "name": collection,
        "priority": 1000, "action": {"type": "Allow"}, "rules": [rule]});
    json!({"id": id, "properties": {"priority": 1000, "ruleCollections": [collection]}})
}

/// The feed, read from the simulated download page.
pub(crate) fn feed(page: &str, reconcile_at: Option<&str>) -> String {
    let annotation =
        reconcile_at.map(|at| format!("  annotations:\n    amlnet.dev/reconcile-at: \"{at}\"\n")).unwrap_or_default();
    format!(
        "apiVersion: amlnet.dev/v1alpha1\nkind: ServiceTagFeed\nmetadata:\n  name: public\n{annotation}spec:\n  \
         cloud: Public\n  sources:\n  - download:\n      pageUrl: \"{page}\"\n"
    )
}

pub(crate) fn network(ids: &Ids) -> String {
    let Ids { table, group, own_policy, security, .. } = ids;
    let [from, to] = PRIORITIES;
    format!(
        "apiVersion: amlnet.dev/v1alpha1
kind: AmlNetwork
metadata:
  name: ml
spec:
  region: East US 2
  mode: UpsertOnly
  routes:
    routeTables:
    - id: {table}
  outbound:
    edition: \"2026-03\"
    profiles: [Base]
    additional:
    - name: own-region
      serviceTag: AzureMachineLearning
      regional: true
      ports: [{{protocol: TCP, port: 443}}]
    sourceAddresses: [{SOURCES}]
    firewallPolicies:
    - id: {own_policy}
      priority: {PRIORITY}
    ipGroups:
    - id: {group}
      requirement: Storage
    lists:
    - name: edge
      content: IPv4
  networkSecurityGroups:
  - id: {security}
    priorityRange: {{from: {from}, to: {to}}}
"
    )
}

/// Where the list of `network` is served.
pub(crate) const LIST: &str = "/lists/default/ml/edge";

/// Writes a file in one moment: whoever watches the folder never sees half of it.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), String> {
    let part = path.with_extension("part");
    std::fs::write(&part, text)
        .and_then(|()| std::fs::rename(&part, path))
        .map_err(|error| format!("{}: {error}", path.display()))
}
