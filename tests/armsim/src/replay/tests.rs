//! The recordings, where there are any, and small made-up ones that must be found different.

use super::{Expected, Report, recording::NIL, replay};
use serde_json::{Value, json};
use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
};

const GROUP: &str = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg";
const GUID: &str = "c0ba21a3-552d-49f7-950c-e1f6d66a858d";
const ID: &str = "842ee685-6acf-4c5f-b9e9-5f4d7a3d5910";

/// Kinds of resources that the simulator has; recordings of others are not looked at.
fn is_simulated(name: &str) -> bool {
    ["route", "nsg", "lock", "locations", "usages", "service-tags", "ipgroup", "ip-groups", "firewall", "policy"]
        .iter()
        .any(|part| name.contains(part))
}

#[test]
fn recordings_are_answered_as_recorded() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder =
        env::var_os("ARM_RECORDINGS_DIR").map_or_else(|| workspace.join("../shared/arm-recordings"), PathBuf::from);
    let Ok(entries) = fs::read_dir(&folder) else {
        // Not captured, unlike what `println!` writes.
        let _ = writeln!(std::io::stderr(), "skipped: there are no recordings in {}", folder.display());
        return;
    };
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.contains(".jsonl") && is_simulated(&name)
    });
    files.sort();
    let yaml = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("expected.yaml")).unwrap();
    let report = Report::of(&files, Expected::from_yaml(&yaml).unwrap()).unwrap();
    assert_eq!(report.failed, 0, "{}", report.text);
}

fn recorded(lines: &[Value]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made.jsonl");
    let text: Vec<String> = lines.iter().map(Value::to_string).collect();
    fs::write(&path, text.join("\n")).unwrap();
    (folder, path)
}

fn line(method: &str, path: &str, request: &Value, status: u16, headers: &Value, body: &Value) -> Value {
    let mut headers = headers.clone();
    if !body.is_null() {
        headers["content-type"] = json!("application/json; charset=utf-8");
    }
    json!({
        "method": method, "url": format!("https://management.azure.com{path}?api-version=2024-03-01"), "request_body": request,
        "status": status, "response_headers": headers, "response_body": body,
    })
}

fn table(etag: &str, state: &str, routes: &Value) -> Value {
    json!({
        "name": "t", "id": format!("{GROUP}/providers/Microsoft.Network/routeTables/t"), "etag": format!("W/\"{etag}\""),
        "type": "Microsoft.Network/routeTables", "location": "eastus2",
        "properties": {"provisioningState": state, "resourceGuid": GUID, "disableBgpRoutePropagation": false, "routes": routes},
    })
}

const FIRST: &str = "11111111-2222-4333-8444-000000000001";
const FIFTH: &str = "11111111-2222-4333-8444-000000000009";
const SECOND: &str = "11111111-2222-4333-8444-000000000002";

/// A table that was there before, read twice.
fn two_reads(first: &str, second: &str) -> [Value; 2] {
    let path = format!("{GROUP}/providers/Microsoft.Network/routeTables/t");
    let read = |etag: &str| {
        line(
            "GET",
            &path,
            &Value::Null,
            200,
            &json!({"etag": format!("W/\"{etag}\"")}),
            &table(etag, "Succeeded", &json!([])),
        )
    };
    [read(first), read(second)]
}

fn found(lines: &[Value]) -> Vec<String> {
    let (_folder, path) = recorded(lines);
    let outcomes = replay(&path).unwrap();
    let named = |outcome: &super::Outcome| {
        let i = outcome.interaction;
        outcome.differences.iter().map(|difference| format!("{i} {}", difference.field)).collect::<Vec<_>>()
    };
    outcomes.iter().flat_map(named).collect()
}

#[test]
fn what_was_there_before_is_there() {
    assert_eq!(found(&two_reads(FIRST, FIRST)), Vec::<String>::new());
    // Another client wrote it in between.
    assert_eq!(found(&two_reads(FIRST, SECOND)), Vec::<String>::new());
}

