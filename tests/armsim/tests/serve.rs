//! The simulator over real HTTPS, as a client of Azure sees it, and its control interface. Behaviour of the model that
//! needs no socket is tested beside the model.

#![allow(clippy::unwrap_used, reason = "a test that panics says where")]

#[path = "serve/held.rs"]
mod held;
#[path = "serve/rule_collection_groups.rs"]
mod rule_collection_groups;

use armsim::{
    model::World,
    server::{self, Options, Running},
};
use reqwest::{Certificate, Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const TABLE: &str = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg-ml/providers/Microsoft.Network/routeTables/rt-ml";
const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64)";

struct Server {
    running: Running,
    client: Client,
    token: String,
}

impl Server {
    async fn start(yaml: &str) -> Self {
        Self::start_world(World::from_yaml(yaml, Path::new(".")).unwrap()).await
    }

    async fn start_world(world: World) -> Self {
        let running = server::start(world.with_time_scale(0.01), Options::default()).await.unwrap();
        let ca = std::fs::read(&running.endpoints.ca_file).unwrap();
        let client = Client::builder()
            .tls_built_in_root_certs(false)
            .add_root_certificate(Certificate::from_pem(&ca).unwrap())
            .no_proxy()
            .build()
            .unwrap();
        let mut server = Self { running, client, token: String::new() };
        let answer = server.log_in("armsim-secret").await;
        assert_eq!(answer.status(), 200);
        let token = json_of(answer).await["access_token"].as_str().map(str::to_owned);
        server.token = token.unwrap();
        server
    }

    async fn log_in(&self, secret: &str) -> Response {
        let credentials = &self.running.endpoints.credentials;
        let scope = format!("{}/.default", self.running.endpoints.arm);
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &credentials.client_id),
            ("client_secret", secret),
            ("scope", &scope),
        ];
        let url = format!("{}/{}/oauth2/v2.0/token", self.running.endpoints.login, credentials.tenant_id);
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        self.client
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
            .send()
            .await
            .unwrap()
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with("https://") {
            path.to_owned()
        } else {
            format!("{}{path}?api-version=2024-03-01", self.running.endpoints.arm)
        };
        self.client.request(method, url).bearer_auth(&self.token)
    }

    async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    async fn put_route(&self, name: &str, prefix: &str) -> reqwest::Result<Response> {
        let body = json!({"properties": {"addressPrefix": prefix, "nextHopType": "Internet"}});
        self.request(Method::PUT, &format!("{TABLE}/routes/{name}")).json(&body).send().await
    }

    /// Polls as a client would, with a deadline.
    async fn settled(&self, accepted: &Response) -> Value {
        let url = accepted.headers()["azure-asyncoperation"].to_str().unwrap().to_owned();
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let status = json_of(self.get(&url).await).await;
            if status["status"] != "InProgress" {
                return status;
            }
            assert!(Instant::now() < deadline, "the operation did not end: {status}");
        }
    }

    async fn control(&self, method: Method, path: &str, body: Option<Value>) -> Response {
        let request = self.client.request(method, format!("{}{path}", self.running.endpoints.control));
        match body {
            Some(body) => request.json(&body),
            None => request,
        }
        .send()
        .await
        .unwrap()
    }

    async fn download(&self, url: &str) -> Response {
        self.client.get(url).header("user-agent", BROWSER).send().await.unwrap()
    }
}

async fn json_of(response: Response) -> Value {
    response.json().await.unwrap()
}

fn world() -> String {
    format!(
        "resources:\n- id: {TABLE}\n  location: eastus2\n  tags: {{owner: network}}\n  properties:\n    routes:\n    \
         - name: default\n      properties: {{addressPrefix: 0.0.0.0/0, nextHopType: VirtualAppliance, nextHopIpAddress: 10.0.1.4}}\n"
    )
}

