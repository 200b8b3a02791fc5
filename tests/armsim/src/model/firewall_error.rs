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

/// ASSUMPTION: codes and texts of this frame; nobody published them.
pub(super) fn bad_rule(code: &str, id: &str, why: &str) -> ApiError {
    ApiError::provider(400, code, format!("Invalid rules in {id}: {why}."))
}

/// The code and the text were reported for a classic firewall. ASSUMPTION: policies are refused with the same.
pub(super) fn bad_address(id: &str, given: &str) -> ApiError {
    let message = format!("AzureFirewallRule {id}: Invalid IP address value or range or Service Tag {given}.");
    ApiError::provider(400, "AzureFirewallRuleInvalidIpAddressOrRangeFormat", message)
}

/// ASSUMPTION: code and text; that priorities are unique in a policy is documented.
pub(super) fn group_priority_taken(id: &str, priority: u64, other: &str) -> ApiError {
    let why = format!("the priority {priority} is that of rule collection group {other}");
    bad_rule("FirewallPolicyRuleCollectionGroupPrioritiesNotUnique", id, &why)
}

/// ASSUMPTION: code and text; the limit is documented.
pub(super) fn group_count_limit(policy: &ResourceId, limit: u64) -> ApiError {
    let message = format!("Firewall Policy {policy} cannot have more than {limit} rule collection groups.");
    ApiError::provider(400, "FirewallPolicyRuleCollectionGroupCountLimitReached", message)
}

/// ASSUMPTION: code and text; the limit is documented.
pub(super) fn group_size_limit(id: &str, size: usize, limit: u64) -> ApiError {
    let message = format!("Rule Collection Group {id} has {size} bytes. It cannot have more than {limit} bytes.");
    ApiError::provider(400, "FirewallPolicyRuleCollectionGroupSizeLimitReached", message)
}

/// ASSUMPTION: code and text; the limit is documented.
pub(super) fn rule_pairs_limit(policy: &ResourceId, pairs: u64, limit: u64) -> ApiError {
    let message = format!(
        "Firewall Policy {policy} has {pairs} unique source and destination combinations in network rules. It cannot \
         have more than {limit}."
    );
    ApiError::provider(400, "FirewallPolicyNetworkRuleCombinationsLimitReached", message)
}
