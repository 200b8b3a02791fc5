//! Operations on a firewall policy and what is in it: what they hold and for how long, who is refused meanwhile, and
//! what is left at their end. What a request asks for is in `firewall_policy_write`, `rule_collection_group_write` and
//! `policy_draft`.

use super::{
    arm_id::{ArmPath, ResourceId},
    error::{self, ApiError},
    faults::Fate,
    firewall_error,
    firewall_policy::{group_key, shown_policy},
    http::{ApiRequest, ApiResponse},
    ip_group::References,
    ip_group_write::{End, RETRY_AFTER},
    operation::{Accept, Place, Work},
    route_table::ProvisioningState,
    time::Time,
    world::{Call, World},
};
use serde_json::{Map, Value};
use std::time::Duration;

#[derive(Clone, Debug)]
pub(super) struct PolicyWork {
    pub(super) policy: ResourceId,
    pub(super) change: PolicyChange,
    /// The policy itself, those that are based on it, and all their firewalls.
    pub(super) touched: References,
}

/// What is being done, with what was there before.
#[derive(Clone, Debug)]
pub(super) enum PolicyChange {
    Put(Option<Map<String, Value>>),
    /// Of a new group: itself without rules.
    PutGroup(String, Map<String, Value>),
    DeleteGroup(String),
    Deploy,
}

/// Longer than any conversation.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// What an operation holds where it writes this.
fn held_as(id: &str) -> String {
    match ArmPath::parse(id) {
        ArmPath::RuleCollectionGroup(policy, _) | ArmPath::PolicyDeployment(policy) => policy.key(),
        _ => id.to_ascii_lowercase(),
    }
}

impl PolicyChange {
    fn name(&self) -> &'static str {
        match self {
            Self::Put(_) => "PutFirewallPolicyOperation",
            Self::PutGroup(..) => "PutFirewallPolicyRuleCollectionGroupOperation",
            Self::DeleteGroup(_) => "DeleteFirewallPolicyRuleCollectionGroupOperation",
            Self::Deploy => "DeployFirewallPolicyOperation",
        }
    }
}

impl World {
    /// The operations that keep others from a firewall, an IP group, or a firewall policy and what is in it.
    pub fn operations_holding(&self, id: &str) -> Vec<String> {
        self.holds.get(&held_as(id)).into_iter().flatten().cloned().collect()
    }

    /// Another client's operation on the same, which lasts until it is ended.
    pub fn hold_for_others(&mut self, now: Time, id: &str) {
        let key = held_as(id);
        let location = self.firewalls.get(&key).map(|firewall| &firewall.location);
        let location = location.or_else(|| self.firewall_policies.get(&key).map(|policy| &policy.location));
        let Some(place) = location.cloned().map(Place::Network) else { return };
        let request = ApiRequest::new("PUT", id);
        let (client, api_version) = ("others".to_owned(), String::new());
        let call = Call { now, request: &request, client, api_version, fate: Fate::Normal };
        let subscription = ArmPath::parse(id).subscription().unwrap_or_default().to_owned();
        let (takes, work) = (FOR_EVER, Work::Hold);
        let operation = self.accept(&call, Accept { name: "PutFirewallOperation", place, subscription, takes, work });
        self.hold(&operation, std::iter::once(&key));
    }

    /// What a write of the policy touches.
    pub(super) fn touched_by_policy(&self, policy: &ResourceId) -> References {
        self.with_dependents(References { firewalls: vec![], policies: vec![policy.to_string()] })
    }

    /// Whether all of it is free. `group` is what is being written, where that is a rule collection group. ASSUMPTION:
    /// a firewall that is being written itself is met in the words that were recorded the other way round.
    pub(super) fn check_policy_free(
        &self,
        policy: &ResourceId,
        group: Option<&str>,
        touched: &References,
    ) -> Result<(), ApiError> {
        let held = |id: &String| self.holds.get(&id.to_ascii_lowercase())?.first();
        if let Some(operation) = touched.policies.iter().find_map(held) {
            let status = self.settings.behaviour.policy_update_refusal;
            return Err(match group {
                Some(group) => firewall_error::group_update_not_allowed(status, &policy.name, group, operation),
                None => firewall_error::policy_update_not_allowed(status, &policy.name, operation),
            });
        }
        match touched.firewalls.iter().find_map(held) {
            Some(operation) => Err(self.another_operation(operation)),
            None => Ok(()),
        }
    }

    /// ASSUMPTION: whether the second back end looks at `If-Match` is not known; it does only where the world says so.
    pub(super) fn check_policy_etag(&self, call: &Call<'_>, id: &str, present: Option<&str>) -> Result<(), ApiError> {
        let given = call.request.header("if-match").filter(|given| *given != "*");
        let Some(given) = given.filter(|_| self.settings.behaviour.firewall_policy_if_match) else {
            return Ok(());
        };
        let bare = given.trim_start_matches("W/").trim_matches('"');
        match present {
            Some(present) if present == bare => Ok(()),
            _ => Err(error::etag_mismatch(given, present.unwrap_or_default(), id)),
        }
    }

