//! Network security groups and their rules: bodies, etags, operations, locks, faults, history.

use super::{Azure, GROUP, SUBSCRIPTION, code, header, message};
use crate::model::{ApiResponse, World, security_rule::SecurityRuleEntry};
use serde_json::{Value, json};
use std::path::Path;

const SECURITY: &str = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg-ml/providers/Microsoft.Network/networkSecurityGroups/nsg-ml";

pub(super) fn rule(priority: i64, to: &str) -> Value {
    json!({"properties": {
        "description": "d", "protocol": "tcp", "access": "Allow", "direction": "Outbound", "priority": priority,
        "sourceAddressPrefix": "VirtualNetwork", "sourcePortRange": "*",
        "destinationAddressPrefix": to, "destinationPortRange": "443",
    }})
}

fn path(name: &str) -> String {
    format!("{SECURITY}/securityRules/{name}")
}

/// A group with one rule that was there before.
pub(super) fn azure() -> Azure {
    azure_with("")
}

fn azure_with(more: &str) -> Azure {
    let yaml = format!(
        "resources:
- id: {SECURITY}
  location: eastus2
  properties:
    securityRules:
    - {{name: theirs, properties: {{protocol: '*', access: Deny, direction: Outbound, priority: 4000, sourceAddressPrefix: '*', sourcePortRange: '*', destinationAddressPrefix: Internet, destinationPortRange: '*'}}}}
{more}"
    );
    Azure::new(World::from_yaml(&yaml, Path::new(".")).unwrap())
}

impl Azure {
    fn put_rule(&mut self, name: &str, body: &Value) -> ApiResponse {
        self.put(&path(name), body)
    }

    fn settle_rule(&mut self, name: &str, body: &Value) {
        let accepted = self.put_rule(name, body);
        assert!(accepted.status < 300, "{}", accepted.text());
        self.pass(1_000);
    }

    fn rule_names(&mut self) -> Vec<String> {
        let rules = self.get(&format!("{SECURITY}/securityRules")).value();
        let names = rules["value"].as_array().unwrap().iter().map(|rule| rule["name"].as_str().unwrap().to_owned());
        names.collect()
    }

    fn group_state(&mut self) -> (String, Vec<String>) {
        let group = self.get(SECURITY).value();
        let state = |resource: &Value| resource["properties"]["provisioningState"].as_str().unwrap().to_owned();
        let rules = group["properties"]["securityRules"].as_array().unwrap();
        (state(&group), rules.iter().map(state).collect())
    }
}

#[test]
fn a_rule_is_written_polled_read_and_deleted() {
    let mut azure = azure();
    let before = azure.get(SECURITY).value()["etag"].clone();
    let created = azure.put_rule("ours", &rule(200, "Storage.EastUS2"));
    let shown = created.value();
    let expected = format!(
        "{{\"name\":\"ours\",\"id\":\"{}\",\"etag\":{},\"type\":\"Microsoft.Network/networkSecurityGroups/securityRules\",\
         \"properties\":{{\"provisioningState\":\"Updating\",\"description\":\"d\",\"protocol\":\"tcp\",\"sourcePortRange\":\"*\",\
         \"destinationPortRange\":\"443\",\"sourceAddressPrefix\":\"VirtualNetwork\",\"destinationAddressPrefix\":\
         \"Storage.EastUS2\",\"access\":\"Allow\",\"priority\":200,\"direction\":\"Outbound\",\"sourcePortRanges\":[],\
         \"destinationPortRanges\":[],\"sourceAddressPrefixes\":[],\"destinationAddressPrefixes\":[]}}}}",
        path("ours"),
        shown["etag"],
    );
    assert_eq!((created.status, created.text()), (201, expected));
    assert_eq!((header(&created, "retry-after"), created.header("location")), ("1".to_owned(), None));
    assert_eq!(header(&created, "azure-asyncnotification"), "Enabled");
    assert_ne!(shown["etag"], before);

    let operation = header(&created, "azure-asyncoperation");
    let running = azure.get(&operation);
    assert_eq!(
        (running.text(), header(&running, "retry-after")),
        ("{\"status\":\"InProgress\"}".to_owned(), "1".to_owned())
    );
    assert_eq!(azure.group_state().0, "Updating");
    azure.pass(1_000);
    assert_eq!(azure.get(&operation).text(), "{\"status\":\"Succeeded\"}");
    let read = azure.get(&path("ours"));
    assert_ne!(read.value()["etag"], shown["etag"]);
    let group = azure.get(SECURITY);
    assert_eq!(header(&group, "etag"), header(&read, "etag"), "one etag for the whole");
    assert_eq!(azure.group_state(), ("Succeeded".to_owned(), vec!["Succeeded".to_owned(); 2]));

    let changed = azure.put_rule("ours", &rule(200, "AzureMachineLearning"));
    assert_eq!((changed.status, header(&changed, "retry-after").as_str()), (200, "1"));
    azure.pass(1_000);
    let deleted = azure.delete(&path("ours"));
    assert_eq!((deleted.status, header(&deleted, "retry-after").as_str(), deleted.text()), (202, "1", String::new()));
    assert_eq!(azure.get(&header(&deleted, "location")).status, 202);
    azure.pass(1_000);
    assert_eq!(azure.get(&header(&deleted, "location")).status, 204);
    let missing = azure.get(&path("ours"));
    assert_eq!((missing.status, code(&missing).as_str()), (404, "NotFound"));
    assert_eq!(azure.delete(&path("ours")).status, 204);
    assert_eq!(azure.rule_names(), ["theirs"]);
}

