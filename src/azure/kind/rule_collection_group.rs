//! The rule collection group of an installation in a firewall policy: read with its policy, and written as a whole.
//!
//! Its name says whose it is. Must never write another group, or the policy.

use std::collections::{BTreeMap, BTreeSet};

use azure_mgmt_network::package_2024_03::models;
use models::FirewallPolicyFilterRuleCollectionActionType as Action;
use models::FirewallPolicyRuleApplicationProtocolType as ProtocolType;
use serde_json::{Value, json};

use super::{Kind, Request, UnreadableResource, Write, policy_rules};
use crate::domain::attached::Attached;
use crate::domain::desired::Address;
use crate::domain::effect::firewall::Policy;
use crate::domain::host::Host;
use crate::domain::intent::{Installation, NextHop};
use crate::domain::outbound::{Port, Protocol};
use crate::domain::plan::rules::{Around, OtherGroup, PolicyAround, Rules, StandingRule, after, heads};
use crate::domain::plan::{Observed, ObservedEntry, Step, TargetInput, Whole};
use crate::domain::requirement::Direction;
use crate::domain::resource_id::ResourceId;
use crate::domain::rule::{self, Part, Place, Rule, RulePart};

/// Our collections, and the type of the rules that they hold. Network rules are looked at before application rules
/// wherever they stand; the numbers only keep the collections apart.
const COLLECTIONS: [(&str, i32); 2] = [("amlnet-network", 100), ("amlnet-application", 200)];
const FILTER: &str = "FirewallPolicyFilterRuleCollection";

/// The name of an installation's group.
pub fn name(installation: &Installation) -> String {
    format!("amlnet-{installation}")
}

#[derive(Debug)]
pub struct RuleCollectionGroup;

impl Kind for RuleCollectionGroup {
    /// `{"installation", "group": the group or null, "policy": the policy, "groups": all groups of the policy, or null where
    /// they cannot be read, "bases": [{"policy", "groups"}] of the policies above it, nearest first}`, as ARM answers them.
    fn observe(&self, id: &ResourceId, body: &Value) -> Result<Observed, UnreadableResource> {
        let refuse = |what: &str| UnreadableResource { id: id.clone(), what: what.to_owned() };
        let installation = body["installation"].as_str().and_then(|text| text.parse::<Installation>().ok());
        let installation = installation.ok_or_else(|| refuse("no installation was given"))?;
        let policy = &body["policy"];
        let location = policy["location"].as_str().ok_or_else(|| refuse("the policy has no location"))?;
        let state = |value: &Value| value["properties"]["provisioningState"].as_str().unwrap_or_default().to_owned();
        let is = |value: &Value, words: &[&str]| words.iter().any(|word| state(value).eq_ignore_ascii_case(word));
        let group = Some(&body["group"]).filter(|group| !group.is_null());
        let failed = group.is_some_and(|group| is(group, &["Failed"]));
        let mut rules = Rules { around: Around::Policy(around(body, &name(&installation))), ..Rules::default() };
        if let Some(group) = group {
            let collections = group["properties"]["ruleCollections"].as_array();
            for collection in collections.ok_or_else(|| refuse("the group has no ruleCollections"))? {
                // A list is always there. No list is an answer that we do not understand.
                read_collection(collection, &installation, &mut rules)
                    .ok_or_else(|| refuse("a rule collection has no rules"))?;
            }
        }
        let mut entries = Vec::new();
        for standing in rules.ours.values() {
            for part in standing.rule.parts() {
                let address = Address::Part(RulePart { rule: standing.name.clone(), part });
                let failed = failed || !standing.is_as_written;
                entries.push(ObservedEntry { name: address.to_string(), address, next_hop: NextHop::Member, failed });
            }
        }
        let users = policy["id"].as_str().and_then(Attached::parse).into_iter().collect();
        let owner = group.map(|_| installation.to_string());
        let moving = ["Updating", "Deleting"];
        Ok(Observed {
            location: location.to_owned(),
            entries,
            subnets: 0,
            updating: group.is_some_and(|group| is(group, &moving)) || is(policy, &moving),
            whole: Some(Whole { exists: group.is_some(), failed, owner, tags: BTreeMap::new(), users }),
            rules: Some(rules),
        })
    }

