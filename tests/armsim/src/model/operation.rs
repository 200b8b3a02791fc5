//! Long operations: accepted, due at a time, finished once; their status is told only to who presents the signed URL
//! exactly as it was given out. What an operation does to a resource is the resource's business.

use super::{
    arm_id::ResourceId,
    encoding,
    error::{self, ApiError},
    faults::Fate,
    firewall_write::FirewallChange,
    http::{ApiRequest, ApiResponse},
    ip_group::References,
    ip_group_write::{End, RETRY_AFTER},
    parent::{Change, Ending, Written},
    policy_operation::PolicyWork,
    public_address::AddressChange,
    random::Random,
    route_table::TableKind,
    security_group::GroupKind,
    time::Time,
    virtual_network::NetworkChange,
    world::{Call, World},
};
use serde::Serialize;
use std::{collections::BTreeMap, time::Duration};

/// About as long as recorded ones, certificate and all: clients must not have a small limit for URLs.
const CERTIFICATE_LENGTH: usize = 4_120;
const SIGNATURE_LENGTH: usize = 342;
const HASH_LENGTH: usize = 43;

/// The same in all operation URLs of a world.
pub(super) fn certificate(key: u64) -> String {
    encoding::signature(key, "certificate", CERTIFICATE_LENGTH)
}

#[derive(Clone, Debug)]
pub(super) enum Work {
    /// Accepted although nothing was to be done.
    Nothing,
    RouteTable(ResourceId, Change<TableKind>),
    SecurityGroup(ResourceId, Change<GroupKind>),
    Network(ResourceId, NetworkChange),
    /// A write of an IP group, with all that it touches.
    IpGroup(ResourceId, References),
    PublicAddress(ResourceId, AddressChange),
    Firewall(ResourceId, FirewallChange),
    /// A write of a firewall policy or of something in it.
    Policy(PolicyWork),
    /// What another client does to something that it holds.
    Hold,
    DeleteGroup(String),
}

#[derive(Clone, Debug)]
enum Outcome {
    Running,
    Succeeded,
    Failed { code: String, message: String },
}

#[derive(Clone, Debug)]
pub(super) struct Operation {
    id: String,
    pub(super) name: &'static str,
    place: Place,
    subscription: String,
    api_version: String,
    accepted: Time,
    pub(super) client: String,
    fate: Fate,
    work: Work,
    /// The update of the firewalls inside it, where refusals name that instead.
    inner: Option<String>,
    outcome: Outcome,
    /// Its status says `InProgress` until then, although what it does to the resource may be done.
    told: Time,
}

/// Where the status of an operation is asked for.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// The network provider, in a location.
    Network(String),
    /// The network provider's second back end, in a location.
    SecondBackEnd(String),
    /// ARM itself.
    Arm,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Operations {
    all: BTreeMap<String, Operation>,
    /// By time, and for one time by order of acceptance.
    due: BTreeMap<(Time, u64), String>,
    accepted: u64,
}

impl Operations {
    pub(super) fn get(&self, id: &str) -> Option<&Operation> {
        self.all.get(id)
    }
}

/// What is accepted, and how it is called.
pub(super) struct Accept {
    pub(super) name: &'static str,
    pub(super) place: Place,
    pub(super) subscription: String,
    pub(super) takes: Duration,
    pub(super) work: Work,
}

#[derive(Serialize)]
struct Status<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Failure<'a>>,
}

#[derive(Serialize)]
struct Failure<'a> {
    code: &'a str,
    message: &'a str,
    details: [(); 0],
}

impl Operation {
    fn shown(&self, now: Time) -> &Outcome {
        if now < self.told { &Outcome::Running } else { &self.outcome }
    }
}

