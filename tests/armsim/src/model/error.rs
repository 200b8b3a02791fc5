//! ARM's refusals: status, code and text as they were recorded or reported (docs/facts.md, "Refusals"). A text that is
//! not known from a recording is marked `ASSUMPTION`. One constructor a refusal; nothing here decides when to refuse.

use super::{arm_id::ResourceId, http::ApiResponse, time::Time};
use serde::Serialize;
use serde_json::{Value, json};

#[derive(Clone, Debug)]
pub struct ApiError {
    pub status: u16,
    body: Box<ErrorBody>,
    source: Source,
    pub retry_after_seconds: Option<u64>,
    challenge: Option<String>,
}

/// Who refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Provider,
    Gateway,
    /// The front end says so in `x-ms-failure-cause`; recorded for its 404s.
    GatewayMarked,
}

#[derive(Clone, Debug, Serialize)]
struct ErrorBody {
    code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Vec<Detail>>,
    #[serde(rename = "additionalInfo", skip_serializing_if = "Vec::is_empty")]
    additional_info: Vec<Value>,
}

#[derive(Clone, Debug, Serialize)]
struct Detail {
    code: String,
    message: String,
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: &'a ErrorBody,
}

impl ApiError {
    fn new(status: u16, code: &str, message: String, details: Option<Vec<Detail>>) -> Self {
        let body =
            Box::new(ErrorBody { code: code.to_owned(), target: None, message, details, additional_info: vec![] });
        Self { status, body, source: Source::Provider, retry_after_seconds: None, challenge: None }
    }

    /// Refused by ARM's front end: no `details`.
    pub(super) fn gateway(status: u16, code: &str, message: String) -> Self {
        Self {
            source: if status == 404 { Source::GatewayMarked } else { Source::Gateway },
            ..Self::new(status, code, message, None)
        }
    }

    /// Refused by the network provider: `details`, empty or not.
    pub(super) fn provider(status: u16, code: &str, message: String) -> Self {
        Self::new(status, code, message, Some(vec![]))
    }

    pub(super) fn with_detail(status: u16, code: &str, message: &str, detail: (&str, String)) -> Self {
        let details = vec![Detail { code: detail.0.to_owned(), message: detail.1 }];
        Self::new(status, code, message.to_owned(), Some(details))
    }

    /// Made by the provider of the resource and not by ARM's front end.
    pub fn is_of_provider(&self) -> bool {
        self.source == Source::Provider
    }

    pub fn code(&self) -> &str {
        &self.body.code
    }

    pub fn response(&self) -> ApiResponse {
        let mut response = ApiResponse::json(self.status, &Envelope { error: &self.body });
        if self.source == Source::GatewayMarked {
            response.set_header("x-ms-failure-cause", "gateway");
        }
        if let Some(challenge) = &self.challenge {
            response.set_header("www-authenticate", challenge.as_str());
        }
        response
    }
}

pub(super) fn resource_not_found(id: &ResourceId) -> ApiError {
    let ResourceId { group, kind, name, .. } = id;
    let message = format!(
        "The Resource 'Microsoft.Network/{kind}/{name}' under resource group '{group}' was not found. For more details \
         please go to https://aka.ms/ARMResourceNotFoundFix"
    );
    ApiError::gateway(404, "ResourceNotFound", message)
}

/// ASSUMPTION: the code and the text; the refusal was not recorded.
pub(super) fn lock_not_found(name: &str) -> ApiError {
    ApiError::gateway(404, "LockNotFound", format!("The lock '{name}' could not be found."))
}

pub(super) fn child_not_found(id: &str) -> ApiError {
    ApiError::provider(404, "NotFound", format!("Resource {id} not found."))
}

