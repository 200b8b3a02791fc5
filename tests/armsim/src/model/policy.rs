//! Azure Policy, as far as a denial goes: assignments of the world file that refuse writes. Decides only; no policy of
//! this kind changes a request.

use super::{
    access::is_within,
    arm_id::ArmPath,
    error::{self, ApiError},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A policy that denies what meets one of its conditions, or everything of its types where it has none.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Policy {
    pub name: String,
    pub scope: String,
    /// Resource types such as `Microsoft.Network/routeTables/routes`; none: all.
    #[serde(default)]
    pub types: Vec<String>,
    #[serde(default)]
    pub allowed_locations: Option<Vec<String>>,
    #[serde(default)]
    pub required_tags: Vec<String>,
    #[serde(default)]
    pub denied_next_hop_types: Vec<String>,
}

impl Policy {
    fn denies(&self, kind: &str, scope: &str, body: &Value) -> bool {
        let is_of_type = self.types.is_empty() || self.types.iter().any(|wanted| wanted.eq_ignore_ascii_case(kind));
        if !is_of_type || !is_within(scope, &self.scope) {
            return false;
        }
        let has = |list: &[String], text: &str| list.iter().any(|known| known.eq_ignore_ascii_case(text));
        let location = body["location"].as_str();
        let elsewhere =
            self.allowed_locations.as_ref().zip(location).is_some_and(|(allowed, location)| !has(allowed, location));
        let untagged = self.required_tags.iter().any(|tag| body["tags"].get(tag).is_none());
        let properties = &body["properties"];
        let routes = properties["routes"].as_array().into_iter().flatten().map(|route| &route["properties"]);
        let hop = std::iter::once(properties)
            .chain(routes)
            .filter_map(|properties| properties["nextHopType"].as_str())
            .any(|hop| has(&self.denied_next_hop_types, hop));
        let has_conditions = self.allowed_locations.is_some()
            || !self.required_tags.is_empty()
            || !self.denied_next_hop_types.is_empty();
        !has_conditions || elsewhere || untagged || hop
    }
}

/// ASSUMPTION: policies look at writes only; a policy that denies deletions was not recorded.
pub(super) fn check(policies: &[Policy], method: &str, path: &ArmPath, body: &[u8]) -> Result<(), ApiError> {
    let (Some(kind), "PUT" | "PATCH") = (path.action_type(), method) else {
        return Ok(());
    };
    let scope = path.scope();
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    match policies.iter().find(|policy| policy.denies(kind, &scope, &body)) {
        Some(policy) => {
            let name = scope.rsplit('/').next().unwrap_or_default();
            Err(error::disallowed_by_policy(name, &policy.name, policy.scope.trim_end_matches('/')))
        }
        None => Ok(()),
    }
}
