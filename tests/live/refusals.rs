//! What a user reads when Azure refuses: in `apply` and in the status file, for every row of the table in
//! `src/azure/error.rs`. The texts are golden files; `AMLNET_UPDATE_GOLDEN=1` writes them anew.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::campaign::side_by_side;
use crate::harness::{Sim, TABLE, route};

/// One way to be refused.
#[derive(Debug)]
struct Case {
    /// The golden file.
    name: &'static str,
    /// The row of the table, or none where the meaning stands in the code below it.
    row: Option<(u16, &'static str)>,
    /// More for the world file.
    world: Value,
    fault: Option<Value>,
    code: i32,
    /// Word of ours or of ARM that the user must see.
    says: &'static str,
}

/// The first write is refused, each time, with a body as ARM has it.
fn refused(name: &'static str, row: (u16, &'static str), code: i32, says: &'static str, message: &str) -> Case {
    let body = json!({"error": {"code": says, "message": message, "details": []}});
    answered(name, Some(row), code, says, row.0, body)
}

fn answered(
    name: &'static str,
    row: Option<(u16, &'static str)>,
    code: i32,
    says: &'static str,
    status: u16,
    body: Value,
) -> Case {
    let effect = json!({"status": {"code": status, "body": body, "headers": {"x-ms-retry-after-ms": "5"}}});
    struck(name, row, code, says, effect)
}

fn struck(name: &'static str, row: Option<(u16, &'static str)>, code: i32, says: &'static str, effect: Value) -> Case {
    let fault = json!({"match": {"method": "PUT", "pathContains": "/routes/"}, "times": 0, "effect": effect});
    Case { name, row, world: json!({}), fault: Some(fault), code, says }
}

/// The simulator itself refuses.
fn governed(name: &'static str, row: (u16, &'static str), says: &'static str, world: Value) -> Case {
    Case { name, row: Some(row), world, fault: None, code: 3, says }
}

fn group() -> String {
    TABLE.split("/providers").next().unwrap().to_owned()
}

fn cases() -> Vec<Case> {
    // Those that take longest first.
    [without_a_row(), busy(), others(), access()].into_iter().flatten().collect()
}

const PARENT: &str = "*UpdateNotAllowedWhenUpdatingOrDeleting";
const PARENT_CODE: &str = "RouteTableUpdateNotAllowedWhenUpdatingOrDeleting";

/// Another operation, too many requests, no valid token.
fn busy() -> Vec<Case> {
    let lock = json!({"code": "RetryableErrorDueToAnotherOperation", "message": format!(
        "Operation PutRouteOperation (4f0e5a3c) is updating resource {TABLE}. The call can be retried in 14 seconds.")});
    let lock =
        json!({"error": {"code": "RetryableError", "message": "A retryable error occurred.", "details": [lock]}});
    let reference =
        "Cannot proceed with operation because resource vnet-ml used by resource rt-ml is not in Succeeded state.";
    let parent = "Resource rt-ml cannot be updated when it is in Updating or Deleting state.";
    vec![
        answered(
            "429-another-operation",
            Some((429, "RetryableErrorDueToAnotherOperation")),
            2,
            "RetryableError",
            429,
            lock,
        ),
        refused(
            "429-reference",
            (429, "ReferencedResourceNotProvisioned"),
            2,
            "ReferencedResourceNotProvisioned",
            reference,
        ),
        refused(
            "409-another-operation",
            (409, "AnotherOperationInProgress"),
            2,
            "AnotherOperationInProgress",
            "Another operation on this or dependent resource is in progress.",
        ),
        refused("409-parent-updating", (409, PARENT), 2, PARENT_CODE, parent),
        refused("400-parent-updating", (400, PARENT), 2, PARENT_CODE, parent),
        refused(
            "400-reference",
            (400, "ReferencedResourceNotProvisioned"),
            2,
            "ReferencedResourceNotProvisioned",
            reference,
        ),
        struck(
            "429-throttled",
            Some((429, "")),
            2,
            "SubscriptionRequestsThrottled",
            json!({"throttle": {"retryAfter": 1}}),
        ),
        refused(
            "401-token",
            (401, ""),
            1,
            "ExpiredAuthenticationToken",
            "The access token expiry UTC time is earlier than current UTC time.",
        ),
    ]
}