    /// Accepts the work, and holds what it touches. The answer is the id of the operation.
    pub(super) fn begin_policy_work(
        &mut self,
        call: &Call<'_>,
        policy: &ResourceId,
        change: PolicyChange,
        touched: &References,
    ) -> String {
        let location = self.firewall_policies.get(&policy.key()).map(|policy| policy.location.clone());
        let free = self.drawn_span("firewallPolicy", self.settings.latencies.firewall_policy);
        let group = match &change {
            PolicyChange::PutGroup(name, _) | PolicyChange::DeleteGroup(name) => Some(name.clone()),
            PolicyChange::Put(_) | PolicyChange::Deploy => None,
        };
        let operation = self.accept(
            call,
            Accept {
                name: change.name(),
                place: Place::SecondBackEnd(location.unwrap_or_default()),
                subscription: policy.subscription.clone(),
                takes: self.attached_write_takes(touched, free),
                work: Work::Policy(PolicyWork { policy: policy.clone(), change, touched: touched.clone() }),
            },
        );
        self.hold(&operation, touched.all());
        let group = group.and_then(|name| self.firewall_policies.get_mut(&policy.key())?.group_mut(&name));
        if let Some(group) = group {
            group.operation = Some(operation.clone());
        }
        operation
    }

    /// The headers of an accepted write of a policy.
    pub(super) fn tell_policy_work(&self, response: &mut ApiResponse, operation: &str, with_location: bool) {
        self.tell_operation(response, operation, with_location);
        self.set_retry_after(response, RETRY_AFTER);
    }

    /// The second half. ASSUMPTION: a success also heals the policy and the firewalls that an earlier failure left, and
    /// what a failed write asked for is there all the same unless the world says otherwise.
    pub(super) fn finish_policy_work(&mut self, now: Time, client: &str, operation: &str, work: PolicyWork, end: End) {
        let PolicyWork { policy: id, change, touched } = work;
        self.release(operation);
        match end {
            End::Succeeded => self.set_attached(&touched, ProvisioningState::Succeeded),
            End::FailedWithAttached => self.set_attached(&touched, ProvisioningState::Failed),
            End::Failed => {}
        }
        let takes_content = end == End::Succeeded || self.settings.behaviour.failed_policy_takes_content;
        let state = if end == End::Succeeded { ProvisioningState::Succeeded } else { ProvisioningState::Failed };
        if let Some(policy) = self.firewall_policies.get_mut(&id.key()) {
            policy.state = state;
        }
        match change {
            PolicyChange::Put(before) => {
                let policy = self.firewall_policies.get_mut(&id.key());
                if let (Some(policy), Some(before), false) = (policy, before, takes_content) {
                    policy.properties = before;
                }
            }
            PolicyChange::PutGroup(name, before) => {
                let before = (!takes_content).then_some(before);
                self.finish_group_write(now, client, (&id, &name, operation), state, before);
            }
            PolicyChange::DeleteGroup(name) if end == End::Succeeded => {
                let is_own = |group: &str| group == operation;
                let present = self.firewall_policies.get(&id.key()).and_then(|policy| policy.group(&name));
                if present.and_then(|group| group.operation.as_deref()).is_some_and(is_own) {
                    self.displace_rule_collection_group(now, client, &id, &name);
                }
            }
            // ASSUMPTION: a group that could not be deleted is there, failed.
            PolicyChange::DeleteGroup(name) => {
                self.finish_group_write(now, client, (&id, &name, operation), state, None);
            }
            PolicyChange::Deploy => self.finish_deployment(now, client, &id, state, takes_content),
        }
    }

    /// Settles a group; `before` is what it goes back to, where it does.
    fn finish_group_write(
        &mut self,
        now: Time,
        client: &str,
        (id, name, operation): (&ResourceId, &str, &str),
        state: ProvisioningState,
        before: Option<Map<String, Value>>,
    ) {
        let etag = self.random.uuid();
        let Some(group) = self.firewall_policies.get_mut(&id.key()).and_then(|policy| policy.group_mut(name)) else {
            return;
        };
        if group.operation.as_deref() != Some(operation) {
            // The control interface replaced the group in the meantime: nothing is left to finish.
            return;
        }
        group.operation = None;
        group.state = state;
        group.etag = etag;
        if let Some(before) = before {
            group.properties = before;
        }
        let entries = group.entries();
        self.history.record_rules(now, client, group_key(id, name), entries);
    }

    /// The drafts are in force and gone. A group has no size after that, as recorded.
    fn finish_deployment(
        &mut self,
        now: Time,
        client: &str,
        id: &ResourceId,
        state: ProvisioningState,
        takes_content: bool,
    ) {
        if !takes_content {
            return;
        }
        let Some(policy) = self.firewall_policies.get_mut(&id.key()) else { return };
        let drafts = policy.groups.iter_mut().filter(|group| group.draft.is_some());
        let mut changed = vec![];
        for group in drafts {
            group.etag = self.random.uuid();
            group.state = state;
            group.size = None;
            group.properties = group.draft.take().map(|draft| draft.properties).unwrap_or_default();
            changed.push((group_key(id, &group.name), group.entries()));
        }
        if let Some(draft) = policy.draft.take() {
            policy.etag = self.random.uuid();
            let mut properties = policy.properties.clone();
            properties.extend(draft.properties);
            policy.properties = shown_policy(properties);
        }
        for (key, entries) in changed {
            self.history.record_rules(now, client, key, entries);
        }
    }
}