fn ip_group(etag: &str, state: &str, addresses: &Value) -> Value {
    json!({
        "properties": {"firewalls": [], "firewallPolicies": [], "ipAddresses": addresses, "provisioningState": state},
        "id": format!("{GROUP}/providers/Microsoft.Network/ipGroups/g"), "name": "g", "type": "Microsoft.Network/IpGroups",
        "etag": etag, "location": "eastus2",
    })
}

#[test]
fn ip_groups_that_were_there_before_are_there() {
    let path = format!("{GROUP}/providers/Microsoft.Network/ipGroups/g");
    let read = |etag: &str, state: &str, addresses: &Value| {
        let headers = json!({"etag": format!("\"{etag}\"")});
        line("GET", &path, &Value::Null, 200, &headers, &ip_group(etag, state, addresses))
    };
    let (some, more) = (json!(["20.1.0.0/16"]), json!(["20.1.0.0/16", "20.2.0.0/16"]));
    assert_eq!(found(&[read(FIRST, "Succeeded", &some), read(FIRST, "Succeeded", &some)]), Vec::<String>::new());
    // Another client's write failed in between.
    assert_eq!(found(&[read(FIRST, "Succeeded", &some), read(SECOND, "Failed", &json!([]))]), Vec::<String>::new());

    let url = "https://management.azure.com/subscriptions/00000000-0000-0000-0000-000000000000/providers/Microsoft.Network/locations/eastus2/nfvOperations";
    let headers = json!({"azure-asyncoperation": format!("{url}/{ID}?api-version=2024-03-01")});
    let wanted = json!({"location": "eastus2", "properties": {"ipAddresses": more}});
    let put = line("PUT", &path, &wanted, 200, &headers, &ip_group(SECOND, "Updating", &more));
    let delete = line("DELETE", &path, &Value::Null, 200, &json!({}), &Value::Null);
    assert_eq!(found(&[put.clone(), read(SECOND, "Succeeded", &more), delete.clone()]), Vec::<String>::new());
    assert_eq!(found(std::slice::from_ref(&delete)), Vec::<String>::new());

    // The operation failed, and so the group is: that is made to happen.
    let failed = json!({"status": "Failed", "error": {"code": "IpGroupsUpdateFailed", "message": "m", "details": []}});
    let mut poll = line("GET", "", &Value::Null, 200, &json!({}), &failed);
    poll["url"] = headers["azure-asyncoperation"].clone();
    assert_eq!(found(&[put.clone(), poll.clone(), read(SECOND, "Failed", &json!([]))]), Vec::<String>::new());
    assert_eq!(found(&[put, poll, read(SECOND, "Failed", &more)]), ["2 body.properties.ipAddresses"]);
}

#[test]
fn what_is_in_a_group_that_is_written_again_is_there() {
    let group = json!({
        "id": GROUP, "name": "rg", "type": "Microsoft.Resources/resourceGroups", "location": "eastus2",
        "properties": {"provisioningState": "Succeeded"},
    });
    let again = line("PUT", GROUP, &json!({"location": "eastus2"}), 200, &json!({}), &group);
    let [first, second] = two_reads(FIRST, FIRST);
    assert_eq!(found(&[again.clone(), first.clone(), second]), Vec::<String>::new());
    // A new group has nothing in it.
    let mut made = again;
    made["status"] = json!(201);
    assert!(found(&[made, first]).contains(&"1 status".to_owned()));
}

#[test]
fn another_value_another_header_and_another_status_are_found() {
    let mut lines = two_reads(FIRST, FIRST);
    lines[0]["response_body"]["properties"]["routes"] = json!([{"id": "x"}]);
    lines[1]["response_headers"]["x-ms-failure-cause"] = json!("gateway");
    lines[1]["response_body"]["surprise"] = json!(1);
    let fields = found(&lines);
    assert!(fields.contains(&"1 header.x-ms-failure-cause".to_owned()), "{fields:?}");
    assert!(fields.contains(&"1 body.surprise".to_owned()), "{fields:?}");
    let mut lines = two_reads(FIRST, FIRST);
    lines[1]["status"] = json!(404);
    assert!(found(&lines).contains(&"1 status".to_owned()));
}

