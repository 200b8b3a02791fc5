//! Network security groups: what they hold beside their rules, the rules that every group has, what a group as a whole
//! must not hold, and how it is answered. What requests do to them is in `parent_write`.

use super::{
    arm_id::ResourceId,
    error::{self, ApiError},
    history::{History, States},
    http::ApiResponse,
    operation::Work,
    parent::{Change, ChildBody, Kind, Names, Parent, Parts, ProvisioningState, Spot, SubnetBody, SubnetView, Written},
    route_table::List,
    security_error as refusal,
    security_rule::{Asked, RuleView, SecurityRule, Side},
    security_rule_request::{self, RuleProperties},
    settings::{Behaviour, Latencies, Span},
    world::World,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

pub type SecurityGroup = Parent<GroupKind>;

/// What a security group has of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupKind {
    /// Shown only where it was written.
    pub(super) flush_connection: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GroupProperties {
    flush_connection: Option<bool>,
    security_rules: Option<Vec<ChildBody<RuleProperties>>>,
    subnets: Option<Vec<SubnetBody>>,
    network_interfaces: Option<Vec<Value>>,
    flow_logs: Option<Vec<Value>>,
}

/// Name, description, source, destination, access, priority, direction: for all protocols and ports.
type DefaultRule = (&'static str, &'static str, &'static str, &'static str, &'static str, i64, &'static str);

const DEFAULT_RULES: [DefaultRule; 6] = [
    (
        "AllowVnetInBound",
        "Allow inbound traffic from all VMs in VNET",
        "VirtualNetwork",
        "VirtualNetwork",
        "Allow",
        65000,
        "Inbound",
    ),
    (
        "AllowAzureLoadBalancerInBound",
        "Allow inbound traffic from azure load balancer",
        "AzureLoadBalancer",
        "*",
        "Allow",
        65001,
        "Inbound",
    ),
    ("DenyAllInBound", "Deny all inbound traffic", "*", "*", "Deny", 65500, "Inbound"),
    (
        "AllowVnetOutBound",
        "Allow outbound traffic from all VMs to all VMs in VNET",
        "VirtualNetwork",
        "VirtualNetwork",
        "Allow",
        65000,
        "Outbound",
    ),
    (
        "AllowInternetOutBound",
        "Allow outbound traffic from all VMs to Internet",
        "*",
        "Internet",
        "Allow",
        65001,
        "Outbound",
    ),
    ("DenyAllOutBound", "Deny all outbound traffic", "*", "*", "Deny", 65500, "Outbound"),
];

static DEFAULTS: LazyLock<Vec<SecurityRule>> = LazyLock::new(|| {
    let side =
        |address: &str| Side { address: Some(address.to_owned()), port: Some("*".to_owned()), ..Side::default() };
    let rule = |(name, description, source, destination, access, priority, direction): DefaultRule| SecurityRule {
        name: name.to_owned(),
        asked: Asked {
            description: Some(description.to_owned()),
            protocol: "*".to_owned(),
            access,
            direction,
            priority,
            source: side(source),
            destination: side(destination),
        },
        state: ProvisioningState::Succeeded,
    };
    DEFAULT_RULES.into_iter().map(rule).collect()
});

const INTERFACES: &str = "networkInterfaces";
const DEFAULT_LIST: &str = "defaultSecurityRules";

impl Kind for GroupKind {
    type Child = SecurityRule;
}

impl Written for GroupKind {
    type Properties = GroupProperties;
    type ChildProperties = RuleProperties;
    /// ASSUMPTION: named as the operations of route tables are.
    const NAMES: Names = Names {
        kind: "Microsoft.Network/networkSecurityGroups",
        children: "securityRules",
        put: "PutNetworkSecurityGroupOperation",
        delete: "DeleteNetworkSecurityGroupOperation",
        put_child: "PutSecurityRuleOperation",
        delete_child: "DeleteSecurityRuleOperation",
    };

    fn all(world: &World) -> &BTreeMap<String, SecurityGroup> {
        &world.security_groups
    }

    fn all_mut(world: &mut World) -> &mut BTreeMap<String, SecurityGroup> {
        &mut world.security_groups
    }

    fn states(history: &mut History) -> &mut States<SecurityRule> {
        &mut history.security_groups
    }

    fn work(id: ResourceId, change: Change<Self>) -> Work {
        Work::SecurityGroup(id, change)
    }

    fn latencies(latencies: &Latencies) -> (Span, Span) {
        (latencies.security_group, latencies.security_rule)
    }

    fn retry_after(behaviour: &Behaviour) -> u64 {
        behaviour.security_retry_after
    }

    fn parts(properties: GroupProperties) -> Parts<Self> {
        let own = Self { flush_connection: properties.flush_connection };
        let lists = [(INTERFACES, properties.network_interfaces), ("flowLogs", properties.flow_logs)];
        let users = lists.into_iter().filter_map(|(name, list)| Some((name, list.filter(|list| !list.is_empty())?)));
        Parts {
            own,
            children: properties.security_rules.unwrap_or_default(),
            subnets: properties.subnets,
            users: users.collect(),
        }
    }

    fn child(spot: Spot<'_>, name: &str, body: ChildBody<RuleProperties>) -> Result<SecurityRule, ApiError> {
        security_rule_request::rule(spot, name, body)
    }

    /// ASSUMPTION: two rules of one name in one body are refused with the code for the priority.
    fn check_conflict(rule: &SecurityRule, others: &[Arc<SecurityRule>]) -> Result<(), ApiError> {
        let place = |rule: &SecurityRule| (rule.asked.direction, rule.asked.priority);
        let other =
            others.iter().find(|other| place(other) == place(rule) || other.name.eq_ignore_ascii_case(&rule.name));
        match other {
            Some(other) => Err(refusal::conflict(&rule.name, &other.name)),
            None => Ok(()),
        }
    }

    /// ASSUMPTION: tags and `*` count as addresses do.
    fn check_limits(world: &World, id: &ResourceId, rules: &[Arc<SecurityRule>]) -> Result<(), ApiError> {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let limit = world.usage_limit("SecurityRulesPerNetworkSecurityGroup");
        if count(rules.len()) > limit {
            return Err(refusal::count(limit));
        }
        let limit = world.usage_limit("SecurityRuleAddressesOrPortsPerNetworkSecurityGroup");
        let sum =
            |side: fn(&Asked) -> &Side| count(rules.iter().map(|rule| side(&rule.asked).all_addresses().count()).sum());
        for (addresses, which) in
            [(sum(|asked| &asked.source), "Source"), (sum(|asked| &asked.destination), "Destination")]
        {
            if addresses > limit {
                return Err(refusal::addresses(id, addresses, limit, &format!("{which}AddressPrefixes")));
            }
        }
        Ok(())
    }

    fn check_unused(group: &SecurityGroup) -> Result<(), ApiError> {
        let interface = || group.users.get(INTERFACES)?.first()?["id"].as_str();
        match group.subnets.first().map(String::as_str).or_else(interface) {
            Some(user) => Err(refusal::in_use(&group.id, user)),
            None => Ok(()),
        }
    }

    fn view(group: &SecurityGroup, _: &str) -> impl Serialize {
        GroupView {
            name: &group.id.name,
            id: group.id.to_string(),
            etag: group.weak_etag(),
            r#type: Self::NAMES.kind,
            location: &group.location,
            tags: group.tags.as_ref(),
            properties: PropertiesView {
                provisioning_state: group.state.to_string(),
                resource_guid: &group.resource_guid,
                flush_connection: group.own.flush_connection,
                security_rules: group.children.iter().map(|rule| own_view(group, rule)).collect(),
                default_security_rules: DEFAULTS.iter().map(|rule| default_view(group, rule)).collect(),
                users: &group.users,
                subnets: SubnetView::all(&group.subnets),
            },
        }
    }

    fn child_view(group: &SecurityGroup, rule: &SecurityRule) -> impl Serialize {
        own_view(group, rule)
    }
}

fn own_view<'a>(group: &SecurityGroup, rule: &'a SecurityRule) -> RuleView<'a> {
    RuleView::new(group, GroupKind::NAMES.children, rule, rule.state)
}

