use super::*;

fn refusal(status: Option<u16>, code: &str, details: &[&str]) -> Refusal {
    Refusal {
        method: "PUT".into(),
        path: "/x".into(),
        status,
        code: code.into(),
        details: details.iter().map(ToString::to_string).collect(),
        message: "m".into(),
        retry_after: None,
        correlation_id: Some("c".into()),
        tried_before: false,
    }
}

#[test]
fn every_row_of_the_facts_has_its_class() {
    let blocked = Class::Blocked;
    for (status, code, details, class) in [
        (429, "RetryableError", &["RetryableErrorDueToAnotherOperation"][..], Class::Busy),
        (429, "RetryableError", &["ReferencedResourceNotProvisioned"], Class::Busy),
        (400, "ReferencedResourceNotProvisioned", &[], Class::Busy),
        (409, "AnotherOperationInProgress", &[], Class::Busy),
        (409, "FirewallPolicyRuleCollectionGroupUpdateNotAllowedWhenUpdatingOrDeleting", &[], Class::Busy),
        (400, "FirewallPolicyUpdateNotAllowedWhenUpdatingOrDeleting", &[], Class::Busy),
        (429, "SubscriptionRequestsThrottled", &[], Class::Throttled),
        (429, "TooManyRequests", &[], Class::Throttled),
        (429, "OperationNotAllowed", &["TooManyRequests"], Class::Throttled),
        (429, "", &[], Class::Throttled),
        (412, "PreconditionFailed", &["PreconditionFailedEtagMismatch"], Class::Stale),
        (404, "ResourceNotFound", &[], Class::NotFound),
        (404, "NotFound", &[], Class::NotFound),
        (404, "ResourceGroupNotFound", &[], Class::NotFound),
        (404, "SubscriptionNotFound", &[], Class::NotFound),
        (400, "InvalidResourceReference", &[], Class::Refused),
        (400, "RouteConflict", &[], Class::Stale),
        (400, "SecurityRuleConflict", &[], Class::Stale),
        (400, "InvalidAddressPrefixFormat", &[], Class::Refused),
        (400, "InvalidCIDRNotation", &[], Class::Refused),
        (400, "SecurityRuleCountLimitReached", &[], blocked(BlockedReason::Capacity)),
        (400, "SecurityRuleAddressesOrPortsPerSecurityGroupLimitReached", &[], blocked(BlockedReason::Capacity)),
        (400, "RoutesPerRouteTableLimitExceeded", &[], blocked(BlockedReason::Capacity)),
        (400, "QuotaExceeded", &[], blocked(BlockedReason::Capacity)),
        (409, "ScopeLocked", &[], blocked(BlockedReason::Locked)),
        (403, "RequestDisallowedByPolicy", &[], blocked(BlockedReason::Forbidden)),
        (403, "AuthorizationFailed", &[], blocked(BlockedReason::Forbidden)),
        (403, "LinkedAuthorizationFailed", &[], blocked(BlockedReason::Forbidden)),
        (401, "ExpiredAuthenticationToken", &[], Class::Unauthenticated),
        (503, "", &[], Class::Transient),
        (500, "InternalServerError", &[], Class::Transient),
        (599, "", &[], Class::Transient),
        (409, "Whatever", &[], Class::Stale),
    ] {
        assert_eq!(refusal(Some(status), code, details).class(), class, "{status} {code} {details:?}");
    }
}

#[test]
fn failed_operations_and_missing_answers_have_a_class_too() {
    for (code, class) in [
        (NO_ANSWER, Class::Transient),
        (UNREADABLE, Class::Transient),
        (NO_TOKEN, Class::Unauthenticated),
        (OPERATION_LOST, Class::Stale),
        ("CanceledAndSupersededDueToAnotherOperation", Class::Stale),
        ("FirewallPolicyUpdateFailed", Class::Transient),
        ("IpGroupsUpdateFailed", Class::Transient),
        ("ScopeLocked", Class::Blocked(BlockedReason::Locked)),
    ] {
        assert_eq!(refusal(None, code, &[]).class(), class, "{code}");
    }
}

#[test]
fn a_user_is_told_the_code_what_to_do_and_the_correlation_id() {
    let text = refusal(Some(409), "ScopeLocked", &[]).failure().to_string();
    assert_eq!(text, "ScopeLocked: PUT /x: m; remove the lock, or wait until its owner does (correlation id c)");
}
