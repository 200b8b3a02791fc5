//! ARM's refusals of network security groups and their rules: code and text as they were reported. A part that is not
//! known from a report is marked `ASSUMPTION`. One constructor a refusal; nothing here decides when to refuse.

use super::{arm_id::ResourceId, error::ApiError};

fn refused(code: &str, message: String) -> ApiError {
    ApiError::provider(400, code, message)
}

pub(super) fn priority(given: i64) -> ApiError {
    let message = format!("Security rule has invalid Priority. Value provided: {given} Allowed range 100-4096.");
    refused("SecurityRuleInvalidPriority", message)
}

/// ASSUMPTION: code and text; the limit is documented.
pub(super) fn description(id: &str, limit: usize) -> ApiError {
    let message = format!("Security rule {id} has a description of more than {limit} characters.");
    refused("SecurityRuleInvalidDescription", message)
}

/// ASSUMPTION: the code; the text was reported.
pub(super) fn said_once(id: &str, parameter: &str) -> ApiError {
    let plural = if parameter.ends_with('x') { "es" } else { "s" };
    let message = format!(
        "Security rule with Id {id} must specify a non-empty value for either {parameter} or {parameter}{plural}, but not \
         both."
    );
    refused("SecurityRuleParameterMustBeSpecifiedOnce", message)
}

pub(super) fn port_range(given: &str) -> ApiError {
    let message = format!(
        "Security rule has invalid Port range. Value provided: {given}. Value should be an integer OR integer range with \
         '-' delimiter. Valid range 0-65535."
    );
    refused("SecurityRuleInvalidPortRange", message)
}

/// An unknown tag, host bits, or no address at all.
pub(super) fn address(id: &str, given: &str) -> ApiError {
    let message = format!("Security rule {id} has invalid Address prefix. Value provided: {given}");
    refused("SecurityRuleInvalidAddressPrefix", message)
}

/// A name in a list of prefixes.
pub(super) fn unsupported_value(parameter: &str, id: &str, given: &str) -> ApiError {
    let message = format!(
        "Security rule parameter {parameter} for rule with Id {id} cannot specify existing VIRTUALNETWORK, INTERNET, \
         AZURELOADBALANCER, '*' or system tags. Unsupported value used: {given}."
    );
    refused("SecurityRuleParameterContainsUnsupportedValue", message)
}

/// Two prefixes of one list, the one inside the other.
pub(super) fn overlapping_prefixes(id: &str, parameter: &str, pair: [&str; 2]) -> ApiError {
    let [one, other] = pair;
    let message = format!(
        "Security rule parameter {parameter} for rule with Id {id} contains overlapping subnets [{one}, {other}], which is \
         not permitted."
    );
    refused("OverlappingSubnetsNotPermittedInSecurityRule", message)
}

/// ASSUMPTION: code and text follow those for prefixes.
pub(super) fn overlapping_ports(id: &str, parameter: &str, pair: [&str; 2]) -> ApiError {
    let [one, other] = pair;
    let message = format!(
        "Security rule parameter {parameter} for rule with Id {id} contains overlapping ports [{one}, {other}], which is not \
         permitted."
    );
    refused("OverlappingPortsNotPermittedInSecurityRule", message)
}

/// ASSUMPTION: how the text ends; its beginning was reported.
pub(super) fn families(name: &str) -> ApiError {
    let message = format!("{name} contains IP addresses or prefixes that belong to different address families.");
    refused("ResourceCannotContainAddressPrefixesFromDifferentAddressFamilies", message)
}

pub(super) fn conflict(one: &str, other: &str) -> ApiError {
    let message =
        format!("Security rule {one} conflicts with rule {other}. Rules cannot have the same Priority and Direction.");
    refused("SecurityRuleConflict", message)
}

pub(super) fn count(limit: u64) -> ApiError {
    let message = format!("A security group cannot have more than {limit} security rules.");
    refused("SecurityRuleCountLimitReached", message)
}

pub(super) fn addresses(group: &ResourceId, present: u64, limit: u64, parameter: &str) -> ApiError {
    let message = format!(
        "Network security group {group} has {present} {parameter}. A security group cannot have more than {limit} \
         {parameter} as per the limit MaxSecurityRuleAddressesOrPortsPerSecurityGroup."
    );
    refused("SecurityRuleAddressesOrPortsPerSecurityGroupLimitReached", message)
}

/// Code and text were reported.
pub(super) fn in_use(group: &ResourceId, user: &str) -> ApiError {
    let message = format!(
        "Network security group {group} cannot be deleted because it is in use by the following resources: {user}. In \
         order to delete the Network security group, remove the association with the resource(s)."
    );
    refused("InUseNetworkSecurityGroupCannotBeDeleted", message)
}
