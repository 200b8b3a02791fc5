//! Tokens, roles and locks.

use super::{Azure, SUBSCRIPTION, TABLE, code, header, message};
use crate::model::World;
use serde_json::json;
use std::path::Path;

fn azure(yaml: &str) -> Azure {
    let table = format!("resources: [{{id: {TABLE}, location: eastus2}}]\n");
    Azure::new(World::from_yaml(&format!("{table}{yaml}"), Path::new(".")).unwrap())
}

#[test]
fn a_token_is_checked_and_expires() {
    let mut azure = azure("limits: {tokenLifetime: 10m}");
    assert_eq!(azure.get(TABLE).status, 200);
    azure.pass(600_000);
    let refused = azure.get(TABLE);
    assert_eq!((refused.status, code(&refused).as_str()), (401, "ExpiredAuthenticationToken"));
    assert_eq!(
        message(&refused),
        "The access token expiry UTC time '11/8/2024 1:21:24 AM' is earlier than current UTC time '11/8/2024 1:21:24 AM'."
    );
    assert!(header(&refused, "www-authenticate").contains("error=\"invalid_token\""));
    azure.log_in();
    assert_eq!(azure.get(TABLE).status, 200);
    azure.token.push('x');
    assert_eq!(code(&azure.get(TABLE)), "InvalidAuthenticationToken");
}

#[test]
fn a_login_is_refused_for_a_reason() {
    let mut azure = azure(
        "credentials:\n- {tenantId: t, clientId: one, clientSecret: s1}\n- {tenantId: t, clientId: two, clientSecret: s2}",
    );
    assert_eq!(azure.ask_token("two", "s2").status, 200);
    let refused = azure.ask_token("one", "s2");
    assert_eq!((refused.status, refused.value()["error"].as_str()), (401, Some("invalid_client")));
    assert_eq!(refused.value()["error_codes"], json!([7_000_215]));
    let refused = azure.ask_token("three", "s2");
    assert_eq!((refused.status, refused.value()["error"].as_str()), (400, Some("unauthorized_client")));
}

#[test]
fn a_role_allows_what_it_names() {
    let role = format!(
        "roles:\n- client: 22222222-2222-4222-8222-222222222222\n  scope: /subscriptions/{SUBSCRIPTION}\n  actions: ['*/read', Microsoft.Network/routeTables/routes/write]\n"
    );
    let mut azure = azure(&role);
    assert_eq!(azure.get(TABLE).status, 200);
    azure.settle_route("a", "20.1.0.0/16");
    let refused = azure.delete(&format!("{TABLE}/routes/a"));
    assert_eq!((refused.status, code(&refused).as_str()), (403, "AuthorizationFailed"));
    let text = message(&refused);
    assert!(
        text.contains(&format!(
            "to perform action 'Microsoft.Network/routeTables/routes/delete' over scope '{TABLE}/routes/a'"
        )),
        "{text}"
    );
}

#[test]
fn a_lock_closes_deletions_or_all_writes() {
    let scope = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/RG-ml");
    let mut azure = azure(&format!("locks: [{{scope: {scope}, level: CanNotDelete}}]"));
    azure.settle_route("a", "20.1.0.0/16");
    let refused = azure.delete(&format!("{TABLE}/routes/a"));
    assert_eq!((refused.status, code(&refused).as_str()), (409, "ScopeLocked"));
    assert_eq!(
        message(&refused),
        format!(
            "The scope '{TABLE}/routes/a' cannot perform delete operation because following scope(s) are locked: '{scope}'. Please remove the lock and try again."
        )
    );
    // Recorded by users: the lock does not keep a PUT of the table from removing the route.
    assert_eq!(azure.put(TABLE, &json!({"location": "eastus2"})).status, 200);

    let mut azure = self::azure(&format!("locks: [{{scope: {scope}, level: ReadOnly}}]"));
    assert_eq!(code(&azure.put_route("a", "20.1.0.0/16")), "ScopeLocked");
    assert_eq!(azure.get(TABLE).status, 200);
}