/// The text was reported. ASSUMPTION: all the firewalls that are touched count, and one where there is none.
fn faulted(work: &Work) -> Outcome {
    let (code, kind, name, touched) = match work {
        Work::IpGroup(id, touched) => ("IpGroupsUpdateFailed", "IP Groups", id.name.as_str(), Some(touched)),
        Work::Policy(work) => {
            ("FirewallPolicyUpdateFailed", "Firewall Policy", work.policy.name.as_str(), Some(&work.touched))
        }
        _ => ("InternalServerError", "resource", "", None),
    };
    let firewalls = touched.map_or(1, |touched| touched.firewalls.len().max(1));
    let message = format!("Put on {kind} {name} Failed with {firewalls} faulted referenced firewalls");
    Outcome::Failed { code: code.to_owned(), message }
}

impl World {
    /// Accepts a write; the answer is the id of the operation.
    pub(super) fn accept(&mut self, call: &Call<'_>, accept: Accept) -> String {
        let id = match &accept.place {
            Place::Network(_) | Place::SecondBackEnd(_) => self.random.uuid(),
            Place::Arm => {
                encoding::base64url(format!("{{\"jobId\":\"{}-{}\"}}", accept.name, self.random.uuid()).as_bytes())
            }
        };
        let done = matches!(accept.work, Work::Nothing);
        // Not from the sequence: what follows is the same with and without it.
        let inner = matches!(accept.work, Work::Policy(_))
            .then(|| Random::new(encoding::hash(self.key, format!("firewall {id}").as_bytes())).uuid());
        let operation = Operation {
            inner,
            id: id.clone(),
            name: accept.name,
            place: accept.place,
            subscription: accept.subscription,
            api_version: call.api_version.clone(),
            accepted: call.now,
            client: call.client.clone(),
            fate: call.fate.clone(),
            work: accept.work,
            outcome: if done { Outcome::Succeeded } else { Outcome::Running },
            told: call.now,
        };
        if !done {
            self.operations.accepted += 1;
            let key = (call.now.plus(self.scaled(accept.takes)), self.operations.accepted);
            self.operations.due.insert(key, id.clone());
        }
        self.operations.all.insert(id.to_ascii_lowercase(), operation);
        id
    }

    /// Sets when a running operation ends, and how long after that its status still says `InProgress`; whether there
    /// is one. For who knows better than the latencies, such as a replayed recording.
    pub fn end_operation(&mut self, id: &str, ends: Time, told: Time) -> bool {
        let id = id.to_ascii_lowercase();
        let Some(operation) = self.operations.all.get_mut(&id) else {
            return false;
        };
        operation.told = told;
        let due = self.operations.due.iter().find(|(_, due)| due.eq_ignore_ascii_case(&id));
        if let Some((key, due)) = due.map(|(key, due)| (*key, due.clone())) {
            self.operations.due.remove(&key);
            self.operations.due.insert((ends, key.1), due);
        }
        true
    }

    /// Finishes what is due by `now`, each at its own time.
    pub fn advance(&mut self, now: Time) {
        while let Some(entry) = self.operations.due.first_entry() {
            let (ends, _) = *entry.key();
            if ends > now {
                return;
            }
            let id = entry.remove();
            self.finish(ends, &id);
        }
    }

