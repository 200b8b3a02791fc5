//! Plays one recording: sets the world up as the recording shows it, sends the requests at their moments, translates
//! operation URLs, and collects what is different.

use super::{
    Outcome,
    compare::{Difference, Scope, compare},
    forms::Names,
    recording::{Interaction, last_segment, path_of, query, top_level},
    seed::{Seeder, group_of},
    timeline::{NEVER, Timeline},
};
use crate::model::{
    ApiRequest, ApiResponse, Time, World,
    arm_id::ArmPath,
    faults::Fault,
    settings::{Behaviour, Span},
    world::BaseUrls,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// No recording lasts longer.
const TOKEN_LIFETIME: Span = Span::from_secs(10 * 365 * 86_400);

pub(super) fn play(recording: &[Interaction]) -> Vec<Outcome> {
    let Timeline { order, moments, ends } = Timeline::of(recording);
    let mut player = Player::new(recording, moments.iter().min().copied().unwrap_or_default());
    let mut outcomes: Vec<Outcome> = order
        .into_iter()
        .map(|i| Outcome {
            interaction: i,
            request: format!("{} {}", recording[i].method, recording[i].path()),
            differences: player.step(recording, i, moments[i], ends.get(&i).copied()),
        })
        .collect();
    outcomes.sort_by_key(|outcome| outcome.interaction);
    outcomes
}

struct Player {
    world: World,
    seeder: Seeder,
    names: Names,
    scope: Scope,
    token: String,
    origin: String,
    /// Simulated targets of the operation URLs that the recording shows.
    targets: BTreeMap<String, String>,
    /// Resources that operations of other clients hold, and those operations.
    foreign: Vec<(String, String)>,
    /// Operations that the recording shows the end of, with the time until which their status says that they run.
    told: BTreeMap<String, Time>,
}

impl Player {
    fn new(recording: &[Interaction], start: Time) -> Self {
        let mut world = World::default();
        let origin = recording.first().map_or("https://management.azure.com", Interaction::origin).to_owned();
        world.set_base_urls(BaseUrls { arm: origin.clone(), ..BaseUrls::default() });
        let mut settings = world.settings().clone();
        settings.behaviour = behaviour(recording);
        settings.limits.token_lifetime = TOKEN_LIFETIME;
        world.set_settings(settings);
        let token = log_in(&mut world, start);
        // Some recorders leave the header out everywhere.
        let retry_after = recording.iter().any(|interaction| interaction.header("retry-after").is_some());
        Self {
            world,
            seeder: Seeder::default(),
            names: Names::default(),
            scope: Scope { retry_after },
            token,
            origin,
            targets: BTreeMap::new(),
            foreign: vec![],
            told: BTreeMap::new(),
        }
    }

    fn step(&mut self, all: &[Interaction], at: usize, now: Time, ends: Option<(Time, Time)>) -> Vec<Difference> {
        let interaction = &all[at];
        if interaction.origin() != self.origin {
            let text = format!("{} is not simulated", interaction.origin());
            return vec![Difference { field: "url".to_owned(), text }];
        }
        self.world.advance(now);
        self.seeder.prepare(&mut self.world, now, all, at);
        self.leave_others(interaction, now);
        self.meet_others(all, at, now);
        self.foresee(all, at);
        self.weather(all, interaction);
        self.meet_holders(interaction, now);
        let answer = self.world.handle(now, &self.request(interaction));
        self.world.clear_faults();
        self.learn_operation(interaction, &answer, ends);
        self.seeder.wrote(interaction);
        compare(interaction, &answer, self.scope, &mut self.names)
    }

    /// A write that was refused because of an operation shows that it ran, and one that was taken that it was over: of
    /// operations that nobody asked about, this is all that is known.
    fn meet_holders(&mut self, interaction: &Interaction, now: Time) {
        let code = interaction.error_code();
        let is_refused =
            code == "AnotherOperationInProgress" || code.ends_with("UpdateNotAllowedWhenUpdatingOrDeleting");
        if !interaction.is_write() || !(is_refused || interaction.is_accepted()) {
            return;
        }
        let holders = self.world.operations_holding(interaction.path());
        if is_refused && holders.is_empty() {
            self.world.hold_for_others(now, interaction.path());
        }
        for id in holders {
            match self.told.get(&id).copied() {
                told if interaction.is_accepted() => self.world.end_operation(&id, now, told.unwrap_or(now)),
                None => self.world.end_operation(&id, NEVER, NEVER),
                Some(_) => continue,
            };
        }
        self.world.advance(now);
    }

    fn request(&self, interaction: &Interaction) -> ApiRequest {
        let target = self.targets.get(&interaction.url).map_or(interaction.target(), String::as_str);
        let mut request = ApiRequest::new(&interaction.method, target);
        for (name, value) in &interaction.request_headers {
            let value = value.as_str().or_else(|| value.get(0)?.as_str()).unwrap_or_default();
            if !name.eq_ignore_ascii_case("authorization") {
                request = request.with_header(name, value);
            }
        }
        request.body = match &interaction.request_body {
            Value::Null => vec![],
            Value::String(text) => text.clone().into_bytes(),
            body => body.to_string().into_bytes(),
        };
        request.with_header("authorization", &format!("Bearer {}", self.token))
    }

    /// The operation that a refusal names and that nobody in the recording began is another client's.
    fn meet_others(&mut self, all: &[Interaction], at: usize, now: Time) {
        let Some((name, id)) = all[at].named_operation() else { return };
        let is_in_recording =
            all.iter().any(|other| other.status_urls().any(|url| last_segment(path_of(url)).eq_ignore_ascii_case(id)));
        if !is_in_recording {
            let begun = self.world.begin_foreign_operation(now, all[at].path(), name);
            self.foreign.extend(begun.map(|id| (top_level(all[at].path()), id)));
        }
    }

    /// The next write that is taken shows that the other client's operation is over.
    fn leave_others(&mut self, interaction: &Interaction, now: Time) {
        let resource = top_level(interaction.path());
        if interaction.is_accepted() {
            for (_, id) in self.foreign.iter().filter(|(held, _)| *held == resource) {
                self.world.end_operation(id, now, now);
            }
            self.foreign.retain(|(held, _)| *held != resource);
            self.world.advance(now);
        }
    }

    /// Which address the service gave: nothing that a model could know, and later requests are made of it.
    fn foresee(&mut self, all: &[Interaction], at: usize) {
        let id = all[at].path();
        let given: fn(&Value) -> &Value = match ArmPath::parse(id) {
            ArmPath::PublicAddress(_) => |body| &body["properties"]["ipAddress"],
            ArmPath::Firewall(_) => |body| &body["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"],
            _ => return,
        };
        if !all[at].is_accepted() {
            return;
        }
        let is_it = |body: &Value| body["id"].as_str().is_some_and(|shown| shown.eq_ignore_ascii_case(id));
        let mut bodies = all[at..].iter().map(|later| &later.response_body).filter(|body| is_it(body));
        if let Some(address) = bodies.find_map(|body| given(body).as_str()) {
            self.world.foresee_address(id, address);
        }
    }

    /// What happened to the request on its way, and the end of an operation: nothing that a model could foresee.
    fn weather(&mut self, all: &[Interaction], interaction: &Interaction) {
        let is_page = interaction.header("content-type").is_some_and(|kind| kind.starts_with("text/html"));
        let effect = if interaction.status == 503 && is_page {
            Some(json!("html503"))
        } else if interaction.error_code() == "SubscriptionRequestsThrottled" {
            let wait: u64 = interaction.header("retry-after").and_then(|wait| wait.parse().ok()).unwrap_or(1);
            Some(json!({"throttle": {"retryAfter": wait}}))
        } else if interaction.error_code() == "ResourceNotFound" && is_in_deleted_group(all, interaction) {
            Some(json!("staleGroup"))
        } else {
            let leaves_failed = is_shown_failed(all, interaction.path());
            let effect = |error: &Value| json!({"failOperation": {"code": error["code"], "message": error["message"], "leavesFailed": leaves_failed}});
            failure(all, interaction).map(effect)
        };
        let fault = effect.and_then(|effect| serde_json::from_value::<Fault>(json!({"effect": effect})).ok());
        if let Some(fault) = fault {
            self.world.add_fault(fault);
        }
    }

    fn learn_operation(&mut self, interaction: &Interaction, answer: &ApiResponse, ends: Option<(Time, Time)>) {
        for name in ["azure-asyncoperation", "location"] {
            let (Some(recorded), Some(simulated)) = (interaction.header(name), answer.header(name)) else {
                continue;
            };
            let target = simulated.strip_prefix(&self.origin).unwrap_or(simulated).to_owned();
            if let Some((ends, told)) = ends.filter(|_| interaction.is_accepted()) {
                let id = last_segment(path_of(simulated));
                self.world.end_operation(id, ends, told);
                self.told.insert(id.to_owned(), told);
            }
            self.targets.insert(recorded.to_owned(), target);
        }
    }
}

/// Where the group is still there the simulator needs no telling that its front end thinks so.
fn is_in_deleted_group(all: &[Interaction], interaction: &Interaction) -> bool {
    let Some(group) = group_of(interaction.path()) else { return false };
    let is_deletion = |other: &Interaction| other.method == "DELETE" && other.path().eq_ignore_ascii_case(&group);
    all.iter().any(|other| is_deletion(other) && other.is_accepted())
}

/// The error that the status of an accepted write ends with.
fn failure<'a>(all: &'a [Interaction], accepted: &Interaction) -> Option<&'a Value> {
    let urls: Vec<&str> = accepted.status_urls().collect();
    let poll = all.iter().find(|poll| urls.contains(&poll.url.as_str()) && poll.response_body["status"] == "Failed")?;
    Some(&poll.response_body["error"])
}

