//! Resource ids and the paths of requests: taken apart segment by segment, compared without case. A path is decoded
//! only after it was split, so `%2f` and `..` stay inside a name, where the rules for names refuse them.

use super::access_path::AccessPath;
use std::fmt;

const NETWORK: &str = "microsoft.network";

/// The id of a top-level resource of Microsoft.Network, in the spelling it was created with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceId {
    pub subscription: String,
    pub group: String,
    /// `routeTables`, `ipGroups` and so on, in ARM's spelling.
    pub kind: &'static str,
    pub name: String,
}

impl ResourceId {
    /// The form ids are compared in.
    pub fn key(&self) -> String {
        self.to_string().to_ascii_lowercase()
    }

    /// Whether it is in this subscription, and in this resource group where one is given.
    pub(super) fn is_in(&self, subscription: &str, group: Option<&str>) -> bool {
        self.subscription.eq_ignore_ascii_case(subscription)
            && group.is_none_or(|group| self.group.eq_ignore_ascii_case(group))
    }

    pub fn group_key(&self) -> String {
        group_key(&self.subscription, &self.group)
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subscription, group, kind, name } = self;
        write!(f, "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Network/{kind}/{name}")
    }
}

pub(super) fn group_key(subscription: &str, group: &str) -> String {
    format!("/subscriptions/{subscription}/resourcegroups/{group}").to_ascii_lowercase()
}

/// What a request's path names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArmPath {
    Tenants,
    Subscriptions,
    Subscription {
        subscription: String,
    },
    Locations {
        subscription: String,
    },
    ResourceGroups {
        subscription: String,
    },
    ResourceGroup {
        subscription: String,
        group: String,
    },
    /// The status of a resource group's deletion.
    Job {
        subscription: String,
    },
    Usages {
        subscription: String,
        location: String,
    },
    /// The status of a long operation.
    Operation {
        subscription: String,
        location: String,
        id: String,
    },
    OperationResult {
        subscription: String,
        location: String,
        id: String,
    },
    RouteTables {
        subscription: String,
        group: Option<String>,
    },
    RouteTable(ResourceId),
    Routes(ResourceId),
    Route(ResourceId, String),
    SecurityGroups {
        subscription: String,
        group: Option<String>,
    },
    SecurityGroup(ResourceId),
    SecurityRules(ResourceId),
    SecurityRule(ResourceId, String),
    DefaultSecurityRules(ResourceId),
    DefaultSecurityRule(ResourceId, String),
    VirtualNetworks {
        subscription: String,
        group: Option<String>,
    },
    VirtualNetwork(ResourceId),
    Subnets(ResourceId),
    Subnet(ResourceId, String),
    IpGroups {
        subscription: String,
        group: Option<String>,
    },
    IpGroup(ResourceId),
    Firewalls {
        subscription: String,
        group: Option<String>,
    },
    Firewall(ResourceId),
    FirewallPolicies {
        subscription: String,
        group: Option<String>,
    },
    FirewallPolicy(ResourceId),
    RuleCollectionGroups(ResourceId),
    RuleCollectionGroup(ResourceId, String),
    /// The one draft of a policy, or of a rule collection group.
    FirewallPolicyDraft(ResourceId),
    RuleCollectionGroupDraft(ResourceId, String),
    /// Puts the drafts of a policy into force.
    PolicyDeployment(ResourceId),
    PublicAddress(ResourceId),
    /// Management locks at a scope, in the spelling of the path.
    Locks {
        subscription: String,
        scope: String,
    },
    Lock {
        subscription: String,
        scope: String,
        name: String,
    },
    /// Identities, role definitions and role assignments.
    Access {
        subscription: String,
        path: AccessPath,
    },
    /// The Service Tag Discovery API.
    ServiceTags {
        subscription: String,
        location: String,
    },
    ServiceAliases {
        subscription: String,
        group: Option<String>,
    },
    UnknownType {
        subscription: String,
        namespace: String,
        kind: String,
    },
    Unknown,
}