/// ASSUMPTION: known from deployments; a child PUT below a missing parent was not recorded.
pub(super) fn parent_not_found(parent: &ResourceId, child_kind: &str) -> ApiError {
    let kind = parent.kind;
    let message = format!(
        "Failed to perform 'write' on resource(s) of type '{kind}/{child_kind}', because the parent resource '{parent}' \
         could not be found."
    );
    ApiError::gateway(404, "ParentResourceNotFound", message)
}

pub(super) fn resource_group_not_found(group: &str) -> ApiError {
    ApiError::gateway(404, "ResourceGroupNotFound", format!("Resource group '{group}' could not be found."))
}

pub(super) fn subscription_not_found(subscription: &str) -> ApiError {
    ApiError::gateway(404, "SubscriptionNotFound", format!("The subscription '{subscription}' could not be found."))
}

/// ASSUMPTION: the text is the usual one of ARM; it was not recorded.
pub(super) fn unknown_type(namespace: &str, kind: &str, api_version: &str) -> ApiError {
    let message = format!(
        "The resource type '{kind}' could not be found in the namespace '{namespace}' for api version '{api_version}'."
    );
    ApiError::gateway(404, "InvalidResourceType", message)
}

/// ASSUMPTION: the text for a path that names nothing.
pub(super) fn unknown_path(path: &str) -> ApiError {
    ApiError::gateway(404, "NotFound", format!("The request path '{path}' does not name a resource."))
}

/// ASSUMPTION: the status for a signed URL that was changed, shortened or rebuilt.
pub(super) fn changed_operation_url() -> ApiError {
    let message = "The operation URL is not one that was given out: its signature does not match.".to_owned();
    ApiError::gateway(400, "InvalidOperationUrl", message)
}

pub(super) fn operation_not_found(id: &str) -> ApiError {
    ApiError::provider(404, "OperationNotFound", format!("Operation {id} not found."))
}

pub(super) fn method_not_allowed(method: &str) -> ApiError {
    let message = format!("The requested resource does not support http method '{method}'.");
    ApiError::gateway(405, "HttpMethodNotAllowed", message)
}

pub(super) fn missing_api_version() -> ApiError {
    let message = "The api-version query parameter (?api-version=) is required for all requests.".to_owned();
    ApiError::gateway(400, "MissingApiVersionParameter", message)
}

/// ASSUMPTION: the text is written in the style of ARM's other refusals.
pub(super) fn invalid_api_version(version: &str) -> ApiError {
    let message = format!("The api-version '{version}' is invalid. It should be of the form yyyy-MM-dd.");
    ApiError::gateway(400, "InvalidApiVersionParameter", message)
}

/// ASSUMPTION: the text; the rule is documented.
pub(super) fn invalid_name(name: &str) -> ApiError {
    let message = format!(
        "Resource name {name} is invalid. The name can be up to 80 characters long. It must begin with a word \
         character, and it must end with a word character or with '_'. The name may contain word characters or '.', \
         '-', '_'."
    );
    ApiError::provider(400, "InvalidResourceName", message)
}

pub(super) fn invalid_content(why: &str) -> ApiError {
    let message = format!("The request content was invalid and could not be deserialized: '{why}'.");
    ApiError::gateway(400, "InvalidRequestContent", message)
}

/// ASSUMPTION: the text; which property the network provider names first was not recorded.
pub(super) fn missing_property(property: &str) -> ApiError {
    let detail = ("MissingJsonProperty", format!("Required property '{property}' not found in JSON."));
    ApiError::with_detail(400, "InvalidRequestFormat", "Cannot parse the request.", detail)
}

/// ASSUMPTION: the text of the inner message.
pub(super) fn invalid_value(property: &str, value: &str) -> ApiError {
    let detail = ("InvalidJson", format!("Error converting value \"{value}\" of property '{property}'."));
    ApiError::with_detail(400, "InvalidRequestFormat", "Cannot parse the request.", detail)
}

