//! Refusals of identities, federated credentials, role definitions and role assignments. The codes are those that users
//! report; a text that none of them published is marked `ASSUMPTION`. Nothing here decides when to refuse.

use super::{access_path::IdentityId, error::ApiError};

pub(super) fn identity_not_found(id: &IdentityId) -> ApiError {
    let message = format!(
        "The Resource 'Microsoft.ManagedIdentity/userAssignedIdentities/{}' under resource group '{}' was not found. \
         For more details please go to https://aka.ms/ARMResourceNotFoundFix",
        id.name, id.group
    );
    ApiError::gateway(404, "ResourceNotFound", message)
}

/// ASSUMPTION: the text.
pub(super) fn federation_not_found(name: &str) -> ApiError {
    ApiError::gateway(404, "NotFound", format!("The Federated Identity Credential '{name}' was not found."))
}

pub(super) fn federation_incomplete() -> ApiError {
    let message = "The request format was unexpected. Federated Identity Credential must specify 'issuer', 'subject' \
                   and 'audience'.";
    ApiError::gateway(400, "BadRequest", message.to_owned())
}

/// ASSUMPTION: the status; the text is known from reports.
pub(super) fn federation_exists() -> ApiError {
    let message = "Issuer and subject combination already exists for this Managed Identity.".to_owned();
    ApiError::gateway(409, "Conflict", message)
}

/// ASSUMPTION: the text; the limit is documented.
pub(super) fn too_many_federations(limit: usize) -> ApiError {
    let message = format!("Too many Federated Identity Credentials. A Managed Identity can have {limit}.");
    ApiError::gateway(400, "BadRequest", message)
}

pub(super) fn definition_not_found(name: &str) -> ApiError {
    let message = format!("The specified role definition with ID '{name}' does not exist.");
    ApiError::gateway(404, "RoleDefinitionDoesNotExist", message)
}

/// As above, said of the definition that an assignment names.
pub(super) fn no_such_definition(name: &str) -> ApiError {
    let message = format!("The specified role definition with ID '{name}' does not exist.");
    ApiError::gateway(400, "RoleDefinitionDoesNotExist", message)
}

pub(super) fn definition_name_taken(name: &str) -> ApiError {
    let message = format!(
        "A custom role with the same name already exists in this directory. Use a different name. The name is '{name}'."
    );
    ApiError::gateway(409, "RoleDefinitionWithSameNameExists", message)
}

pub(super) fn definition_in_use() -> ApiError {
    let message = "There are existing role assignments referencing role (code: RoleDefinitionHasAssignments).";
    ApiError::gateway(400, "RoleDefinitionHasAssignments", message.to_owned())
}

/// ASSUMPTION: the text.
pub(super) fn definition_is_built_in(name: &str) -> ApiError {
    ApiError::gateway(403, "RoleDefinitionIsBuiltIn", format!("The role '{name}' is built in and cannot be changed."))
}

/// ASSUMPTION: the text; that names of both are GUIDs is documented.
pub(super) fn not_a_guid(kind: &str, name: &str) -> ApiError {
    ApiError::gateway(
        400,
        &format!("Invalid{kind}Id"),
        format!("The {kind} ID '{name}' is not valid; it must be a GUID."),
    )
}

pub(super) fn assignment_not_found(name: &str) -> ApiError {
    ApiError::gateway(404, "RoleAssignmentNotFound", format!("The role assignment '{name}' is not found."))
}

pub(super) fn assignment_exists() -> ApiError {
    ApiError::gateway(409, "RoleAssignmentExists", "The role assignment already exists.".to_owned())
}

pub(super) fn assignment_fixed() -> ApiError {
    let message = "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.".to_owned();
    ApiError::gateway(400, "RoleAssignmentUpdateNotPermitted", message)
}

pub(super) fn principal_not_found(principal: &str, tenant: &str) -> ApiError {
    let message = format!(
        "Principal {principal} does not exist in the directory {tenant}. Check that you have the correct principal ID. \
         If you are creating this principal and then immediately assigning a role, this error might be related to a \
         replication delay. In this case, set the role assignment principalType property to a value, such as \
         ServicePrincipal, User, or Group.  See https://aka.ms/docs-principaltype"
    );
    ApiError::gateway(400, "PrincipalNotFound", message)
}