/// What failed stayed as it was written, and said so.
fn is_shown_failed(all: &[Interaction], id: &str) -> bool {
    all.iter().any(|other| {
        let body = &other.response_body;
        let is_it = body["id"].as_str().is_some_and(|shown| shown.eq_ignore_ascii_case(id));
        is_it && body["properties"]["provisioningState"] == "Failed"
    })
}

/// How ARM behaved when this was recorded.
fn behaviour(recording: &[Interaction]) -> Behaviour {
    let default = Behaviour::default();
    let urls: Vec<&str> = recording.iter().flat_map(Interaction::status_urls).collect();
    let of_children: Vec<&Interaction> = recording
        .iter()
        .filter(|write| {
            matches!(ArmPath::parse(write.path()), ArmPath::Route(..) | ArmPath::SecurityRule(..))
                && write.status_urls().next().is_some()
        })
        .collect();
    let policy_refusal =
        recording.iter().find(|answer| answer.error_code().ends_with("UpdateNotAllowedWhenUpdatingOrDeleting"));
    let wait = |kind: &str| {
        let mut writes =
            recording.iter().filter(|write| write.is_accepted() && write.path().to_ascii_lowercase().contains(kind));
        writes.find_map(|write| write.header("retry-after")?.parse().ok())
    };
    Behaviour {
        signed_operation_urls: urls.is_empty() || urls.iter().any(|url| query(url, "s").is_some()),
        route_notification: of_children.is_empty()
            || of_children.iter().any(|write| write.header("azure-asyncnotification").is_some()),
        hidden_properties: hidden(recording),
        provider_failure_cause: recording.iter().any(|answer| answer.header("x-ms-failure-cause") == Some("service")),
        operation_retry_after: wait("/routetables/").unwrap_or(default.operation_retry_after),
        security_retry_after: wait("/networksecuritygroups/").unwrap_or(default.security_retry_after),
        policy_update_refusal: policy_refusal.map_or(default.policy_update_refusal, |answer| answer.status),
        ..default
    }
}