#[tokio::test]
async fn a_route_is_written_polled_read_and_deleted() {
    let server = Server::start(&world()).await;
    let created = server.put_route("amlnet.prod.a", "13.66.87.128/26").await.unwrap();
    assert_eq!(created.status(), 201);
    assert_eq!(created.headers()["azure-asyncnotification"], "Enabled");
    assert_eq!(created.headers()["x-ms-retry-after-ms"], "20");
    assert!(created.headers()["azure-asyncoperation"].len() > 4_500);
    assert!(created.headers().contains_key("x-ms-correlation-request-id"));
    assert_eq!(server.settled(&created).await, json!({"status": "Succeeded"}));

    let table = server.get(TABLE).await;
    let etag = table.headers()["etag"].to_str().unwrap().to_owned();
    let table = json_of(table).await;
    assert_eq!(table["etag"], etag.as_str());
    assert_eq!(table["properties"]["routes"].as_array().unwrap().len(), 2);

    let deleted = server.request(Method::DELETE, &format!("{TABLE}/routes/amlnet.prod.a")).send().await.unwrap();
    assert_eq!(deleted.status(), 202);
    server.settled(&deleted).await;
    let result = deleted.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(server.get(&result).await.status(), 204);
    assert_eq!(server.get(&format!("{TABLE}/routes/amlnet.prod.a")).await.status(), 404);
}

