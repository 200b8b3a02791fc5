//! Tests of the model on simulated time: what a client sees, request by request.

mod access;
mod assignments;
mod attached;
mod bodies;
mod discovery;
mod firewall_policies;
mod firewall_rules;
mod firewalls;
mod governance;
mod ip_groups;
mod limits;
mod logins;
mod operations;
mod policy_drafts;
mod policy_governance;
mod refusals;
mod security_groups;
mod security_rules;
mod worlds;

use super::{ApiRequest, ApiResponse, Time, World};
use serde_json::{Value, json};
use std::time::Duration;

const SUBSCRIPTION: &str = "0b1f6471-1bf0-4dda-aec3-cb9272f09590";
const GROUP: &str = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg-ml";
const TABLE: &str = "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590/resourceGroups/rg-ml/providers/Microsoft.Network/routeTables/rt-ml";

/// A world with a token and a clock that stands still unless told otherwise.
struct Azure {
    world: World,
    now: Time,
    token: String,
}

impl Azure {
    fn new(world: World) -> Self {
        let mut azure = Self { world, now: Time::from_millis(1_731_028_284_394), token: String::new() };
        azure.log_in();
        azure
    }

    /// One table with a default route to a firewall.
    fn with_table() -> Self {
        let default = ("default", "0.0.0.0/0", "VirtualAppliance", Some("10.0.1.4"));
        Self::new(World::default().with_route_table(TABLE, "eastus2", &[default]))
    }

    fn log_in(&mut self) {
        let known = self.world.credentials()[0].clone();
        let answer = self.ask_token(&known.client_id, &known.client_secret);
        assert_eq!(answer.status, 200, "{}", answer.text());
        self.token = answer.value()["access_token"].as_str().unwrap().to_owned();
    }

    fn ask_token(&mut self, client: &str, secret: &str) -> ApiResponse {
        let tenant = self.world.credentials()[0].tenant_id.clone();
        let mut request = ApiRequest::new("POST", &format!("/{tenant}/oauth2/v2.0/token"));
        request.body = format!(
            "grant_type=client_credentials&client_id={client}&client_secret={secret}&scope=https%3A%2F%2Fmanagement.azure.com%2F.default"
        )
        .into_bytes();
        self.world.handle_login(self.now, &request)
    }

    fn request(&self, method: &str, target: &str) -> ApiRequest {
        let target = match target.strip_prefix("https://management.azure.com") {
            Some(target) => target.to_owned(),
            None if target.contains('?') => target.to_owned(),
            None => format!("{target}?api-version=2024-03-01"),
        };
        ApiRequest::new(method, &target).with_header("authorization", &format!("Bearer {}", self.token))
    }

    fn send(&mut self, request: &ApiRequest) -> ApiResponse {
        self.world.handle(self.now, request)
    }

    fn get(&mut self, target: &str) -> ApiResponse {
        let request = self.request("GET", target);
        self.send(&request)
    }

    fn delete(&mut self, target: &str) -> ApiResponse {
        let request = self.request("DELETE", target);
        self.send(&request)
    }

    fn put(&mut self, target: &str, body: &Value) -> ApiResponse {
        let request = self.request("PUT", target).with_json(body);
        self.send(&request)
    }

    fn put_route(&mut self, name: &str, prefix: &str) -> ApiResponse {
        self.put(
            &format!("{TABLE}/routes/{name}"),
            &json!({"properties": {"addressPrefix": prefix, "nextHopType": "Internet"}}),
        )
    }

    /// A route that is written to the end.
    fn settle_route(&mut self, name: &str, prefix: &str) {
        let accepted = self.put_route(name, prefix);
        assert!(accepted.status < 300, "{}", accepted.text());
        self.pass(2_000);
    }

    fn pass(&mut self, millis: u64) {
        self.now = self.now.plus(Duration::from_millis(millis));
    }

    fn table(&mut self) -> Value {
        self.get(TABLE).value()
    }

    fn route_names(&mut self) -> Vec<String> {
        let table = self.table();
        let routes = table["properties"]["routes"].as_array().unwrap();
        routes.iter().map(|route| route["name"].as_str().unwrap().to_owned()).collect()
    }
}

fn code(response: &ApiResponse) -> String {
    response.value()["error"]["code"].as_str().unwrap_or_default().to_owned()
}

fn message(response: &ApiResponse) -> String {
    response.value()["error"]["message"].as_str().unwrap_or_default().to_owned()
}

fn header(response: &ApiResponse, name: &str) -> String {
    response.header(name).unwrap_or_else(|| panic!("no header {name} in {:?}", response.headers)).to_owned()
}
