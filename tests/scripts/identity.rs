//! `deploy/azure/identity.sh` with a stand-in for `az`: its calls to the letter, a second run, refusals of Azure, bad input.
//! With the real `az` it is run by `tests/clients/identity.sh`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const SUBSCRIPTION: &str = "0b1f6471-1bf0-4dda-aec3-cb9272f09590";
const OTHER: &str = "0b1f6471-1bf0-4dda-aec3-cb9272f09591";
const ISSUER: &str = "https://eastus2.oic.prod-aks.azure.com/tenant/cluster/";
const GUID: &str = "dddddddd-4444-4444-8444-dddddddddddd";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn group() -> String {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-ml")
}

fn resource(kind: &str, name: &str) -> String {
    format!("{}/providers/Microsoft.Network/{kind}/{name}", group())
}

fn table() -> String {
    resource("routeTables", "rt-ml")
}

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
    /// What `az` was called with, a line each.
    calls: Vec<String>,
}

impl Ran {
    /// The calls that change something.
    fn changes(&self) -> Vec<&str> {
        let changes = |call: &&str| [" create ", " update ", " delete "].iter().any(|word| call.contains(word));
        self.calls.iter().map(String::as_str).filter(changes).collect()
    }

    #[track_caller]
    fn succeeds(self) -> Self {
        assert_eq!(self.code, 0, "{}{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    fn says(self, code: i32, text: &str) -> Self {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        assert!(self.stderr.contains(text), "{text:?} is not in:\n{}", self.stderr);
        self
    }
}

/// An Azure of its own for each test: what the stand-in was told to make, as files.
struct Azure(PathBuf);

impl Azure {
    fn new(test: &str) -> Self {
        let state = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("identity-{test}"));
        if state.exists() {
            fs::remove_dir_all(&state).unwrap();
        }
        fs::create_dir_all(&state).unwrap();
        fs::write(state.join("cloud"), "AzureCloud\n").unwrap();
        Self(state)
    }

    fn has(&self, file: &str, line: &str) {
        fs::write(self.0.join(file), format!("{line}\n")).unwrap();
    }

    fn reads(&self, file: &str) -> String {
        fs::read_to_string(self.0.join(file)).unwrap_or_default()
    }

    /// The next calls that begin so are answered with this refusal.
    fn refuses(&self, times: u32, call: &str, text: &str) {
        self.has("refuse", &format!("{times} {call}\n{text}"));
    }