    fn requests(&self, input: &TargetInput, steps: &[Step], observed: &Observed) -> Option<Vec<Request>> {
        let rules = after(observed, steps);
        let (policy, name) = (input.id.clone(), name(&input.installation));
        let write = if rules.is_empty() {
            // Nothing of ours is left: it goes as a whole, as an empty one would only be in the way.
            Write::DeleteRuleCollectionGroup { policy, name }
        } else {
            let group = body(input, &rules, observed)?;
            Write::PutRuleCollectionGroup { policy, name, group: Box::new(group) }
        };
        Some(vec![Request { steps: steps.to_vec(), write }])
    }
}

fn around(body: &Value, own: &str) -> PolicyAround {
    let policy = &body["policy"]["properties"];
    let proxy = |policy: &Value| policy["dnsSettings"]["enableProxy"].as_bool();
    let own_settings = !policy["dnsSettings"].is_null();
    // A child without settings of its own has those of its parent.
    let bases = body["bases"].as_array().into_iter().flatten().map(|base| &base["policy"]["properties"]);
    let inherited = bases.filter(|_| !own_settings).find_map(proxy);
    let names = |list: &str| policy[list].as_array().is_some_and(|list| !list.is_empty());
    PolicyAround {
        priority: body["group"]["properties"]["priority"].as_u64().and_then(|priority| u16::try_from(priority).ok()),
        dns_proxy: proxy(policy).or(inherited).unwrap_or(false),
        failed: policy["provisioningState"].as_str() == Some("Failed"),
        is_used: names("firewalls") || names("childPolicies"),
        groups: body["groups"].as_array().map(|groups| {
            let others =
                groups.iter().filter(|group| !group["name"].as_str().unwrap_or_default().eq_ignore_ascii_case(own));
            others.map(other_group).collect()
        }),
        chain: chain(body, own),
    }
}

fn other_group(group: &Value) -> OtherGroup {
    let policy_rules::Counts { pairs, ip_groups, .. } = policy_rules::counts(group);
    let priority = group["properties"]["priority"].as_u64().and_then(|priority| u16::try_from(priority).ok());
    let name = group["name"].as_str().unwrap_or_default().to_owned();
    OtherGroup { name, priority: priority.unwrap_or_default(), pairs, ip_groups }
}

/// The policies whose rules meet ours, topmost first, the one that holds ours last; or why they are not known.
fn chain(body: &Value, own: &str) -> Result<Vec<Policy>, String> {
    if let Some(why) = body["groupsUnknown"].as_str() {
        return Err(why.to_owned());
    }
    let bases: Vec<&Value> = body["bases"].as_array().into_iter().flatten().collect();
    if let Some(why) = bases.iter().find_map(|base| base["unknown"].as_str()) {
        return Err(why.to_owned());
    }
    let policy = |policy: &Value, groups: &Value| -> Result<Policy, String> {
        let name = policy["name"].as_str().unwrap_or_default().to_owned();
        let mut groups = policy_rules::groups(&json!({"value": groups}))?;
        // Ours is known better than by a list that may be an hour old.
        groups.retain(|group| !group.name.eq_ignore_ascii_case(own));
        Ok(Policy { name, groups })
    };
    let above = bases.iter().rev().map(|base| policy(&base["policy"], &base["groups"]));
    above.chain([policy(&body["policy"], &body["groups"])]).collect()
}

