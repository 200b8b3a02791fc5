//! What a person can do about a login that Entra ID, or the machine, refuses.
//!
//! Pure. Entra's codes may change, so nothing but advice depends on them (docs/azure.md has the table).

use crate::telemetry::reach;

/// The code as it stands in the text, without what follows it, and what to do.
const TABLE: &[(&str, &str)] = &[
    (
        "AADSTS7000215",
        "the client secret is wrong: AZURE_CLIENT_SECRET takes the secret's value, not its id, and it may not be cut short",
    ),
    (
        "AADSTS7000222",
        "the client secret has expired: make a new one for the app registration, and set AZURE_CLIENT_SECRET",
    ),
    (
        "AADSTS7000216",
        "Entra ID was shown no secret and no assertion: check what AZURE_CLIENT_SECRET or the token file holds",
    ),
    ("AADSTS7000112", "the application is disabled in this tenant: have it enabled"),
    (
        "AADSTS700016",
        "the tenant has no such application or identity: compare AZURE_CLIENT_ID (the client id, not the object id) and \
         AZURE_TENANT_ID",
    ),
    ("AADSTS90002", "there is no such tenant in this cloud: check AZURE_TENANT_ID, and --cloud"),
    ("AADSTS900023", "AZURE_TENANT_ID is neither a tenant's id nor one of its domains"),
    (
        "AADSTS700213",
        "the identity has no federated credential for this ServiceAccount: make one with the subject that is named above",
    ),
    (
        "AADSTS700211",
        "the identity has no federated credential for this issuer: compare it with the cluster's OIDC issuer URL, to the last /",
    ),
    ("AADSTS700212", "the audience of the federated credential has to be api://AzureADTokenExchange"),
    (
        "AADSTS70021",
        "no federated credential of the identity fits issuer, subject and audience; one that was just made takes a minute",
    ),
    (
        "AADSTS70025",
        "the identity has no federated credential: make one for this cluster's issuer and this ServiceAccount",
    ),
    (
        "AADSTS700024",
        "the token or assertion is not valid at this time: check this machine's clock, and that the token file is renewed",
    ),
    ("AADSTS700027", "the certificate is not one of the app registration's: upload it there, or name the right file"),
    ("AADSTS500011", "this tenant does not know Azure's management endpoint by this name: check --cloud"),
    ("AADSTS900382", "the identity is of another cloud: check --cloud"),
    ("AADSTS53003", "a Conditional Access policy forbids the login: have it let this workload identity in"),
];

const ASSIGN: &str =
    "no such managed identity is assigned to this machine: assign it, or set AZURE_CLIENT_ID to one that is";
/// Where the machine has no endpoint for identities.
const NO_ENDPOINT: &str = "no managed identity answers here; for workload identity in a pod its webhook has to set \
                           AZURE_FEDERATED_TOKEN_FILE, see docs/azure.md";

/// What to do where no code is named.
const WORDS: &[(&str, &str)] = &[
    ("Identity not found", ASSIGN),
    ("identity has not been assigned", ASSIGN),
    (
        "o such file",
        "the token file is not there: has the pod the label azure.workload.identity/use: \"true\", and does the webhook run?",
    ),
];

/// What to do about a login that failed, if that is known.
pub fn advice(what_was_said: &str) -> Option<&'static str> {
    let code = what_was_said.split("AADSTS").nth(1).map(|rest| {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        format!("AADSTS{}", &rest[..digits])
    });
    match code {
        Some(code) => TABLE.iter().find(|(known, _)| *known == code).map(|(_, advice)| *advice),
        None if what_was_said.contains("ManagedIdentity") && reach::advice(what_was_said).is_some() => {
            Some(NO_ENDPOINT)
        }
        None => WORDS.iter().find(|(words, _)| what_was_said.contains(words)).map(|(_, advice)| *advice),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_known_as_a_whole() {
        let expired =
            advice("ClientSecretCredential authentication failed. AADSTS7000222: The provided client secret keys");
        assert!(expired.is_some_and(|advice| advice.contains("has expired")));
        let subject =
            advice("AADSTS700213: No matching federated identity record found for presented assertion subject 's'");
        assert!(subject.is_some_and(|advice| advice.contains("for this ServiceAccount")));
        assert!(
            advice("AADSTS70021: No matching").is_some_and(|advice| advice.contains("issuer, subject and audience"))
        );
        assert_eq!(advice("AADSTS7: what nobody knows"), None);
        let machine =
            advice("ManagedIdentityCredential authentication failed. error sending request: operation timed out");
        assert_eq!(machine, Some(NO_ENDPOINT));
        assert_eq!(advice("nothing of the kind"), None);
    }

    #[test]
    fn the_documentation_has_every_code() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/azure.md")).unwrap();
        for (code, advice) in TABLE {
            assert!(page.contains(&format!("| `{code}` | {advice} |")), "docs/azure.md lacks: | `{code}` | {advice} |");
        }
    }
}