#[tokio::test]
async fn a_wrong_secret_and_a_missing_token_are_refused() {
    let server = Server::start(&world()).await;
    let refused = server.log_in("wrong").await;
    assert_eq!(refused.status(), 401);
    let refused = json_of(refused).await;
    assert_eq!(refused["error"], "invalid_client");
    assert!(refused["error_description"].as_str().unwrap().starts_with("AADSTS7000215: "));

    let url = format!("{}{TABLE}?api-version=2024-03-01", server.running.endpoints.arm);
    let refused = server.client.get(url).send().await.unwrap();
    assert_eq!(refused.status(), 401);
    assert!(refused.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer authorization_uri="));
    assert_eq!(json_of(refused).await["error"]["code"], "AuthenticationFailed");
}

#[tokio::test]
async fn openid_discovery_leads_to_the_token_endpoint() {
    let server = Server::start(&world()).await;
    let login = &server.running.endpoints.login;
    let tenant = &server.running.endpoints.credentials.tenant_id;
    let instance = format!(
        "{login}/common/discovery/instance?api-version=1.1&authorization_endpoint={login}/{tenant}/oauth2/v2.0/authorize"
    );
    let instance = json_of(server.client.get(instance).send().await.unwrap()).await;
    let configuration = instance["tenant_discovery_endpoint"].as_str().unwrap().to_owned();
    let configuration = json_of(server.client.get(configuration).send().await.unwrap()).await;
    assert_eq!(configuration["token_endpoint"], format!("{login}/{tenant}/oauth2/v2.0/token"));
}

#[tokio::test]
async fn connections_are_cut_before_or_after_the_write() {
    let server = Server::start(&world()).await;
    for (effect, name, prefix, present) in
        [("dropBefore", "a", "20.1.0.0/16", false), ("dropAfterCommit", "b", "20.2.0.0/16", true)]
    {
        let fault = json!({"match": {"method": "PUT", "pathContains": "/routes/"}, "effect": effect});
        assert_eq!(server.control(Method::POST, "/faults", Some(fault)).await.status(), 200);
        let error = server.put_route(name, prefix).await.unwrap_err();
        assert!(error.is_request(), "{error:?}");
        let found = server.get(&format!("{TABLE}/routes/{name}")).await.status() == StatusCode::OK;
        assert_eq!(found, present, "{effect}");
    }
}

#[tokio::test]
async fn a_withheld_answer_never_comes_but_the_write_is_done() {
    let server = Server::start(&world()).await;
    let fault = json!([{"match": {"method": "PUT"}, "effect": "withhold"}]);
    server.control(Method::POST, "/faults", Some(fault)).await;
    let body = json!({"properties": {"addressPrefix": "20.1.0.0/16", "nextHopType": "Internet"}});
    let request = server.request(Method::PUT, &format!("{TABLE}/routes/a")).json(&body);
    let error = request.timeout(Duration::from_secs(3)).send().await.unwrap_err();
    assert!(error.is_timeout(), "{error:?}");
    assert_eq!(server.get(&format!("{TABLE}/routes/a")).await.status(), 200);
}

#[tokio::test]
async fn the_control_interface_changes_and_tells() {
    let server = Server::start(&world()).await;
    let settings = json!({"latencies": {"route": "1h"}});
    assert_eq!(server.control(Method::PUT, "/settings", Some(settings)).await.status(), 200);
    server.put_route("a", "20.1.0.0/16").await.unwrap();
    let locked = server.put_route("b", "20.2.0.0/16").await.unwrap();
    assert_eq!(locked.status(), 429);
    let log = json_of(server.control(Method::GET, "/log", None).await).await;
    let statuses: Vec<&Value> = log.as_array().unwrap().iter().map(|entry| &entry["status"]).collect();
    assert_eq!(statuses, [201, 429]);
    assert_eq!(log[0]["client"], server.running.endpoints.credentials.client_id.as_str());
    assert!(log[0]["url"].as_str().unwrap().ends_with("/routes/a?api-version=2024-03-01"));

    let route = json!({"id": format!("{TABLE}/routes/foreign"), "properties": {"addressPrefix": "10.9.0.0/16", "nextHopType": "None"}});
    let placed = server.control(Method::PUT, "/resource", Some(route)).await;
    assert_eq!(placed.status(), 200);
    assert_eq!(json_of(placed).await["properties"]["provisioningState"], "Succeeded");
    let id = format!("/resource?id={TABLE}/routes/default");
    assert_eq!(server.control(Method::DELETE, &id, None).await.status(), 204);
    let table = json_of(server.control(Method::GET, &format!("/resource?id={TABLE}"), None).await).await;
    let names: Vec<&Value> =
        table["properties"]["routes"].as_array().unwrap().iter().map(|route| &route["name"]).collect();
    assert_eq!(names, ["a", "foreign"]);

    let history = json_of(server.control(Method::GET, &format!("/history?id={TABLE}"), None).await).await;
    let clients: Vec<&Value> = history.as_array().unwrap().iter().map(|state| &state["client"]).collect();
    assert_eq!(clients, ["world", "22222222-2222-4222-8222-222222222222", "control", "control"]);
    assert_eq!(
        history[0]["entries"],
        json!([{"name": "default", "addressPrefix": "0.0.0.0/0", "nextHopType": "VirtualAppliance", "nextHopIpAddress": "10.0.1.4", "provisioningState": "Succeeded"}])
    );
    assert!(history[0]["at"].as_str() > Some("2020"), "the world begins when the server does");
    assert_eq!(server.control(Method::GET, "/log?server=nobody", None).await.status(), 400);
    assert_eq!(server.control(Method::POST, "/faults", Some(json!({"effect": "x"}))).await.status(), 400);
}

#[tokio::test]
async fn two_processes_can_be_told_apart() {
    let server = Server::start(&world()).await;
    server.request(Method::GET, TABLE).header("x-armsim-client", "second").send().await.unwrap();
    let client = server.running.world().log().last().unwrap().client.clone();
    assert!(client.ends_with("/second"), "{client}");
}

#[tokio::test]
async fn files_are_published_in_order_and_downloaded_conditionally() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, number: u32| {
        std::fs::write(
            folder.path().join(name),
            format!("{{\"changeNumber\": {number}, \"cloud\": \"Public\", \"values\": []}}"),
        )
        .unwrap();
    };
    file("2025-07-20_change362.json", 362);
    file("week.json", 363);
    let yaml = "serviceTagFiles: [2025-07-20_change362.json, week.json]";
    let server = Server::start_world(World::from_yaml(yaml, folder.path()).unwrap()).await;
    let page = server.running.endpoints.download_page.clone();

    let plain = server.client.get(&page).header("user-agent", "curl/8").send().await.unwrap();
    assert_eq!(plain.status(), 403);
    let html = server.download(&page).await.text().await.unwrap();
    assert!(html.contains("ServiceTags_Public_20250720.json") && html.contains("window.__DLCDetails__="));
    assert!(!html.contains("20250113"));

    let published = json_of(server.control(Method::POST, "/publish", None).await).await;
    assert_eq!(published["changeNumber"], 363);
    assert_eq!(published["name"], "ServiceTags_Public_20250113.json");
    let html = server.download(&page).await.text().await.unwrap();
    assert!(html.find("20250720").unwrap() < html.find("20250113").unwrap(), "the older one is listed first");

    let url = published["url"].as_str().unwrap();
    let fresh = server.download(url).await;
    assert_eq!(fresh.status(), 200);
    let etag = fresh.headers()["etag"].clone();
    let modified = fresh.headers()["last-modified"].clone();
    assert_eq!(fresh.json::<Value>().await.unwrap()["changeNumber"], 363);
    for (name, value) in [("if-none-match", etag), ("if-modified-since", modified)] {
        let request = server.client.get(url).header("user-agent", BROWSER).header(name, value);
        assert_eq!(request.send().await.unwrap().status(), 304, "{name}");
    }
    assert_eq!(server.control(Method::POST, "/publish", None).await.status(), 409);
    let again = json_of(server.control(Method::POST, "/publish", Some(json!({"index": 0}))).await).await;
    assert_eq!(again["changeNumber"], 362);
}

