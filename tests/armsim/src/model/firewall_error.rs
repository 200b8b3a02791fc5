//! Refusals about firewall policies and what is in them: status, code and text. One constructor a refusal; nothing here
//! decides when to refuse.

use super::{arm_id::ResourceId, error::ApiError};

/// The code is known from the field, and that the operation is named. ASSUMPTION: the rest of the text, and the status.
pub(super) fn policy_update_not_allowed(status: u16, policy: &str, operation: &str) -> ApiError {
    let message = format!(
        "Update on Firewall Policy {policy} is not allowed while it, or a policy that it is based on or that is based on \
         it, is being updated or deleted by operation ID : {operation}"
    );
    ApiError::provider(status, "FirewallPolicyUpdateNotAllowedWhenUpdatingOrDeleting", message)
}

/// As for the policy itself.
pub(super) fn group_update_not_allowed(status: u16, policy: &str, group: &str, operation: &str) -> ApiError {
    let message = format!(
        "Update on Rule Collection Group {group} is not allowed while Firewall Policy {policy}, or something in it, is \
         being updated or deleted by operation ID : {operation}"
    );
    ApiError::provider(status, "FirewallPolicyRuleCollectionGroupUpdateNotAllowedWhenUpdatingOrDeleting", message)
}

/// ASSUMPTION: code and text follow those for route tables.
pub(super) fn policy_in_use(id: &ResourceId, user: &str) -> ApiError {
    let message = format!("Firewall Policy {} is in use and cannot be deleted. It is used by {user}.", id.name);
    ApiError::provider(400, "InUseFirewallPolicyCannotBeDeleted", message)
}

/// ASSUMPTION: code and text.
pub(super) fn circular_base(id: &ResourceId, base: &str) -> ApiError {
    let message = format!("Firewall Policy {id} cannot be based on {base}, which is based on it.");
    ApiError::provider(400, "FirewallPolicyCircularBasePolicy", message)
}

/// ASSUMPTION: code and text; the rule is documented.
pub(super) fn base_of_higher_tier(id: &ResourceId, base: &str) -> ApiError {
    let message = format!("The tier of Firewall Policy {id} must not be lower than that of its base policy {base}.");
    ApiError::provider(400, "FirewallPolicyInvalidBasePolicyTier", message)
}

/// ASSUMPTION: code and text.
pub(super) fn nothing_to_deploy(id: &ResourceId) -> ApiError {
    ApiError::provider(400, "FirewallPolicyDraftNotFound", format!("Firewall Policy {id} has no draft to deploy."))
}
