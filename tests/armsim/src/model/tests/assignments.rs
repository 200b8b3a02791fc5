//! Identities, federated credentials, role definitions and role assignments, as the `az` command asks for them.

use super::{Azure, GROUP, SUBSCRIPTION, TABLE, code, message};
use crate::model::{ApiRequest, ApiResponse, World, encoding::base64url};
use serde_json::{Value, json};
use std::path::Path;

const ISSUER: &str = "https://oidc.example/cluster/";
const SUBJECT: &str = "system:serviceaccount:amlnet:amlnet";
const ROLE: &str = "0c0c0c0c-1111-4222-8333-444444444444";
const FIRST: &str = "aaaaaaaa-1111-4222-8333-444444444444";
const SECOND: &str = "bbbbbbbb-1111-4222-8333-444444444444";

fn azure() -> Azure {
    let yaml = format!("resources: [{{id: {TABLE}, location: eastus2}}, {{id: {TABLE}-other, location: eastus2}}]");
    Azure::new(World::from_yaml(&yaml, Path::new(".")).unwrap())
}

fn identity() -> String {
    format!("{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-amlnet")
}

fn definition(name: &str) -> String {
    format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{name}")
}

fn assignment(scope: &str, name: &str) -> String {
    format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}")
}

fn role(name: &str, actions: &[&str]) -> Value {
    let scopes = [format!("/subscriptions/{SUBSCRIPTION}")];
    json!({"properties": {"roleName": name, "permissions": [{"actions": actions}], "assignableScopes": scopes}})
}

fn trusts(issuer: &str, subject: &str) -> Value {
    json!({"properties": {"issuer": issuer, "subject": subject, "audiences": ["api://AzureADTokenExchange"]}})
}

/// Client id and principal of a new identity.
fn make_identity(azure: &mut Azure) -> (String, String) {
    let made = azure.put(&identity(), &json!({"location": "eastus2"}));
    assert_eq!(made.status, 201, "{}", made.text());
    let properties = &made.value()["properties"];
    let text = |name: &str| properties[name].as_str().unwrap().to_owned();
    (text("clientId"), text("principalId"))
}

fn log_in_with_token(azure: &mut Azure, client: &str, subject: &str) -> ApiResponse {
    let tenant = azure.world.credentials()[0].tenant_id.clone();
    let claims =
        json!({"iss": ISSUER, "sub": subject, "aud": ["api://AzureADTokenExchange"], "exp": azure.now.seconds() + 600});
    let token = format!("e30.{}.sig", base64url(claims.to_string().as_bytes()));
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", client),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", &token),
        ("scope", "https://management.azure.com/.default"),
    ];
    let mut request = ApiRequest::new("POST", &format!("/{tenant}/oauth2/v2.0/token"));
    request.body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish().into_bytes();
    azure.world.handle_login(azure.now, &request)
}