/// `None`: it cannot be understood.
fn read_collection(collection: &Value, installation: &Installation, rules: &mut Rules) -> Option<()> {
    let name = collection["name"].as_str().unwrap_or_default();
    let number = COLLECTIONS.iter().position(|(ours, _)| ours.eq_ignore_ascii_case(name));
    let Some(number) = number.filter(|_| collection["ruleCollectionType"].as_str() == Some(FILTER)) else {
        rules.strangers.push(format!("rule collection {name}"));
        return Some(());
    };
    let is_ours = collection["action"]["type"].as_str() == Some("Allow")
        && collection["priority"].as_i64() == Some(i64::from(COLLECTIONS[number].1));
    for rule in collection["rules"].as_array()? {
        let text = |field: &str| rule[field].as_str().unwrap_or_default().to_owned();
        let (rule_name, description) = (text("name"), text("description"));
        let prefix = installation.entry_prefix();
        let begins =
            |text: &str, with: &str| text.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
        if !begins(&rule_name, &prefix) && !begins(&description, &rule::mark(installation)) {
            rules.strangers.push(format!("rule {rule_name} in collection {name}"));
            continue;
        }
        let (parts, is_whole) = read_rule(rule);
        let is_in_place = parts.is_application() == (number == 1);
        let standing = StandingRule {
            name: rule_name.clone(),
            of: rule_name.clone(),
            priority: 0,
            direction: Direction::Outbound,
            description,
            rule: parts,
            is_as_written: is_ours && is_whole && is_in_place,
        };
        if rules.ours.insert(rule_name.to_ascii_lowercase(), standing).is_some() {
            rules.strangers.push(format!("a second rule {rule_name} in collection {name}"));
        }
    }
    Some(())
}

/// The parts of a rule, and whether it says nothing else.
fn read_rule(value: &Value) -> (Rule, bool) {
    let (mut rule, mut is_whole) = (Rule::default(), true);
    let list = |field: &str| value[field].as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut take = |part: Option<Part>, rule: &mut Rule| match part {
        Some(part) => rule.insert(&part),
        None => is_whole = false,
    };
    for text in list("sourceAddresses").chain(list("sourceIpGroups")) {
        take(super::place(text).map(Part::Near), &mut rule);
    }
    let is_network = value["ruleType"].as_str() == Some("NetworkRule");
    let (far, hosts) = if is_network { ("destinationAddresses", "destinationFqdns") } else { ("", "targetFqdns") };
    for text in list(far).chain(list("destinationIpGroups")) {
        take(super::place(text).map(Part::Far), &mut rule);
    }
    for text in list(hosts) {
        take(text.parse::<Host>().ok().map(Part::Host), &mut rule);
    }
    for protocol in list("ipProtocols") {
        let known = [Protocol::Tcp, Protocol::Udp, Protocol::Any];
        let known = known.into_iter().find(|known| known.to_string().eq_ignore_ascii_case(protocol));
        for port in list("destinationPorts") {
            let port = known.zip(port.parse().ok()).map(|(protocol, port)| Part::Port(Port { protocol, port }));
            take(port, &mut rule);
        }
    }
    for protocol in value["protocols"].as_array().into_iter().flatten() {
        let known = [Protocol::Http, Protocol::Https];
        let named = protocol["protocolType"].as_str().unwrap_or_default();
        let known = known.into_iter().find(|known| known.to_string().eq_ignore_ascii_case(named));
        let port = protocol["port"].as_u64().and_then(|port| u16::try_from(port).ok());
        take(known.zip(port).map(|(protocol, port)| Part::Port(Port { protocol, port })), &mut rule);
    }
    let unknown: &[&str] = if is_network {
        &[]
    } else {
        &["destinationAddresses", "targetUrls", "fqdnTags", "webCategories", "httpHeadersToInsert"]
    };
    let says_more = unknown.iter().any(|field| value[*field].as_array().is_some_and(|list| !list.is_empty()));
    let ends_tls = value["terminateTLS"].as_bool() == Some(true);
    (rule, is_whole && !says_more && !ends_tls)
}

