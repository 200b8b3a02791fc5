//! kubectl against one cluster, with a kubeconfig and a home folder that are not the user's.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::process;

/// Longer than any `--timeout` that makes sense in a test.
const PATIENCE: Duration = Duration::from_secs(90);

/// What kubectl or helm said.
#[derive(Debug, Clone)]
pub struct Output {
    /// The exit code.
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Output {
    /// Standard output of a command that has to succeed.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.status, 0, "the command failed.\nstdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self.stdout
    }
}

#[track_caller]
pub(crate) fn run(kubectl: &Path, home: &Path, kubeconfig: &Path, arguments: &[&str], stdin: Option<&str>) -> Output {
    let mut command = Command::new(kubectl);
    // Below the home folder it keeps what it knows of a server, by address: another cluster may have had the same one.
    command.args(arguments).current_dir(home).env("HOME", home).env("KUBECONFIG", kubeconfig);
    command.env_remove("KUBECACHEDIR").env_remove("KUBECTL_EXTERNAL_DIFF");
    let ran = process::run(&mut command, stdin, PATIENCE)
        .unwrap_or_else(|error| panic!("`kubectl {}`: {error}", arguments.join(" ")));
    Output { status: ran.code(), stdout: ran.stdout, stderr: ran.stderr }
}
