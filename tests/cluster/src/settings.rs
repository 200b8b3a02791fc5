//! What a test may want different about its cluster.

use crate::users::User;
use crate::{Cluster, Error};

/// Begin with `Settings::default()`: one user, [`crate::ADMIN`], who may do everything.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct Settings {
    pub(crate) users: Vec<User>,
    pub(crate) arguments: Vec<String>,
}

impl Settings {
    /// One more user, with a token. Nothing is allowed until a role is bound to the name or to one of the groups.
    pub fn user(mut self, name: &str, groups: &[&str]) -> Self {
        self.users.push(User::new(name, groups));
        self
    }

    /// One more argument for kube-apiserver, as `--name=value`. The last one of a name counts.
    pub fn api_server_argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    pub fn start(self) -> Result<Cluster, Error> {
        Cluster::with(self)
    }
}
