//! Helm against one cluster or none, with a home folder that is not the user's: no plugins, no repositories, no cache.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::{Error, Output, Program, process};

/// Longer than any `--timeout` that makes sense in a test.
const PATIENCE: Duration = Duration::from_secs(300);

/// Helm of one generation ([`crate::HELM`], [`crate::HELM_3`]), or a program that is used like it.
#[derive(Debug)]
pub struct Helm {
    binary: PathBuf,
    home: TempDir,
}

impl Helm {
    pub fn find(program: &'static Program) -> Result<Self, Error> {
        let home = tempfile::Builder::new()
            .prefix("amlnet-helm-")
            .tempdir()
            .map_err(Error::file("cannot make a folder in", std::env::temp_dir()))?;
        Ok(Self { binary: program.find()?, home })
    }

    /// Without a cluster: what would ask one fails, as there is no kubeconfig.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Output {
        self.run_in(&self.home.path().join("no-kubeconfig"), arguments)
    }

    /// On the cluster of a kubeconfig, with the rights of its user.
    #[track_caller]
    pub fn run_in(&self, kubeconfig: &Path, arguments: &[&str]) -> Output {
        let home = self.home.path();
        let mut command = Command::new(&self.binary);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("HELM_")) {
            command.env_remove(name);
        }
        for folder in ["XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"] {
            command.env(folder, home.join(folder));
        }
        command.args(arguments).current_dir(home).env("HOME", home).env("KUBECONFIG", kubeconfig);
        command.env_remove("KUBECACHEDIR");
        let ran = process::run(&mut command, None, PATIENCE)
            .unwrap_or_else(|error| panic!("`helm {}`: {error}", arguments.join(" ")));
        Output { status: ran.code(), stdout: ran.stdout, stderr: ran.stderr }
    }
}