/// A PUT of a table with another etag in the GET after its operation, and a recording in which it stays.
#[test]
fn an_etag_that_stays_where_the_simulator_changes_it_is_found() {
    let path = format!("{GROUP}/providers/Microsoft.Network/routeTables/t");
    let operation = format!(
        "/subscriptions/00000000-0000-0000-0000-000000000000/providers/Microsoft.Network/locations/eastus2/operations/{ID}"
    );
    let headers = json!({
        "azure-asyncoperation": format!("https://management.azure.com{operation}?api-version=2024-03-01"),
        "azure-asyncnotification": "Enabled", "retry-after": "2",
    });
    let conversation = |last: &str| {
        [
            line("PUT", &path, &json!({"location": "eastus2"}), 201, &headers, &table(FIRST, "Updating", &json!([]))),
            line("GET", &operation, &Value::Null, 200, &json!({}), &json!({"status": "Succeeded"})),
            line(
                "GET",
                &path,
                &Value::Null,
                200,
                &json!({"etag": format!("W/\"{last}\"")}),
                &table(last, "Succeeded", &json!([])),
            ),
        ]
    };
    assert_eq!(found(&conversation(SECOND)), Vec::<String>::new());
    assert_eq!(found(&conversation(FIRST)), ["2 header.etag", "2 body.etag"]);
}

/// A table that another client is writing: refused, and taken a second later.
#[test]
fn another_clients_operation_is_met_and_left() {
    let path = format!("{GROUP}/providers/Microsoft.Network/routeTables/t");
    let route = format!("{path}/routes/a");
    let message = format!(
        "Operation DeleteRouteOperation ({ID}) is updating resource {path}. The call can be retried in 12 seconds."
    );
    let refusal = json!({"error": {
        "code": "RetryableError", "message": "A retryable error occurred.",
        "details": [{"code": "RetryableErrorDueToAnotherOperation", "message": message}],
    }});
    let wanted = json!({"properties": {"addressPrefix": "20.1.0.0/16", "nextHopType": "None"}});
    let taken = json!({
        "name": "a", "id": route, "etag": format!("W/\"{FIRST}\""), "type": "Microsoft.Network/routeTables/routes",
        "properties": {"provisioningState": "Updating", "addressPrefix": "20.1.0.0/16", "nextHopType": "None", "hasBgpOverride": false},
    });
    let operation = format!(
        "/subscriptions/00000000-0000-0000-0000-000000000000/providers/Microsoft.Network/locations/eastus2/operations/{GUID}"
    );
    let headers = json!({
        "azure-asyncoperation": format!("https://management.azure.com{operation}?api-version=2024-03-01"),
        "azure-asyncnotification": "Enabled", "retry-after": "10",
    });
    let conversation = [
        line("PUT", &route, &wanted, 429, &json!({"retry-after": "12"}), &refusal),
        line("PUT", &route, &wanted, 201, &headers, &taken),
    ];
    assert_eq!(found(&conversation), Vec::<String>::new());
    // As years ago, when nothing was announced for routes.
    let mut older = conversation;
    older[1]["response_headers"].as_object_mut().unwrap().remove("azure-asyncnotification");
    assert_eq!(found(&older), Vec::<String>::new());
}