impl ArmPath {
    pub fn parse(path: &str) -> Self {
        let Some(rest) = path.strip_prefix('/') else {
            return Self::Unknown;
        };
        let Some(segments) = rest.trim_end_matches('/').split('/').map(decode).collect::<Option<Vec<_>>>() else {
            return Self::Unknown;
        };
        let lower: Vec<String> = segments.iter().map(|segment| segment.to_ascii_lowercase()).collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        let at = |i: usize| segments[i].clone();
        if lower.iter().any(|segment| segment.is_empty()) {
            return Self::Unknown;
        }
        if let ["subscriptions", _, .., "providers", "microsoft.authorization", "locks"] = lower.as_slice() {
            let scope = format!("/{}", segments[..segments.len() - 3].join("/"));
            return Self::Locks { subscription: at(1), scope };
        }
        if let ["subscriptions", _, .., "providers", "microsoft.authorization", "locks", _] = lower.as_slice() {
            return Self::Lock {
                subscription: at(1),
                scope: format!("/{}", segments[..segments.len() - 4].join("/")),
                name: at(segments.len() - 1),
            };
        }
        if let Some(path) = AccessPath::parse(&segments, &lower) {
            return Self::Access { subscription: at(1), path };
        }
        match lower.as_slice() {
            ["tenants"] => Self::Tenants,
            ["subscriptions"] => Self::Subscriptions,
            ["subscriptions", _] => Self::Subscription { subscription: at(1) },
            ["subscriptions", _, "locations"] => Self::Locations { subscription: at(1) },
            ["subscriptions", _, "resourcegroups"] => Self::ResourceGroups { subscription: at(1) },
            ["subscriptions", _, "operationresults", _] => Self::Job { subscription: at(1) },
            ["subscriptions", _, "resourcegroups", _] => Self::ResourceGroup { subscription: at(1), group: at(3) },
            ["subscriptions", _, "providers", namespace, rest @ ..] => {
                provider_path(at(1), None, namespace, rest, &segments[4..])
            }
            ["subscriptions", _, "resourcegroups", _, "providers", namespace, rest @ ..] => {
                provider_path(at(1), Some(at(3)), namespace, rest, &segments[6..])
            }
            _ => Self::Unknown,
        }
    }

    pub fn subscription(&self) -> Option<&str> {
        match self {
            Self::Tenants | Self::Subscriptions | Self::Unknown => None,
            Self::RouteTable(id)
            | Self::Routes(id)
            | Self::Route(id, _)
            | Self::SecurityGroup(id)
            | Self::SecurityRules(id)
            | Self::SecurityRule(id, _)
            | Self::DefaultSecurityRules(id)
            | Self::DefaultSecurityRule(id, _)
            | Self::VirtualNetwork(id)
            | Self::Subnets(id)
            | Self::Subnet(id, _)
            | Self::IpGroup(id)
            | Self::Firewall(id)
            | Self::FirewallPolicy(id)
            | Self::RuleCollectionGroups(id)
            | Self::RuleCollectionGroup(id, _)
            | Self::FirewallPolicyDraft(id)
            | Self::RuleCollectionGroupDraft(id, _)
            | Self::PolicyDeployment(id)
            | Self::PublicAddress(id) => Some(&id.subscription),
            Self::Subscription { subscription }
            | Self::Locations { subscription }
            | Self::ResourceGroups { subscription }
            | Self::ResourceGroup { subscription, .. }
            | Self::Job { subscription }
            | Self::Usages { subscription, .. }
            | Self::Operation { subscription, .. }
            | Self::OperationResult { subscription, .. }
            | Self::RouteTables { subscription, .. }
            | Self::SecurityGroups { subscription, .. }
            | Self::VirtualNetworks { subscription, .. }
            | Self::IpGroups { subscription, .. }
            | Self::Firewalls { subscription, .. }
            | Self::FirewallPolicies { subscription, .. }
            | Self::Locks { subscription, .. }
            | Self::Lock { subscription, .. }
            | Self::Access { subscription, .. }
            | Self::ServiceTags { subscription, .. }
            | Self::ServiceAliases { subscription, .. }
            | Self::UnknownType { subscription, .. } => Some(subscription),
        }
    }

