//! Injected faults: which request is hit, how often, and what happens to it. Decides; others carry it out.

use super::{
    error,
    http::{ApiRequest, ApiResponse},
    log::Server,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    #[serde(rename = "match", default)]
    pub matching: Match,
    /// How many requests are hit before the fault is over; 0 for ever.
    #[serde(default = "once")]
    pub times: u64,
    pub effect: Effect,
    #[serde(skip)]
    seen: u64,
    #[serde(skip)]
    hit: u64,
}

fn once() -> u64 {
    1
}

/// What is not given matches everything.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Match {
    pub server: Server,
    pub method: Option<String>,
    /// A part of path and query, compared without case.
    pub path_contains: Option<String>,
    /// The first request to be hit, counted from 1 among those that match otherwise.
    pub nth: Option<u64>,
    /// `appid` of the token, the `x-armsim-client` header, or both as in the log.
    pub client: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Effect {
    /// The connection is cut and nothing was done.
    DropBefore,
    /// The request is carried out, then the connection is cut without an answer.
    DropAfterCommit,
    /// The request is carried out, and nothing is ever answered.
    Withhold,
    /// The request is carried out, and the answer is kept until the key is released; at once where it was before.
    Hold { key: String },
    /// Nothing is done and this is answered.
    Status {
        code: u16,
        #[serde(default)]
        body: serde_json::Value,
        #[serde(default)]
        headers: BTreeMap<String, String>,
    },
    /// Nothing is done and a page of HTML is answered with 503.
    Html503,
    /// Nothing is done: 429 as for a subscription with too many requests.
    Throttle { retry_after: u64 },
    /// The request is carried out and answered late; not subject to the time scale.
    Slow { ms: u64 },
    /// The write is accepted, fails at the end of its operation and is undone.
    FailOperation {
        code: String,
        message: String,
        /// Of a route table, a security group or a child of one: it is not undone and left `Failed`.
        #[serde(default)]
        leaves_failed: bool,
    },
    /// The write of an IP group is accepted and fails at the end of its operation as it does for a faulted firewall;
    /// the group is left without addresses.
    IpGroupsUpdateFailed {
        /// The firewalls and policies that use it are left failed as well.
        #[serde(default)]
        fails_attached: bool,
    },
    /// The write of a firewall policy, or of something in it, is accepted and fails at the end of its operation as it
    /// does for a faulted firewall; the policy and the rule collection group are left failed.
    FirewallPolicyUpdateFailed {
        /// The firewalls and the policies based on it are left failed as well.
        #[serde(default)]
        fails_attached: bool,
    },
    /// The write is accepted and carried out, but nobody knows its operation.
    LostOperation,
    /// The front end that is asked has not heard yet that the resource group was deleted: a GET or DELETE of what was
    /// in it is answered as if the group were there and empty.
    StaleGroup,
}

/// What becomes of the operation of an accepted write.
#[derive(Clone, Debug, Default)]
pub enum Fate {
    #[default]
    Normal,
    Fail {
        code: String,
        message: String,
        leaves_failed: bool,
    },
    /// Failed for the firewalls that use it.
    Faulted {
        fails_attached: bool,
    },
    Lost,
}

impl Effect {
    pub(super) fn fate(&self) -> Fate {
        match self {
            Self::FailOperation { code, message, leaves_failed } => {
                Fate::Fail { code: code.clone(), message: message.clone(), leaves_failed: *leaves_failed }
            }
            Self::IpGroupsUpdateFailed { fails_attached } | Self::FirewallPolicyUpdateFailed { fails_attached } => {
                Fate::Faulted { fails_attached: *fails_attached }
            }
            Self::LostOperation => Fate::Lost,
            _ => Fate::Normal,
        }
    }

    /// The answer in place of the real one, where the effect has one. `throttled` says it for a subscription.
    pub(super) fn answer(&self, throttled: impl FnOnce(u64) -> ApiResponse) -> Option<ApiResponse> {
        match self {
            Self::DropBefore => Some(ApiResponse::empty(0)),
            Self::Status { code, body, headers } => Some(canned(*code, body, headers)),
            Self::Html503 => Some(error::html_unavailable()),
            Self::Throttle { retry_after } => Some(throttled(*retry_after)),
            _ => None,
        }
    }
}

