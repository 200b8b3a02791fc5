//! The rules that the simulator recorded, as values: of a rule collection group, and of a network security group.

use std::collections::BTreeSet;

use ipnet::Ipv4Net;
use serde_json::Value;

use crate::record::{list, text};
use crate::rows::{Opening, Openings};

/// The start of the name of every rule that amlnet may touch here: `amlnet.<installation id>.`.
const OURS: &str = "amlnet.demo.";

/// One rule in one state.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rule {
    /// In a policy with the name of the collection before it.
    pub(crate) name: String,
    /// In a policy that of the group and that of the collection.
    pub(crate) priorities: Vec<u64>,
    /// What a rule has to be besides its addresses and ports, such as `NetworkRule Allow`.
    pub(crate) kind: String,
    pub(crate) protocols: BTreeSet<String>,
    pub(crate) ports: BTreeSet<String>,
    pub(crate) from: BTreeSet<String>,
    pub(crate) to: BTreeSet<String>,
    /// Azure has put it into effect.
    pub(crate) in_effect: bool,
}

/// All rules at one moment.
#[derive(Debug, Clone)]
pub(crate) struct RuleState {
    pub(crate) at: String,
    pub(crate) rules: Vec<Rule>,
}

impl Rule {
    pub(crate) fn is_ours(&self) -> bool {
        let name = self.last();
        name.get(..OURS.len()).is_some_and(|start| start.eq_ignore_ascii_case(OURS))
    }

    /// Its name without that of the collection.
    pub(crate) fn last(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or_default()
    }

    /// What it lets through; nothing where it does not allow, or not in one protocol.
    pub(crate) fn openings(&self) -> Openings {
        let Some(protocol) = self.protocols.first().filter(|_| self.protocols.len() == 1 && self.allows()) else {
            return Openings::new();
        };
        let ports: Option<BTreeSet<u16>> = self.ports.iter().map(|port| port.parse().ok()).collect();
        let Some(ports) = ports else { return Openings::new() };
        let pairs = self.from.iter().flat_map(|from| self.to.iter().map(move |to| (from, to)));
        pairs
            .map(|(from, to)| Opening {
                protocol: protocol.to_ascii_uppercase(),
                ports: ports.clone(),
                from: from.clone(),
                to: to.clone(),
            })
            .collect()
    }

    fn allows(&self) -> bool {
        self.kind == NETWORK || self.kind == SECURITY
    }

    pub(crate) fn prefixes(&self) -> usize {
        self.to.iter().filter(|to| to.parse::<Ipv4Net>().is_ok()).count()
    }
}

/// What our rules of a policy, and of a security group, are.
pub(crate) const NETWORK: &str = "NetworkRule Allow";
pub(crate) const SECURITY: &str = "Outbound Allow from port *";

/// What our rules let through together.
pub(crate) fn openings(rules: &[Rule]) -> Openings {
    rules.iter().filter(|rule| rule.is_ours()).flat_map(Rule::openings).collect()
}

/// The answer of `/history` for a rule collection group.
pub(crate) fn of_policy(answer: &Value) -> Result<Vec<RuleState>, String> {
    states(answer, |value| {
        let priorities = list(&value["priorities"])?.iter().filter_map(Value::as_u64).collect();
        Ok(Rule {
            name: text(value, "name")?,
            priorities,
            kind: format!("{} {}", text(value, "ruleType")?, text(value, "action")?),
            protocols: texts(value, "protocols")?,
            ports: texts(value, "ports")?,
            from: texts(value, "sources")?,
            to: texts(value, "destinations")?,
            in_effect: true,
        })
    })
}

/// The answer of `/history` for a network security group.
pub(crate) fn of_security_group(answer: &Value) -> Result<Vec<RuleState>, String> {
    states(answer, |value| {
        let source_ports = texts(value, "sourcePorts")?.into_iter().collect::<Vec<_>>().join(" ");
        Ok(Rule {
            name: text(value, "name")?,
            priorities: value["priority"].as_u64().into_iter().collect(),
            kind: format!("{} {} from port {source_ports}", text(value, "direction")?, text(value, "access")?),
            protocols: BTreeSet::from([text(value, "protocol")?]),
            ports: texts(value, "destinationPorts")?,
            from: texts(value, "sourceAddresses")?,
            to: texts(value, "destinationAddresses")?,
            in_effect: text(value, "provisioningState")? == "Succeeded",
        })
    })
}

fn states(answer: &Value, rule: fn(&Value) -> Result<Rule, String>) -> Result<Vec<RuleState>, String> {
    let state = |state: &Value| {
        let rules = list(&state["entries"])?.iter().map(rule).collect::<Result<_, _>>()?;
        Ok(RuleState { at: text(state, "at")?, rules })
    };
    list(answer)?.iter().map(state).collect()
}

fn texts(value: &Value, key: &str) -> Result<BTreeSet<String>, String> {
    let text = |value: &Value| {
        value
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| format!("the simulator sent something else than texts: {value}"))
    };
    list(&value[key])?.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rules_of_both_kinds_are_read_and_say_what_they_let_through() {
        let policy = of_policy(&json!([{"at": "t", "entries": [{"name": "c/Amlnet.Demo.x", "ruleType": "NetworkRule",
            "action": "Allow", "priorities": [1200, 100], "protocols": ["TCP"], "sources": ["10.1.0.0/24"],
            "destinations": ["Storage", "20.0.0.0/24"], "ports": ["443", "80"]}]}]));
        let rule = &policy.unwrap()[0].rules[0];
        assert!(rule.is_ours() && rule.prefixes() == 1, "{rule:?}");
        let said: Vec<String> = rule.openings().iter().map(Opening::describe).collect();
        assert_eq!(said, ["10.1.0.0/24 to 20.0.0.0/24 on TCP 80, 443", "10.1.0.0/24 to Storage on TCP 80, 443"]);

        let entry = |access: &str| {
            json!({"name": "deny", "direction": "Outbound", "priority": 4000, "access": access,
            "protocol": "Tcp", "sourceAddresses": ["*"], "sourcePorts": ["*"], "destinationAddresses": ["*"],
            "destinationPorts": ["443"], "provisioningState": "Updating"})
        };
        let group = of_security_group(&json!([{"at": "t", "entries": [entry("Deny"), entry("Allow")]}])).unwrap();
        let [deny, allow] = group[0].rules.as_slice() else { panic!("{group:?}") };
        assert!(!deny.is_ours() && !deny.in_effect && deny.openings().is_empty(), "{deny:?}");
        assert_eq!(allow.openings().first().map(Opening::describe).as_deref(), Some("* to * on TCP 443"));
    }
}