/// ASSUMPTION: the code; that the address is demanded is documented.
pub(super) fn missing_next_hop_address(route: &str) -> ApiError {
    let message = format!("Route {route} with next hop type VirtualAppliance must have a next hop IP address.");
    ApiError::provider(400, "RouteNextHopIpAddressRequired", message)
}

pub(super) fn location_required() -> ApiError {
    ApiError::gateway(400, "LocationRequired", "The location property is required for this definition.".to_owned())
}

/// ASSUMPTION: the list of locations that the real text ends with is left out.
pub(super) fn unknown_location(location: &str, kind: &str) -> ApiError {
    let message = format!("The provided location '{location}' is not available for resource type '{kind}'.");
    ApiError::gateway(400, "LocationNotAvailableForResourceType", message)
}

pub(super) fn other_location(name: &str, group: &str, present: &str, wanted: &str) -> ApiError {
    let message = format!(
        "The resource '{name}' already exists in location '{present}' in resource group '{group}'. A resource with the \
         same name cannot be created in location '{wanted}'. Please select a new resource name."
    );
    ApiError::gateway(409, "InvalidResourceLocation", message)
}

pub(super) fn locked_by_operation(operation: &str, guid: &str, id: &ResourceId, seconds: u64) -> ApiError {
    let message = format!(
        "Operation {operation} ({guid}) is updating resource {id}. The call can be retried in {seconds} seconds."
    );
    let detail = ("RetryableErrorDueToAnotherOperation", message);
    let error = ApiError::with_detail(429, "RetryableError", "A retryable error occurred.", detail);
    ApiError { retry_after_seconds: Some(seconds), ..error }
}

pub(super) fn etag_mismatch(given: &str, present: &str, id: &str) -> ApiError {
    let message = format!(
        "Etag provided in if-match header {given} does not match etag {present} of resource {id} in NRP data store."
    );
    let detail = ("PreconditionFailedEtagMismatch", message);
    ApiError::with_detail(412, "PreconditionFailed", "Precondition failed.", detail)
}

pub(super) fn invalid_reference(referenced: &str, by: &str) -> ApiError {
    let message = format!(
        "Resource {referenced} referenced by resource {by} was not found. Please make sure that the referenced resource \
         exists, and that both resources are in the same region."
    );
    ApiError::provider(400, "InvalidResourceReference", message)
}

/// ASSUMPTION: the text; the code and that a table in use cannot be deleted are known from the field.
pub(super) fn table_in_use(table: &ResourceId, subnet: &str) -> ApiError {
    let name = &table.name;
    let message = format!("Route table {name} is in use and cannot be deleted. It is used by {subnet}.");
    ApiError::provider(400, "InUseRouteTableCannotBeDeleted", message)
}

pub(super) fn route_conflict(one: &str, other: &str) -> ApiError {
    let message = format!("Route: {one} conflicts with Route: {other}. Routes cannot have the same AddressPrefix.");
    ApiError::provider(400, "RouteConflict", message)
}

/// The code and text are known from virtual networks. ASSUMPTION: routes are refused with the same.
pub(super) fn invalid_prefix_format(prefix: &str, id: &str) -> ApiError {
    let message = format!(
        "Address prefix {prefix} of resource {id} is not formatted correctly. It should follow CIDR notation, for \
         example 10.0.0.0/24."
    );
    ApiError::provider(400, "InvalidAddressPrefixFormat", message)
}

/// The code and text are known from virtual networks. ASSUMPTION: routes are refused with the same.
pub(super) fn host_bits(prefix: &str, id: &str, correct: &str) -> ApiError {
    let message = format!(
        "The address prefix {prefix} in resource {id} has an invalid CIDR notation. For the given prefix length, the \
         address prefix should be {correct}."
    );
    ApiError::provider(400, "InvalidCIDRNotation", message)
}

/// ASSUMPTION: code and text follow `SecurityRuleCountLimitReached`; nobody published the real ones.
pub(super) fn route_limit(limit: u64) -> ApiError {
    let message = format!("A route table cannot have more than {limit} routes.");
    ApiError::provider(400, "RouteCountLimitReached", message)
}

