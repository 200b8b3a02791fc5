//! Management locks: resources of Microsoft.Authorization below any scope, and what they forbid there. A lock keeps
//! the spelling of the path that it was made with.

use super::{
    access::{is_within, verb},
    access_path::AccessPath,
    arm_id::ArmPath,
    error::{self, ApiError},
    http::ApiResponse,
    route_request,
    route_table::{List, TableKind},
    security_group::GroupKind,
    world::{Call, World},
};
use serde::{Deserialize, Serialize};

/// A lock of the world file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lock {
    pub scope: String,
    pub level: LockLevel,
    #[serde(default = "default_name")]
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

fn default_name() -> String {
    "lock".to_owned()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LockLevel {
    CanNotDelete,
    ReadOnly,
}

/// All locks in order of their creation, which is also the order of lists.
#[derive(Clone, Debug, Default)]
pub(super) struct Locks(Vec<Lock>);

#[derive(Deserialize)]
pub(super) struct LockBody {
    properties: Option<LockProperties>,
}

#[derive(Clone, Deserialize, Serialize)]
struct LockProperties {
    level: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<String>,
}

/// A lock as it is answered; the fields in the recorded order.
#[derive(Serialize)]
struct LockView<'a> {
    properties: LockPropertiesView<'a>,
    id: String,
    r#type: &'static str,
    name: &'a str,
}

#[derive(Serialize)]
struct LockPropertiesView<'a> {
    level: LockLevel,
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<&'a str>,
}

impl Lock {
    fn id(&self) -> String {
        format!("{}/providers/Microsoft.Authorization/locks/{}", self.scope, self.name)
    }

    fn view(&self) -> impl Serialize + use<'_> {
        LockView {
            properties: LockPropertiesView { level: self.level, notes: self.notes.as_deref() },
            id: self.id(),
            r#type: "Microsoft.Authorization/locks",
            name: &self.name,
        }
    }

    fn forbids(&self, operation: &str) -> bool {
        match self.level {
            LockLevel::CanNotDelete => operation == "delete",
            LockLevel::ReadOnly => operation != "read",
        }
    }

    fn is(&self, scope: &str, name: &str) -> bool {
        self.scope.eq_ignore_ascii_case(scope) && self.name.eq_ignore_ascii_case(name)
    }
}

impl Locks {
    pub(super) fn new(locks: Vec<Lock>) -> Self {
        let mut all = Self::default();
        for lock in locks {
            all.set(Lock { scope: lock.scope.trim_end_matches('/').to_owned(), ..lock });
        }
        all
    }

    fn get(&self, scope: &str, name: &str) -> Option<&Lock> {
        self.0.iter().find(|lock| lock.is(scope, name))
    }

    /// Whether there was none before.
    fn set(&mut self, lock: Lock) -> bool {
        match self.0.iter_mut().find(|present| present.is(&lock.scope, &lock.name)) {
            Some(present) => {
                present.level = lock.level;
                present.notes = lock.notes;
                false
            }
            None => {
                self.0.push(lock);
                true
            }
        }
    }

    pub(super) fn remove(&mut self, scope: &str, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|lock| !lock.is(scope, name));
        self.0.len() < before
    }

    /// What is locked vanished, and its locks with it.
    pub(super) fn remove_within(&mut self, scope: &str) {
        self.0.retain(|lock| !is_within(&lock.scope, scope));
    }

    /// A lock holds for everything below it, and nothing can be deleted whose parts may not. Locks themselves are not
    /// subject to locks.
    pub(super) fn check(&self, method: &str, path: &ArmPath) -> Result<(), ApiError> {
        if matches!(path, ArmPath::Lock { .. } | ArmPath::Locks { .. }) {
            return Ok(());
        }
        let operation = verb(method);
        let scope = path.scope();
        let hit = self.0.iter().find(|lock| {
            let covers = is_within(&scope, &lock.scope) || (operation == "delete" && is_within(&lock.scope, &scope));
            lock.forbids(operation) && covers
        });
        match hit {
            Some(lock) => Err(error::scope_locked(&scope, operation, &lock.scope)),
            None => Ok(()),
        }
    }
}

impl World {
    /// ASSUMPTION: a list has the locks at a scope and below it, as documented; only that of a subscription was
    /// recorded.
    pub(super) fn list_locks(&self, scope: &str) -> ApiResponse {
        let locks = self.locks.0.iter().filter(|lock| is_within(&lock.scope, scope));
        let value = locks.map(Lock::view).collect();
        ApiResponse::json(200, &List { value })
    }

    pub(super) fn get_lock(&self, scope: &str, name: &str) -> Result<ApiResponse, ApiError> {
        let lock = self.locks.get(scope, name).ok_or_else(|| error::lock_not_found(name))?;
        Ok(ApiResponse::json(200, &lock.view()))
    }

    pub(super) fn put_lock(&mut self, call: &Call<'_>, scope: &str, name: &str) -> Result<ApiResponse, ApiError> {
        self.require_scope(scope)?;
        let body: LockBody = route_request::read(&call.request.body)?;
        let is_new = self.set_lock(scope, name, body)?;
        let mut response = self.get_lock(scope, name)?;
        response.status = if is_new { 201 } else { 200 };
        Ok(response)
    }

    /// Whether there was none before.
    pub(super) fn set_lock(&mut self, scope: &str, name: &str, body: LockBody) -> Result<bool, ApiError> {
        let properties = body.properties.ok_or_else(|| error::missing_property("properties"))?;
        let level = match properties.level.to_ascii_lowercase().as_str() {
            "cannotdelete" => LockLevel::CanNotDelete,
            "readonly" => LockLevel::ReadOnly,
            _ => return Err(error::invalid_value("level", &properties.level)),
        };
        Ok(self.locks.set(Lock { scope: scope.to_owned(), level, name: name.to_owned(), notes: properties.notes }))
    }

    pub(super) fn delete_lock(&mut self, scope: &str, name: &str) -> ApiResponse {
        let existed = self.locks.remove(scope, name);
        ApiResponse::empty(if existed { 200 } else { 204 })
    }

    /// What is locked exists, as far as the simulator knows its kind.
    pub(super) fn require_scope(&self, scope: &str) -> Result<(), ApiError> {
        match ArmPath::parse(scope) {
            ArmPath::ResourceGroup { subscription, group } => self.require_group(&subscription, &group).map(|_| ()),
            ArmPath::RouteTable(id) => self.parent::<TableKind>(&id).map(|_| ()),
            ArmPath::SecurityGroup(id) => self.parent::<GroupKind>(&id).map(|_| ()),
            ArmPath::VirtualNetwork(id) => self.network(&id).map(|_| ()),
            ArmPath::Access { path: AccessPath::Identity(id), .. } => self.get_identity(&id).map(|_| ()),
            ArmPath::Subscription { subscription } => self.require_subscription(&subscription).map(|_| ()),
            ArmPath::IpGroup(id) => self.get_ip_group(&id).map(|_| ()),
            ArmPath::Firewall(id) => self.get_firewall(&id).map(|_| ()),
            ArmPath::FirewallPolicy(id) => self.get_firewall_policy(&id).map(|_| ()),
            ArmPath::RuleCollectionGroup(id, name) => self.get_rule_collection_group(&id, &name).map(|_| ()),
            _ => Ok(()),
        }
    }
}
