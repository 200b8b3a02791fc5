//! What the demonstration plays on: the simulated Azure at its beginning, and the files that amlnet is given.
//!
//! Texts and values only; whoever starts something with them is in `story`.

use std::path::Path;

use ipnet::Ipv4Net;
use serde_json::{Value, json};

use crate::documents::Document;

const PROVIDER: &str =
    "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg-ml/providers/Microsoft.Network";

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
}

impl Ids {
    pub(crate) fn new() -> Self {
        Self {
            table: format!("{PROVIDER}/routeTables/rt-ml"),
            group: format!("{PROVIDER}/ipGroups/ipg-storage"),
            policy: format!("{PROVIDER}/firewallPolicies/fwp-hub"),
            rules: format!("{PROVIDER}/firewallPolicies/fwp-hub/ruleCollectionGroups/azure-ml"),
            firewall: format!("{PROVIDER}/azureFirewalls/fw-hub"),
        }
    }

    /// The group with everything that is locked while it is written, and the rules that nobody may touch.
    pub(crate) fn around_the_group(&self) -> [&str; 4] {
        [&self.group, &self.policy, &self.rules, &self.firewall]
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
        "subnets": [{"id": format!("{PROVIDER}/virtualNetworks/vnet-ml/subnets/compute")}],
    }})
}

fn rules(ids: &Ids) -> Value {
    let rule = json!({"ruleType": "NetworkRule", "name": "storage", "ipProtocols": ["TCP"], "destinationPorts": ["443"],
        "sourceAddresses": ["10.1.0.0/24"], "destinationIpGroups": [ids.group]});
    let collection = json!({"ruleCollectionType": "FirewallPolicyFilterRuleCollection", "name": "allow-azure-ml",
        "priority": 1000, "action": {"type": "Allow"}, "rules": [rule]});
    json!({"id": ids.rules, "properties": {"priority": 1000, "ruleCollections": [collection]}})
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
    let Ids { table, group, .. } = ids;
    format!(
        "apiVersion: amlnet.dev/v1alpha1\nkind: AmlNetwork\nmetadata:\n  name: ml\nspec:\n  region: East US 2\n  \
         mode: UpsertOnly\n  routes:\n    routeTables:\n    - id: {table}\n  outbound:\n    edition: \"2026-03\"\n    \
         profiles: [Base]\n    ipGroups:\n    - id: {group}\n      requirement: Storage\n    lists:\n    - name: edge\n      \
         content: IPv4\n"
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
