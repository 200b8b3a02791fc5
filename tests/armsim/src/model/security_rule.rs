//! Security rules: what they hold, how they are answered, and how a history tells them. Values only: what makes one
//! wrong is in `security_rule_request`.

use super::{
    parent::{Child, ProvisioningState},
    security_group::SecurityGroup,
};
use serde::Serialize;
use serde_json::Value;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityRule {
    pub name: String,
    pub asked: Asked,
    pub state: ProvisioningState,
}

/// What a rule says, as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub description: Option<String>,
    /// In the spelling of who wrote it, as recorded.
    pub protocol: String,
    pub access: &'static str,
    pub direction: &'static str,
    pub priority: i64,
    pub source: Side,
    pub destination: Side,
}

/// One of singular, plural and groups has a value; one of the two of ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Side {
    pub address: Option<String>,
    pub addresses: Vec<String>,
    /// Application security groups: kept, and not looked at.
    pub groups: Vec<Value>,
    pub port: Option<String>,
    pub ports: Vec<String>,
}

impl Side {
    pub(super) fn all_addresses(&self) -> impl Iterator<Item = &String> {
        self.address.iter().chain(&self.addresses)
    }

    fn shown_addresses(&self) -> Vec<String> {
        let groups = self.groups.iter().map(|group| group["id"].as_str().unwrap_or_default());
        self.all_addresses().map(String::as_str).chain(groups).map(str::to_owned).collect()
    }

    fn shown_ports(&self) -> Vec<String> {
        self.port.iter().chain(&self.ports).cloned().collect()
    }
}

impl Child for SecurityRule {
    fn name(&self) -> &str {
        &self.name
    }

    fn state(&self) -> ProvisioningState {
        self.state
    }

    fn set_state(&mut self, state: ProvisioningState) {
        self.state = state;
    }

    fn asks_for_the_same(&self, other: &Self) -> bool {
        self.asked == other.asked
    }
}

/// A rule as it is answered. The order of the fields is that of the recordings.
#[derive(Serialize)]
pub(super) struct RuleView<'a> {
    name: &'a str,
    id: String,
    etag: String,
    r#type: String,
    properties: PropertiesView<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PropertiesView<'a> {
    provisioning_state: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    protocol: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_port_range: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_port_range: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_address_prefix: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination_address_prefix: Option<&'a str>,
    access: &'a str,
    priority: i64,
    direction: &'a str,
    source_port_ranges: &'a [String],
    destination_port_ranges: &'a [String],
    source_address_prefixes: &'a [String],
    destination_address_prefixes: &'a [String],
    #[serde(skip_serializing_if = "<[Value]>::is_empty")]
    source_application_security_groups: &'a [Value],
    #[serde(skip_serializing_if = "<[Value]>::is_empty")]
    destination_application_security_groups: &'a [Value],
}

impl<'a> RuleView<'a> {
    /// `list` is `securityRules` or `defaultSecurityRules`.
    pub(super) fn new(group: &SecurityGroup, list: &str, rule: &'a SecurityRule, state: ProvisioningState) -> Self {
        let Asked { description, protocol, access, direction, priority, source, destination } = &rule.asked;
        Self {
            name: &rule.name,
            id: format!("{}/{list}/{}", group.id, rule.name),
            etag: group.weak_etag(),
            r#type: format!("Microsoft.Network/networkSecurityGroups/{list}"),
            properties: PropertiesView {
                provisioning_state: state.to_string(),
                description: description.as_deref(),
                protocol,
                source_port_range: source.port.as_deref(),
                destination_port_range: destination.port.as_deref(),
                source_address_prefix: source.address.as_deref(),
                destination_address_prefix: destination.address.as_deref(),
                access,
                priority: *priority,
                direction,
                source_port_ranges: &source.ports,
                destination_port_ranges: &destination.ports,
                source_address_prefixes: &source.addresses,
                destination_address_prefixes: &destination.addresses,
                source_application_security_groups: &source.groups,
                destination_application_security_groups: &destination.groups,
            },
        }
    }
}

/// A rule in a history: singular and plural in one list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecurityRuleEntry {
    pub name: String,
    pub direction: String,
    pub priority: i64,
    pub access: String,
    pub protocol: String,
    pub source_addresses: Vec<String>,
    pub source_ports: Vec<String>,
    pub destination_addresses: Vec<String>,
    pub destination_ports: Vec<String>,
    pub provisioning_state: String,
}

impl From<&SecurityRule> for SecurityRuleEntry {
    fn from(rule: &SecurityRule) -> Self {
        let Asked { protocol, access, direction, priority, source, destination, .. } = &rule.asked;
        Self {
            name: rule.name.clone(),
            direction: (*direction).to_owned(),
            priority: *priority,
            access: (*access).to_owned(),
            protocol: protocol.clone(),
            source_addresses: source.shown_addresses(),
            source_ports: source.shown_ports(),
            destination_addresses: destination.shown_addresses(),
            destination_ports: destination.shown_ports(),
            provisioning_state: rule.state.to_string(),
        }
    }
}