fn body(
    input: &TargetInput,
    rules: &BTreeMap<String, Rule>,
    observed: &Observed,
) -> Option<models::FirewallPolicyRuleCollectionGroup> {
    let standing = observed.rules.as_ref()?;
    let heads = heads(input);
    let mut collections: [Vec<models::FirewallPolicyRuleUnion>; 2] = Default::default();
    for (key, of_name) in rules {
        let old = standing.ours.get(key);
        let head = heads.get(key.as_str());
        let name = old.map(|old| &old.name).or(head.map(|head| &head.name)).unwrap_or(key).clone();
        // Without its mark a rule whose name the documentation gives would be a stranger's.
        let description = head.map(|head| &head.description).or(old.map(|old| &old.description));
        let description = description.cloned().unwrap_or_else(|| rule::mark(&input.installation));
        let both = models::FirewallPolicyRule { name: Some(name), description: Some(description) };
        let is_application = of_name.is_application();
        let union = if is_application { application(both, of_name) } else { network(both, of_name) };
        collections[usize::from(is_application)].push(union);
    }
    let named = COLLECTIONS.into_iter().zip(collections).filter(|(_, rules)| !rules.is_empty());
    let rule_collections = named.map(|((name, priority), rules)| {
        let collection = models::FirewallPolicyRuleCollection { name: Some(name.to_owned()), priority: Some(priority) };
        let action = models::FirewallPolicyFilterRuleCollectionAction { type_: Some(Action::Allow) };
        models::FirewallPolicyRuleCollectionUnion::FirewallPolicyFilterRuleCollection(
            models::FirewallPolicyFilterRuleCollection {
                firewall_policy_rule_collection: collection,
                action: Some(action),
                rules,
            },
        )
    });
    let Around::Policy(policy) = &standing.around else { return None };
    let priority = input.priorities.values().next().map(|range| range.from).or(policy.priority)?;
    let properties = models::FirewallPolicyRuleCollectionGroupProperties {
        priority: Some(i32::from(priority)),
        rule_collections: rule_collections.collect(),
        ..Default::default()
    };
    Some(models::FirewallPolicyRuleCollectionGroup { properties: Some(properties), ..Default::default() })
}

fn places(places: &BTreeSet<Place>) -> (Vec<String>, Vec<String>) {
    let (groups, others): (Vec<&Place>, Vec<&Place>) =
        places.iter().partition(|place| matches!(place, Place::IpGroup(_)));
    let texts = |places: Vec<&Place>| places.into_iter().map(ToString::to_string).collect();
    (texts(others), texts(groups))
}

fn network(both: models::FirewallPolicyRule, rule: &Rule) -> models::FirewallPolicyRuleUnion {
    let protocols: BTreeSet<Protocol> = rule.ports.iter().map(|port| port.protocol).collect();
    let protocol = |protocol: &Protocol| match protocol {
        Protocol::Udp => models::FirewallPolicyRuleNetworkProtocol::Udp,
        Protocol::Any => models::FirewallPolicyRuleNetworkProtocol::Any,
        _ => models::FirewallPolicyRuleNetworkProtocol::Tcp,
    };
    let ports: BTreeSet<u16> = rule.ports.iter().map(|port| port.port).collect();
    let (sources, source_groups) = places(&rule.near);
    let (destinations, destination_groups) = places(&rule.far);
    models::FirewallPolicyRuleUnion::NetworkRule(models::NetworkRule {
        ip_protocols: protocols.iter().map(protocol).collect(),
        source_addresses: sources,
        destination_addresses: destinations,
        destination_ports: ports.iter().map(ToString::to_string).collect(),
        source_ip_groups: source_groups,
        destination_ip_groups: destination_groups,
        destination_fqdns: rule.hosts.iter().map(ToString::to_string).collect(),
        ..models::NetworkRule::new(both)
    })
}

fn application(both: models::FirewallPolicyRule, rule: &Rule) -> models::FirewallPolicyRuleUnion {
    let protocols = rule.ports.iter().map(|port| models::FirewallPolicyRuleApplicationProtocol {
        protocol_type: Some(if port.protocol == Protocol::Http { ProtocolType::Http } else { ProtocolType::Https }),
        port: Some(i32::from(port.port)),
    });
    let (sources, source_groups) = places(&rule.near);
    models::FirewallPolicyRuleUnion::ApplicationRule(models::ApplicationRule {
        source_addresses: sources,
        source_ip_groups: source_groups,
        protocols: protocols.collect(),
        target_fqdns: rule.hosts.iter().map(ToString::to_string).collect(),
        ..models::ApplicationRule::new(both)
    })
}

#[cfg(test)]
#[path = "rule_collection_group_tests.rs"]
mod tests;
