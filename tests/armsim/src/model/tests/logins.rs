//! Every way to get a token, and what each is refused for.

use super::{Azure, TABLE};
use crate::model::{ApiRequest, ApiResponse, Time, World, encoding::base64url, managed_identity};
use serde_json::{Value, json};
use std::path::Path;

const TENANT: &str = "11111111-1111-4111-8111-111111111111";
const CLIENT: &str = "22222222-2222-4222-8222-222222222222";
const NOW: u64 = 1_731_028_284;

fn world(yaml: &str) -> World {
    let table = format!("resources: [{{id: {TABLE}, location: eastus2}}]\n");
    World::from_yaml(&format!("{table}{yaml}"), Path::new(".")).unwrap()
}

fn now() -> Time {
    Time::from_millis(NOW * 1000)
}

fn jwt(claims: &Value) -> String {
    format!("{}.{}.c2ln", base64url(b"{\"alg\":\"RS256\"}"), base64url(claims.to_string().as_bytes()))
}

fn post(world: &mut World, path: &str, form: &[(&str, &str)]) -> ApiResponse {
    let mut request = ApiRequest::new("POST", path);
    request.body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish().into_bytes();
    world.handle_login(now(), &request)
}

fn exchange(world: &mut World, claims: &Value) -> ApiResponse {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT),
        ("scope", "https://management.azure.com/.default openid offline_access"),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", &jwt(claims)),
    ];
    post(world, &format!("/{TENANT}/oauth2/v2.0/token"), &form)
}

fn number(answer: &ApiResponse) -> u64 {
    answer.value()["error_codes"][0].as_u64().unwrap_or_default()
}

const FEDERATED: &str =
    "credentials: [{federated: [{issuer: 'https://issuer', subject: 'system:serviceaccount:a:b'}]}]";

#[test]
fn a_federated_token_is_exchanged() {
    let good = json!({"iss": "https://issuer", "sub": "system:serviceaccount:a:b", "aud": "api://AzureADTokenExchange", "exp": NOW + 60});
    let but = |field: &str, value: Value| {
        let mut claims = good.clone();
        claims[field] = value;
        claims
    };
    let mut world = world(FEDERATED);
    let answer = exchange(&mut world, &good);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let token = answer.value()["access_token"].as_str().unwrap().to_owned();
    let get = ApiRequest::new("GET", &format!("{TABLE}?api-version=2024-03-01"));
    let get = get.with_header("authorization", &format!("Bearer {token}"));
    assert_eq!(world.handle(now(), &get).status, 200);

    assert_eq!(exchange(&mut world, &but("aud", json!(["api://AzureADTokenExchange"]))).status, 200);
    assert_eq!(number(&exchange(&mut world, &but("aud", json!("other")))), 700_212);
    assert_eq!(number(&exchange(&mut world, &but("sub", json!("other")))), 700_213);
    assert_eq!(number(&exchange(&mut world, &but("iss", json!("other")))), 700_211);
    assert_eq!(number(&exchange(&mut world, &but("exp", json!(NOW)))), 700_024);
    assert_eq!(number(&exchange(&mut world, &but("nbf", json!(NOW + 3600)))), 700_024);
    // A client that signs with its own certificate names itself.
    let own = json!({"iss": CLIENT, "sub": CLIENT, "aud": "https://login", "exp": NOW + 60});
    assert_eq!(exchange(&mut world, &own).status, 200);
    let form = [("grant_type", "client_credentials"), ("client_id", CLIENT), ("client_assertion", "nonsense")];
    assert_eq!(number(&post(&mut world, &format!("/{TENANT}/oauth2/v2.0/token"), &form)), 50027);
}

#[test]
fn the_first_version_of_the_endpoint_takes_a_resource() {
    let mut world = world("limits: {tokenRefreshIn: 10m}");
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT),
        ("client_secret", "armsim-secret"),
        ("resource", "https://management.core.windows.net/"),
    ];
    let answer = post(&mut world, &format!("/{TENANT}/oauth2/token"), &form).value();
    assert_eq!((answer["expires_in"].as_u64(), answer["refresh_in"].as_u64()), (Some(3600), Some(600)));
    let none = post(&mut world, &format!("/{TENANT}/oauth2/token"), &form[..3]);
    assert_eq!(number(&none), 70011);
    let other = post(&mut world, &format!("/{TENANT}/oauth2/token"), &[("grant_type", "password")]);
    assert_eq!(number(&other), 70003);
}

#[test]
fn discovery_names_the_endpoints_of_the_tenant() {
    let mut world = world("");
    let mut get = |path: &str| world.handle_login(now(), &ApiRequest::new("GET", path)).value();
    for path in [
        format!("/{TENANT}/v2.0/.well-known/openid-configuration"),
        format!("/{TENANT}/.well-known/openid-configuration"),
    ] {
        let found = get(&path);
        assert_eq!(found["issuer"], format!("https://login.microsoftonline.com/{TENANT}/v2.0"));
        assert!(found["token_endpoint"].as_str().unwrap().ends_with("/oauth2/v2.0/token"));
    }
    let instance = get(
        "/common/discovery/instance?api-version=1.1&authorization_endpoint=https%3A%2F%2Flogin.microsoftonline.com%2Fcommon%2Foauth2%2Fauthorize",
    );
    assert_eq!(instance["metadata"][0]["aliases"], json!(["login.microsoftonline.com"]));
    assert_eq!(get(&format!("/{TENANT}/discovery/v2.0/keys")), json!({"keys": []}));
}