/// ASSUMPTION: code and text follow `SecurityRuleCountLimitReached`; nobody published the real ones.
pub(super) fn service_tag_route_limit(limit: u64) -> ApiError {
    let message = format!("A route table cannot have more than {limit} routes with a service tag.");
    ApiError::provider(400, "RouteWithServiceTagCountLimitReached", message)
}

/// ASSUMPTION: code and text; that only IPv4 addresses, prefixes and ranges are taken is documented.
pub(super) fn invalid_address(address: &str, id: &ResourceId) -> ApiError {
    let message = format!(
        "IP Groups {id} has an invalid IP address value or range: {address}. It should be an IPv4 address, a prefix in \
         CIDR notation or a range."
    );
    ApiError::provider(400, "IPGroupsInvalidIPAddressOrRangeFormat", message)
}

/// The code was reported for some regions in 2026, others take empty groups. ASSUMPTION: the text.
pub(super) fn no_addresses(id: &ResourceId) -> ApiError {
    let message = format!("IP Groups {id} must have at least one IP address.");
    ApiError::provider(400, "IPGroupsIPAddressCountZero", message)
}

/// ASSUMPTION: code and text; the limit is documented.
pub(super) fn address_limit(id: &ResourceId, limit: u64) -> ApiError {
    let message = format!("IP Groups {id} cannot have more than {limit} IP addresses.");
    ApiError::provider(400, "IPGroupsIPAddressCountLimitReached", message)
}

/// ASSUMPTION: code and text; the limit is documented.
pub(super) fn ip_group_limit(id: &str, limit: u64) -> ApiError {
    let message = format!("Resource {id} cannot refer to more than {limit} IP Groups.");
    ApiError::provider(400, "IPGroupsCountLimitReached", message)
}

/// ASSUMPTION: code and text follow those for route tables.
pub(super) fn ip_group_in_use(id: &ResourceId, user: &str) -> ApiError {
    let message = format!("IP Groups {} is in use and cannot be deleted. It is used by {user}.", id.name);
    ApiError::provider(400, "InUseIpGroupsCannotBeDeleted", message)
}

/// Recorded for writes of a firewall while its policy was being changed; without a `Retry-After`.
pub(super) fn another_operation(url: &str) -> ApiError {
    let message = format!(
        "Another operation on this or dependent resource is in progress. To retrieve status of the operation use uri: \
         {url}."
    );
    ApiError::provider(409, "AnotherOperationInProgress", message)
}

pub(super) fn scope_locked(scope: &str, operation: &str, locked: &str) -> ApiError {
    let message = format!(
        "The scope '{scope}' cannot perform {operation} operation because following scope(s) are locked: '{locked}'. \
         Please remove the lock and try again."
    );
    ApiError::gateway(409, "ScopeLocked", message)
}

pub(super) fn authorization_failed(client: &str, object: &str, action: &str, scope: &str) -> ApiError {
    let message = format!(
        "The client '{client}' with object id '{object}' does not have authorization to perform action '{action}' over \
         scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials."
    );
    ApiError::gateway(403, "AuthorizationFailed", message)
}

/// What is asked for is allowed, but not what it refers to.
pub(super) fn linked_authorization_failed(
    who: (&str, &str),
    action: &str,
    scope: &str,
    join: &str,
    linked: &str,
) -> ApiError {
    let (client, object) = who;
    let message = format!(
        "The client '{client}' with object id '{object}' has permission to perform action '{action}' on scope '{scope}'; \
         however, it does not have permission to perform action '{join}' on the linked scope(s) '{linked}' or the linked \
         scope(s) are invalid."
    );
    ApiError::gateway(403, "LinkedAuthorizationFailed", message)
}

