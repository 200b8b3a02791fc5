//! `amlnet run` in the cluster, and the environment in which its commands work there.

use std::path::{Path, PathBuf};
use std::process::Command;

use cluster::Server;

use crate::namespace::Namespace;
use crate::simulator::Simulator;

/// The program, and what is exported for it.
#[derive(Debug)]
pub(crate) struct Amlnet {
    program: PathBuf,
    folder: PathBuf,
    /// The exports in a file, for a shell.
    pub(crate) environment: PathBuf,
    variables: Vec<(&'static str, String)>,
}

impl Amlnet {
    pub(crate) fn new(
        program: &Path,
        namespace: &Namespace<'_>,
        simulator: &Simulator,
        folder: &Path,
    ) -> Result<Self, String> {
        let mut variables = vec![
            ("KUBECONFIG", namespace.kubeconfig.display().to_string()),
            ("AMLNET_INSTALLATION_ID", "dev".to_owned()),
        ];
        for (name, endpoint) in [
            ("AMLNET_ARM_ENDPOINT", "arm"),
            ("AMLNET_AUTHORITY_HOST", "login"),
            ("AMLNET_CA_FILE", "caFile"),
            ("AZURE_TENANT_ID", "credentials.tenantId"),
            ("AZURE_CLIENT_ID", "credentials.clientId"),
            ("AZURE_CLIENT_SECRET", "credentials.clientSecret"),
        ] {
            variables.push((name, simulator.endpoint(endpoint)?.to_owned()));
        }
        let environment = folder.join("environment");
        let folder_of_program = program.parent().unwrap_or(program).display();
        let exports = variables.iter().map(|(name, value)| format!("export {name}='{value}'\n"));
        let text = format!("{}export PATH='{folder_of_program}':\"$PATH\"\n", exports.collect::<String>());
        std::fs::write(&environment, text).map_err(|error| format!("{}: {error}", environment.display()))?;
        Ok(Self { program: program.to_owned(), folder: folder.to_owned(), environment, variables })
    }

    /// Starts the controller. It knows nothing of the caller's Azure, amlnet or proxy settings.
    pub(crate) fn run(&self) -> Result<Server, String> {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy().to_ascii_uppercase();
            if text.starts_with("AMLNET_") || text.starts_with("AZURE_") || text.ends_with("_PROXY") {
                command.env_remove(name);
            }
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        // A lease that ends soon, as a person waits for whoever is started next.
        command.args(["run", "--http-listen", "127.0.0.1:0", "--identity", "dev"]);
        // The end of a hold is seen when the table is looked at again.
        command.args(["--resync", "5s"]);
        command.args(["--lease-duration", "6s", "--lease-renew-deadline", "4s", "--lease-retry-period", "1s"]);
        Server::start("amlnet", &command, &self.folder).map_err(|error| error.to_string())
    }
}