#[test]
fn every_group_has_the_six_rules() {
    let mut azure = azure();
    let group = azure.get(SECURITY).value();
    let listed = azure.get(&format!("{SECURITY}/defaultSecurityRules")).value();
    assert_eq!(group["properties"]["defaultSecurityRules"], listed["value"]);
    let shown: Vec<String> = listed["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| {
            let of = |name: &str| rule["properties"][name].as_str().unwrap().to_owned();
            let (direction, access) = (of("direction"), of("access"));
            let (from, to) = (of("sourceAddressPrefix"), of("destinationAddressPrefix"));
            format!("{direction} {} {access} {from} {to}", rule["properties"]["priority"])
        })
        .collect();
    assert_eq!(
        shown,
        [
            "Inbound 65000 Allow VirtualNetwork VirtualNetwork",
            "Inbound 65001 Allow AzureLoadBalancer *",
            "Inbound 65500 Deny * *",
            "Outbound 65000 Allow VirtualNetwork VirtualNetwork",
            "Outbound 65001 Allow * Internet",
            "Outbound 65500 Deny * *",
        ]
    );
    let one = azure.get(&format!("{SECURITY}/defaultsecurityrules/denyalloutbound"));
    assert_eq!(
        (one.value(), header(&one, "etag")),
        (listed["value"][5].clone(), listed["value"][5]["etag"].as_str().unwrap().to_owned())
    );
    assert_eq!(
        code(&azure.put(&format!("{SECURITY}/defaultSecurityRules/x"), &rule(200, "*"))),
        "HttpMethodNotAllowed"
    );
}

#[test]
fn a_put_of_the_group_replaces_its_rules_and_repeating_it_does_nothing() {
    let mut azure = azure();
    let plural = json!({"name": "plural", "properties": {
        "protocol": "*", "access": "Allow", "direction": "Inbound", "priority": 300, "sourcePortRanges": ["1-2", "5"],
        "sourceAddressPrefixes": ["10.0.0.0/24", "10.0.1.0/24"], "destinationAddressPrefix": "*", "destinationPortRanges": ["44224"],
    }});
    let body = json!({"location": "East US 2", "properties": {"securityRules": [plural]}});
    let written = azure.put(SECURITY, &body);
    assert_eq!((written.status, header(&written, "retry-after").as_str()), (200, "1"));
    azure.pass(2_000);
    assert_eq!(azure.rule_names(), ["plural"]);
    let states = azure.world.security_history(SECURITY).len();

    let mut seen = azure.get(SECURITY).value();
    for tags in [Value::Null, json!({"owner": "network"})] {
        seen["tags"] = tags.clone();
        let before = azure.get(SECURITY).value()["etag"].clone();
        let again = azure.put(SECURITY, &seen);
        assert_eq!((again.status, again.value()["properties"]["provisioningState"].as_str()), (200, Some("Succeeded")));
        assert!(again.header("retry-after").is_none());
        assert_eq!(azure.get(&header(&again, "azure-asyncoperation")).text(), "{\"status\":\"Succeeded\"}");
        assert_eq!(again.value()["etag"] == before, tags.is_null(), "tags change the etag");
    }
    let same = azure.put_rule("plural", &plural);
    assert_eq!((same.status, same.value()["properties"]["provisioningState"].as_str()), (200, Some("Succeeded")));
    let patch = azure.request("PATCH", SECURITY).with_json(&json!({"tags": {"a": "b"}}));
    assert_eq!(azure.send(&patch).value()["tags"], json!({"a": "b"}));
    assert_eq!(azure.world.security_history(SECURITY).len(), states, "no rule was touched");
}