#[test]
fn an_identity_logs_in_with_the_tokens_that_it_trusts() {
    let mut azure = azure();
    let (client, _) = make_identity(&mut azure);
    // None is trusted yet, and a secret it never has.
    assert_eq!(log_in_with_token(&mut azure, &client, SUBJECT).status, 400);
    assert_eq!(azure.ask_token(&client, "").value()["error_codes"], json!([7_000_215]));
    let federation = format!("{}/federatedIdentityCredentials/amlnet", identity());
    assert_eq!(azure.put(&federation, &trusts(ISSUER, SUBJECT)).status, 201);
    assert_eq!(azure.put(&federation, &trusts(ISSUER, SUBJECT)).status, 200);
    assert_eq!(log_in_with_token(&mut azure, &client, SUBJECT).status, 200);
    let refused = log_in_with_token(&mut azure, &client, "system:serviceaccount:other:amlnet");
    assert_eq!(refused.value()["error_codes"], json!([700_213]));
    let twice = azure.put(&format!("{federation}-2"), &trusts(ISSUER, SUBJECT));
    assert_eq!(
        (twice.status, message(&twice).as_str()),
        (409, "Issuer and subject combination already exists for this Managed Identity.")
    );
    let incomplete = azure.put(&format!("{federation}-2"), &json!({"properties": {"issuer": ISSUER}}));
    assert_eq!((incomplete.status, code(&incomplete).as_str()), (400, "BadRequest"));
    // The identity as it was: a PUT of the same changes neither of its ids.
    assert_eq!(
        azure.put(&identity(), &json!({"location": "eastus2"})).value()["properties"]["clientId"],
        json!(client)
    );
    assert_eq!(
        azure.get(&format!("{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities")).value()["value"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(azure.delete(&federation).status, 200);
    assert_eq!(log_in_with_token(&mut azure, &client, SUBJECT).status, 400);
}

#[test]
fn an_identity_may_do_what_is_assigned_to_it_and_nothing_else() {
    let mut azure = azure();
    let (client, principal) = make_identity(&mut azure);
    azure.put(&format!("{}/federatedIdentityCredentials/amlnet", identity()), &trusts(ISSUER, SUBJECT));
    let actions = ["Microsoft.Network/routeTables/read", "Microsoft.Network/routeTables/routes/write"];
    assert_eq!(azure.put(&definition(ROLE), &role("amlnet route tables", &actions)).status, 201);
    let assigned = json!({"properties": {"roleDefinitionId": definition(ROLE), "principalId": principal, "principalType": "ServicePrincipal"}});
    let owner = azure.token.clone();
    let be_identity = |azure: &mut Azure| {
        let answer = log_in_with_token(azure, &client, SUBJECT);
        answer.value()["access_token"].as_str().unwrap().clone_into(&mut azure.token);
    };
    be_identity(&mut azure);
    assert_eq!(code(&azure.get(TABLE)), "AuthorizationFailed", "nothing is assigned");
    azure.token.clone_from(&owner);
    assert_eq!(azure.put(&assignment(TABLE, FIRST), &assigned).status, 201);
    be_identity(&mut azure);
    assert_eq!(azure.get(TABLE).status, 200);
    azure.settle_route("a", "20.1.0.0/16");
    assert_eq!(code(&azure.delete(&format!("{TABLE}/routes/a"))), "AuthorizationFailed", "not an action of the role");
    assert_eq!(code(&azure.get(&format!("{TABLE}-other"))), "AuthorizationFailed", "another table");
    // It cannot give itself more.
    assert_eq!(code(&azure.put(&assignment(&format!("{TABLE}-other"), SECOND), &assigned)), "AuthorizationFailed");
    azure.token.clone_from(&owner);
    assert_eq!(azure.delete(&assignment(TABLE, FIRST)).status, 200);
    be_identity(&mut azure);
    assert_eq!(code(&azure.get(TABLE)), "AuthorizationFailed", "taken away");
}

#[test]
fn definitions_are_found_by_name_where_they_can_be_assigned() {
    let mut azure = azure();
    azure.put(&definition(ROLE), &role("amlnet route tables", &["Microsoft.Network/routeTables/read"]));
    let found = |azure: &mut Azure, name: &str, scope: &str| {
        let target = format!(
            "{scope}/providers/Microsoft.Authorization/roleDefinitions?$filter=roleName%20eq%20'{name}'&api-version=2022-04-01"
        );
        azure.get(&target).value()["value"].as_array().unwrap().len()
    };
    assert_eq!(found(&mut azure, "amlnet%20route%20tables", TABLE), 1);
    assert_eq!(found(&mut azure, "Reader", GROUP), 1);
    assert_eq!(found(&mut azure, "amlnet%20IP%20groups", TABLE), 0);
    let taken = azure.put(&definition(FIRST), &role("amlnet route tables", &["*/read"]));
    assert_eq!((taken.status, code(&taken).as_str()), (409, "RoleDefinitionWithSameNameExists"));
    let built_in = azure.put(&definition("acdd72a7-3385-48ef-bd42-f606fba81ae7"), &role("Reader", &["*"]));
    assert_eq!(built_in.status, 403);
}

#[test]
fn assignments_are_refused_for_a_reason() {
    let mut azure = azure();
    let (_, principal) = make_identity(&mut azure);
    let wanted = |role: &str, principal: &str| json!({"properties": {"roleDefinitionId": definition(role), "principalId": principal}});
    let unknown = azure.put(&assignment(TABLE, FIRST), &wanted(ROLE, &principal));
    assert_eq!((unknown.status, code(&unknown).as_str()), (400, "RoleDefinitionDoesNotExist"));
    azure.put(&definition(ROLE), &role("amlnet route tables", &["Microsoft.Network/routeTables/read"]));
    // A principal that the directory does not know yet is only taken where its type is said.
    let nobody = azure.put(&assignment(TABLE, FIRST), &wanted(ROLE, SECOND));
    assert_eq!((nobody.status, code(&nobody).as_str()), (400, "PrincipalNotFound"));
    assert_eq!(azure.put(&assignment(TABLE, FIRST), &wanted(ROLE, &principal)).status, 201);
    let again = azure.put(&assignment(TABLE, SECOND), &wanted(ROLE, &principal));
    assert_eq!((again.status, code(&again).as_str()), (409, "RoleAssignmentExists"));
    assert_eq!(code(&azure.put(&assignment(TABLE, "x"), &wanted(ROLE, &principal))), "InvalidRoleAssignmentId");
    assert_eq!(azure.put(&assignment(&format!("{TABLE}-none"), SECOND), &wanted(ROLE, &principal)).status, 404);
    assert_eq!(code(&azure.delete(&definition(ROLE))), "RoleDefinitionHasAssignments");
    let list = |azure: &mut Azure, scope: &str, filter: &str| {
        let target =
            format!("{scope}/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01{filter}");
        azure.get(&target).value()["value"].as_array().unwrap().len()
    };
    assert_eq!(list(&mut azure, TABLE, "&$filter=atScope()"), 1);
    assert_eq!(list(&mut azure, GROUP, "&$filter=atScope()"), 0, "below");
    assert_eq!(list(&mut azure, GROUP, ""), 1);
    assert_eq!(list(&mut azure, GROUP, &format!("&$filter=principalId%20eq%20'{SECOND}'")), 0);
}
