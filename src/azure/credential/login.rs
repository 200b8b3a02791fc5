//! Which way to log in the standard `AZURE_*` variables ask for. Pure: the environment is an argument.

/// How amlnet logs in.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    ClientSecret {
        tenant: String,
        client: String,
        secret: String,
    },
    /// A PEM file with a certificate and its RSA key.
    ClientCertificate {
        tenant: String,
        client: String,
        path: String,
    },
    /// A token that Kubernetes writes to a file and rotates.
    WorkloadIdentity {
        tenant: String,
        client: String,
        token_file: String,
    },
    /// The machine's own identity; with a client id, the user-assigned one.
    ManagedIdentity {
        client: Option<String>,
    },
    /// What a developer logged in to with `az` or `azd`.
    DeveloperTools,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ClientSecret { tenant, client, .. } => write!(f, "client secret of {client} in {tenant}"),
            Self::ClientCertificate { tenant, client, .. } => write!(f, "client certificate of {client} in {tenant}"),
            Self::WorkloadIdentity { tenant, client, .. } => write!(f, "workload identity {client} in {tenant}"),
            Self::ManagedIdentity { client: Some(client) } => write!(f, "managed identity {client}"),
            Self::ManagedIdentity { client: None } => write!(f, "managed identity of the machine"),
            Self::DeveloperTools => write!(f, "az or azd login"),
        }
    }
}

const SECRET: &str = "AZURE_CLIENT_SECRET";
const CERTIFICATE: &str = "AZURE_CLIENT_CERTIFICATE_PATH";

/// Why no login is possible.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    #[error("{way} needs {missing} in the environment; see docs/azure.md")]
    Missing { way: &'static str, missing: String },
    #[error(
        "AZURE_TOKEN_CREDENTIALS is {0:?}; write EnvironmentCredential, WorkloadIdentityCredential, \
         ManagedIdentityCredential or dev, or leave it out"
    )]
    UnknownChoice(String),
    #[error(
        "AZURE_CLIENT_ID and AZURE_TENANT_ID are set, and nothing that proves it: workload identity needs \
         AZURE_FEDERATED_TOKEN_FILE, which its webhook sets in a pod with the label azure.workload.identity/use: \"true\" (is \
         the webhook installed?); other logins need AZURE_CLIENT_SECRET or AZURE_CLIENT_CERTIFICATE_PATH; see docs/azure.md"
    )]
    NoProof,
    #[error("the Azure credential cannot be used: {0}")]
    Unusable(String),
}

impl Login {
    /// Picks a way to log in. `AZURE_TOKEN_CREDENTIALS` decides where it is set, as in Microsoft's libraries; otherwise
    /// the first row that fits:
    ///
    /// | set                                                            | way               |
    /// |----------------------------------------------------------------|-------------------|
    /// | `AZURE_CLIENT_SECRET`                                          | client secret     |
    /// | `AZURE_CLIENT_CERTIFICATE_PATH`                                | client certificate|
    /// | `AZURE_FEDERATED_TOKEN_FILE`                                   | workload identity |
    /// | `IDENTITY_ENDPOINT`, or `AZURE_CLIENT_ID` without a tenant     | managed identity  |
    /// | nothing of these                                               | az or azd login   |
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, LoginError> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        match variable("AZURE_TOKEN_CREDENTIALS").as_deref() {
            Some("EnvironmentCredential") if variable(CERTIFICATE).is_some() && variable(SECRET).is_none() => {
                client_certificate(&variable)
            }
            Some("EnvironmentCredential") => client_secret(&variable),
            Some("WorkloadIdentityCredential") => workload_identity(&variable),
            Some("ManagedIdentityCredential") => Ok(Self::ManagedIdentity { client: variable("AZURE_CLIENT_ID") }),
            Some("dev" | "AzureCliCredential" | "AzureDeveloperCliCredential") => Ok(Self::DeveloperTools),
            Some("prod") | None => Self::by_presence(&variable),
            Some(other) => Err(LoginError::UnknownChoice(other.to_owned())),
        }
    }

    /// What is to be said before the first login of a process in a pod, if that is likely to fail there.
    pub fn doubt_in_pod(&self) -> Option<&'static str> {
        match self {
            Self::DeveloperTools => Some(
                "no AZURE_ variable is set, and a pod has no az: for workload identity give the pod the label \
                 azure.workload.identity/use: \"true\" and its ServiceAccount the annotation \
                 azure.workload.identity/client-id, and see that the webhook runs; see docs/azure.md",
            ),
            Self::ManagedIdentity { client: Some(_) } => Some(
                "AZURE_CLIENT_ID is set without AZURE_FEDERATED_TOKEN_FILE, so the node is asked for a managed identity; if \
                 workload identity was meant, its webhook did not touch this pod: see docs/azure.md",
            ),
            _ => None,
        }
    }

    fn by_presence(variable: &impl Fn(&str) -> Option<String>) -> Result<Self, LoginError> {
        let has = |name: &str| variable(name).is_some();
        if has(SECRET) {
            client_secret(variable)
        } else if has(CERTIFICATE) {
            client_certificate(variable)
        } else if has("AZURE_FEDERATED_TOKEN_FILE") {
            workload_identity(variable)
        } else if has("IDENTITY_ENDPOINT") || (has("AZURE_CLIENT_ID") && !has("AZURE_TENANT_ID")) {
            Ok(Self::ManagedIdentity { client: variable("AZURE_CLIENT_ID") })
        } else if has("AZURE_CLIENT_ID") {
            Err(LoginError::NoProof)
        } else {
            Ok(Self::DeveloperTools)
        }
    }
}

