//! `AmlNetwork.spec.outbound`: what the firewall must let through, and where that is written.
//!
//! Must not know which editions, profiles and requirements there are: that is data.

#![allow(unreachable_pub, reason = "KubeSchema repeats each type inside a function")]

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::network::ServiceTagName;
use super::rules::outbound as rules;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(rules::POLICIES_SOURCES).message(rules::POLICIES_SOURCES_SAYS).field_path(".sourceAddresses"))]
pub struct Outbound {
    /// The edition of Microsoft's documentation whose rows count. It is set when the object is made and then stays, so
    /// that a newer amlnet never changes rules by itself. In files, write it.
    #[serde(default = "default_edition")]
    #[schemars(regex(pattern = rules::EDITION), length(max = 7), extend("example" = "2023-01"))]
    #[x_kube(validation = Rule::new(super::rules::matches(rules::EDITION)).message(rules::EDITION_SAYS))]
    pub edition: String,
    /// Parts of the documentation: Base and TrainingAndDeployment, and where they are used PythonPackages,
    /// PythonPackagesOwnIndex, RStudio, RPackages, VisualStudioCode, StorageFirewall, HbiWorkspace, PrivateEndpoints,
    /// KubernetesCompute, Hosts. `amlnet requirements` shows what each holds. [] where only additional counts.
    #[serde(default = "default_profiles")]
    #[schemars(length(max = 30), extend("example" = ["Base", "TrainingAndDeployment", "PythonPackages"]))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub profiles: Vec<ProfileName>,
    /// What stands for the placeholders of the documentation: storageAccount for <storage>, containerRegistry for <acr>,
    /// workspaceId for <workspace id>.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 20, "example" = json!({"storageAccount": "mlstore"})))]
    #[x_kube(validation = Rule::new(rules::PARAMETERS).message(rules::PARAMETERS_SAYS))]
    pub parameters: BTreeMap<String, ParameterValue>,
    /// Requirements that are left out, by id or service tag: those that are reached through private endpoints, or
    /// AzureMonitor where it is secured for the workspace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), extend("example" = ["Storage", "AzureMonitor"]))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub exclude: Vec<RequirementName>,
    /// The subnets of the computes, in CIDR notation: private ranges that do not overlap. Firewall policies need them:
    /// their rules hold for traffic from these addresses alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), extend("example" = ["10.1.0.0/24"]))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    #[x_kube(validation = Rule::new(rules::SOURCES_APART).message(rules::SOURCES_APART_SAYS))]
    pub source_addresses: Vec<SourceRange>,
    /// What the documentation leaves to the user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[x_kube(validation = Rule::new(rules::NAMES_ONCE).message(rules::NAMES_ONCE_SAYS))]
    pub additional: Vec<Additional>,
    /// Firewall policies in which the rules are kept: in one rule collection group of amlnet's own, amlnet-<installation>.
    /// Whatever else stands in the policy stays as it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    #[x_kube(validation = Rule::new(rules::POLICIES_ONCE).message(rules::POLICIES_ONCE_SAYS))]
    pub firewall_policies: Vec<FirewallPolicy>,
    /// IP groups that are kept: one requirement each. Firewall policies and classic firewalls refer to them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    #[x_kube(validation = Rule::new(rules::GROUPS_ONCE).message(rules::GROUPS_ONCE_SAYS))]
    pub ip_groups: Vec<IpGroup>,
    /// Lists for firewalls of other makers, which fetch them over HTTP: /lists/<namespace>/<AmlNetwork>/<name>.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[x_kube(validation = Rule::new(rules::LISTS_ONCE).message(rules::LISTS_ONCE_SAYS))]
    pub lists: Vec<List>,
}

