//! The role in `deploy/azure`: its actions are those of the requests that amlnet sends, neither more nor fewer, and what
//! happens without each of them.

use std::collections::BTreeSet;

use armsim::model::log::{LogEntry, Server};
use armsim::model::token::Credentials;
use serde_json::{Value, json};

use crate::harness::{Doc, Sim, TABLE, central, east, feed, network, ours, route, table_id};

const FILE: &str = "deploy/azure/role-route-tables.json";
pub(crate) const IP_GROUPS: &str = "deploy/azure/role-ip-groups.json";
pub(crate) const SECURITY_GROUPS: &str = "deploy/azure/role-security-groups.json";
pub(crate) const FIREWALL_POLICIES: &str = "deploy/azure/role-firewall-policies.json";
/// What a poll of an operation needs. Listed apart, because the path is one that ARM names: amlnet follows
/// `Azure-AsyncOperation`, and only where that is missing `Location` (`operationResults`), which no write of a route does.
const POLLS: [&str; 1] = ["Microsoft.Network/locations/operations/read"];
/// A route of ours that nobody needs.
const UNWANTED: &str = "amlnet.prod.20.9.0.0_26";
const DEFAULT: &str = "0.0.0.0/0";

fn read(path: &str) -> String {
    std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

pub(crate) fn actions(file: &str) -> Vec<String> {
    let role: Value = serde_json::from_str(&read(file)).unwrap();
    let actions = role["Actions"].as_array().unwrap();
    actions.iter().map(|action| action.as_str().unwrap().to_owned()).collect()
}

/// The action that Azure asks for: the types in the path of the last provider, and what the method does.
fn action(method: &str, url: &str) -> String {
    let path = url.split('?').next().unwrap_or_default();
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let provider = segments.iter().rposition(|segment| segment.eq_ignore_ascii_case("providers"));
    let types = |from: usize| segments[from..].iter().step_by(2).copied().collect::<Vec<_>>().join("/");
    let kind = match provider {
        Some(at) => {
            // `locations/<location>/usages` and `routeTables/<name>/routes/<name>`.
            format!("{}/{}", segments[at + 1], types(at + 2))
        }
        None => format!("Microsoft.Resources/{}", types(0)),
    };
    let verb = match method {
        "GET" => "read",
        "PUT" | "PATCH" => "write",
        "DELETE" => "delete",
        other => panic!("{other} {url}: amlnet sends no such request"),
    };
    format!("{kind}/{verb}")
}

/// In the order and spelling of a set: Azure compares actions without case.
pub(crate) fn folded<T: AsRef<str>>(actions: impl IntoIterator<Item = T>) -> BTreeSet<String> {
    actions.into_iter().map(|action| action.as_ref().to_ascii_lowercase()).collect()
}

pub(crate) fn asked_actions(log: &[LogEntry]) -> BTreeSet<String> {
    folded(log.iter().map(|entry| action(&entry.method, &entry.url)))
}

pub(crate) fn subscription() -> &'static str {
    TABLE.split("/resourceGroups").next().unwrap()
}

/// A role of the identity that logs in.
pub(crate) fn role<T: AsRef<str>>(scope: &str, actions: &[T]) -> Value {
    let actions: Vec<&str> = actions.iter().map(AsRef::as_ref).collect();
    json!({"client": Credentials::default().client_id, "scope": scope, "actions": actions})
}

/// A table in which everything is left to do: additions, a default route, a removal; and a feed that asks the Discovery
/// API before the download page.
fn world(more: Value) -> Sim {
    let sim = Sim::with_tables(&[(TABLE, vec![route(UNWANTED, "20.9.0.0/26", "Internet")])], more);
    let sources = json!([
        {"discovery": {"subscriptionId": subscription().trim_start_matches("/subscriptions/"), "location": "eastus2"}},
        {"download": {"pageUrl": sim.page()}},
    ]);
    sim.objects("feed.yaml", &[feed("", json!({"spec": {"sources": sources}}))]);
    let table = json!({"id": TABLE, "defaultRoute": {"ipAddress": "10.0.1.4"}});
    sim.objects("ml.yaml", &[network(json!({"spec": {"routes": {"routeTables": [table]}}}))]);
    sim
}

fn needed() -> BTreeSet<String> {
    (0..4).map(east).chain((0..3).map(central)).chain([DEFAULT.to_owned()]).collect()
}

const APPLY: [&str; 2] = ["--state", "state"];

#[test]
fn the_role_has_the_actions_of_the_requests_and_no_others() {
    let sim = world(json!({}));
    sim.apply(&APPLY).exits(0);
    assert_eq!(ours(&sim.history(TABLE)), needed());
    // And the controller: a week that adds two prefixes and lacks one.
    sim.publish(&Doc::week(2).regions(1..6, 0..3));
    let controller = sim.controller(&[]);
    controller.wait_until("the next week", || {
        let ours = ours(&sim.history(TABLE));
        ours.contains(&east(5)) && !ours.contains(&east(0))
    });
    assert_eq!(controller.terminate().0, 0);
    let asked = asked_actions(&sim.log_of(Server::Arm));
    let polls: BTreeSet<String> = asked.iter().filter(|action| action.contains("/operation")).cloned().collect();
    assert_eq!(polls, folded(POLLS), "polls of operations");
    assert_eq!(asked, folded(actions(FILE)), "{FILE}");
    assert_eq!(actions(FILE).len(), asked.len(), "{FILE} names none twice");
}