const SYSTEM: &str = "33333333-3333-4333-8333-333333333333";
const USER: &str = "44444444-4444-4444-8444-444444444444";

fn ask(world: &mut World, path: &str, header: (&str, &str)) -> ApiResponse {
    world.handle_metadata(now(), &ApiRequest::new("GET", path).with_header(header.0, header.1))
}

fn machine(world: &mut World, query: &str) -> ApiResponse {
    ask(world, &format!("/metadata/identity/oauth2/token?api-version=2018-02-01{query}"), ("metadata", "true"))
}

#[test]
fn a_machine_has_identities() {
    let mut world = world(&format!(
        "managedIdentities:\n- {{clientId: {SYSTEM}}}\n- {{clientId: {USER}, kind: userAssigned, resourceId: /subscriptions/s/id, objectId: o}}"
    ));
    let resource = "&resource=https://management.azure.com/";
    let answer = machine(&mut world, resource).value();
    assert_eq!((answer["client_id"].as_str(), answer["expires_in"].as_str()), (Some(SYSTEM), Some("3600")));
    assert_eq!(answer["expires_on"], (NOW + 3600).to_string());
    for by in [format!("client_id={USER}"), "mi_res_id=/Subscriptions/s/id".to_owned(), "object_id=o".to_owned()] {
        assert_eq!(machine(&mut world, &format!("{resource}&{by}")).value()["client_id"], USER, "{by}");
    }
    let mut azure = Azure::new(world);
    let token = machine(&mut azure.world, resource).value()["access_token"].as_str().unwrap().to_owned();
    azure.token = token;
    assert_eq!(azure.get(TABLE).status, 200);
    assert!(azure.world.log().iter().any(|entry| entry.client == SYSTEM));
}

#[test]
fn a_machine_refuses_as_the_real_one() {
    let mut world = world(&format!(
        "managedIdentities:\n- {{clientId: {USER}, kind: userAssigned}}\n- {{clientId: {SYSTEM}, kind: userAssigned}}"
    ));
    let why = |answer: &ApiResponse| {
        assert_eq!((answer.status, answer.value()["error"].as_str()), (400, Some("invalid_request")));
        answer.value()["error_description"].as_str().unwrap().to_owned()
    };
    assert!(why(&machine(&mut world, "&resource=r")).starts_with("Multiple user assigned identities exist"));
    assert_eq!(why(&machine(&mut world, "&resource=r&client_id=none")), "Identity not found");
    assert_eq!(why(&machine(&mut world, "")), "Required audience parameter not specified");
    let path = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=r";
    assert_eq!(why(&ask(&mut world, path, ("accept", "*/*"))), "Required metadata header not specified");
    let request =
        ApiRequest::new("GET", path).with_header("metadata", "true").with_header("x-forwarded-for", "1.2.3.4");
    assert_eq!(world.handle_metadata(now(), &request).status, 400, "not through a proxy");
    let mut nobody = self::world("");
    assert_eq!(why(&machine(&mut nobody, "&resource=r")), "Identity not found");
}

#[test]
fn app_service_has_an_endpoint_with_a_secret() {
    let mut world = world(&format!("managedIdentities: [{{clientId: {SYSTEM}}}]"));
    let path = format!("{}?api-version=2019-08-01&resource=r", managed_identity::APP_SERVICE_PATH);
    let header = ("x-identity-header", managed_identity::APP_SERVICE_HEADER);
    let answer = ask(&mut world, &path, header).value();
    assert_eq!((answer["client_id"].as_str(), answer["token_type"].as_str()), (Some(SYSTEM), Some("Bearer")));
    assert_eq!(ask(&mut world, &path, ("x-identity-header", "guess")).status, 401);
    let refused = ask(&mut world, &format!("{path}&client_id=none"), header);
    assert_eq!((refused.status, refused.value()["statusCode"].as_u64()), (400, Some(400)));
}

#[test]
fn a_fault_may_hit_the_metadata_service() {
    let mut world = world("faults: [{match: {server: metadata}, effect: {status: {code: 410}}}]");
    assert_eq!(machine(&mut world, "&resource=r").status, 410);
    assert_eq!(machine(&mut world, "&resource=r").status, 400);
}

#[test]
fn a_cloud_tells_where_its_services_are_to_anybody() {
    let mut world = world("");
    let mut get = |version: &str| {
        let request = ApiRequest::new("GET", &format!("/metadata/endpoints?api-version={version}"));
        world.handle(now(), &request).value()
    };
    let login = "https://login.microsoftonline.com";
    assert_eq!(get("2022-09-01")["authentication"]["loginEndpoint"], login);
    assert_eq!(get("2019-05-01")[0]["authentication"]["loginEndpoint"], login);
    assert_eq!(get("2015-01-01")["authentication"]["loginEndpoint"], login);
    let mut azure = Azure::with_table();
    assert_eq!(azure.get("/tenants").value()["value"][0]["tenantId"], TENANT);
}