    fn finish(&mut self, now: Time, id: &str) {
        let Some(operation) = self.operations.all.get_mut(&id.to_ascii_lowercase()) else {
            return;
        };
        let work = std::mem::replace(&mut operation.work, Work::Nothing);
        let client = operation.client.clone();
        let end = match &operation.fate {
            Fate::Fail { code, message, .. } => {
                operation.outcome = Outcome::Failed { code: code.clone(), message: message.clone() };
                End::Failed
            }
            Fate::Faulted { fails_attached } => {
                operation.outcome = faulted(&work);
                if *fails_attached { End::FailedWithAttached } else { End::Failed }
            }
            Fate::Normal | Fate::Lost => {
                operation.outcome = Outcome::Succeeded;
                End::Succeeded
            }
        };
        let succeeded = end == End::Succeeded;
        let ending = match (&operation.fate, succeeded) {
            (_, true) => Ending::Done,
            (Fate::Fail { leaves_failed: true, .. }, _) => Ending::LeftFailed,
            _ => Ending::Undone,
        };
        match work {
            Work::Nothing => {}
            Work::RouteTable(table, change) => self.finish_parent((now, &client, id), &table, change, ending),
            Work::SecurityGroup(group, change) => self.finish_parent((now, &client, id), &group, change, ending),
            Work::Network(network, change) => self.finish_network(&network, &change, succeeded),
            Work::IpGroup(group, touched) => self.finish_ip_group(now, &client, id, &group, &touched, end),
            Work::Firewall(firewall, change) => self.finish_firewall(id, &firewall, change, succeeded),
            Work::Hold => self.release(id),
            Work::Policy(work) => self.finish_policy_work(now, &client, id, work, end),
            Work::PublicAddress(address, change) => self.finish_public_address(&address, change, succeeded),
            Work::DeleteGroup(key) => self.finish_group_deletion(now, &client, &key, succeeded),
        }
    }

    /// Adds the headers of an accepted write.
    pub(super) fn tell_operation(&self, response: &mut ApiResponse, id: &str, with_location: bool) {
        let Some(operation) = self.operations.get(&id.to_ascii_lowercase()) else {
            return;
        };
        match &operation.place {
            Place::Network(_) => {
                let is_of_child = [TableKind::NAMES, GroupKind::NAMES]
                    .iter()
                    .any(|names| [names.put_child, names.delete_child].contains(&operation.name));
                if self.settings.behaviour.route_notification || !is_of_child {
                    response.set_header("azure-asyncnotification", "Enabled");
                }
                response.set_header("azure-asyncoperation", self.url(operation, "operations"));
                if with_location {
                    response.set_header("location", self.url(operation, "operationResults"));
                }
            }
            Place::SecondBackEnd(_) => {
                response.set_header("azure-asyncoperation", self.url(operation, "nfvOperations"));
                if with_location {
                    response.set_header("location", self.url(operation, "nfvOperationResults"));
                }
            }
            Place::Arm => response.set_header("location", self.url(operation, "operationresults")),
        }
    }

    fn url(&self, operation: &Operation, kind: &str) -> String {
        format!("{}{}", self.endpoints.arm, self.target(operation, kind))
    }

    /// Path and query. Computed each time: thousands of finished operations of 4.8 kB each would fill the memory.
    fn target(&self, operation: &Operation, kind: &str) -> String {
        let Operation { id, place, subscription, api_version, accepted, .. } = operation;
        let path = match place {
            Place::Network(location) | Place::SecondBackEnd(location) => {
                format!("/subscriptions/{subscription}/providers/Microsoft.Network/locations/{location}/{kind}/{id}")
            }
            Place::Arm => format!("/subscriptions/{subscription}/{kind}/{id}"),
        };
        if !self.settings.behaviour.signed_operation_urls {
            return format!("{path}?api-version={api_version}");
        }
        let start = format!("{path}?api-version={api_version}&t={}", accepted.ticks());
        let certificate = &self.certificate;
        let signature = encoding::signature(self.key, &start, SIGNATURE_LENGTH);
        let hash = encoding::signature(self.key.rotate_left(1), &start, HASH_LENGTH);
        format!("{start}&c={certificate}&s={signature}&h={hash}")
    }

    /// As refusals name an operation: unsigned, and with the api-version of the provider's own.
    pub(super) fn internal_url(&self, operation: &Operation) -> String {
        let Operation { id, place, subscription, inner, .. } = operation;
        let id = inner.as_ref().unwrap_or(id);
        let location = match place {
            Place::Network(location) | Place::SecondBackEnd(location) => location.as_str(),
            Place::Arm => "",
        };
        let path = format!("/subscriptions/{subscription}/providers/Microsoft.Network/locations/{location}/operations");
        format!("{}{path}/{id}?api-version=2020-05-01", self.endpoints.arm)
    }