/// Two routes written at once, both taken, in a table that was there before and is seen in a PUT first.
#[test]
fn overlapping_writes_may_both_be_taken() {
    const THIRD: &str = "11111111-2222-4333-8444-000000000003";
    const FOURTH: &str = "11111111-2222-4333-8444-000000000004";
    const OTHER: &str = "11111111-2222-4333-8444-000000000005";
    let path = format!("{GROUP}/providers/Microsoft.Network/routeTables/t");
    let operation = |id: &str| {
        format!(
            "/subscriptions/00000000-0000-0000-0000-000000000000/providers/Microsoft.Network/locations/eastus2/operations/{id}"
        )
    };
    let headers = |id: &str, is_changed: bool| {
        let url = format!("https://management.azure.com{}?api-version=2024-03-01", operation(id));
        let mut headers = json!({"azure-asyncoperation": url, "azure-asyncnotification": "Enabled"});
        if is_changed {
            headers["retry-after"] = json!("2");
        }
        headers
    };
    let route = |name: &str, prefix: &str, state: &str, etag: &str| {
        json!({
            "name": name, "id": format!("{path}/routes/{name}"), "etag": format!("W/\"{etag}\""), "type": "Microsoft.Network/routeTables/routes",
            "properties": {"provisioningState": state, "addressPrefix": prefix, "nextHopType": "None", "hasBgpOverride": false},
        })
    };
    let put = |name: &str, prefix: &str, etag: &str, id: &str| {
        let wanted = json!({"properties": {"addressPrefix": prefix, "nextHopType": "None"}});
        line(
            "PUT",
            &format!("{path}/routes/{name}"),
            &wanted,
            201,
            &headers(id, true),
            &route(name, prefix, "Updating", etag),
        )
    };
    let poll = |id: &str| line("GET", &operation(id), &Value::Null, 200, &json!({}), &json!({"status": "Succeeded"}));
    let get = |name: &str, prefix: &str| {
        let etag = json!({"etag": format!("W/\"{FOURTH}\"")});
        line(
            "GET",
            &format!("{path}/routes/{name}"),
            &Value::Null,
            200,
            &etag,
            &route(name, prefix, "Succeeded", FOURTH),
        )
    };
    let conversation = [
        line(
            "PUT",
            &path,
            &json!({"location": "eastus2"}),
            200,
            &headers(NIL, false),
            &table(FIRST, "Succeeded", &json!([])),
        ),
        put("a", "20.1.0.0/16", SECOND, ID),
        put("b", "20.2.0.0/16", THIRD, OTHER),
        poll(ID),
        poll(OTHER),
        get("a", "20.1.0.0/16"),
        get("b", "20.2.0.0/16"),
    ];
    assert_eq!(found(&conversation), Vec::<String>::new());
}

fn rule_group(etag: &str, state: &str, priority: u64, size: &str) -> Value {
    json!({
        "properties": {"size": size, "priority": priority, "ruleCollections": [], "provisioningState": state},
        "id": format!("{GROUP}/providers/Microsoft.Network/firewallPolicies/p/ruleCollectionGroups/g"), "name": "g",
        "type": "Microsoft.Network/FirewallPolicies/RuleCollectionGroups", "etag": etag, "location": "eastus2",
    })
}