fn access() -> Vec<Case> {
    let scope = group();
    let reads = json!([{"client": "22222222-2222-4222-8222-222222222222", "scope": scope, "actions": ["*/read"]}]);
    let policy = json!([{"name": "no-internet", "scope": scope, "types": ["Microsoft.Network/routeTables/routes"],
        "deniedNextHopTypes": ["Internet"]}]);
    vec![
        governed(
            "403-policy",
            (403, "RequestDisallowedByPolicy"),
            "RequestDisallowedByPolicy",
            json!({"policies": policy}),
        ),
        refused(
            "403-linked",
            (403, "LinkedAuthorizationFailed"),
            3,
            "LinkedAuthorizationFailed",
            "The client has permission to perform action 'Microsoft.Network/routeTables/routes/write' on the scope; \
             however, it does not have permission to perform action 'join/action' on the linked scope(s).",
        ),
        governed("403-role", (403, "AuthorizationFailed"), "AuthorizationFailed", json!({"roles": reads})),
        refused("403-other", (403, ""), 3, "Forbidden", "The request is forbidden."),
        governed(
            "409-lock",
            (409, "ScopeLocked"),
            "ScopeLocked",
            json!({"locks": [{"scope": scope, "level": "ReadOnly"}]}),
        ),
    ]
}

fn others() -> Vec<Case> {
    let limit = "*LimitReached";
    let small = json!({"limits": {"routesPerRouteTable": 4}});
    let transient = |name, status: u16, says| {
        answered(
            name,
            Some((status, "")),
            1,
            says,
            status,
            json!({"error": {"code": says, "message": "Try again later."}}),
        )
    };
    vec![
        refused("412-changed", (412, ""), 2, "PreconditionFailed", "Precondition failed."),
        refused(
            "400-conflict",
            (400, "RouteConflict"),
            2,
            "RouteConflict",
            "Route: a conflicts with Route: b. Routes cannot have the same AddressPrefix.",
        ),
        refused(
            "400-priority",
            (400, "SecurityRuleConflict"),
            2,
            "SecurityRuleConflict",
            "Security rule a conflicts with rule b. Rules cannot have the same Priority and Direction.",
        ),
        refused(
            "400-firewall-tag",
            (400, "AzureFirewallRuleInvalidIpAddressOrRangeFormat"),
            3,
            "AzureFirewallRuleInvalidIpAddressOrRangeFormat",
            "Invalid IP address value or range or Service Tag AzureCloud..",
        ),
        refused(
            "400-group-tag",
            (400, "SecurityRuleInvalidAddressPrefix"),
            3,
            "SecurityRuleInvalidAddressPrefix",
            "Security rule a has invalid Address prefix. Value provided: AzureCloud.norwayeast",
        ),
        refused(
            "400-missing-reference",
            (400, "InvalidResourceReference"),
            3,
            "InvalidResourceReference",
            "Resource g referenced by resource p was not found.",
        ),
        governed(
            "404-table",
            (404, ""),
            "ResourceNotFound",
            json!({"resources": [
            {"id": format!("{}/providers/Microsoft.Network/routeTables/another", group()), "location": "eastus2"}]}),
        ),
        governed("400-limit-reached", (400, limit), "RouteCountLimitReached", small),
        refused("400-limit-exceeded", (400, "*LimitExceeded"), 3, "RouteTableLimitExceeded", "The limit is exceeded."),
        refused("400-quota", (400, "QuotaExceeded"), 3, "QuotaExceeded", "The quota is exceeded."),
        refused("409-other", (409, ""), 2, "Conflict", "The request conflicts with another."),
        transient("408-timeout", 408, "RequestTimeout"),
        transient("500-internal", 500, "InternalServerError"),
        answered("502-page", Some((502, "")), 1, "HTTP 502", 502, json!("<html><body>a proxy</body></html>")),
        struck("503-page", Some((503, "")), 1, "HTTP 503", json!("html503")),
        transient("504-gateway", 504, "GatewayTimeout"),
    ]
}

