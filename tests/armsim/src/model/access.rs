//! Who may do what: the role assignments of the world file. Decides; does not authenticate.

use super::{
    arm_id::ArmPath,
    error::{self, ApiError},
    ip_group_attached::groups_as_named,
    token::Identity,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A role of one client: actions may have `*`, as in `Microsoft.Network/*` and `*/read`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Role {
    pub client: String,
    pub scope: String,
    pub actions: Vec<String>,
    /// Taken away from `actions`.
    #[serde(default)]
    pub not_actions: Vec<String>,
}

impl Role {
    fn allows(&self, client: &str, action: &str, scope: &str) -> bool {
        let names = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, action));
        self.client == client && is_within(scope, &self.scope) && names(&self.actions) && !names(&self.not_actions)
    }
}

/// Without any role in the world everything is allowed.
pub(super) fn check_roles(
    roles: Option<&[Role]>,
    who: &Identity,
    method: &str,
    path: &ArmPath,
    body: &[u8],
) -> Result<(), ApiError> {
    let (Some(roles), Some(kind)) = (roles, path.action_type()) else {
        return Ok(());
    };
    let verb = if method == "POST" { "action" } else { verb(method) };
    let action = format!("{kind}/{verb}");
    let scope = path.scope();
    let may = |action: &str, scope: &str| roles.iter().any(|role| role.allows(&who.client, action, scope));
    if !may(&action, &scope) {
        return Err(error::authorization_failed(&who.client, &who.object, &action, &scope));
    }
    // ASSUMPTION: the users that the body of an IP group may repeat are read-only and refer to nothing.
    if !matches!(method, "PUT" | "PATCH") || matches!(path, ArmPath::IpGroup(_)) {
        return Ok(());
    }
    for linked in links(path, body, &scope) {
        let join = format!("{}/join/action", type_of(&linked));
        if !may(&join, &linked) {
            let who = (who.client.as_str(), who.object.as_str());
            return Err(error::linked_authorization_failed(who, &action, &scope, &join, &linked));
        }
    }
    Ok(())
}

/// The ids of other resources that a body refers to.
fn links(path: &ArmPath, body: &[u8], scope: &str) -> Vec<String> {
    let mut body: Value = serde_json::from_slice(body).unwrap_or_default();
    let mut found = vec![];
    if let (ArmPath::FirewallPolicy(_), Some(properties)) = (path, body["properties"].as_object_mut()) {
        // ASSUMPTION: as for IP groups, what only an answer says refers to nothing.
        properties.retain(|name, _| !["childPolicies", "firewalls", "ruleCollectionGroups"].contains(&name.as_str()));
    }
    collect(&body["properties"], &mut found);
    // ASSUMPTION: IP groups in rules are linked as others are by their `id`.
    if let Some(properties) = body["properties"].as_object() {
        found.extend(groups_as_named(properties));
    }
    found.retain(|id| !is_within(id, scope));
    found
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let id = fields.get("id").and_then(Value::as_str);
            found.extend(id.filter(|id| id.contains("/providers/")).map(str::to_owned));
            for field in fields.values() {
                collect(field, found);
            }
        }
        Value::Array(elements) => {
            for element in elements {
                collect(element, found);
            }
        }
        _ => {}
    }
}

/// `Microsoft.Network/virtualNetworks/subnets`
fn type_of(id: &str) -> String {
    let (_, rest) = id.rsplit_once("/providers/").unwrap_or_default();
    let segments: Vec<&str> = rest.split('/').collect();
    let kinds = segments.iter().skip(1).step_by(2);
    segments.first().into_iter().chain(kinds).copied().collect::<Vec<_>>().join("/")
}

pub(super) fn verb(method: &str) -> &'static str {
    match method {
        "GET" | "HEAD" => "read",
        "DELETE" => "delete",
        _ => "write",
    }
}

/// Segment by segment and without case.
pub(super) fn is_within(id: &str, scope: &str) -> bool {
    let (id, scope) = (id.to_ascii_lowercase(), scope.trim_end_matches('/').to_ascii_lowercase());
    id.strip_prefix(&scope).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn matches(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_ascii_lowercase(), action.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = action.strip_prefix(first) else {
        return false;
    };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_may_have_stars() {
        let action = "Microsoft.Network/routeTables/routes/write";
        for pattern in ["*", "Microsoft.Network/*", "*/write", "microsoft.network/routetables/routes/write"] {
            assert!(matches(pattern, action), "{pattern}");
        }
        for pattern in ["*/read", "Microsoft.Network", "Microsoft.Network/routeTables/write", ""] {
            assert!(!matches(pattern, action), "{pattern}");
        }
    }

    #[test]
    fn a_scope_is_no_mere_prefix() {
        assert!(is_within("/subscriptions/s/resourceGroups/rg", "/subscriptions/S"));
        assert!(is_within("/subscriptions/s", "/"));
        assert!(!is_within("/subscriptions/s/resourceGroups/rg2", "/subscriptions/s/resourceGroups/rg"));
    }
}