/// A rule collection group that was there before is written; nobody asks about the operation, but others are refused
/// because of it, and then not.
#[test]
fn an_operation_that_nobody_asks_about_lasts_while_others_are_refused() {
    let network = format!("{GROUP}/providers/Microsoft.Network");
    let (policy, firewall) = (format!("{network}/firewallPolicies/p"), format!("{network}/azureFirewalls/f"));
    let group = format!("{policy}/ruleCollectionGroups/g");
    let size = "0.001346588 MB";
    let read = |etag: &str, priority: u64| {
        let headers = json!({"etag": format!("\"{etag}\"")});
        line("GET", &group, &Value::Null, 200, &headers, &rule_group(etag, "Succeeded", priority, size))
    };
    let base = "https://management.azure.com/subscriptions/00000000-0000-0000-0000-000000000000/providers/Microsoft.Network/locations/eastus2";
    let headers = json!({"azure-asyncoperation": format!("{base}/nfvOperations/{ID}?api-version=2024-03-01"), "retry-after": "10"});
    let wanted = json!({"properties": {"priority": 300}});
    let put = line("PUT", &group, &wanted, 200, &headers, &rule_group(SECOND, "Updating", 300, size));
    let with_policy = json!({"firewallPolicy": {"id": policy}});
    let shown_firewall = |etag: &str, state: &str, mode: &str| {
        json!({
            "name": "f", "id": firewall, "etag": format!("W/\"{etag}\""), "type": "Microsoft.Network/azureFirewalls", "location": "eastus2",
            "properties": {
                "provisioningState": state, "sku": {"name": "AZFW_VNet", "tier": "Standard"}, "threatIntelMode": mode,
                "additionalProperties": {}, "ipConfigurations": [], "networkRuleCollections": [],
                "applicationRuleCollections": [], "natRuleCollections": [], "firewallPolicy": {"id": policy},
            },
        })
    };
    let before = line(
        "GET",
        &firewall,
        &Value::Null,
        200,
        &json!({"etag": format!("W/\"{FIRST}\"")}),
        &shown_firewall(FIRST, "Succeeded", "Alert"),
    );
    let mut body = json!({"location": "eastus2", "properties": with_policy});
    body["properties"]["threatIntelMode"] = json!("Off");
    let message = format!(
        "Another operation on this or dependent resource is in progress. To retrieve status of the operation use uri: {base}/operations/{GUID}?api-version=2020-05-01."
    );
    let refusal = json!({"error": {"code": "AnotherOperationInProgress", "message": message, "details": []}});
    let refused = |date: &str| line("PUT", &firewall, &body, 409, &json!({"date": date}), &refusal);
    let third = "11111111-2222-4333-8444-000000000003";
    let headers = json!({
        "azure-asyncoperation": format!("{base}/operations/{third}?api-version=2024-03-01"), "azure-asyncnotification": "Enabled",
        "retry-after": "10", "date": "Tue, 21 Apr 2026 11:00:00 GMT",
    });
    let fourth = "11111111-2222-4333-8444-000000000004";
    let taken = line("PUT", &firewall, &body, 200, &headers, &shown_firewall(fourth, "Updating", "Off"));
    let [first, last] = ["Tue, 21 Apr 2026 10:00:00 GMT", "Tue, 21 Apr 2026 10:30:00 GMT"];
    let conversation =
        [before.clone(), read(FIFTH, 200), read(FIFTH, 200), put, refused(first), refused(last), taken.clone()];
    assert_eq!(found(&conversation), Vec::<String>::new());
    // Refused because of something that another client does.
    assert_eq!(found(&[before, refused(first), refused(last), taken]), Vec::<String>::new());
    // The sizes are compared, if not to the byte.
    let mut other = [read(FIFTH, 200), read(FIFTH, 200)];
    other[1]["response_body"]["properties"]["size"] = json!("0.1 MB");
    assert_eq!(found(&other), ["1 body.properties.size"]);
}

fn rule(etag: &str, state: &str, priority: u32) -> Value {
    json!({
        "name": "r", "id": format!("{GROUP}/providers/Microsoft.Network/networkSecurityGroups/n/securityRules/r"),
        "etag": format!("W/\"{etag}\""), "type": "Microsoft.Network/networkSecurityGroups/securityRules",
        "properties": {
            "provisioningState": state, "protocol": "TCP", "sourcePortRange": "*", "destinationPortRange": "443",
            "sourceAddressPrefix": "789", "destinationAddressPrefix": "Storage", "access": "Allow", "priority": priority,
            "direction": "Outbound", "sourcePortRanges": [], "destinationPortRanges": [], "sourceAddressPrefixes": [],
            "destinationAddressPrefixes": [],
        },
    })
}