/// What tables and routes always have today and never have in this recording.
fn hidden(recording: &[Interaction]) -> Vec<String> {
    let shown = |kind: &str, name: &str| {
        let mut bodies = vec![];
        for answer in recording.iter().filter(|answer| answer.status < 300) {
            collect(&answer.response_body, kind, &mut bodies);
        }
        bodies.is_empty() || bodies.iter().any(|properties| properties.get(name).is_some())
    };
    let tables = ["resourceGuid", "disableBgpRoutePropagation", "disablePeeringRoute"]
        .map(|name| ("Microsoft.Network/routeTables", name));
    let all = tables.into_iter().chain([("Microsoft.Network/routeTables/routes", "hasBgpOverride")]);
    all.filter(|(kind, name)| !shown(kind, name)).map(|(_, name)| name.to_owned()).collect()
}

/// The properties of all resources of a type, wherever they stand in a body.
fn collect<'a>(body: &'a Value, kind: &str, found: &mut Vec<&'a Value>) {
    match body {
        Value::Object(fields) => {
            if fields.get("type").is_some_and(|shown| shown == kind) {
                found.extend(fields.get("properties"));
            }
            fields.values().for_each(|field| collect(field, kind, found));
        }
        Value::Array(elements) => elements.iter().for_each(|element| collect(element, kind, found)),
        _ => {}
    }
}

fn log_in(world: &mut World, now: Time) -> String {
    let known = world.credentials().first().cloned().unwrap_or_default();
    let mut request = ApiRequest::new("POST", &format!("/{}/oauth2/v2.0/token", known.tenant_id));
    request.body = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}&scope=https%3A%2F%2Fmanagement.azure.com%2F.default",
        known.client_id, known.client_secret
    )
    .into_bytes();
    let answer = world.handle_login(now, &request).value();
    answer["access_token"].as_str().unwrap_or_default().to_owned()
}