#[tokio::test]
async fn the_page_has_every_style_that_readers_met() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.json"), "{\"changeNumber\": 1, \"cloud\": \"Public\"}").unwrap();
    let server = Server::start_world(World::from_yaml("serviceTagFiles: [a.json]", folder.path()).unwrap()).await;
    let details = server.running.endpoints.download_page.clone();
    let confirmation = details.replace("details", "confirmation");
    for (style, on_details, on_confirmation) in [
        ("both", vec!["<a href=", "__DLCDetails__"], vec![]),
        ("anchors", vec!["<a href="], vec![]),
        ("embedded", vec!["__DLCDetails__"], vec![]),
        ("confirmation", vec!["confirmation.aspx?id=56519"], vec!["<a href=", "ServiceTags_Public_20250106.json"]),
        (
            "metaRefresh",
            vec!["confirmation.aspx?id=56519"],
            vec!["http-equiv=\"refresh\"", "ServiceTags_Public_20250106.json"],
        ),
        ("html-error", vec!["Something went wrong"], vec![]),
    ] {
        server.control(Method::PUT, "/settings", Some(json!({"pageStyle": style}))).await;
        let shown = server.download(&details).await;
        assert_eq!(shown.status(), 200);
        let shown = shown.text().await.unwrap();
        assert!(on_details.iter().all(|part| shown.contains(part)), "{style}: {shown}");
        let direct = matches!(style, "both" | "anchors" | "embedded");
        assert_eq!(shown.contains("ServiceTags_Public_20250106.json"), direct, "{style}");
        let shown = server.download(&confirmation).await;
        assert_eq!(shown.status().is_success(), !on_confirmation.is_empty(), "{style}");
        let shown = shown.text().await.unwrap();
        assert!(on_confirmation.iter().all(|part| shown.contains(part)), "{style}: {shown}");
    }
}