    fn run(&self, options: &[&str]) -> Ran {
        let _ = fs::remove_file(self.0.join("calls"));
        let mut folders = vec![root().join("tests/scripts/bin")];
        folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
        let output = Command::new("sh")
            .arg(root().join("deploy/azure/identity.sh"))
            .args(options)
            .env("PATH", std::env::join_paths(folders).unwrap())
            .env("AZ_STATE", &self.0)
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran {
            code: output.status.code().unwrap(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
            calls: self.reads("calls").lines().map(str::to_owned).collect(),
        }
    }

    /// With what every call needs.
    fn with(&self, options: &[&str]) -> Ran {
        let mut all = vec!["--subscription", SUBSCRIPTION, "--resource-group", "rg-ids", "--issuer", ISSUER];
        all.extend(options);
        self.run(&all)
    }
}

#[track_caller]
fn is_golden(name: &str, text: &str) {
    let file = root().join("tests/scripts/golden").join(name);
    if std::env::var_os("AMLNET_UPDATE_GOLDEN").is_some() {
        fs::write(&file, text).unwrap();
    }
    let golden = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(text, golden, "{} is otherwise (AMLNET_UPDATE_GOLDEN=1 writes it anew)", file.display());
}

fn all_kinds() -> [String; 4] {
    [
        table(),
        resource("ipGroups", "ipg-ml"),
        resource("firewallPolicies", "p-hub"),
        resource("networkSecurityGroups", "nsg-ml"),
    ]
}

#[test]
fn a_dry_run_prints_the_commands_and_changes_nothing() {
    let azure = Azure::new("dry");
    let scopes = all_kinds();
    let mut options: Vec<&str> = scopes.iter().flat_map(|scope| ["--scope", scope.as_str()]).collect();
    options.extend(["--subscription-reads", "--dry-run"]);
    let ran = azure.with(&options).succeeds();
    assert_eq!(ran.changes(), Vec::<&str>::new());
    is_golden("identity-dry-run.txt", &ran.stdout);
    // What it printed is a script: it makes what the script itself makes.
    let printed = Azure::new("dry-printed");
    let mut shell = Command::new("sh");
    let folders = [root().join("tests/scripts/bin"), "/usr/bin".into(), "/bin".into()];
    shell.args(["-euc", &ran.stdout]).env("AZ_STATE", &printed.0);
    let output = shell.env("PATH", std::env::join_paths(folders).unwrap()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    options.pop();
    azure.with(&options).succeeds();
    for file in ["identities", "federations", "definitions", "assignments"] {
        assert_eq!(printed.reads(file), azure.reads(file), "{file}");
    }
}

#[test]
fn it_makes_everything_once() {
    let azure = Azure::new("once");
    let scopes = all_kinds();
    let mut options: Vec<&str> = scopes.iter().flat_map(|scope| ["--scope", scope.as_str()]).collect();
    options.extend(["--subscription-reads", "--cloud", "Public"]);
    let first = azure.with(&options).succeeds();
    is_golden("identity-calls.txt", &(first.calls.join("\n") + "\n"));
    is_golden("identity-values.yaml", &first.stdout);
    is_golden("identity-says.txt", &first.stderr);
    let second = azure.with(&options).succeeds();
    assert_eq!(second.changes(), Vec::<&str>::new());
    assert_eq!(second.stdout, first.stdout);
    assert!(second.stderr.contains("everything was in place; nothing was changed"), "{}", second.stderr);
    options.push("--dry-run");
    let dry = azure.with(&options).succeeds();
    assert_eq!((dry.stdout.as_str(), dry.changes().len()), ("", 0));
}

#[test]
fn a_role_is_assigned_where_its_actions_mean_something_and_nowhere_else() {
    let azure = Azure::new("scopes");
    let firewall = resource("azureFirewalls", "fw");
    let policy = resource("firewallPolicies", "p");
    let group_of_ips = resource("ipGroups", "g");
    for (options, assigned) in [
        (vec!["--scope", &firewall, "--kind", "ip-groups", "--scope", &group_of_ips], 2),
        (vec!["--scope", &policy, "--scope", &group_of_ips, "--scope", &firewall], 4),
        (vec!["--scope", &group(), "--kind", "route-tables", "--kind", "security-groups"], 2),
        // The same twice, in other letters and with a slash at the end.
        (vec!["--scope", &table(), "--scope", &format!("{}/", table().to_uppercase())], 1),
    ] {
        azure.has("assignments", "");
        azure.with(&options).succeeds();
        let made = azure.reads("assignments");
        assert_eq!(made.trim().lines().count(), assigned, "{options:?}:\n{made}");
    }
}

#[test]
fn a_role_that_is_there_is_brought_up_to_date() {
    let azure = Azure::new("update");
    let id = format!("/subscriptions/{OTHER}/providers/Microsoft.Authorization/roleDefinitions/{GUID}");
    let scopes = format!("/subscriptions/{OTHER},/subscriptions/{SUBSCRIPTION}");
    azure.has("definitions", &format!("amlnet route tables\t{id}\tMicrosoft.Network/routeTables/read\t{scopes}\t"));
    let ran = azure.with(&["--scope", &table()]).succeeds();
    let update = ran.changes().into_iter().find(|call| call.starts_with("role definition")).unwrap().to_owned();
    for part in
        [&format!("{{\"id\": \"{id}\", \"roleName\": \"amlnet route tables\""), "routes/delete", OTHER, SUBSCRIPTION]
    {
        assert!(update.contains(part), "{part} is not in {update}");
    }
    assert!(update.starts_with("role definition update"), "{update}");
    assert_eq!(azure.with(&["--scope", &table()]).succeeds().changes(), Vec::<&str>::new());
}

#[test]
fn another_cluster_is_trusted_besides_and_said() {
    let azure = Azure::new("clusters");
    azure.with(&["--scope", &table()]).succeeds();
    let other =
        ["--subscription", SUBSCRIPTION, "--resource-group", "rg-ids", "--issuer", "https://other.example/", "--scope"];
    let ran = azure.run(&[other.as_slice(), &[&table()]].concat()).succeeds();
    assert_eq!(ran.changes().len(), 1, "{:?}", ran.changes());
    let note = format!("note: system:serviceaccount:amlnet:amlnet of {ISSUER} can use this identity too");
    ran.says(0, &note);
    assert_eq!(azure.reads("federations").lines().count(), 2);
    // Somebody made it for another audience.
    azure.has("federations", &format!("by-hand\t{ISSUER}\tsystem:serviceaccount:amlnet:amlnet\tapi://other"));
    let ran = azure.with(&["--scope", &table()]).succeeds();
    assert!(ran.changes()[0].starts_with("identity federated-credential update"), "{:?}", ran.changes());
    assert!(
        azure.reads("federations").starts_with("by-hand\t")
            && azure.reads("federations").contains("api://AzureADTokenExchange")
    );
}

#[test]
fn what_azure_does_not_know_yet_is_tried_again_and_what_it_forbids_is_not() {
    let azure = Azure::new("again");
    azure.refuses(
        3,
        "role assignment create",
        "(RoleDefinitionDoesNotExist) The specified role definition does not exist.",
    );
    let ran = azure.with(&["--scope", &table()]).succeeds();
    assert_eq!(ran.calls.iter().filter(|call| *call == "(sleep 10)").count(), 3);
    assert_eq!(azure.reads("assignments").trim().lines().count(), 1);

    let azure = Azure::new("forbidden");
    azure.refuses(9, "role assignment create", "(AuthorizationFailed) The client does not have authorization.");
    let ran = azure
        .with(&["--scope", &table()])
        .says(1, "(AuthorizationFailed)")
        .says(1, "done before this, and left as it is:");
    assert!(ran.stderr.contains("  identity amlnet in rg-ids\n"), "{}", ran.stderr);
    assert!(ran.stderr.contains("Owner or User Access Administrator"), "{}", ran.stderr);
    assert!(!ran.calls.iter().any(|call| call.starts_with("(sleep")));
    assert_eq!(ran.stdout, "");
    azure.has("refuse", "");
    let ran = azure.with(&["--scope", &table()]).succeeds();
    assert_eq!(ran.changes().len(), 1, "only what was missing: {:?}", ran.changes());

    // The role is one of another subscription of the tenant, where this one cannot see it.
    let azure = Azure::new("same-name");
    azure.refuses(
        1,
        "role definition create",
        "(RoleDefinitionWithSameNameExists) A custom role with the same name exists.",
    );
    azure.with(&["--scope", &table()]).says(1, "add the subscription to the role's AssignableScopes");

    // It does not try for ever.
    let azure = Azure::new("for-ever");
    azure.refuses(99, "role assignment create", "(PrincipalNotFound) Principal does not exist in the directory.");
    let ran = azure.with(&["--scope", &table()]).says(1, "(PrincipalNotFound)");
    assert_eq!(ran.calls.iter().filter(|call| *call == "(sleep 10)").count(), 29);
}

#[test]
fn it_looks_before_it_changes_anything() {
    for (call, text) in [
        ("account show", "Please run 'az login' to setup account."),
        ("group show", "(ResourceGroupNotFound) Resource group 'rg-ids' could not be found."),
        ("role definition list", "(AuthorizationFailed) no read"),
        ("role assignment list", "(ResourceGroupNotFound) Resource group 'rg-ml' could not be found."),
    ] {
        let azure = Azure::new(&format!("looks-{}", call.replace(' ', "-")));
        azure.refuses(1, call, text);
        let ran = azure.with(&["--scope", &table()]).says(1, text);
        assert_eq!(ran.changes(), Vec::<&str>::new(), "{call}");
    }
    let azure = Azure::new("cloud");
    let ran = azure.with(&["--scope", &table(), "--cloud", "China"]);
    ran.says(2, "--cloud China, but az uses 'AzureCloud'; type: az cloud set --name AzureChinaCloud && az login");
}

#[test]
fn the_values_name_the_cloud_that_az_uses() {
    for (present, cloud) in
        [("AzureCloud", "Public"), ("AzureUSGovernment", "AzureGovernment"), ("AzureChinaCloud", "China")]
    {
        let azure = Azure::new(&format!("named-{cloud}"));
        azure.has("cloud", &format!("{present}\n"));
        let ran = azure.with(&["--scope", &table()]).succeeds();
        assert!(ran.stdout.lines().any(|line| line == format!("cloud: {cloud}")), "{present}: {}", ran.stdout);
        assert_eq!(azure.with(&["--scope", &table(), "--cloud", cloud]).succeeds().stdout, ran.stdout);
    }
    let azure = Azure::new("unknown-cloud");
    azure.has("cloud", "AzureStackCloud\n");
    let ran =
        azure.with(&["--scope", &table()]).says(2, "az uses the cloud 'AzureStackCloud', which amlnet does not know");
    assert_eq!((ran.changes(), ran.stdout.as_str()), (Vec::<&str>::new(), ""));
}

#[test]
fn bad_input_is_refused_with_a_sentence_before_az_is_called() {
    let azure = Azure::new("input");
    let table = table();
    let group = group();
    let subscription = format!("/subscriptions/{SUBSCRIPTION}");
    let subnet = resource("virtualNetworks", "vnet");
    let route = format!("{table}/routes/r");
    for (options, sentence) in [
        (vec!["--scope"], "--scope needs a value"),
        (vec!["--scope", ""], "--scope needs a value"),
        (vec!["--scope", "--dry-run"], "'--dry-run' looks like an option"),
        (vec![], "--scope is missing"),
        (vec!["--scope", &table, "--frob", "x"], "there is no option '--frob'"),
        (vec!["--scope", &table, "positional"], "there is no option 'positional'"),
        (vec!["--scope", &table, "--issuer", "https://b/"], "--issuer is given twice"),
        (vec!["--scope", &format!("{table} {table}")], "has a space"),
        (vec!["--scope", &format!("{table}\n{table}")], "has a space or another character"),
        (vec!["--scope", &subscription], "is a whole subscription; name the resources"),
        (vec!["--scope", "/"], "--scope '' is neither"),
        (vec!["--scope", &subnet], "is neither a resource group nor a route table"),
        (vec!["--scope", &route], "is neither a resource group nor a route table"),
        (vec!["--scope", "rt-ml"], "write its id as in /subscriptions/"),
        (vec!["--scope", &group], "say with --kind which of them amlnet shall write"),
        (vec!["--scope", &table, "--kind", "routes"], "--kind 'routes' is unknown; write route-tables"),
        (vec!["--scope", &table, "--kind", "ip-groups"], "is nothing that the kinds asked for (ip-groups) are about"),
        (vec!["--scope", &table, "--kind", "route-tables", "--kind", "ip-groups"], "--kind ip-groups: no --scope is"),
        (vec!["--scope", &table, "--name", "-x"], "looks like an option"),
        (vec!["--scope", &table, "--name", "a/b"], "--name 'a/b' is no name of an identity"),
        (vec!["--scope", &table, "--namespace", "Kube"], "--namespace 'Kube' is no name of a namespace"),
        (vec!["--scope", &table, "--service-account", "a:b"], "--service-account 'a:b' is no name"),
        (vec!["--scope", &table, "--location", "East-US"], "--location 'East-US' is no location"),
        (vec!["--scope", &table, "--cloud", "public"], "write Public, AzureGovernment or China"),
    ] {
        let ran = azure.with(&options);
        assert_eq!(ran.calls, Vec::<String>::new(), "{options:?}");
        assert_eq!(ran.stdout, "", "{options:?}");
        ran.says(2, sentence);
    }
    let with = |name: &'static str, value: &'static str| {
        let mut all =
            vec!["--subscription", SUBSCRIPTION, "--resource-group", "rg-ids", "--issuer", ISSUER, "--scope", &table];
        let at = all.iter().position(|option| *option == name).unwrap();
        all[at + 1] = value;
        all
    };
    azure.run(&with("--subscription", "production")).says(2, "is no GUID");
    azure.run(&with("--resource-group", "rg.")).says(2, "is no name of a resource group");
    azure.run(&with("--issuer", "http://oidc.example/")).says(2, "is no https address");
    azure.run(&["--help"]).succeeds();
}