    /// The id that roles and locks are compared with.
    pub fn scope(&self) -> String {
        match self {
            Self::RouteTable(id)
            | Self::Routes(id)
            | Self::SecurityGroup(id)
            | Self::SecurityRules(id)
            | Self::DefaultSecurityRules(id)
            | Self::VirtualNetwork(id)
            | Self::Subnets(id)
            | Self::IpGroup(id)
            | Self::Firewall(id)
            | Self::FirewallPolicy(id)
            | Self::RuleCollectionGroups(id)
            | Self::PolicyDeployment(id)
            | Self::PublicAddress(id) => id.to_string(),
            Self::FirewallPolicyDraft(id) => format!("{id}/firewallPolicyDrafts/default"),
            Self::RuleCollectionGroupDraft(id, name) => {
                format!("{id}/ruleCollectionGroups/{name}/ruleCollectionGroupDrafts/default")
            }
            Self::RuleCollectionGroup(id, name) => format!("{id}/ruleCollectionGroups/{name}"),
            Self::Subnet(id, subnet) => format!("{id}/subnets/{subnet}"),
            Self::Locks { scope, .. } | Self::Lock { scope, .. } => scope.clone(),
            Self::Access { path, .. } => path.scope(),
            Self::Route(id, route) => format!("{id}/routes/{route}"),
            Self::SecurityRule(id, rule) => format!("{id}/securityRules/{rule}"),
            Self::DefaultSecurityRule(id, rule) => format!("{id}/defaultSecurityRules/{rule}"),
            Self::ResourceGroup { subscription, group }
            | Self::RouteTables { subscription, group: Some(group) }
            | Self::SecurityGroups { subscription, group: Some(group) }
            | Self::VirtualNetworks { subscription, group: Some(group) }
            | Self::IpGroups { subscription, group: Some(group) }
            | Self::Firewalls { subscription, group: Some(group) }
            | Self::FirewallPolicies { subscription, group: Some(group) } => {
                format!("/subscriptions/{subscription}/resourceGroups/{group}")
            }
            other => other.subscription().map_or_else(|| "/".to_owned(), |id| format!("/subscriptions/{id}")),
        }
    }

    /// The resource type that actions of roles name; `None` where ARM asks for no permission.
    pub fn action_type(&self) -> Option<&'static str> {
        match self {
            Self::RouteTables { .. } | Self::RouteTable(_) => Some("Microsoft.Network/routeTables"),
            Self::Routes(_) | Self::Route(..) => Some("Microsoft.Network/routeTables/routes"),
            Self::SecurityGroups { .. } | Self::SecurityGroup(_) => Some("Microsoft.Network/networkSecurityGroups"),
            Self::SecurityRules(_) | Self::SecurityRule(..) => {
                Some("Microsoft.Network/networkSecurityGroups/securityRules")
            }
            Self::DefaultSecurityRules(_) | Self::DefaultSecurityRule(..) => {
                Some("Microsoft.Network/networkSecurityGroups/defaultSecurityRules")
            }
            Self::VirtualNetworks { .. } | Self::VirtualNetwork(_) => Some("Microsoft.Network/virtualNetworks"),
            Self::Subnets(_) | Self::Subnet(..) => Some("Microsoft.Network/virtualNetworks/subnets"),
            Self::IpGroups { .. } | Self::IpGroup(_) => Some("Microsoft.Network/ipGroups"),
            Self::Firewalls { .. } | Self::Firewall(_) => Some("Microsoft.Network/azureFirewalls"),
            Self::FirewallPolicies { .. } | Self::FirewallPolicy(_) => Some("Microsoft.Network/firewallPolicies"),
            Self::RuleCollectionGroups(_) | Self::RuleCollectionGroup(..) => {
                Some("Microsoft.Network/firewallPolicies/ruleCollectionGroups")
            }
            Self::FirewallPolicyDraft(_) => Some("Microsoft.Network/firewallPolicies/firewallPolicyDrafts"),
            Self::RuleCollectionGroupDraft(..) => {
                Some("Microsoft.Network/firewallPolicies/ruleCollectionGroups/ruleCollectionGroupDrafts")
            }
            Self::PolicyDeployment(_) => Some("Microsoft.Network/firewallPolicies/deploy"),
            Self::PublicAddress(_) => Some("Microsoft.Network/publicIPAddresses"),
            Self::Locks { .. } | Self::Lock { .. } => Some("Microsoft.Authorization/locks"),
            Self::Access { path, .. } => Some(path.action_type()),
            Self::ServiceTags { .. } => Some("Microsoft.Network/locations/serviceTags"),
            Self::Usages { .. } => Some("Microsoft.Network/locations/usages"),
            Self::ResourceGroups { .. } | Self::ResourceGroup { .. } => {
                Some("Microsoft.Resources/subscriptions/resourceGroups")
            }
            _ => None,
        }
    }
}

