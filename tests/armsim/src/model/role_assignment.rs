//! Role assignments: who has which role where, and what follows from it for a request. They count besides the `roles`
//! of the world file.

use super::{
    access::{Role, is_within},
    access_error as refused,
    error::{self, ApiError},
    http::ApiResponse,
    role_definition::{self, compared, is_guid},
    route_request,
    route_table::List,
    token::Identity,
    world::{Call, World},
};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Clone, Debug)]
pub(super) struct RoleAssignment {
    name: String,
    scope: String,
    /// The name of the definition: a GUID without capitals.
    definition: String,
    principal: String,
    principal_type: String,
    description: Option<String>,
    made: String,
}

#[derive(Deserialize)]
struct AssignmentBody {
    properties: Option<AssignmentProperties>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AssignmentProperties {
    role_definition_id: String,
    principal_id: String,
    principal_type: Option<String>,
    description: Option<String>,
}

impl RoleAssignment {
    fn is(&self, scope: &str, name: &str) -> bool {
        self.scope.eq_ignore_ascii_case(scope) && self.name.eq_ignore_ascii_case(name)
    }

    fn view(&self) -> Value {
        json!({
            "properties": {
                "roleDefinitionId": role_definition::id(&self.definition, &self.scope),
                "principalId": self.principal,
                "principalType": self.principal_type,
                "scope": self.scope,
                "condition": null,
                "conditionVersion": null,
                "createdOn": self.made,
                "updatedOn": self.made,
                "createdBy": null,
                "updatedBy": null,
                "delegatedManagedIdentityResourceId": null,
                "description": self.description,
            },
            "id": format!("{}/providers/Microsoft.Authorization/roleAssignments/{}", self.scope, self.name),
            "type": "Microsoft.Authorization/roleAssignments",
            "name": self.name,
        })
    }
}

impl World {
    /// None: everything is allowed. That is so without `roles` in the world file, but for identities that were made
    /// through ARM: they have what was assigned to them and nothing else.
    pub(super) fn roles_of(&self, who: &Identity) -> Option<Vec<Role>> {
        if self.roles.is_none() && !self.is_user_identity(&who.client) {
            return None;
        }
        let mut roles = self.roles.clone().unwrap_or_default();
        for assignment in self.role_assignments.iter().filter(|assignment| assignment.principal == who.object) {
            let permissions = self.permissions_of(&assignment.definition, &assignment.scope).unwrap_or_default();
            roles.extend(permissions.iter().map(|permission| Role {
                client: who.client.clone(),
                scope: assignment.scope.clone(),
                actions: permission.actions.clone(),
                not_actions: permission.not_actions.clone(),
            }));
        }
        Some(roles)
    }

    pub(super) fn is_role_assigned(&self, definition: &str) -> bool {
        self.role_assignments.iter().any(|assignment| assignment.definition == definition)
    }

    /// What they are about vanished, and they with it.
    pub(super) fn remove_assignments_within(&mut self, scope: &str) {
        self.role_assignments.retain(|assignment| !is_within(&assignment.scope, scope));
    }

    /// Those at a scope, above it and below it; with `atScope()` not those below.
    pub(super) fn list_assignments(&self, call: &Call<'_>, scope: &str) -> Result<ApiResponse, ApiError> {
        self.require_scope(scope)?;
        let filter = call.request.query("$filter").unwrap_or_default();
        let with_below = !filter.contains("atScope()");
        let principal = compared(&filter, "principalId").or_else(|| {
            let (_, rest) = filter.split_once("assignedTo('")?;
            Some(rest.split('\'').next().unwrap_or_default().to_owned())
        });
        let is_asked = |found: &RoleAssignment| {
            let is_there = is_within(scope, &found.scope) || (with_below && is_within(&found.scope, scope));
            is_there && principal.as_ref().is_none_or(|principal| found.principal == *principal)
        };
        let all = self.role_assignments.iter().filter(|found| is_asked(found));
        Ok(ApiResponse::json(200, &List { value: all.map(RoleAssignment::view).collect() }))
    }

    pub(super) fn get_assignment(&self, scope: &str, name: &str) -> Result<ApiResponse, ApiError> {
        let found = self.role_assignments.iter().find(|found| found.is(scope, name));
        Ok(ApiResponse::json(200, &found.ok_or_else(|| refused::assignment_not_found(name))?.view()))
    }

    pub(super) fn put_assignment(&mut self, call: &Call<'_>, scope: &str, name: &str) -> Result<ApiResponse, ApiError> {
        self.require_scope(scope)?;
        let body: AssignmentBody = route_request::read(&call.request.body)?;
        let asked = body.properties.ok_or_else(|| error::missing_property("properties"))?;
        if !is_guid(name) {
            return Err(refused::not_a_guid("RoleAssignment", name));
        }
        let definition = asked.role_definition_id.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        if self.permissions_of(&definition, scope).is_none() {
            return Err(refused::no_such_definition(&definition));
        }
        if asked.principal_type.is_none() && !self.knows_principal(&asked.principal_id) {
            return Err(refused::principal_not_found(&asked.principal_id, self.first_tenant()));
        }
        let is_same = |found: &RoleAssignment| {
            found.scope.eq_ignore_ascii_case(scope)
                && found.definition == definition
                && found.principal == asked.principal_id
        };
        if let Some(present) = self.role_assignments.iter_mut().find(|found| found.is(scope, name)) {
            if !is_same(present) {
                return Err(refused::assignment_fixed());
            }
            present.description = asked.description;
            return Ok(ApiResponse::json(200, &present.view()));
        }
        if self.role_assignments.iter().any(is_same) {
            return Err(refused::assignment_exists());
        }
        let made = RoleAssignment {
            name: name.to_owned(),
            scope: scope.to_owned(),
            definition,
            principal: asked.principal_id,
            principal_type: asked.principal_type.unwrap_or_else(|| "ServicePrincipal".to_owned()),
            description: asked.description,
            made: call.now.rfc3339(),
        };
        let answer = made.view();
        self.role_assignments.push(made);
        Ok(ApiResponse::json(201, &answer))
    }

    pub(super) fn delete_assignment(&mut self, scope: &str, name: &str) -> ApiResponse {
        let Some(at) = self.role_assignments.iter().position(|found| found.is(scope, name)) else {
            return ApiResponse::empty(204);
        };
        ApiResponse::json(200, &self.role_assignments.remove(at).view())
    }
}