/// ASSUMPTION: the rules that every group has are `Updating` with the group; recorded while it was made.
fn default_view<'a>(group: &SecurityGroup, rule: &'a SecurityRule) -> RuleView<'a> {
    RuleView::new(group, DEFAULT_LIST, rule, group.state)
}

/// A group as it is answered. The order of the fields is that of the recordings.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupView<'a> {
    name: &'a str,
    id: String,
    etag: String,
    r#type: &'static str,
    location: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<&'a BTreeMap<String, String>>,
    properties: PropertiesView<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PropertiesView<'a> {
    provisioning_state: String,
    resource_guid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    flush_connection: Option<bool>,
    security_rules: Vec<RuleView<'a>>,
    default_security_rules: Vec<RuleView<'a>>,
    #[serde(flatten)]
    users: &'a BTreeMap<&'static str, Vec<Value>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subnets: Vec<SubnetView<'a>>,
}

impl World {
    pub(super) fn list_default_rules(&self, id: &ResourceId) -> Result<ApiResponse, ApiError> {
        let group = self.parent::<GroupKind>(id)?;
        let value = DEFAULTS.iter().map(|rule| default_view(group, rule)).collect();
        Ok(ApiResponse::json(200, &List { value }))
    }

    pub(super) fn get_default_rule(&self, id: &ResourceId, name: &str) -> Result<ApiResponse, ApiError> {
        let group = self.parent::<GroupKind>(id)?;
        let rule = DEFAULTS.iter().find(|rule| rule.name.eq_ignore_ascii_case(name));
        let rule = rule.ok_or_else(|| error::child_not_found(&format!("{id}/{DEFAULT_LIST}/{name}")))?;
        Ok(ApiResponse::json(200, &default_view(group, rule)).with_header("etag", group.weak_etag()))
    }
}