fn provider_path(
    subscription: String,
    group: Option<String>,
    namespace: &str,
    rest: &[&str],
    spelled: &[String],
) -> ArmPath {
    let unknown = |subscription: String| match rest.first() {
        Some(_) => ArmPath::UnknownType { subscription, namespace: namespace.to_owned(), kind: spelled[0].clone() },
        None => ArmPath::Unknown,
    };
    if namespace != NETWORK {
        return unknown(subscription);
    }
    let resource = |kind, subscription, group| ResourceId { subscription, group, kind, name: spelled[1].clone() };
    let table = |subscription, group| resource("routeTables", subscription, group);
    let security = |subscription, group| resource("networkSecurityGroups", subscription, group);
    let network = |subscription, group| resource("virtualNetworks", subscription, group);
    let policy = |subscription, group| resource("firewallPolicies", subscription, group);
    match (rest, group) {
        (["locations", _, "usages"], None) => ArmPath::Usages { subscription, location: spelled[1].clone() },
        (["locations", _, "operations" | "nfvoperations", id], None) => {
            ArmPath::Operation { subscription, location: spelled[1].clone(), id: (*id).to_owned() }
        }
        (["locations", _, "operationresults" | "nfvoperationresults", id], None) => {
            ArmPath::OperationResult { subscription, location: spelled[1].clone(), id: (*id).to_owned() }
        }
        (["locations", _, "servicetags"], None) => ArmPath::ServiceTags { subscription, location: spelled[1].clone() },
        (["locations", _, "availableservicealiases"], group) => ArmPath::ServiceAliases { subscription, group },
        (["virtualnetworks"], group) => ArmPath::VirtualNetworks { subscription, group },
        (["virtualnetworks", _], Some(group)) => ArmPath::VirtualNetwork(network(subscription, group)),
        (["virtualnetworks", _, "subnets"], Some(group)) => ArmPath::Subnets(network(subscription, group)),
        (["virtualnetworks", _, "subnets", _], Some(group)) => {
            ArmPath::Subnet(network(subscription, group), spelled[3].clone())
        }
        (["routetables"], group) => ArmPath::RouteTables { subscription, group },
        (["routetables", _], Some(group)) => ArmPath::RouteTable(table(subscription, group)),
        (["routetables", _, "routes"], Some(group)) => ArmPath::Routes(table(subscription, group)),
        (["routetables", _, "routes", _], Some(group)) => {
            ArmPath::Route(table(subscription, group), spelled[3].clone())
        }
        (["networksecuritygroups"], group) => ArmPath::SecurityGroups { subscription, group },
        (["networksecuritygroups", _], Some(group)) => ArmPath::SecurityGroup(security(subscription, group)),
        (["networksecuritygroups", _, "securityrules"], Some(group)) => {
            ArmPath::SecurityRules(security(subscription, group))
        }
        (["networksecuritygroups", _, "securityrules", _], Some(group)) => {
            ArmPath::SecurityRule(security(subscription, group), spelled[3].clone())
        }
        (["networksecuritygroups", _, "defaultsecurityrules"], Some(group)) => {
            ArmPath::DefaultSecurityRules(security(subscription, group))
        }
        (["networksecuritygroups", _, "defaultsecurityrules", _], Some(group)) => {
            ArmPath::DefaultSecurityRule(security(subscription, group), spelled[3].clone())
        }
        (["ipgroups"], group) => ArmPath::IpGroups { subscription, group },
        (["ipgroups", _], Some(group)) => ArmPath::IpGroup(resource("ipGroups", subscription, group)),
        (["azurefirewalls"], group) => ArmPath::Firewalls { subscription, group },
        (["azurefirewalls", _], Some(group)) => ArmPath::Firewall(resource("azureFirewalls", subscription, group)),
        (["firewallpolicies"], group) => ArmPath::FirewallPolicies { subscription, group },
        (["firewallpolicies", _], Some(group)) => ArmPath::FirewallPolicy(policy(subscription, group)),
        (["firewallpolicies", _, "rulecollectiongroups"], Some(group)) => {
            ArmPath::RuleCollectionGroups(policy(subscription, group))
        }
        (["firewallpolicies", _, "rulecollectiongroups", _], Some(group)) => {
            ArmPath::RuleCollectionGroup(policy(subscription, group), spelled[3].clone())
        }
        (["firewallpolicies", _, "firewallpolicydrafts", "default"], Some(group)) => {
            ArmPath::FirewallPolicyDraft(policy(subscription, group))
        }
        (["firewallpolicies", _, "rulecollectiongroups", _, "rulecollectiongroupdrafts", "default"], Some(group)) => {
            ArmPath::RuleCollectionGroupDraft(policy(subscription, group), spelled[3].clone())
        }
        (["firewallpolicies", _, "deploy"], Some(group)) => ArmPath::PolicyDeployment(policy(subscription, group)),
        (["publicipaddresses", _], Some(group)) => {
            ArmPath::PublicAddress(resource("publicIPAddresses", subscription, group))
        }
        _ => unknown(subscription),
    }
}