/// What has no status, or one that the table does not know.
fn without_a_row() -> Vec<Case> {
    let fails = |code: &str, message: &str| json!({"failOperation": {"code": code, "message": message}});
    let body = json!({"error": {"code": "InvalidRequestFormat", "message": "Cannot parse the request."}});
    let login = json!({"match": {"server": "login", "method": "POST"}, "times": 0, "effect": {"status": {"code": 400,
        "body": {"error": "invalid_client", "error_description": "AADSTS7000222: The provided client secret keys are expired."}}}});
    let unreadable = json!({"match": {"method": "GET", "pathContains": "/routeTables/"}, "times": 0,
        "effect": {"status": {"code": 200, "body": "<html>a captive portal</html>"}}});
    vec![
        answered("400-other", None, 3, "InvalidRequestFormat", 400, body.clone()),
        answered("507-other", None, 1, "InvalidRequestFormat", 507, body),
        struck("no-answer", None, 1, "NoAnswer", json!("dropBefore")),
        Case { name: "no-token", row: None, world: json!({}), fault: Some(login), code: 1, says: "NoToken" },
        Case {
            name: "unreadable",
            row: None,
            world: json!({}),
            fault: Some(unreadable),
            code: 1,
            says: "UnreadableAnswer",
        },
        struck("operation-failed", None, 1, "InternalServerError", fails("InternalServerError", "An error occurred.")),
        struck(
            "operation-superseded",
            None,
            2,
            "CanceledAndSupersededDueToAnotherOperation",
            fails("CanceledAndSupersededDueToAnotherOperation", "Another operation took precedence."),
        ),
        struck(
            "operation-refused",
            None,
            3,
            "RouteCountLimitReached",
            fails("RouteCountLimitReached", "A route table cannot have more than 400 routes."),
        ),
    ]
}

fn updates() -> bool {
    std::env::var_os("AMLNET_UPDATE_GOLDEN").is_some_and(|value| value == "1")
}

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/live/golden/refusals/{name}.txt"))
}

#[test]
fn refusals_read_as_they_should() {
    side_by_side(&cases(), |case| {
        let text = said(case);
        let path =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/live/golden/refusals/{}.txt", case.name));
        if updates() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            return;
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(text, golden, "{}; AMLNET_UPDATE_GOLDEN=1 writes it anew", path.display());
    });
}

/// `apply --state`, and what it left.
fn said(case: &Case) -> String {
    let routes = vec![route("default", "0.0.0.0/0", "VirtualAppliance 10.0.1.4")];
    let sim = Sim::with_tables(&[(TABLE, routes)], case.world.clone());
    sim.usual(json!({"spec": {"pairedRegion": "None"}}));
    if let Some(fault) = &case.fault {
        sim.fault(fault.clone());
    }
    let ran = sim.apply(&["--state", "state"]).exits(case.code);
    ran.says(&[case.says]);
    let status = sim.status("ml");
    let target = &status["targets"][0];
    assert!(target["message"].as_str().unwrap().contains(case.says), "{status:#}");
    let of_interest = ["waits: ", "blocked, ", "failed: ", " writes done"];
    let summary = ran.stdout.lines().last().unwrap_or_default();
    let lines =
        ran.stdout.lines().filter(|line| of_interest.iter().any(|part| line.contains(part)) && *line != summary);
    let mut text = format!("apply, exit code {}\n", ran.code);
    for line in lines.chain([summary]) {
        writeln!(text, "{line}").unwrap();
    }
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    writeln!(text, "\nstatus file\n  {}: {}", word(&target["state"]), word(&target["message"])).unwrap();
    for condition in status["conditions"].as_array().into_iter().flatten() {
        let [kind, status, reason, message] =
            ["type", "status", "reason", "message"].map(|field| word(&condition[field]));
        let message = message.replace(&word(&target["message"]), "(as above)");
        writeln!(text, "  {kind} {status} {reason} {message}").unwrap();
    }
    scrubbed(&text)
}

