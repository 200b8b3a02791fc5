//! Role definitions: the built-in ones that amlnet's documentation names, and custom ones, which a directory has once
//! by name. Who has a role is in `role_assignment`.

use super::{
    access::is_within,
    access_error as refused,
    error::{self, ApiError},
    http::ApiResponse,
    route_request,
    route_table::List,
    world::{Call, World},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The built-in role of Azure that may read everything.
const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";

/// All definitions by their names, which are GUIDs without capitals.
#[derive(Clone, Debug)]
pub(super) struct RoleDefinitions(BTreeMap<String, RoleDefinition>);

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RoleDefinition {
    role_name: String,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    permissions: Vec<Permission>,
    #[serde(default)]
    assignable_scopes: Vec<String>,
    #[serde(skip)]
    is_built_in: bool,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Permission {
    #[serde(deserialize_with = "none_is_empty")]
    pub(super) actions: Vec<String>,
    #[serde(deserialize_with = "none_is_empty")]
    pub(super) not_actions: Vec<String>,
    #[serde(deserialize_with = "none_is_empty")]
    data_actions: Vec<String>,
    #[serde(deserialize_with = "none_is_empty")]
    not_data_actions: Vec<String>,
}

fn none_is_empty<'de, D: serde::Deserializer<'de>>(given: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(given)?.unwrap_or_default())
}

#[derive(Deserialize)]
struct DefinitionBody {
    properties: Option<RoleDefinition>,
}

impl Default for RoleDefinitions {
    fn default() -> Self {
        let reader = RoleDefinition {
            role_name: "Reader".to_owned(),
            description: Some("View all resources, but does not allow you to make any changes.".to_owned()),
            permissions: vec![Permission { actions: vec!["*/read".to_owned()], ..Permission::default() }],
            assignable_scopes: vec!["/".to_owned()],
            is_built_in: true,
        };
        Self(BTreeMap::from([(READER.to_owned(), reader)]))
    }
}

impl RoleDefinition {
    fn is_assignable_at(&self, scope: &str) -> bool {
        self.assignable_scopes.iter().any(|assignable| is_within(scope, assignable))
    }

    fn view(&self, name: &str, scope: &str) -> Value {
        json!({
            "properties": {
                "roleName": self.role_name,
                "type": if self.is_built_in { "BuiltInRole" } else { "CustomRole" },
                "description": self.description,
                "assignableScopes": self.assignable_scopes,
                "permissions": self.permissions,
            },
            "id": id(name, scope),
            "type": "Microsoft.Authorization/roleDefinitions",
            "name": name,
        })
    }
}

/// As it is told to who asks in a subscription, whatever the scope in it.
pub(super) fn id(name: &str, scope: &str) -> String {
    let subscription = scope.split('/').take(3).collect::<Vec<_>>().join("/");
    format!("{subscription}/providers/Microsoft.Authorization/roleDefinitions/{name}")
}

/// The value in `roleName eq 'value'`, or in another comparison of this kind.
pub(super) fn compared(filter: &str, property: &str) -> Option<String> {
    let (_, rest) = filter.split_once(&format!("{property} eq '"))?;
    Some(rest.split('\'').next().unwrap_or_default().to_owned())
}

pub(super) fn is_guid(name: &str) -> bool {
    let lengths: Vec<usize> = name.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && name.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

impl World {
    /// What a role allows, where it can be assigned at `scope`.
    pub(super) fn permissions_of(&self, definition: &str, scope: &str) -> Option<&[Permission]> {
        let found = self.role_definitions.0.get(&definition.to_ascii_lowercase());
        found.filter(|found| found.is_assignable_at(scope)).map(|found| found.permissions.as_slice())
    }

    pub(super) fn list_definitions(&self, call: &Call<'_>, scope: &str) -> Result<ApiResponse, ApiError> {
        self.require_scope(scope)?;
        let filter = call.request.query("$filter").unwrap_or_default();
        let (named, kind) = (compared(&filter, "roleName"), compared(&filter, "type"));
        let is_asked = |found: &RoleDefinition| {
            let is_of_kind = kind.as_deref().is_none_or(|kind| (kind == "BuiltInRole") == found.is_built_in);
            let is_named = named.as_deref().is_none_or(|name| found.role_name.eq_ignore_ascii_case(name));
            found.is_assignable_at(scope) && is_of_kind && is_named
        };
        let all = self.role_definitions.0.iter().filter(|(_, found)| is_asked(found));
        Ok(ApiResponse::json(200, &List { value: all.map(|(name, found)| found.view(name, scope)).collect() }))
    }

    pub(super) fn get_definition(&self, scope: &str, name: &str) -> Result<ApiResponse, ApiError> {
        let key = name.to_ascii_lowercase();
        let found = self.role_definitions.0.get(&key).filter(|found| found.is_assignable_at(scope));
        Ok(ApiResponse::json(200, &found.ok_or_else(|| refused::definition_not_found(name))?.view(&key, scope)))
    }

    pub(super) fn put_definition(&mut self, call: &Call<'_>, scope: &str, name: &str) -> Result<ApiResponse, ApiError> {
        let body: DefinitionBody = route_request::read(&call.request.body)?;
        let wanted = body.properties.ok_or_else(|| error::missing_property("properties"))?;
        if !is_guid(name) {
            return Err(refused::not_a_guid("RoleDefinition", name));
        }
        if wanted.assignable_scopes.is_empty() {
            return Err(error::missing_property("assignableScopes"));
        }
        for assignable in &wanted.assignable_scopes {
            self.require_scope(assignable)?;
        }
        let (key, all) = (name.to_ascii_lowercase(), &mut self.role_definitions.0);
        if all.get(&key).is_some_and(|present| present.is_built_in) {
            return Err(refused::definition_is_built_in(&wanted.role_name));
        }
        let has_name = |found: &RoleDefinition| found.role_name.eq_ignore_ascii_case(&wanted.role_name);
        if all.iter().any(|(other, found)| *other != key && has_name(found)) {
            return Err(refused::definition_name_taken(&wanted.role_name));
        }
        let answer = wanted.view(&key, scope);
        all.insert(key, wanted);
        Ok(ApiResponse::json(201, &answer))
    }

    pub(super) fn delete_definition(&mut self, scope: &str, name: &str) -> Result<ApiResponse, ApiError> {
        let key = name.to_ascii_lowercase();
        let Some(found) = self.role_definitions.0.get(&key) else {
            return Ok(ApiResponse::empty(204));
        };
        if found.is_built_in {
            return Err(refused::definition_is_built_in(&found.role_name));
        }
        if self.is_role_assigned(&key) {
            return Err(refused::definition_in_use());
        }
        let answer = found.view(&key, scope);
        self.role_definitions.0.remove(&key);
        Ok(ApiResponse::json(200, &answer))
    }
}
