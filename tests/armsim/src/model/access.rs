//! Who may do what: the role assignments of the world file. Decides; does not authenticate.

use super::{
    arm_id::ArmPath,
    error::{self, ApiError},
    token::Identity,
};
use serde::{Deserialize, Serialize};

/// A role of one client: actions may have `*`, as in `Microsoft.Network/*` and `*/read`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Role {
    pub client: String,
    pub scope: String,
    pub actions: Vec<String>,
}

/// Without any role in the world everything is allowed.
pub(super) fn check_roles(
    roles: Option<&[Role]>,
    who: &Identity,
    method: &str,
    path: &ArmPath,
) -> Result<(), ApiError> {
    let (Some(roles), Some(kind)) = (roles, path.action_type()) else {
        return Ok(());
    };
    let action = format!("{kind}/{}", verb(method));
    let scope = path.scope();
    let allowed = roles.iter().any(|role| {
        role.client == who.client
            && is_within(&scope, &role.scope)
            && role.actions.iter().any(|pattern| matches(pattern, &action))
    });
    if allowed { Ok(()) } else { Err(error::authorization_failed(&who.client, &who.object, &action, &scope)) }
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