/// Without what differs each time: ids of requests, and the simulator's ports.
fn scrubbed(text: &str) -> String {
    let scrub = |line| without_reason(&without_ports(&without_ids(line))).trim_end().to_owned();
    let lines: Vec<String> = text.lines().map(scrub).collect();
    format!("{}\n", lines.join("\n"))
}

/// Ids other than those that the test itself gives.
fn without_ids(line: &str) -> String {
    let is_id = |part: &str| {
        part.len() == 36
            && part
                .char_indices()
                .all(|(at, c)| if [8, 13, 18, 23].contains(&at) { c == '-' } else { c.is_ascii_hexdigit() })
    };
    let given = |part: &str| TABLE.contains(part) || part.starts_with("11111111") || part.starts_with("22222222");
    let mut scrubbed = String::new();
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let part = rest.get(..36).filter(|part| is_id(part));
        let taken = part.map_or(first.len_utf8(), str::len);
        scrubbed.push_str(part.filter(|part| !given(part)).map_or(&rest[..taken], |_| "<id>"));
        rest = &rest[taken..];
    }
    scrubbed
}

fn without_ports(line: &str) -> String {
    let mut parts = line.split("127.0.0.1:");
    let mut scrubbed = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        write!(scrubbed, "127.0.0.1:<port>{}", part.trim_start_matches(|c: char| c.is_ascii_digit())).unwrap();
    }
    scrubbed
}

/// How a connection was cut depends on the moment.
fn without_reason(line: &str) -> String {
    match (line.split_once("client error"), line.split_once("; check the network")) {
        (Some((before, _)), Some((_, after))) => format!("{before}<why>; check the network{after}"),
        _ => line.to_owned(),
    }
}

/// From the golden files: what to do, and the id that Azure's support asks for; and a summary that agrees.
#[test]
fn refusals_say_what_to_do_and_whom_to_ask() {
    if updates() {
        // They are being written.
        return;
    }
    let mut missing = Vec::new();
    for case in cases() {
        let text = std::fs::read_to_string(golden(case.name)).unwrap();
        let (applied, status) = text.split_once("\n\nstatus file\n").unwrap();
        let message = status.lines().next().unwrap();
        let mut demand = |holds: bool, what: &str| {
            if !holds {
                missing.push(format!("{}: {what}: {message}", case.name));
            }
        };
        demand(message.contains("; "), "it does not say what to do");
        // The login service says its own ids in its text.
        demand(message.contains("(correlation id <id>)") || case.name == "no-token", "it has no correlation id");
        let lines: BTreeSet<&str> = applied.lines().collect();
        demand(lines.len() == applied.lines().count(), "it says a line twice");
        let summary = applied.lines().last().unwrap();
        demand(applied.contains("blocked, ") == summary.contains(" 1 blocked"), summary);
    }
    assert!(missing.is_empty(), "{} are missing:\n{}", missing.len(), missing.join("\n"));
}

#[test]
fn refusals_cover_every_row_of_the_table() {
    let path = format!("{}/src/azure/error.rs", env!("CARGO_MANIFEST_DIR"));
    let source = std::fs::read_to_string(path).unwrap();
    let table = source.split("const TABLE").nth(1).unwrap().split("\n];").next().unwrap();
    let row = |text: &str| {
        let mut fields = text.splitn(3, ',').map(str::trim);
        let status: u16 = fields.next()?.parse().ok()?;
        Some((status, fields.next()?.trim_matches('"').to_owned()))
    };
    let rows: BTreeSet<(u16, String)> = table.split("row(").skip(1).map(|text| row(text).unwrap()).collect();
    assert_eq!(rows.len(), table.matches("row(").count(), "a row stands there twice");
    let covered = cases().into_iter().filter_map(|case| case.row).map(|(status, code)| (status, code.to_owned()));
    assert_eq!(covered.collect::<BTreeSet<_>>(), rows);
    let names: BTreeSet<&str> = cases().iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases().len(), "two cases with one golden file");
    let files = std::fs::read_dir(golden("").parent().unwrap())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap());
    let expected: BTreeSet<String> = names.iter().map(|name| format!("{name}.txt")).collect();
    assert_eq!(files.collect::<BTreeSet<_>>(), expected, "a golden file without a case");
}