    /// The seconds to wait before the next question about an operation: as its acceptance said, or longer.
    fn wait_for(&self, operation: &Operation, now: Time) -> u64 {
        let behaviour = &self.settings.behaviour;
        match &operation.place {
            Place::SecondBackEnd(_) => RETRY_AFTER,
            _ if operation.name.ends_with("AzureFirewallOperation") => self.long_wait(operation.accepted, now),
            _ if GroupKind::NAMES.operations().contains(&operation.name) => GroupKind::retry_after(behaviour),
            _ => TableKind::retry_after(behaviour),
        }
    }

    fn presented(&self, request: &ApiRequest, id: &str, kind: &str) -> Result<&Operation, ApiError> {
        let operation = self.operations.get(&id.to_ascii_lowercase()).ok_or_else(|| error::operation_not_found(id))?;
        let kind = match operation.place {
            Place::SecondBackEnd(_) if kind == "operations" => "nfvOperations",
            Place::SecondBackEnd(_) => "nfvOperationResults",
            _ => kind,
        };
        if request.target != self.target(operation, kind) {
            return Err(error::changed_operation_url());
        }
        if matches!(operation.fate, Fate::Lost) {
            return Err(error::operation_not_found(id));
        }
        Ok(operation)
    }

    pub(super) fn operation_status(&self, call: &Call<'_>, id: &str) -> Result<ApiResponse, ApiError> {
        let operation = self.presented(call.request, id, "operations")?;
        let (status, error) = match operation.shown(call.now) {
            Outcome::Running => ("InProgress", None),
            Outcome::Succeeded => ("Succeeded", None),
            Outcome::Failed { code, message } => ("Failed", Some(Failure { code, message, details: [] })),
        };
        let is_running = status == "InProgress";
        let status = Status { status, error };
        let mut response = match operation.place {
            Place::SecondBackEnd(_) => ApiResponse::pretty(200, &status),
            _ => ApiResponse::json(200, &status),
        };
        if is_running {
            self.set_retry_after(&mut response, self.wait_for(operation, call.now));
        }
        Ok(response)
    }

    /// ASSUMPTION: a failed operation is told here as it is at the status URL; only successes were recorded.
    pub(super) fn operation_result(&self, call: &Call<'_>, id: &str) -> Result<ApiResponse, ApiError> {
        let operation = self.presented(call.request, id, "operationResults")?;
        let is_second = matches!(operation.place, Place::SecondBackEnd(_));
        let mut response = match operation.shown(call.now) {
            Outcome::Running => ApiResponse::empty(202),
            Outcome::Succeeded if is_second => return Ok(ApiResponse::pretty(200, &Option::<()>::None)),
            // Recorded with a content type, although there is no content.
            Outcome::Succeeded => {
                ApiResponse::empty(204).with_header("content-type", "application/json; charset=utf-8")
            }
            Outcome::Failed { code, message } => {
                let error = Some(Failure { code, message, details: [] });
                return Ok(ApiResponse::json(200, &Status { status: "Failed", error }));
            }
        };
        self.tell_operation(&mut response, id, true);
        if response.status == 202 {
            self.set_retry_after(&mut response, self.wait_for(operation, call.now));
        }
        Ok(response)
    }

    /// The status of a resource group's deletion: 202 until it is gone, then 200.
    pub(super) fn job_status(&self, call: &Call<'_>) -> Result<ApiResponse, ApiError> {
        let id = call.request.path().rsplit('/').next().unwrap_or_default();
        let operation = self.presented(call.request, id, "operationresults")?;
        if !matches!(operation.shown(call.now), Outcome::Running) {
            return Ok(ApiResponse::empty(200));
        }
        let mut response = ApiResponse::empty(202);
        self.tell_operation(&mut response, id, true);
        self.set_retry_after(&mut response, 15);
        Ok(response)
    }
}