/// A profile: letters and digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(transparent)]
#[schemars(extend("x-kubernetes-validations" = [{"rule": super::rules::matches(rules::PROFILE), "message": rules::PROFILE_SAYS}]))]
pub struct ProfileName(#[schemars(regex(pattern = rules::PROFILE), length(max = 60))] pub String);

/// The id of a requirement, or a service tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(transparent)]
#[schemars(extend("x-kubernetes-validations" = [{"rule": super::rules::matches(rules::REQUIREMENT), "message": rules::REQUIREMENT_SAYS}]))]
pub struct RequirementName(#[schemars(regex(pattern = rules::REQUIREMENT), length(max = 100))] pub String);

/// Letters, digits and '-'.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(transparent)]
#[schemars(extend("x-kubernetes-validations" = [{"rule": super::rules::matches(rules::PARAMETER), "message": rules::PARAMETER_SAYS}]))]
pub struct ParameterValue(#[schemars(regex(pattern = rules::PARAMETER), length(max = 63))] pub String);

/// A private range in CIDR notation, without host bits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(transparent)]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": rules::RANGE, "message": rules::RANGE_SAYS},
    {"rule": rules::RANGE_BEGINS, "message": rules::RANGE_BEGINS_SAYS},
    {"rule": rules::RANGE_PRIVATE, "message": rules::RANGE_PRIVATE_SAYS},
]))]
pub struct SourceRange(#[schemars(length(max = 43))] pub String);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(rules::TAG_OR_HOSTS).message(rules::TAG_OR_HOSTS_SAYS))]
#[x_kube(validation = Rule::new(rules::REGIONAL_TAG).message(rules::REGIONAL_TAG_SAYS))]
#[x_kube(validation = Rule::new(rules::HTTP_HOSTS).message(rules::HTTP_HOSTS_SAYS))]
pub struct Additional {
    /// What rules and messages call it; IP groups and lists may name it as their requirement.
    #[schemars(regex(pattern = rules::ADDITIONAL_NAME), length(max = 40), extend("example" = "github"))]
    #[x_kube(validation = Rule::new(super::rules::matches(rules::ADDITIONAL_NAME)).message(rules::ADDITIONAL_NAME_SAYS))]
    pub name: String,
    /// Host names; *.github.com stands for all names below github.com.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50), extend("example" = ["github.com", "*.github.com"]))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub hosts: Option<Vec<HostName>>,
    /// A service tag without region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("example" = "AzureKeyVault"))]
    pub service_tag: Option<ServiceTagName>,
    /// Only the tag's part in the AmlNetwork's region.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub regional: bool,
    /// What is let through there.
    #[schemars(length(min = 1, max = 20), extend("example" = json!([{"protocol": "Https", "port": 443}])))]
    pub ports: Vec<Port>,
}

/// A host name: no scheme, no port, no path; a * only at the beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(transparent)]
#[schemars(extend("x-kubernetes-validations" = [{"rule": super::rules::matches(rules::HOST), "message": rules::HOST_SAYS}]))]
pub struct HostName(#[schemars(regex(pattern = rules::HOST), length(max = 253))] pub String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Port {
    /// TCP, UDP, Any, or with hosts Http and Https.
    pub protocol: Protocol,
    /// 1 to 65535.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Protocol {
    #[serde(rename = "TCP")]
    Tcp,
    #[serde(rename = "UDP")]
    Udp,
    Any,
    Http,
    Https,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FirewallPolicy {
    /// The ARM id: /subscriptions/<subscription id>/resourceGroups/<group>/providers/Microsoft.Network/firewallPolicies/<name>.
    /// It has to exist, and may have other groups, a parent and firewalls. Several AmlNetworks may name one policy: the
    /// group holds what all of them need. Case does not count.
    #[schemars(
        length(max = 400),
        extend("example" = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-fw/providers/Microsoft.Network/firewallPolicies/afwp-hub")
    )]
    #[x_kube(validation = Rule::new(rules::FIREWALL_POLICY_ID).message(rules::FIREWALL_POLICY_ID_SAYS))]
    pub id: String,
    /// The priority of the rule collection group, 100 to 65000. The lowest is looked at first, so it stands below that of
    /// groups that deny, and no other group of the policy has it. AmlNetworks that share a policy write the same.
    #[schemars(range(min = 100, max = 65000), extend("example" = 1200))]
    pub priority: u16,
    /// How the addresses of service tags are written: Auto (the tag where the firewall knows it, else its prefixes),
    /// IpGroups (the group under ipGroups that holds the requirement, else as Auto) or Prefixes.
    #[serde(default)]
    pub addressing: RuleAddressing,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RuleAddressing {
    #[default]
    Auto,
    IpGroups,
    Prefixes,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct IpGroup {
    /// The ARM id: /subscriptions/<subscription id>/resourceGroups/<group>/providers/Microsoft.Network/ipGroups/<name>.
    /// The group is amlnet's alone. One that exists is taken over only when it is empty.
    #[schemars(
        length(max = 400),
        extend("example" = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-ml/providers/Microsoft.Network/ipGroups/ipg-batch")
    )]
    #[x_kube(validation = Rule::new(rules::IP_GROUP_ID).message(rules::IP_GROUP_ID_SAYS))]
    pub id: String,
    /// The requirement whose addresses it holds, by id, service tag or the name of an additional one.
    #[schemars(extend("example" = "BatchNodeManagement"))]
    pub requirement: RequirementName,
    /// Create it if it does not exist. Without this, a group that does not exist blocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create: Option<Create>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Create {
    /// The region of the new resource, as ARM name.
    #[schemars(regex(pattern = super::rules::LOCATION), length(min = 1, max = 60), extend("example" = "eastus2"))]
    #[x_kube(validation = Rule::new(super::rules::matches(super::rules::LOCATION)).message(super::rules::LOCATION_SAYS))]
    pub location: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct List {
    /// The last part of its address.
    #[schemars(regex(pattern = rules::LIST_NAME), length(max = 63), extend("example" = "palo-alto"))]
    #[x_kube(validation = Rule::new(super::rules::matches(rules::LIST_NAME)).message(rules::LIST_NAME_SAYS))]
    pub name: String,
    /// What is served at the address without an ending: Plain (one a line) or Json. .txt and .json choose as well.
    #[serde(default)]
    pub format: ListFormat,
    /// All, Addresses (IPv4 and IPv6), IPv4, IPv6 or Hosts. Most firewalls want addresses and hosts in lists of their own.
    #[serde(default)]
    pub content: ListContent,
    /// Only this requirement, by id, service tag or the name of an additional one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("example" = "Storage"))]
    pub requirement: Option<RequirementName>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ListFormat {
    #[default]
    Plain,
    Json,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ListContent {
    #[default]
    All,
    Addresses,
    IPv4,
    IPv6,
    Hosts,
}

/// The newest edition when this version was made.
fn default_edition() -> String {
    "2026-03".to_owned()
}

/// What every workspace needs.
fn default_profiles() -> Vec<ProfileName> {
    ["Base", "TrainingAndDeployment"].map(|name| ProfileName(name.to_owned())).into()
}
