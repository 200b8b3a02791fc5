//! The world: all resources and settings, and the way of a request through it: fault, identity, permission, lock,
//! resource, headers, log. What one kind of resource does is in its own file.

use super::{
    access::{self, Role},
    arm_id::ArmPath,
    discovery::DiscoveryDocument,
    download_page::DownloadPage,
    encoding,
    error::{self, ApiError},
    faults::{Effect, Fate, Fault, Faults},
    firewall::Firewall,
    firewall_policy::FirewallPolicy,
    held_answers::HeldAnswers,
    history::{History, HistoryState},
    http::{ApiRequest, ApiResponse, Delivery},
    ip_group::IpGroup,
    locations::{self, Location},
    locks::Locks,
    log::{LogEntry, Server},
    managed_identity::ManagedIdentity,
    operation::{self, Operations},
    policy::{self, Policy},
    public_address::PublicAddress,
    random::Random,
    resource_group::ResourceGroup,
    role_assignment::RoleAssignment,
    role_definition::RoleDefinitions,
    route_table::RouteTable,
    rule_collection_group::RuleEntry,
    security_group::SecurityGroup,
    security_rule::SecurityRuleEntry,
    settings::Settings,
    throttle::{Asked, Kind, Left, Throttle},
    time::Time,
    token::{Credentials, Identity},
    usages::{self, Quota},
    user_identity::UserIdentity,
    virtual_network::VirtualNetwork,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Where the servers are reached, for the URLs that answers contain; without a trailing slash.
#[derive(Clone, Debug)]
pub struct BaseUrls {
    pub arm: String,
    pub login: String,
    pub download: String,
}

impl Default for BaseUrls {
    fn default() -> Self {
        Self {
            arm: "https://management.azure.com".to_owned(),
            login: "https://login.microsoftonline.com".to_owned(),
            download: "https://www.microsoft.com".to_owned(),
        }
    }
}

#[derive(Clone, Debug)]
pub struct World {
    pub(super) route_tables: BTreeMap<String, RouteTable>,
    pub(super) security_groups: BTreeMap<String, SecurityGroup>,
    pub(super) networks: BTreeMap<String, VirtualNetwork>,
    pub(super) ip_groups: BTreeMap<String, IpGroup>,
    pub(super) firewalls: BTreeMap<String, Firewall>,
    pub(super) firewall_policies: BTreeMap<String, FirewallPolicy>,
    /// Running operations that keep others from an IP group, a firewall or a policy, by its key.
    pub(super) holds: BTreeMap<String, BTreeSet<String>>,
    pub(super) public_addresses: BTreeMap<String, PublicAddress>,
    /// Addresses that are to be given, by the key of the resource.
    pub(super) foreseen_addresses: BTreeMap<String, String>,
    /// Keys of the networks that are or were there.
    pub(super) known_networks: BTreeSet<String>,
    pub(super) groups: BTreeMap<String, ResourceGroup>,
    pub(super) subscriptions: Vec<String>,
    pub(super) operations: Operations,
    pub(super) history: History,
    pub(super) log: Vec<LogEntry>,
    pub(super) faults: Faults,
    pub(super) held_answers: HeldAnswers,
    pub(super) settings: Settings,
    pub(super) locations: Vec<Location>,
    pub(super) roles: Option<Vec<Role>>,
    pub(super) role_definitions: RoleDefinitions,
    pub(super) role_assignments: Vec<RoleAssignment>,
    pub(super) user_identities: BTreeMap<String, UserIdentity>,
    pub(super) locks: Locks,
    pub(super) credentials: Vec<Credentials>,
    pub(super) managed_identities: Vec<ManagedIdentity>,
    pub(super) download_page: DownloadPage,
    pub(super) discovery: Option<DiscoveryDocument>,
    pub(super) quotas: Vec<Quota>,
    pub(super) endpoints: BaseUrls,
    pub(super) policies: Vec<Policy>,
    pub(super) throttle: Throttle,
    /// What the headers of the current answer say.
    pub(super) remaining: Option<(Kind, Left)>,
    pub(super) random: Random,
    /// What signs tokens and operation URLs.
    pub(super) key: u64,
    pub(super) certificate: String,
    pub(super) time_scale: f64,
}

impl Default for World {
    fn default() -> Self {
        Self {
            route_tables: BTreeMap::new(),
            security_groups: BTreeMap::new(),
            networks: BTreeMap::new(),
            ip_groups: BTreeMap::new(),
            firewalls: BTreeMap::new(),
            firewall_policies: BTreeMap::new(),
            holds: BTreeMap::new(),
            public_addresses: BTreeMap::new(),
            foreseen_addresses: BTreeMap::new(),
            known_networks: BTreeSet::new(),
            groups: BTreeMap::new(),
            subscriptions: vec!["00000000-0000-0000-0000-000000000000".to_owned()],
            operations: Operations::default(),
            history: History::default(),
            log: vec![],
            faults: Faults::default(),
            held_answers: HeldAnswers::default(),
            settings: Settings::default(),
            locations: locations::built_in(),
            roles: None,
            role_definitions: RoleDefinitions::default(),
            role_assignments: vec![],
            user_identities: BTreeMap::new(),
            locks: Locks::default(),
            credentials: vec![Credentials::default()],
            managed_identities: vec![],
            download_page: DownloadPage::default(),
            discovery: None,
            quotas: usages::built_in(),
            endpoints: BaseUrls::default(),
            policies: vec![],
            throttle: Throttle::default(),
            remaining: None,
            random: Random::new(0),
            key: 0,
            certificate: String::new(),
            time_scale: 1.0,
        }
        .with_seed(1)
    }
}

/// One request that may go ahead.
pub(super) struct Call<'a> {
    pub(super) now: Time,
    pub(super) request: &'a ApiRequest,
    pub(super) client: String,
    pub(super) api_version: String,
    pub(super) fate: Fate,
}