fn decode(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let high = char::from(rest.next()?).to_digit(16)?;
            let low = char::from(rest.next()?).to_digit(16)?;
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// ASSUMPTION: the documented rule for names of network resources; the exact refusal was not recorded.
pub(super) fn is_valid_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    bytes.len() <= 80
        && bytes.iter().all(allowed)
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_taken_apart_without_case() {
        let path = "/subscriptions/S/resourcegroups/Rg/providers/microsoft.network/ROUTETABLES/T/routes/a.b_c";
        let ArmPath::Route(id, route) = ArmPath::parse(path) else { panic!("not a route") };
        assert_eq!(id.to_string(), "/subscriptions/S/resourceGroups/Rg/providers/Microsoft.Network/routeTables/T");
        assert_eq!(route, "a.b_c");
    }

    #[test]
    fn a_slash_hidden_in_a_name_stays_in_the_name() {
        let path = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/routeTables/a%2f..%2fb";
        let ArmPath::RouteTable(id) = ArmPath::parse(path) else { panic!("not a table") };
        assert_eq!(id.name, "a/../b");
        assert!(!is_valid_name(&id.name));
        assert!(!is_valid_name(".."));
        assert!(!is_valid_name("ends-"));
        assert!(is_valid_name("amlnet.prod.2603-1030--_24"));
    }

    #[test]
    fn other_paths_are_unknown() {
        assert_eq!(ArmPath::parse("/subscriptions//resourceGroups"), ArmPath::Unknown);
        assert_eq!(ArmPath::parse("/subscriptions/%zz"), ArmPath::Unknown);
        assert!(matches!(
            ArmPath::parse("/subscriptions/s/providers/Microsoft.Compute/virtualMachines"),
            ArmPath::UnknownType { .. }
        ));
    }
}