#[tokio::test]
async fn an_ip_group_that_a_firewall_uses_is_written_and_watched() {
    let of = |rest: &str| TABLE.replace("routeTables/rt-ml", rest);
    let (group, policy, firewall) = (of("ipGroups/amlnet"), of("firewallPolicies/p"), of("azureFirewalls/f"));
    let rule = json!({"ruleType": "NetworkRule", "name": "r", "destinationIpGroups": [group]});
    let rules = json!({"priority": 200, "ruleCollections": [{"name": "c", "rules": [rule]}]});
    let resources = json!([
        {"id": group, "location": "eastus2", "tags": {"amlnet": "prod"}, "properties": {"ipAddresses": ["20.1.0.0/16"]}},
        {"id": policy, "location": "eastus2"},
        {"id": format!("{policy}/ruleCollectionGroups/g"), "properties": rules},
        {"id": firewall, "location": "eastus2", "properties": {"firewallPolicy": {"id": policy}}},
    ]);
    let server =
        Server::start(&format!("resources: {resources}\nlatencies: {{attachedFirewall: [150s, 150s]}}\n")).await;
    let body = json!({"location": "eastus2", "tags": {"amlnet": "prod"}, "properties": {"ipAddresses": ["20.1.0.0/16", "20.2.0.0/16"]}});
    let accepted = server.request(Method::PUT, &group).json(&body).send().await.unwrap();
    assert_eq!(
        (accepted.status(), &accepted.headers()["x-ms-retry-after-ms"]),
        (StatusCode::OK, &"100".parse().unwrap())
    );
    let refused = server.request(Method::PUT, &group).json(&body).send().await.unwrap();
    assert_eq!(refused.status(), 409);
    assert_eq!(json_of(refused).await["error"]["code"], "AnotherOperationInProgress");
    for id in [&policy, &firewall] {
        let held = json_of(server.control(Method::GET, &format!("/resource?id={id}"), None).await).await;
        assert_eq!(held["properties"]["provisioningState"], "Updating");
    }
    assert_eq!(server.settled(&accepted).await, json!({"status": "Succeeded"}));
    let read = server.get(&group).await;
    assert!(read.headers()["etag"].to_str().unwrap().starts_with('"'));
    let text = read.text().await.unwrap();
    assert!(
        text.starts_with("{\r\n  \"properties\": {\r\n    \"firewalls\": [],\r\n    \"firewallPolicies\": [\r\n"),
        "{text}"
    );

    let fault = json!({"match": {"method": "PUT", "pathContains": "/ipGroups/"}, "effect": {"ipGroupsUpdateFailed": {"failsAttached": true}}});
    server.control(Method::POST, "/faults", Some(fault)).await;
    let accepted = server.request(Method::PUT, &group).json(&body).send().await.unwrap();
    assert_eq!(server.settled(&accepted).await["error"]["code"], "IpGroupsUpdateFailed");
    for id in [&group, &policy, &firewall] {
        assert_eq!(json_of(server.get(id).await).await["properties"]["provisioningState"], "Failed");
    }
    let placed = json!({"id": firewall, "location": "eastus2", "properties": {"firewallPolicy": {"id": policy}}});
    let placed = server.control(Method::PUT, "/resource", Some(placed)).await;
    assert_eq!(json_of(placed).await["properties"]["provisioningState"], "Succeeded");

    let history = json_of(server.control(Method::GET, &format!("/history?id={group}"), None).await).await;
    let entries: Vec<&Value> = history.as_array().unwrap().iter().map(|state| &state["entries"]).collect();
    let (one, two) = (json!(["20.1.0.0/16"]), json!(["20.1.0.0/16", "20.2.0.0/16"]));
    assert_eq!(entries, [&one, &two, &two, &two, &json!([])]);
    let log = json_of(server.control(Method::GET, "/log", None).await).await;
    let is_put = |entry: &&Value| entry["method"] == "PUT" && entry["url"].as_str().unwrap().starts_with(&group);
    let puts: Vec<&Value> = log.as_array().unwrap().iter().filter(is_put).map(|entry| &entry["status"]).collect();
    assert_eq!(puts, [200, 409, 200]);
}

