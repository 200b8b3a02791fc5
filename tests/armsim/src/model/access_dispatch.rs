//! Which method of which path about access is answered by what. Decides nothing else.

use super::{
    access_path::AccessPath as Path,
    error::{self, ApiError},
    http::ApiResponse,
    world::{Call, World},
};

impl World {
    pub(super) fn dispatch_access(
        &mut self,
        call: &Call<'_>,
        method: &str,
        path: &Path,
    ) -> Result<ApiResponse, ApiError> {
        match (method, path) {
            ("GET", Path::Identities { subscription, group }) => self.list_identities(subscription, group.as_deref()),
            ("GET", Path::Identity(id)) => self.get_identity(id),
            ("PUT", Path::Identity(id)) => self.put_identity(call, id),
            ("DELETE", Path::Identity(id)) => Ok(self.delete_identity(id)),
            ("GET", Path::Federations(id)) => self.list_federations(id),
            ("GET", Path::Federation(id, name)) => self.get_federation(id, name),
            ("PUT", Path::Federation(id, name)) => self.put_federation(call, id, name),
            ("DELETE", Path::Federation(id, name)) => self.delete_federation(id, name),
            ("GET", Path::Definitions { scope }) => self.list_definitions(call, scope),
            ("GET", Path::Definition { scope, name }) => self.get_definition(scope, name),
            ("PUT", Path::Definition { scope, name }) => self.put_definition(call, scope, name),
            ("DELETE", Path::Definition { scope, name }) => self.delete_definition(scope, name),
            ("GET", Path::Assignments { scope }) => self.list_assignments(call, scope),
            ("GET", Path::Assignment { scope, name }) => self.get_assignment(scope, name),
            ("PUT", Path::Assignment { scope, name }) => self.put_assignment(call, scope, name),
            ("DELETE", Path::Assignment { scope, name }) => Ok(self.delete_assignment(scope, name)),
            (method, _) => Err(error::method_not_allowed(method)),
        }
    }
}
