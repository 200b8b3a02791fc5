//! Rule collection groups: what they hold, and how they are answered. Values only: what requests do to them is in
//! `rule_collection_group_write`, which rules are refused in `firewall_rules`.

use super::{firewall_policy::View, route_table::ProvisioningState};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// What the service adds to the rules when it says how large a group is. ASSUMPTION: about as much as recorded; what is
/// counted is not known.
const SIZE_OF_GROUP: usize = 1_300;
/// The first api-version that keeps the descriptions of rules. ASSUMPTION: which one exactly; 2020-05-01 drops them,
/// 2022-01-01 keeps them.
const KEEPS_DESCRIPTIONS: &str = "2021-01-01";

const NAT: [&str; 5] = ["ipProtocols", "sourceAddresses", "sourceIpGroups", "destinationAddresses", "destinationPorts"];
const NETWORK: [&str; 7] = [
    "ipProtocols",
    "sourceAddresses",
    "sourceIpGroups",
    "destinationAddresses",
    "destinationIpGroups",
    "destinationFqdns",
    "destinationPorts",
];
const APPLICATION: [&str; 9] = [
    "protocols",
    "fqdnTags",
    "webCategories",
    "targetFqdns",
    "targetUrls",
    "sourceAddresses",
    "destinationAddresses",
    "sourceIpGroups",
    "httpHeadersToInsert",
];

#[derive(Clone, Debug)]
pub(super) struct RuleCollectionGroup {
    pub(super) name: String,
    pub(super) etag: String,
    /// Where no operation is writing it.
    pub(super) state: ProvisioningState,
    /// `priority` and `ruleCollections`, as they are shown.
    pub(super) properties: Map<String, Value>,
    /// Not shown after a deployment of drafts, as recorded.
    pub(super) size: Option<String>,
    pub(super) draft: Option<Draft>,
    /// The running operation.
    pub(super) operation: Option<String>,
}

/// What is to be deployed.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) etag: String,
    pub(super) properties: Map<String, Value>,
}

/// One rule of a rule collection group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleEntry {
    /// `<collection>/<rule>`
    pub name: String,
    pub rule_type: String,
    /// Of the collection, as are the priorities: of the group and of the collection in it.
    pub action: String,
    pub priorities: (u64, u64),
    pub protocols: Vec<String>,
    /// Addresses and IP groups.
    pub sources: Vec<String>,
    /// Addresses, tags, IP groups, names of hosts, URLs, FQDN tags and web categories.
    pub destinations: Vec<String>,
    pub ports: Vec<String>,
}

impl RuleEntry {
    fn new(group: &Value, collection: &Value, rule: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let texts = |names: &[&str]| -> Vec<String> {
            let lists = names.iter().filter_map(|name| rule[name].as_array()).flatten();
            lists.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let protocols = rule["protocols"].as_array().into_iter().flatten();
        let protocols = protocols.map(|protocol| format!("{}:{}", text(&protocol["protocolType"]), protocol["port"]));
        Self {
            name: format!("{}/{}", text(&collection["name"]), text(&rule["name"])),
            rule_type: text(&rule["ruleType"]),
            action: text(&collection["action"]["type"]),
            priorities: (group.as_u64().unwrap_or_default(), collection["priority"].as_u64().unwrap_or_default()),
            protocols: texts(&["ipProtocols"]).into_iter().chain(protocols).collect(),
            sources: texts(&["sourceAddresses", "sourceIpGroups"]),
            destinations: texts(&[
                "destinationAddresses",
                "destinationIpGroups",
                "destinationFqdns",
                "targetFqdns",
                "targetUrls",
                "fqdnTags",
                "webCategories",
            ]),
            ports: texts(&["destinationPorts"]),
        }
    }
}

impl RuleCollectionGroup {
    pub(super) fn view<'a>(&'a self, policy: &str, location: &'a str) -> View<'a> {
        let mut properties = self.properties.clone();
        if let Some(size) = &self.size {
            properties.insert("size".to_owned(), json!(size));
        }
        properties.insert("provisioningState".to_owned(), json!(self.state.to_string()));
        View {
            properties,
            id: format!("{policy}/ruleCollectionGroups/{}", self.name),
            name: &self.name,
            r#type: "Microsoft.Network/FirewallPolicies/RuleCollectionGroups",
            etag: &self.etag,
            location,
            tags: None,
            identity: None,
        }
    }

    /// A line for each rule.
    pub(super) fn entries(&self) -> Vec<RuleEntry> {
        let priority = self.properties.get("priority").unwrap_or(&Value::Null);
        let rules = |collection: &Value| -> Vec<RuleEntry> {
            let rules = collection["rules"].as_array().into_iter().flatten();
            rules.map(|rule| RuleEntry::new(priority, collection, rule)).collect()
        };
        collections(&self.properties).iter().flat_map(rules).collect()
    }
}

pub(super) fn collections(properties: &Map<String, Value>) -> &[Value] {
    properties.get("ruleCollections").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// How many bytes the service says that a group has.
pub(super) fn size_of_group(properties: &Map<String, Value>) -> usize {
    serde_json::to_vec(properties).map_or(0, |body| body.len()) + SIZE_OF_GROUP
}

/// `0.00138092 MB`
pub(super) fn megabytes(bytes: usize) -> String {
    let billionths = (bytes * 1_000_000_000 + 524_288) / 1_048_576;
    let number = format!("{}.{:09}", billionths / 1_000_000_000, billionths % 1_000_000_000);
    format!("{} MB", number.trim_end_matches('0').trim_end_matches('.'))
}

/// What is answered for the properties of a request.
pub(super) fn shown(properties: Map<String, Value>, api_version: &str) -> Map<String, Value> {
    let mut shown: Map<String, Value> =
        properties.into_iter().filter(|(name, _)| matches!(name.as_str(), "priority" | "ruleCollections")).collect();
    drop_nulls(&mut shown);
    let collections = shown.entry("ruleCollections").or_insert_with(|| json!([]));
    for collection in collections.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        drop_nulls(collection);
        let action = collection.get_mut("action").and_then(|action| action.get_mut("type"));
        if let Some(action) = action.filter(|action| action.as_str().is_some_and(|is| is.eq_ignore_ascii_case("dnat")))
        {
            *action = json!("Dnat");
        }
        let rules = collection.entry("rules").or_insert_with(|| json!([]));
        for rule in rules.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            drop_nulls(rule);
            if api_version < KEEPS_DESCRIPTIONS {
                rule.remove("description");
            }
            complete(rule);
        }
    }
    shown
}

/// Lists that were left out are empty.
fn complete(rule: &mut Map<String, Value>) {
    let (lists, flag): (&[&str], Option<&str>) = match rule.get("ruleType").and_then(Value::as_str) {
        Some("NatRule") => (&NAT, None),
        Some("NetworkRule") => (&NETWORK, Some("ipv6Rule")),
        Some("ApplicationRule") => (&APPLICATION, Some("terminateTLS")),
        _ => (&[], None),
    };
    for list in lists {
        rule.entry(*list).or_insert_with(|| json!([]));
    }
    if let Some(flag) = flag {
        rule.entry(flag).or_insert_with(|| json!(false));
    }
}

fn drop_nulls(fields: &mut Map<String, Value>) {
    fields.retain(|_, value| !value.is_null());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_as_recorded() {
        assert_eq!(megabytes(1_448), "0.00138092 MB");
        assert_eq!(megabytes(1_443), "0.001376152 MB");
        assert_eq!(megabytes(1_352), "0.001289368 MB");
        assert_eq!(megabytes(2 * 1_048_576), "2 MB");
    }
}