#[test]
fn the_documentation_explains_every_action_and_no_other() {
    let text = read("docs/azure.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `Microsoft."));
    let named = rows.map(|row| format!("Microsoft.{}", row.split('`').next().unwrap()));
    let files = [FILE, IP_GROUPS, SECURITY_GROUPS, FIREWALL_POLICIES];
    assert_eq!(folded(named), folded(files.into_iter().flat_map(actions)));
}

#[test]
fn apply_works_with_exactly_the_role() {
    let sim = world(json!({"roles": [role(subscription(), &actions(FILE))]}));
    sim.apply(&APPLY).exits(0);
    assert_eq!(ours(&sim.history(TABLE)), needed());
    assert!(sim.log_of(Server::Arm).iter().all(|entry| entry.status < 400));
}

#[test]
fn with_the_role_at_its_tables_and_reader_above_it_writes_nowhere_else() {
    let other = table_id("rt-other");
    let tables = [(TABLE, vec![]), (other.as_str(), vec![])];
    let roles = json!({"roles": [role(TABLE, &actions(FILE)), role(subscription(), &["*/read"])]});
    let sim = Sim::with_tables(&tables, roles);
    sim.usual(json!({"spec": {"routes": {"routeTables": [{"id": TABLE}, {"id": other}]}}}));
    sim.apply(&[]).exits(3).says(&["blocked, Forbidden: AuthorizationFailed", "routeTables/routes/write", "rt-other"]);
    assert_eq!(ours(&sim.history(TABLE)).len(), 7);
    assert_eq!(sim.history(&other).len(), 1);
}

#[test]
fn without_an_action_the_refusal_names_it() {
    let blocked = "blocked, Forbidden: AuthorizationFailed";
    for (missing, code, said) in [
        ("Microsoft.Network/routeTables/read", 3, blocked),
        ("Microsoft.Network/routeTables/routes/write", 3, blocked),
        ("Microsoft.Network/routeTables/routes/read", 3, blocked),
        ("Microsoft.Network/routeTables/routes/delete", 3, blocked),
        // Nothing waits for these: the defaults count, and the other source.
        (
            "Microsoft.Network/locations/usages/read",
            0,
            "LimitsUnknown: the limits cannot be read (AuthorizationFailed)",
        ),
        ("Microsoft.Network/locations/serviceTags/read", 0, "a source has no document to offer"),
    ] {
        let mut rest = actions(FILE);
        rest.retain(|action| action != missing);
        assert_eq!(rest.len() + 1, actions(FILE).len(), "{missing} is in {FILE}");
        let sim = world(json!({"roles": [role(subscription(), &rest)]}));
        let ran = sim.apply(&APPLY).exits(code);
        ran.says(&[said]);
        // The warning about limits is short; everything else says what ARM says.
        if !missing.contains("usages") {
            ran.says(&[&format!("does not have authorization to perform action '{missing}'")]);
        }
        let refused = sim.log_of(Server::Arm).into_iter().filter(|entry| entry.status == 403);
        let refused = folded(refused.map(|entry| action(&entry.method, &entry.url)));
        assert_eq!(refused, folded([missing]));
        // What was allowed was done, and the unneeded route stays where it cannot be removed as prescribed.
        let history = sim.history(TABLE);
        let (has, unwanted) = (ours(&history), "20.9.0.0/26");
        match (code, missing) {
            (0, _) => assert_eq!(has, needed(), "{missing}"),
            (_, missing) if missing.ends_with("routeTables/read") || missing.ends_with("write") => {
                assert_eq!(history.len(), 1, "{missing}");
            }
            _ => assert!(has.is_superset(&needed()) && has.contains(unwanted), "{missing}"),
        }
    }
}

/// The simulator asks for no permission here, so a fault stands for ARM's refusal.
#[test]
fn without_the_other_two_actions_it_is_said_or_not_needed() {
    let refuse = |sim: &Sim, part: &str, action: &str| {
        let message = format!("The client does not have authorization to perform action '{action}' over scope");
        let body = json!({"error": {"code": "AuthorizationFailed", "message": message}});
        sim.fault(json!({"match": {"method": "GET", "pathContains": part}, "times": 0,
            "effect": {"status": {"code": 403, "body": body}}}));
    };
    let sim = world(json!({}));
    refuse(&sim, "/locations?", "Microsoft.Resources/subscriptions/locations/read");
    sim.apply(&APPLY).exits(0);
    assert_eq!(ours(&sim.history(TABLE)), needed());
    assert!(sim.log_of(Server::Arm).iter().any(|entry| entry.status == 403));

    let sim = world(json!({}));
    refuse(&sim, "/operations/", POLLS[0]);
    sim.apply(&APPLY).exits(3).says(&["blocked, Forbidden: AuthorizationFailed", POLLS[0]]);
    assert_eq!(ours(&sim.history(TABLE)).len(), 2, "it stops after the first write, which was accepted");
}