impl World {
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.random = Random::new(seed);
        self.key = self.random.next();
        self.certificate = operation::certificate(self.key);
        self
    }

    /// Below 1 everything takes less time than in Azure, and clients are told to wait less.
    #[must_use]
    pub fn with_time_scale(mut self, scale: f64) -> Self {
        self.time_scale = scale;
        self
    }

    pub fn set_base_urls(&mut self, urls: BaseUrls) {
        self.endpoints = urls;
    }

    pub fn base_urls(&self) -> &BaseUrls {
        &self.endpoints
    }

    pub fn credentials(&self) -> &[Credentials] {
        &self.credentials
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
    }

    pub fn add_fault(&mut self, fault: Fault) {
        self.faults.add(fault);
    }

    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// Every request so far, of all servers.
    pub fn log(&self) -> &[LogEntry] {
        &self.log
    }

    /// Every state of a route table, oldest first.
    pub fn history(&self, id: &str) -> Vec<HistoryState> {
        self.history.of(&id.to_ascii_lowercase())
    }

    /// Every state of a network security group, oldest first: its rules.
    pub fn security_history(&self, id: &str) -> Vec<HistoryState<SecurityRuleEntry>> {
        self.history.of_security_rules(&id.to_ascii_lowercase())
    }

    /// Every state of an IP group, oldest first: its addresses as they were written.
    pub fn address_history(&self, id: &str) -> Vec<HistoryState<String>> {
        self.history.of_addresses(&id.to_ascii_lowercase())
    }

    /// Every state of a rule collection group, oldest first: its rules.
    pub fn rule_history(&self, id: &str) -> Vec<HistoryState<RuleEntry>> {
        self.history.of_rules(&id.to_ascii_lowercase())
    }

    /// The moment when the world begins: the first states of its tables are dated so.
    pub fn begin_at(&mut self, now: Time) {
        self.history.begin(now);
    }

    /// A table as it is now, whatever the case of the id.
    pub fn route_table(&self, id: &str) -> Option<&RouteTable> {
        self.route_tables.get(&id.to_ascii_lowercase())
    }

    /// A request to ARM.
    pub fn handle(&mut self, now: Time, request: &ApiRequest) -> ApiResponse {
        self.advance(now);
        let identity = self.identify(now, request.header("authorization"));
        let client = client_name(identity.as_ref().ok(), request);
        let path = ArmPath::parse(request.path());
        let correlation = match request.header("x-ms-correlation-request-id") {
            Some(given) => given.to_owned(),
            None => self.random.uuid(),
        };
        let effect = self.faults.take(Server::Arm, request, &client);
        let recalled = matches!(effect, Some(Effect::StaleGroup)).then(|| self.recall_group(request)).flatten();
        let canned = effect
            .as_ref()
            .and_then(|effect| effect.answer(|seconds| self.throttled(&path, &client, &request.method, seconds)));
        let mut response = if let Some(response) = canned {
            response
        } else {
            let fate = effect.as_ref().map(Effect::fate).unwrap_or_default();
            let call = Call { now, request, client: client.clone(), api_version: String::new(), fate };
            match self.cloud_metadata(request) {
                Some(answer) => answer,
                None => self
                    .count(now, &path, request, identity.as_ref().ok())
                    .and_then(|()| self.answer(call, identity, &path))
                    .unwrap_or_else(|error| self.refusal(&error)),
            }
        };
        if let Some(group) = recalled {
            self.groups.remove(&group);
        }
        if matches!(
            path,
            ArmPath::RouteTables { .. } | ArmPath::RouteTable(_) | ArmPath::Routes(_) | ArmPath::Route(..)
        ) {
            response.hide(&self.settings.behaviour.hidden_properties);
        }
        let left = self.remaining.take();
        self.add_standard_headers(now, left, &correlation, &mut response);
        self.deliver(&mut response, effect.as_ref());
        self.write_log(now, Server::Arm, client, request, &response, correlation);
        response
    }

    /// A request to the login service.
    pub fn handle_login(&mut self, now: Time, request: &ApiRequest) -> ApiResponse {
        self.handle_other(now, request, Server::Login, Self::answer_login)
    }

    /// A request to Microsoft's download page or for a file that it lists.
    pub fn handle_download(&mut self, now: Time, request: &ApiRequest) -> ApiResponse {
        self.handle_other(now, request, Server::DownloadPage, Self::answer_download)
    }

    /// A request to the metadata service of the machine that a client runs on.
    pub fn handle_metadata(&mut self, now: Time, request: &ApiRequest) -> ApiResponse {
        self.handle_other(now, request, Server::Metadata, Self::answer_metadata)
    }

    fn handle_other(
        &mut self,
        now: Time,
        request: &ApiRequest,
        server: Server,
        answer: fn(&mut Self, Time, &ApiRequest) -> ApiResponse,
    ) -> ApiResponse {
        self.advance(now);
        let client = client_name(None, request);
        let effect = self.faults.take(server, request, &client);
        let throttled = |seconds: u64| ApiResponse::empty(429).with_header("retry-after", seconds.to_string());
        let mut response = match effect.as_ref().and_then(|effect| effect.answer(throttled)) {
            Some(response) => response,
            None => answer(self, now, request),
        };
        self.deliver(&mut response, effect.as_ref());
        let correlation = request.header("client-request-id").unwrap_or_default().to_owned();
        self.write_log(now, server, client, request, &response, correlation);
        response
    }

    fn answer(
        &mut self,
        mut call: Call<'_>,
        identity: Result<Identity, ApiError>,
        path: &ArmPath,
    ) -> Result<ApiResponse, ApiError> {
        let identity = identity?;
        call.api_version = call.request.query("api-version").ok_or_else(error::missing_api_version)?;
        if !is_api_version(&call.api_version) {
            return Err(error::invalid_api_version(&call.api_version));
        }
        if let Some(subscription) = path.subscription() {
            self.require_subscription(subscription)?;
        }
        let method = call.request.method.as_str();
        access::check_roles(self.roles_of(&identity).as_deref(), &identity, method, path, &call.request.body)?;
        self.locks.check(method, path)?;
        policy::check(&self.policies, method, path, &call.request.body)?;
        self.dispatch(&call, method, path)
    }

    /// Counts a request of a known client against the limits. ASSUMPTION: one of an unknown client does not count.
    fn count(
        &mut self,
        now: Time,
        path: &ArmPath,
        request: &ApiRequest,
        who: Option<&Identity>,
    ) -> Result<(), ApiError> {
        let subscription = path.subscription().filter(|id| self.require_subscription(id).is_ok());
        let (Some(subscription), Some(who)) = (subscription, who) else {
            return Ok(());
        };
        // A client reaches ARM in the region next to it; the simulator believes what it says.
        let region = request.header("x-armsim-region").unwrap_or("nearest");
        let location = self.location_of(path);
        let asked = Asked {
            now,
            subscription,
            principal: &format!("{}@{region}", who.client),
            kind: Kind::of(&request.method),
            location: location.as_deref(),
            time_scale: self.time_scale,
        };
        let limits = &self.settings.limits;
        let taken = self.throttle.take(limits, &asked);
        let left = match &taken {
            Ok(left) => *left,
            Err(_) => self.throttle.left(limits, &asked),
        };
        self.remaining = Some((asked.kind, left));
        taken.map(|_| ())
    }

    /// Where the network provider handles a request; none where it is not the one that does. ASSUMPTION: lists and
    /// resources that are yet to be made count for no location.
    fn location_of(&self, path: &ArmPath) -> Option<String> {
        match path {
            ArmPath::RouteTable(id) | ArmPath::Routes(id) | ArmPath::Route(id, _) => {
                self.route_tables.get(&id.key()).map(|table| table.location.clone())
            }
            ArmPath::SecurityGroup(id)
            | ArmPath::SecurityRules(id)
            | ArmPath::SecurityRule(id, _)
            | ArmPath::DefaultSecurityRules(id)
            | ArmPath::DefaultSecurityRule(id, _) => {
                self.security_groups.get(&id.key()).map(|group| group.location.clone())
            }
            ArmPath::VirtualNetwork(id) | ArmPath::Subnets(id) | ArmPath::Subnet(id, _) => {
                self.networks.get(&id.key()).map(|network| network.location.clone())
            }
            ArmPath::IpGroup(id) => self.ip_groups.get(&id.key()).map(|group| group.location.clone()),
            ArmPath::Firewall(id) => self.firewalls.get(&id.key()).map(|firewall| firewall.location.clone()),
            ArmPath::FirewallPolicy(id)
            | ArmPath::RuleCollectionGroups(id)
            | ArmPath::RuleCollectionGroup(id, _)
            | ArmPath::FirewallPolicyDraft(id)
            | ArmPath::RuleCollectionGroupDraft(id, _)
            | ArmPath::PolicyDeployment(id) => {
                self.firewall_policies.get(&id.key()).map(|policy| policy.location.clone())
            }
            ArmPath::PublicAddress(id) => self.public_addresses.get(&id.key()).map(|address| address.location.clone()),
            ArmPath::Operation { location, .. }
            | ArmPath::OperationResult { location, .. }
            | ArmPath::Usages { location, .. }
            | ArmPath::ServiceTags { location, .. } => Some(locations::normalised(location)),
            _ => None,
        }
    }

    fn refusal(&self, error: &ApiError) -> ApiResponse {
        let mut response = error.response();
        if error.is_of_provider() && self.settings.behaviour.provider_failure_cause {
            response.set_header("x-ms-failure-cause", "service");
        }
        if let Some(seconds) = error.retry_after_seconds {
            self.set_retry_after(&mut response, seconds);
        }
        response
    }

    fn throttled(&self, path: &ArmPath, client: &str, method: &str, seconds: u64) -> ApiResponse {
        let kind = Kind::of(method).name();
        let subscription = path.subscription().unwrap_or_default();
        self.refusal(&error::subscription_throttled(kind, subscription, client, seconds))
    }

    fn deliver(&self, response: &mut ApiResponse, effect: Option<&Effect>) {
        let latency = self.scaled(self.settings.latencies.answer.0);
        response.delivery = match effect {
            Some(Effect::DropBefore | Effect::DropAfterCommit) => Delivery::Drop,
            Some(Effect::Withhold) => Delivery::Withhold,
            Some(Effect::Hold { key }) => Delivery::Held(key.clone()),
            Some(Effect::Slow { ms }) => Delivery::After(latency + Duration::from_millis(*ms)),
            _ if latency.is_zero() => Delivery::Answer,
            _ => Delivery::After(latency),
        };
    }

    fn write_log(
        &mut self,
        now: Time,
        server: Server,
        client: String,
        request: &ApiRequest,
        response: &ApiResponse,
        correlation_id: String,
    ) {
        self.log.push(LogEntry {
            at: now.rfc3339(),
            client,
            method: request.method.clone(),
            url: request.target.clone(),
            status: response.status,
            correlation_id,
            server,
        });
    }

    /// A number that depends on the seed, a name and a count, and disturbs no other.
    pub(super) fn drawn(&self, name: &str, count: usize, first: u64, last: u64) -> u64 {
        let seed = encoding::hash(self.key, format!("{name} {count}").as_bytes());
        Random::new(seed).between(first, last.max(first))
    }
}

fn client_name(identity: Option<&Identity>, request: &ApiRequest) -> String {
    let client = identity.map_or("anonymous", |identity| identity.client.as_str());
    match request.header("x-armsim-client") {
        Some(process) => format!("{client}/{process}"),
        None => client.to_owned(),
    }
}

/// `yyyy-MM-dd`, perhaps followed by `-preview`.
fn is_api_version(text: &str) -> bool {
    let text = text.strip_suffix("-preview").unwrap_or(text);
    text.len() == 10
        && text.bytes().enumerate().all(|(i, byte)| if i == 4 || i == 7 { byte == b'-' } else { byte.is_ascii_digit() })
}