/// ASSUMPTION: the definition's name and all of `info` but its fields; the frame is known from reports.
pub(super) fn disallowed_by_policy(resource: &str, policy: &str, scope: &str) -> ApiError {
    let assignment = format!("{scope}/providers/Microsoft.Authorization/policyAssignments/{policy}");
    let definition = format!("/providers/Microsoft.Authorization/policyDefinitions/{policy}");
    let identifiers = json!([{
        "policyAssignment": {"name": policy, "id": assignment},
        "policyDefinition": {"name": policy, "id": definition},
    }]);
    let message = format!("Resource '{resource}' was disallowed by policy. Policy identifiers: '{identifiers}'.");
    let info = json!({"type": "PolicyViolation", "info": {
        "policyDefinitionDisplayName": policy,
        "policyDefinitionId": definition,
        "policyDefinitionName": policy,
        "policyDefinitionEffect": "deny",
        "policyAssignmentId": assignment,
        "policyAssignmentName": policy,
        "policyAssignmentScope": scope,
    }});
    let mut error = ApiError::gateway(403, "RequestDisallowedByPolicy", message);
    error.body.target = Some(resource.to_owned());
    error.body.additional_info.push(info);
    error
}

/// ASSUMPTION: the frame is that of the compute provider; the network provider's own text was never published.
pub(super) fn provider_throttled(is_read: bool, location: &str, allowed: u64, measured: u64, seconds: u64) -> ApiError {
    let group = if is_read { "NetworkRead" } else { "NetworkWrite" };
    let detail = json!({
        "operationGroup": group,
        "location": location,
        "allowedRequestCount": allowed,
        "measuredRequestCount": measured,
    });
    let message = "The request is being throttled as the limit has been reached for operation type.";
    let error = ApiError::with_detail(429, "TooManyRequests", message, ("TooManyRequests", detail.to_string()));
    ApiError { retry_after_seconds: Some(seconds), ..error }
}

pub(super) fn subscription_throttled(kind: &str, subscription: &str, actor: &str, seconds: u64) -> ApiError {
    let message = format!(
        "Number of '{kind}' requests for subscription '{subscription}' actor '{actor}' exceeded. Please try again \
         after '{seconds}' seconds."
    );
    ApiError { retry_after_seconds: Some(seconds), ..ApiError::gateway(429, "SubscriptionRequestsThrottled", message) }
}

pub(super) fn missing_token(authority: &str) -> ApiError {
    let message = "Authentication failed. The 'Authorization' header is missing.".to_owned();
    challenged(
        "AuthenticationFailed",
        message,
        authority,
        "The authentication failed because of missing 'Authorization' header.",
    )
}

pub(super) fn invalid_token(authority: &str) -> ApiError {
    let message = "The access token is invalid.".to_owned();
    challenged("InvalidAuthenticationToken", message, authority, "The access token is invalid.")
}

pub(super) fn expired_token(authority: &str, expiry: Time, now: Time) -> ApiError {
    let (expiry, now) = (expiry.us_date(), now.us_date());
    let message = format!("The access token expiry UTC time '{expiry}' is earlier than current UTC time '{now}'.");
    challenged("ExpiredAuthenticationToken", message, authority, "The access token has expired.")
}

fn challenged(code: &str, message: String, authority: &str, why: &str) -> ApiError {
    let challenge =
        format!("Bearer authorization_uri=\"{authority}\", error=\"invalid_token\", error_description=\"{why}\"");
    ApiError { challenge: Some(challenge), ..ApiError::gateway(401, code, message) }
}

/// The text of the web server in front of ARM when nothing behind it answers; polls were answered with it.
pub(super) fn html_unavailable() -> ApiResponse {
    let page = "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Strict//EN\" \
                \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd\">\r\n<html><head><title>Service Unavailable</title>\
                </head>\r\n<body><h2>Our services aren't available right now</h2></body></html>\r\n";
    ApiResponse::html(503, page.to_owned())
}