/// A group that was there before: a rule is read, another client changes it and holds the group, it is written, and the
/// operation fails.
#[test]
fn rules_that_were_there_before_are_there() {
    const THIRD: &str = "11111111-2222-4333-8444-000000000003";
    const FOURTH: &str = "11111111-2222-4333-8444-000000000004";
    let group = format!("{GROUP}/providers/Microsoft.Network/networkSecurityGroups/n");
    let path = format!("{group}/securityRules/r");
    let read = |etag: &str, state: &str, priority: u32| {
        let headers = json!({"etag": format!("W/\"{etag}\"")});
        line("GET", &path, &Value::Null, 200, &headers, &rule(etag, state, priority))
    };
    let message = format!(
        "Operation DeleteSecurityRuleOperation ({ID}) is updating resource {group}. The call can be retried in 12 seconds."
    );
    let refusal = json!({"error": {
        "code": "RetryableError", "message": "A retryable error occurred.",
        "details": [{"code": "RetryableErrorDueToAnotherOperation", "message": message}],
    }});
    let operation = format!(
        "/subscriptions/00000000-0000-0000-0000-000000000000/providers/Microsoft.Network/locations/eastus2/operations/{GUID}"
    );
    let headers = json!({
        "azure-asyncoperation": format!("https://management.azure.com{operation}?api-version=2024-03-01"),
        "azure-asyncnotification": "Enabled", "retry-after": "3",
    });
    let wanted = json!({"properties": rule(FIRST, "Updating", 300)["properties"]});
    let failed = json!({"status": "Failed", "error": {"code": "InternalServerError", "message": "m", "details": []}});
    let conversation = [
        read(FIRST, "Succeeded", 100),
        read(SECOND, "Succeeded", 200),
        line("PUT", &path, &wanted, 429, &json!({"retry-after": "12"}), &refusal),
        line("PUT", &path, &wanted, 200, &headers, &rule(THIRD, "Updating", 300)),
        line("GET", &operation, &Value::Null, 200, &json!({}), &failed),
        read(FOURTH, "Failed", 300),
    ];
    assert_eq!(found(&conversation), Vec::<String>::new());
    let mut other = conversation.clone();
    other[5] = read(FOURTH, "Failed", 200);
    assert_eq!(found(&other), ["5 body.properties.priority"]);
    let mut unasked = conversation;
    unasked[3]["response_headers"].as_object_mut().unwrap().remove("retry-after");
    assert!(found(&unasked).contains(&"3 header.retry-after".to_owned()));
}

/// A front end that has not heard of the deletion yet, and one that has.
#[test]
fn what_was_in_a_deleted_group_may_be_missed_by_either_name() {
    let table = format!("{GROUP}/providers/Microsoft.Network/routeTables/t");
    let job = "https://management.azure.com/subscriptions/00000000-0000-0000-0000-000000000000/operationresults";
    let location = json!({"location": format!("{job}/eyJqb2JJZCI6IkRFTEVURS1KT0ItMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwIn0?api-version=2024-03-01"), "retry-after": "15"});
    let mut gone = line("GET", "", &Value::Null, 200, &json!({}), &Value::Null);
    gone["url"] = location["location"].clone();
    let missing = |code: &str, message: &str| {
        let body = json!({"error": {"code": code, "message": message}});
        line(
            "DELETE",
            &format!("{table}/routes/a"),
            &Value::Null,
            404,
            &json!({"x-ms-failure-cause": "gateway"}),
            &body,
        )
    };
    let conversation = [
        line("DELETE", GROUP, &Value::Null, 202, &location, &Value::Null),
        gone,
        missing(
            "ResourceNotFound",
            "The Resource 'Microsoft.Network/routeTables/t' under resource group 'rg' was not found. For more details please \
             go to https://aka.ms/ARMResourceNotFoundFix",
        ),
        missing("ResourceGroupNotFound", "Resource group 'rg' could not be found."),
    ];
    assert_eq!(found(&conversation), Vec::<String>::new());
}

#[test]
fn a_report_counts_and_an_unused_entry_fails() {
    let mut lines = two_reads(FIRST, FIRST);
    lines[1]["response_body"]["surprise"] = json!(1);
    let (_folder, path) = recorded(&lines);
    let report = |yaml: &str| Report::of(&[&path], Expected::from_yaml(yaml).unwrap()).unwrap();
    let plain = report("");
    assert!(plain.text.ends_with("\n1 passed, 1 failed\n"), "{}", plain.text);
    assert!(plain.text.starts_with("made.jsonl #1 GET /subscriptions/"), "{}", plain.text);
    let known = report("- {file: made.jsonl, interaction: 1, field: body.surprise, reason: a surprise}\n");
    assert!(
        known.text.contains("(expected: a surprise)") && known.text.ends_with("\n2 passed, 0 failed\n"),
        "{}",
        known.text
    );
    let unused = report("- {file: made.jsonl, interaction: 0, field: status, reason: never}\n");
    assert_eq!((unused.passed, unused.failed), (1, 2));
}
