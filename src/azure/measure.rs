//! Requests and answers as words of short lists, for metrics. Pure.
//!
//! Must not let a part of an address through: only what kind of resource it names.

use super::error::Refusal;
use super::transport::Answer;
use crate::domain::resource_id::TargetKind;

/// Resource types, and the word for each: the last one in a path counts.
const KINDS: [(&str, &str); 14] = [
    ("routetables", "route_table"),
    ("routes", "route"),
    ("ipgroups", "ip_group"),
    ("firewallpolicies", "firewall_policy"),
    ("rulecollectiongroups", "rule_collection_group"),
    ("azurefirewalls", "firewall"),
    ("networksecuritygroups", "security_group"),
    ("securityrules", "security_rule"),
    ("usages", "usages"),
    ("servicetags", "service_tags"),
    ("operations", "operation"),
    ("operationresults", "operation"),
    ("azureasyncoperations", "operation"),
    ("operationstatuses", "operation"),
];

/// What an address of ARM is about. Names of resources stand at every second place and are passed over.
pub(super) fn kind_of(path: &str) -> &'static str {
    let path = path.to_ascii_lowercase();
    let (provider, types) = match path.rsplit_once("/providers/") {
        Some((_, below)) => below.split_once('/').unwrap_or((below, "")),
        None => return if path.ends_with("/locations") { "locations" } else { "other" },
    };
    if provider != "microsoft.network" {
        return "other";
    }
    let last = types.split('/').step_by(2).filter_map(|part| KINDS.iter().find(|(of_type, _)| *of_type == part)).last();
    last.map_or("other", |(_, word)| word)
}

/// The word for what a target is.
pub fn kind_of_target(kind: TargetKind) -> &'static str {
    match kind {
        TargetKind::RouteTable => "route_table",
        TargetKind::IpGroup => "ip_group",
        TargetKind::RuleCollectionGroup => "firewall_policy",
        TargetKind::SecurityGroup => "security_group",
    }
}

/// The class of a status and of a refusal.
pub(super) fn result_of(outcome: &Result<Answer, Refusal>) -> (&'static str, &'static str) {
    match outcome {
        Ok(answer) => (code(Some(answer.status)), "Ok"),
        Err(refusal) => (code(refusal.status), refusal.class().name()),
    }
}

/// Methods that amlnet does not use are none of its own.
pub(super) fn method_of(method: &str) -> &'static str {
    ["GET", "PUT", "DELETE", "PATCH", "POST"].into_iter().find(|known| *known == method).unwrap_or("other")
}

fn code(status: Option<u16>) -> &'static str {
    match status {
        None => "none",
        Some(429) => "429",
        Some(500..) => "5xx",
        Some(400..) => "4xx",
        Some(300..) => "3xx",
        Some(_) => "2xx",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_tells_what_it_is_about_and_nothing_else() {
        let group = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network";
        for (path, kind) in [
            (format!("{group}/routeTables/rt-ml"), "route_table"),
            (format!("{group}/routeTables/routes"), "route_table"),
            (format!("{group}/routeTables/rt/routes/amlnet.prod.20.1.0.0_26"), "route"),
            (format!("{group}/ROUTETABLES/rt/Routes/r"), "route"),
            (format!("{group}/ipGroups/g"), "ip_group"),
            (format!("{group}/firewallPolicies/p"), "firewall_policy"),
            (format!("{group}/firewallPolicies/p/ruleCollectionGroups"), "rule_collection_group"),
            (format!("{group}/firewallPolicies/p/ruleCollectionGroups/g"), "rule_collection_group"),
            (format!("{group}/azureFirewalls/f"), "firewall"),
            (format!("{group}/networkSecurityGroups/n/securityRules/r"), "security_rule"),
            ("/subscriptions/s/providers/Microsoft.Network/locations/eastus/usages".to_owned(), "usages"),
            ("/subscriptions/s/providers/Microsoft.Network/locations/eastus/serviceTags".to_owned(), "service_tags"),
            ("/subscriptions/s/providers/Microsoft.Network/locations/eastus/operations/o".to_owned(), "operation"),
            ("/subscriptions/s/providers/Microsoft.Network/locations/e/operationResults/o".to_owned(), "operation"),
            ("/subscriptions/s/locations".to_owned(), "locations"),
            ("/subscriptions/s/providers/Microsoft.Compute/virtualMachines/v".to_owned(), "other"),
            (format!("{group}/somethingNew/x"), "other"),
            (String::new(), "other"),
        ] {
            assert_eq!(kind_of(&path), kind, "{path}");
        }
    }

    #[test]
    fn a_status_tells_its_class() {
        let codes = [None, Some(202), Some(304), Some(404), Some(429), Some(503)].map(code);
        assert_eq!(codes, ["none", "2xx", "3xx", "4xx", "429", "5xx"]);
        assert_eq!((method_of("PUT"), method_of("BREW")), ("PUT", "other"));
    }
}