#[tokio::test]
async fn a_security_rule_is_written_refused_and_watched() {
    let group = TABLE.replace("routeTables/rt-ml", "networkSecurityGroups/nsg-ml");
    let server = Server::start(&format!("resources: [{{id: {group}, location: eastus2}}]\n")).await;
    let put = |name: &str, priority: u32, to: &str| {
        let body = json!({"properties": {
            "protocol": "Tcp", "access": "Allow", "direction": "Outbound", "priority": priority, "sourceAddressPrefix": "*",
            "sourcePortRange": "*", "destinationAddressPrefix": to, "destinationPortRange": "443",
        }});
        server.request(Method::PUT, &format!("{group}/securityRules/{name}")).json(&body).send()
    };
    let created = put("a", 200, "Storage").await.unwrap();
    assert_eq!(
        (created.status(), &created.headers()["x-ms-retry-after-ms"]),
        (StatusCode::CREATED, &"10".parse().unwrap())
    );
    assert_eq!(server.settled(&created).await, json!({"status": "Succeeded"}));
    let refused = put("b", 200, "Sql").await.unwrap();
    assert_eq!(refused.status(), 400);
    assert_eq!(json_of(refused).await["error"]["code"], "SecurityRuleConflict");

    let theirs = json!({"id": format!("{group}/securityRules/theirs"), "properties": {
        "protocol": "*", "access": "Deny", "direction": "Outbound", "priority": 100, "sourceAddressPrefix": "*",
        "sourcePortRange": "*", "destinationAddressPrefixes": ["20.1.0.0/16"], "destinationPortRanges": ["80", "443"],
    }});
    let placed = server.control(Method::PUT, "/resource", Some(theirs)).await;
    assert_eq!(json_of(placed).await["properties"]["provisioningState"], "Succeeded");
    let shown = json_of(server.control(Method::GET, &format!("/resource?id={group}"), None).await).await;
    assert_eq!(shown["properties"]["securityRules"].as_array().unwrap().len(), 2);
    assert_eq!(shown["properties"]["defaultSecurityRules"].as_array().unwrap().len(), 6);
    let deleted = server.request(Method::DELETE, &format!("{group}/securityRules/a")).send().await.unwrap();
    server.settled(&deleted).await;

    let history = json_of(server.control(Method::GET, &format!("/history?id={group}"), None).await).await;
    let count: Vec<usize> =
        history.as_array().unwrap().iter().map(|state| state["entries"].as_array().unwrap().len()).collect();
    assert_eq!(count, [0, 1, 1, 2, 2, 1]);
    let last = &history[5]["entries"][0];
    assert_eq!(
        *last,
        json!({
            "name": "theirs", "direction": "Outbound", "priority": 100, "access": "Deny", "protocol": "*",
            "sourceAddresses": ["*"], "sourcePorts": ["*"], "destinationAddresses": ["20.1.0.0/16"],
            "destinationPorts": ["80", "443"], "provisioningState": "Succeeded",
        })
    );
}

#[tokio::test]
async fn only_loopback_is_served() {
    let options = Options { listen: "0.0.0.0:0".parse().unwrap(), log: None };
    assert!(matches!(server::start(World::default(), options).await, Err(server::Error::NotLoopback(_))));
}

#[test]
fn the_command_says_when_it_is_ready_and_ends_with_its_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let world_file = folder.path().join("world.yaml");
    std::fs::write(&world_file, world()).unwrap();
    let log = folder.path().join("log.jsonl");
    let mut child = Command::new(env!("CARGO_BIN_EXE_armsim"))
        .args(["serve", "--until-stdin-closes", "--seed", "7", "--time-scale", "0.01", "--world"])
        .arg(&world_file)
        .arg("--log")
        .arg(&log)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    for key in ["arm", "login", "metadata", "downloadPage", "caFile", "control"] {
        assert!(ready[key].is_string(), "{key} in {line}");
    }
    for key in ["tenantId", "clientId", "clientSecret"] {
        assert!(ready["credentials"][key].is_string(), "{key} in {line}");
    }
    assert!(log.exists());
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert!(!Path::new(ready["caFile"].as_str().unwrap()).exists(), "the folder outlived the server");
}