fn client_secret(variable: &impl Fn(&str) -> Option<String>) -> Result<Login, LoginError> {
    let names = ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", SECRET];
    let [tenant, client, secret] = all("login with a client secret", names, variable)?;
    Ok(Login::ClientSecret { tenant, client, secret })
}

fn client_certificate(variable: &impl Fn(&str) -> Option<String>) -> Result<Login, LoginError> {
    let names = ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", CERTIFICATE];
    let [tenant, client, path] = all("login with a client certificate", names, variable)?;
    Ok(Login::ClientCertificate { tenant, client, path })
}

fn workload_identity(variable: &impl Fn(&str) -> Option<String>) -> Result<Login, LoginError> {
    let names = ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE"];
    let [tenant, client, token_file] = all("login with workload identity", names, variable)?;
    Ok(Login::WorkloadIdentity { tenant, client, token_file })
}

fn all<const N: usize>(
    way: &'static str,
    names: [&str; N],
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<[String; N], LoginError> {
    let missing: Vec<&str> = names.into_iter().filter(|name| variable(name).is_none()).collect();
    if missing.is_empty() {
        Ok(names.map(|name| variable(name).unwrap_or_default()))
    } else {
        Err(LoginError::Missing { way, missing: missing.join(" and ") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(set: &[(&str, &str)]) -> Result<Login, String> {
        let variable = |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Login::from_variables(variable).map_err(|error| error.to_string())
    }

    const TENANT: (&str, &str) = ("AZURE_TENANT_ID", "t");
    const CLIENT: (&str, &str) = ("AZURE_CLIENT_ID", "c");
    const SECRET: (&str, &str) = (super::SECRET, "s3cret");
    const PEM: (&str, &str) = (super::CERTIFICATE, "/c.pem");
    const FILE: (&str, &str) = ("AZURE_FEDERATED_TOKEN_FILE", "/f");
    const CHOICE: &str = "AZURE_TOKEN_CREDENTIALS";

    #[test]
    fn what_is_set_decides_and_a_choice_decides_first() {
        for (set, wanted) in [
            (&[TENANT, CLIENT, SECRET][..], "client secret of c in t"),
            (&[TENANT, CLIENT, FILE], "workload identity c in t"),
            (&[TENANT, CLIENT, PEM], "client certificate of c in t"),
            (&[TENANT, CLIENT, PEM, (CHOICE, "EnvironmentCredential")], "client certificate of c in t"),
            (&[TENANT, CLIENT, SECRET, FILE], "client secret of c in t"),
            (&[TENANT, CLIENT, SECRET, FILE, (CHOICE, "WorkloadIdentityCredential")], "workload identity c in t"),
            (&[CLIENT], "managed identity c"),
            (&[("IDENTITY_ENDPOINT", "http://x")], "managed identity of the machine"),
            (&[(CHOICE, "ManagedIdentityCredential")], "managed identity of the machine"),
            (&[], "az or azd login"),
            (&[TENANT, CLIENT, SECRET, (CHOICE, "dev")], "az or azd login"),
            (&[("AZURE_CLIENT_SECRET", ""), TENANT, CLIENT, FILE], "workload identity c in t"),
        ] {
            assert_eq!(format!("{:?}", login(set).unwrap()), wanted);
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        for (set, wanted) in [
            (&[CLIENT, SECRET][..], "login with a client secret needs AZURE_TENANT_ID in the environment"),
            (&[FILE], "needs AZURE_TENANT_ID and AZURE_CLIENT_ID in the environment"),
            (&[TENANT, CLIENT], "workload identity needs AZURE_FEDERATED_TOKEN_FILE, which its webhook sets"),
            (&[(CHOICE, "magic")], "AZURE_TOKEN_CREDENTIALS is \"magic\""),
        ] {
            let error = login(set).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        assert!(!format!("{:?}", login(&[TENANT, CLIENT, SECRET])).contains("s3cret"));
    }
}