fn canned(code: u16, body: &serde_json::Value, headers: &BTreeMap<String, String>) -> ApiResponse {
    let mut response = match body {
        serde_json::Value::Null => ApiResponse::empty(code),
        serde_json::Value::String(text) => ApiResponse::html(code, text.clone()),
        json => ApiResponse::json(code, json),
    };
    for (name, value) in headers {
        response.set_header(name, value.as_str());
    }
    response
}

#[derive(Clone, Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// What hits this request. All faults count it; the first that is due hits it.
    pub(super) fn take(&mut self, server: Server, request: &ApiRequest, client: &str) -> Option<Effect> {
        let mut effect = None;
        for fault in &mut self.0 {
            if !fault.matching.fits(server, request, client) {
                continue;
            }
            fault.seen += 1;
            let is_due = fault.seen >= fault.matching.nth.unwrap_or(1) && (fault.times == 0 || fault.hit < fault.times);
            if effect.is_none() && is_due {
                fault.hit += 1;
                effect = Some(fault.effect.clone());
            }
        }
        effect
    }
}

impl Match {
    fn fits(&self, server: Server, request: &ApiRequest, client: &str) -> bool {
        let contains = |part: &String| request.target.to_ascii_lowercase().contains(&part.to_ascii_lowercase());
        self.server == server
            && self.method.as_ref().is_none_or(|method| method.eq_ignore_ascii_case(&request.method))
            && self.path_contains.as_ref().is_none_or(contains)
            && self
                .client
                .as_ref()
                .is_none_or(|wanted| client == wanted || client.split('/').any(|part| part == wanted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fault(value: serde_json::Value) -> Fault {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_nth_and_the_following_are_hit() {
        let mut faults = Faults::default();
        faults.add(fault(json!({"match": {"method": "put", "pathContains": "/ROUTES/", "nth": 2}, "times": 2, "effect": "dropBefore"})));
        let put = ApiRequest::new("PUT", "/x/routes/a");
        let hits: Vec<bool> = (0..5).map(|_| faults.take(Server::Arm, &put, "c").is_some()).collect();
        assert_eq!(hits, [false, true, true, false, false]);
        assert!(faults.take(Server::Login, &put, "c").is_none());
    }

    #[test]
    fn every_effect_can_be_written() {
        for effect in [
            json!("dropBefore"),
            json!("dropAfterCommit"),
            json!("withhold"),
            json!({"status": {"code": 500, "body": {"error": {}}, "headers": {"a": "b"}}}),
            json!("html503"),
            json!({"throttle": {"retryAfter": 5}}),
            json!({"slow": {"ms": 5}}),
            json!({"hold": {"key": "k"}}),
            json!({"failOperation": {"code": "InternalServerError", "message": "m"}}),
            json!({"failOperation": {"code": "InternalServerError", "message": "m", "leavesFailed": true}}),
            json!({"ipGroupsUpdateFailed": {}}),
            json!({"ipGroupsUpdateFailed": {"failsAttached": true}}),
            json!({"firewallPolicyUpdateFailed": {}}),
            json!("lostOperation"),
            json!("staleGroup"),
        ] {
            fault(json!({"effect": effect}));
        }
        assert!(serde_json::from_value::<Fault>(json!({"effect": "explode"})).is_err());
        assert!(serde_json::from_value::<Fault>(json!({"effect": "withhold", "time": 1})).is_err());
    }

    #[test]
    fn a_client_is_named_by_its_parts() {
        let fits = |wanted: &str| {
            let matching = Match { client: Some(wanted.to_owned()), ..Match::default() };
            matching.fits(Server::Arm, &ApiRequest::new("GET", "/"), "app/one")
        };
        assert!(fits("app") && fits("one") && fits("app/one"));
        assert!(!fits("two"));
    }
}