#[test]
fn groups_are_made_listed_and_deleted() {
    let mut azure = azure();
    let other = SECURITY.replace("nsg-ml", "other");
    assert_eq!(azure.put(&other, &json!({"location": "eastus2"})).status, 201);
    azure.pass(2_000);
    for scope in [GROUP.to_owned(), format!("/subscriptions/{SUBSCRIPTION}")] {
        let listed = azure.get(&format!("{scope}/providers/Microsoft.Network/networkSecurityGroups"));
        assert_eq!(listed.value()["value"].as_array().unwrap().len(), 2);
    }
    let usages =
        azure.get(&format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Network/locations/eastus2/usages"));
    let usages = usages.value();
    let count =
        usages["value"].as_array().unwrap().iter().find(|usage| usage["name"]["value"] == "NetworkSecurityGroups");
    assert_eq!(count.unwrap()["currentValue"], 2);
    let deleted = azure.delete(&other);
    assert_eq!((deleted.status, header(&deleted, "retry-after").as_str()), (202, "1"));
    azure.pass(2_000);
    assert_eq!(code(&azure.get(&other)), "ResourceNotFound");
    assert_eq!(code(&azure.put(&format!("{other}/securityRules/a"), &rule(200, "*"))), "ParentResourceNotFound");
    assert_eq!(code(&azure.delete(&format!("{other}/securityRules/a"))), "ResourceNotFound");
    azure.delete(GROUP);
    azure.pass(15_000);
    assert_eq!(code(&azure.get(SECURITY)), "ResourceGroupNotFound");
    assert_eq!(azure.world.security_history(SECURITY).last().unwrap().entries, []);
}

#[test]
fn one_write_at_a_time_and_etags_guard_the_group() {
    let mut azure = azure();
    let etag = header(&azure.get(SECURITY), "etag");
    assert_eq!(azure.put_rule("a", &rule(200, "Storage")).status, 201);
    for target in [path("b"), path("a")] {
        let refused = azure.put(&target, &rule(201, "Sql"));
        assert_eq!((refused.status, code(&refused).as_str()), (429, "RetryableError"));
        let detail = refused.value()["error"]["details"][0].clone();
        assert_eq!(detail["code"], "RetryableErrorDueToAnotherOperation");
        assert!(detail["message"].as_str().unwrap().starts_with("Operation PutSecurityRuleOperation ("), "{detail}");
        assert!((11..=14).contains(&header(&refused, "retry-after").parse::<u64>().unwrap()));
    }
    assert_eq!(azure.delete(SECURITY).status, 429);
    azure.pass(1_000);
    assert_eq!(azure.put_rule("b", &rule(201, "Sql")).status, 201);
    azure.pass(1_000);

    let body = json!({"location": "eastus2"});
    let stale = azure.request("PUT", SECURITY).with_json(&body).with_header("If-Match", &etag);
    let refused = azure.send(&stale);
    assert_eq!((refused.status, code(&refused).as_str()), (412, "PreconditionFailed"));
    let etag = header(&azure.get(SECURITY), "etag");
    let fresh = azure.request("PUT", SECURITY).with_json(&body).with_header("If-Match", &etag);
    assert_eq!(azure.send(&fresh).status, 200);
}

#[test]
fn a_history_tells_what_was_allowed_at_each_moment() {
    let mut azure = azure();
    azure.settle_rule("a", &rule(200, "Storage"));
    azure.settle_rule("a", &rule(200, "Storage.EastUS2"));
    azure.delete(&path("a"));
    azure.pass(1_000);
    let body = json!({"id": path("theirs"), "properties": rule(4_000, "10.1.0.0/16")["properties"]});
    azure.world.put_resource(azure.now, &body).unwrap();
    let states = azure.world.security_history(&SECURITY.to_uppercase());
    let line = |rule: &SecurityRuleEntry| {
        let SecurityRuleEntry { name, direction, priority, access, protocol, .. } = rule;
        let (from, to) = (rule.source_addresses.join(","), rule.destination_addresses.join(","));
        let ports = format!("{}>{}", rule.source_ports.join(","), rule.destination_ports.join(","));
        format!("{name} {direction} {priority} {access} {protocol} {from} {to} {ports} {}", rule.provisioning_state)
    };
    let ours: Vec<String> = states
        .iter()
        .map(|state| state.entries.iter().filter(|rule| rule.name == "a").map(line).collect::<Vec<_>>().join("; "))
        .collect();
    let a = |to: &str, state: &str| format!("a Outbound 200 Allow tcp VirtualNetwork {to} *>443 {state}");
    assert_eq!(
        ours,
        [
            String::new(),
            a("Storage", "Updating"),
            a("Storage", "Succeeded"),
            a("Storage.EastUS2", "Updating"),
            a("Storage.EastUS2", "Succeeded"),
            a("Storage.EastUS2", "Deleting"),
            String::new(),
            String::new(),
        ]
    );
    let last = states.last().unwrap();
    assert_eq!((last.client.as_str(), last.entries[0].destination_addresses[0].as_str()), ("control", "10.1.0.0/16"));
}

#[test]
fn resources_are_placed_and_removed_behind_everyones_back() {
    let mut azure = azure();
    let placed = json!({"id": path("late"), "properties": rule(150, "Sql")["properties"]});
    azure.world.put_resource(azure.now, &placed).unwrap();
    assert_eq!(
        azure.world.get_resource(azure.now, &path("late")).unwrap().value()["properties"]["provisioningState"],
        "Succeeded"
    );
    let clash = json!({"id": path("clash"), "properties": rule(150, "Sql")["properties"]});
    assert_eq!(azure.world.put_resource(azure.now, &clash).unwrap_err().code(), "SecurityRuleConflict");
    assert!(azure.world.delete_resource(azure.now, &path("late")));
    assert!(!azure.world.delete_resource(azure.now, &path("late")));
    assert_eq!(azure.rule_names(), ["theirs"]);
    assert!(azure.world.delete_resource(azure.now, SECURITY));
    assert!(azure.world.get_resource(azure.now, SECURITY).is_err());
}

#[test]
fn faults_hit_rules_as_they_hit_routes() {
    let mut azure = azure_with(
        "faults:
- {match: {method: PUT, pathContains: /securityRules/, nth: 1}, effect: dropBefore}
- {match: {method: PUT, pathContains: /securityRules/, nth: 2}, effect: dropAfterCommit}
- {match: {method: PUT, pathContains: /securityRules/, nth: 3}, effect: {throttle: {retryAfter: 7}}}
- {match: {method: PUT, pathContains: /securityRules/, nth: 4}, effect: html503}
- {match: {method: PUT, pathContains: /securityRules/, nth: 5}, effect: {failOperation: {code: InternalServerError, message: m}}}
- {match: {method: PUT, pathContains: /securityRules/, nth: 6}, effect: {failOperation: {code: InternalServerError, message: m, leavesFailed: true}}}
",
    );
    assert_eq!(azure.put_rule("a", &rule(200, "Storage")).status, 0);
    assert_eq!(azure.rule_names(), ["theirs"], "nothing was done");
    azure.put_rule("a", &rule(200, "Storage"));
    azure.pass(1_000);
    assert_eq!(azure.rule_names(), ["theirs", "a"], "done, and nobody heard of it");
    let throttled = azure.put_rule("b", &rule(201, "Sql"));
    assert_eq!(
        (code(&throttled).as_str(), header(&throttled, "retry-after").as_str()),
        ("SubscriptionRequestsThrottled", "7")
    );
    assert_eq!(azure.put_rule("b", &rule(201, "Sql")).status, 503);

    let undone = azure.put_rule("b", &rule(201, "Sql"));
    azure.pass(1_000);
    assert_eq!(azure.get(&header(&undone, "azure-asyncoperation")).value()["status"], "Failed");
    assert_eq!(azure.rule_names(), ["theirs", "a"]);
    let failed = azure.put_rule("b", &rule(201, "Sql"));
    azure.pass(1_000);
    let status = azure.get(&header(&failed, "azure-asyncoperation")).value();
    assert_eq!(
        (status["status"].as_str(), status["error"]["code"].as_str()),
        (Some("Failed"), Some("InternalServerError"))
    );
    let with_last = |last: &str| vec!["Succeeded".to_owned(), "Succeeded".to_owned(), last.to_owned()];
    assert_eq!(azure.group_state(), ("Failed".to_owned(), with_last("Failed")));
    assert_eq!(azure.world.security_history(SECURITY).last().unwrap().entries[2].provisioning_state, "Failed");
    // Writing the same again is a write, and mends it.
    let mended = azure.put_rule("b", &rule(201, "Sql"));
    assert_eq!(mended.value()["properties"]["provisioningState"], "Updating");
    azure.pass(1_000);
    assert_eq!(azure.group_state(), ("Succeeded".to_owned(), with_last("Succeeded")));
}

#[test]
fn a_group_that_failed_as_a_whole_stays_failed_until_it_is_written() {
    let mut azure = azure();
    let fault = json!({"match": {"method": "PUT"}, "effect": {"failOperation": {"code": "InternalServerError", "message": "m", "leavesFailed": true}}});
    azure.world.add_fault(serde_json::from_value(fault).unwrap());
    let mut body = azure.get(SECURITY).value();
    body["properties"]["securityRules"][0]["properties"]["access"] = json!("Allow");
    azure.put(SECURITY, &body);
    azure.pass(2_000);
    assert_eq!(azure.group_state(), ("Failed".to_owned(), vec!["Failed".to_owned()]));
    assert_eq!(azure.get(SECURITY).value()["properties"]["securityRules"][0]["properties"]["access"], "Allow");
    azure.put(SECURITY, &body);
    azure.pass(2_000);
    assert_eq!(azure.group_state(), ("Succeeded".to_owned(), vec!["Succeeded".to_owned()]));
}

#[test]
fn roles_locks_and_policies_know_groups_and_rules() {
    let client = World::default().credentials()[0].client_id.clone();
    let mut azure = azure_with(&format!(
        "roles:\n- {{client: {client}, scope: {SECURITY}, actions: [Microsoft.Network/networkSecurityGroups/securityRules/*, \
         Microsoft.Network/networkSecurityGroups/read], notActions: [Microsoft.Network/networkSecurityGroups/securityRules/delete]}}\n"
    ));
    azure.settle_rule("a", &rule(200, "Storage"));
    for (method, target, action) in [
        ("DELETE", path("a"), "networkSecurityGroups/securityRules/delete"),
        ("PUT", SECURITY.to_owned(), "networkSecurityGroups/write"),
        ("GET", format!("{SECURITY}/defaultSecurityRules"), "networkSecurityGroups/defaultSecurityRules/read"),
    ] {
        let request = azure.request(method, &target).with_json(&json!({"location": "eastus2"}));
        let refused = azure.send(&request);
        assert_eq!((refused.status, code(&refused).as_str()), (403, "AuthorizationFailed"), "{method} {target}");
        assert!(message(&refused).contains(&format!("'Microsoft.Network/{action}'")), "{}", message(&refused));
    }

    let mut azure = azure_with(&format!("locks: [{{scope: {GROUP}, level: CanNotDelete}}]\n"));
    azure.settle_rule("a", &rule(200, "Storage"));
    let refused = azure.delete(&path("a"));
    assert_eq!((refused.status, code(&refused).as_str()), (409, "ScopeLocked"));
    assert_eq!(azure.put(SECURITY, &json!({"location": "eastus2"})).status, 200, "the whole without it may be written");
    azure.pass(2_000);
    assert!(azure.rule_names().is_empty());
    azure.put(
        &format!("{SECURITY}/providers/Microsoft.Authorization/locks/all"),
        &json!({"properties": {"level": "ReadOnly"}}),
    );
    assert_eq!(code(&azure.put_rule("a", &rule(200, "Storage"))), "ScopeLocked");

    let mut azure = azure_with(&format!(
        "policies: [{{name: no-rules, scope: {GROUP}, types: [Microsoft.Network/networkSecurityGroups/securityRules]}}]\n"
    ));
    assert_eq!(code(&azure.put_rule("a", &rule(200, "Storage"))), "RequestDisallowedByPolicy");
    assert_eq!(azure.put(SECURITY, &json!({"location": "eastus2"})).status, 200);
}

#[test]
fn writes_of_security_rules_count_against_the_limits() {
    let mut azure = azure_with("limits: {enforce: true, writes: {size: 2, perSecond: 1}}\n");
    azure.settle_rule("a", &rule(200, "Storage"));
    azure.settle_rule("b", &rule(201, "Sql"));
    azure.put_rule("b", &rule(201, "Sql"));
    azure.put_rule("b", &rule(201, "Sql"));
    assert_eq!(code(&azure.put_rule("b", &rule(201, "Sql"))), "SubscriptionRequestsThrottled");
    let mut azure = azure_with("limits: {enforce: true, provider: {writes: 1}}\n");
    azure.settle_rule("a", &rule(200, "Storage"));
    let refused = azure.put_rule("b", &rule(201, "Sql"));
    assert_eq!((refused.status, code(&refused).as_str()), (429, "TooManyRequests"));
}

#[test]
fn a_group_that_a_subnet_uses_shows_it_and_stays() {
    let mut azure = azure();
    let network = format!("{GROUP}/providers/Microsoft.Network/virtualNetworks/v");
    let subnet =
        |group: &str| json!({"properties": {"addressPrefix": "10.0.0.0/24", "networkSecurityGroup": {"id": group}}});
    azure.put(
        &network,
        &json!({"location": "eastus2", "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}}),
    );
    azure.pass(5_000);
    let refused = azure.put(&format!("{network}/subnets/ml"), &subnet(&format!("{SECURITY}2")));
    assert_eq!(code(&refused), "InvalidResourceReference");
    assert_eq!(azure.put(&format!("{network}/subnets/ml"), &subnet(SECURITY)).status, 201);
    azure.pass(5_000);
    let shown = azure.get(SECURITY).value()["properties"]["subnets"].clone();
    assert_eq!(shown, json!([{"id": format!("{network}/subnets/ml")}]));
    assert_eq!(code(&azure.delete(SECURITY)), "InUseNetworkSecurityGroupCannotBeDeleted");
    azure.delete(&format!("{network}/subnets/ml"));
    azure.pass(5_000);
    assert_eq!(azure.delete(SECURITY).status, 202);
}

#[test]
fn a_group_shows_the_interfaces_that_it_was_placed_with() {
    let mut azure = azure();
    let interface = json!([{"id": format!("{GROUP}/providers/Microsoft.Network/networkInterfaces/i")}]);
    let properties = json!({"networkInterfaces": interface, "flowLogs": []});
    azure
        .world
        .put_resource(azure.now, &json!({"id": SECURITY, "location": "eastus2", "properties": properties}))
        .unwrap();
    azure.put(SECURITY, &json!({"location": "eastus2", "properties": {"securityRules": [], "networkInterfaces": []}}));
    azure.settle_rule("a", &rule(200, "Storage"));
    let shown = azure.get(SECURITY).value();
    assert_eq!(shown["properties"]["networkInterfaces"], interface, "clients cannot change it");
    assert!(shown["properties"].get("flowLogs").is_none());
    assert_eq!(code(&azure.delete(SECURITY)), "InUseNetworkSecurityGroupCannotBeDeleted");
}

#[test]
fn a_front_end_may_still_know_a_deleted_group() {
    let mut azure = azure();
    azure.delete(GROUP);
    azure.pass(15_000);
    let fault = json!({"match": {"pathContains": "networkSecurityGroups"}, "times": 3, "effect": "staleGroup"});
    azure.world.add_fault(serde_json::from_value(fault).unwrap());
    assert_eq!(code(&azure.delete(&path("theirs"))), "ResourceNotFound");
    assert_eq!(code(&azure.get(SECURITY)), "ResourceNotFound");
    assert_eq!(
        code(&azure.put(SECURITY, &json!({"location": "eastus2"}))),
        "ResourceGroupNotFound",
        "nothing is written there"
    );
    assert_eq!(code(&azure.delete(&path("theirs"))), "ResourceGroupNotFound");
}
