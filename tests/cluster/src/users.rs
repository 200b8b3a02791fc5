//! Who may talk to the API server, and the kubeconfig files with which they do.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::json;

use crate::Error;

/// The user who may do everything: in `system:masters`, which no role restricts.
pub const ADMIN: &str = "admin";

#[derive(Debug, Clone)]
pub(crate) struct User {
    name: String,
    groups: Vec<String>,
}

impl User {
    pub(crate) fn new(name: &str, groups: &[&str]) -> Self {
        Self { name: name.to_owned(), groups: groups.iter().map(|&group| group.to_owned()).collect() }
    }
}

/// Tokens by user name. Those of the token file stand from the start; service accounts come later.
#[derive(Debug)]
pub(crate) struct Users {
    tokens: Mutex<BTreeMap<String, String>>,
}

impl Users {
    /// Makes tokens and writes the API server's token file.
    pub(crate) fn write(more: &[User], file: &Path) -> Result<Self, Error> {
        let mut tokens = BTreeMap::new();
        let mut lines = Vec::new();
        for User { name, groups } in [&User::new(ADMIN, &["system:masters"])].into_iter().chain(more) {
            let refuse = |why| Err(Error::User { name: name.clone(), why });
            if [name].into_iter().chain(groups).any(|text| text.is_empty() || text.contains(['"', ',', '\n', '\r'])) {
                return refuse("names of users and groups must not be empty or hold quotes, commas or line ends");
            }
            let token = uuid::Uuid::new_v4().simple().to_string();
            lines.push(format!("{token},{name},{name},\"{}\"\n", groups.join(",")));
            if tokens.insert(name.clone(), token).is_some() {
                return refuse("there are two of that name");
            }
        }
        std::fs::write(file, lines.concat()).map_err(Error::file("cannot write", file))?;
        Ok(Self { tokens: Mutex::new(tokens) })
    }

    pub(crate) fn put(&self, name: &str, token: String) {
        self.tokens().insert(name.to_owned(), token);
    }

    #[track_caller]
    pub(crate) fn token(&self, user: &str) -> String {
        let tokens = self.tokens();
        let known = || tokens.keys().cloned().collect::<Vec<_>>().join(", ");
        tokens.get(user).cloned().unwrap_or_else(|| panic!("this cluster has no user {user:?}, only {}", known()))
    }

    /// Written whole and renamed, as another process may read it right now.
    #[track_caller]
    pub(crate) fn kubeconfig(&self, user: &str, server: SocketAddr, folder: &Path, authority: &Path) -> PathBuf {
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": {
                "server": format!("https://{server}"), "certificate-authority": authority}}],
            "users": [{"name": user, "user": {"token": self.token(user)}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
            "current-context": "test",
        });
        let path = folder.join(format!("{}-{}.kubeconfig", plain(user), server.port()));
        let written = tempfile::NamedTempFile::new_in(folder).and_then(|mut file| {
            file.write_all(config.to_string().as_bytes())?;
            file.persist(&path).map_err(|error| error.error)?;
            Ok(())
        });
        written.unwrap_or_else(|error| panic!("{} cannot be written: {error}", path.display()));
        path
    }

    fn tokens(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        // A map that one thread panicked beside is still whole.
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name of a file, one for each user: `system:serviceaccount:a:b` has colons, and a slash would be a folder.
fn plain(user: &str) -> String {
    let keep = |char: char| char.is_ascii_alphanumeric() || char == '-' || char == '.';
    user.chars().map(|char| if keep(char) { char.to_string() } else { format!("_{:x}_", u32::from(char)) }).collect()
}
