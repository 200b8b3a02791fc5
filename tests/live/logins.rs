//! Every way to log in: who asks ARM then, what the login costs, and what is said where a way leads nowhere.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use armsim::model::log::Server;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::harness::{Doc, Proxy, Ran, Sim, TABLE, central, east, feed, network, ours};

const TENANT: (&str, &str) = ("AZURE_TENANT_ID", "11111111-1111-4111-8111-111111111111");
const CLIENT: (&str, &str) = ("AZURE_CLIENT_ID", "22222222-2222-4222-8222-222222222222");
const MACHINE: &str = "33333333-3333-4333-8333-333333333333";
const ASSIGNED: &str = "44444444-4444-4444-8444-444444444444";
const HEADER: (&str, &str) = ("IDENTITY_HEADER", "armsim-identity-header");
const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/client-certificate.pem");
const ISSUER: &str = "https://oidc.example/cluster";
const SUBJECT: &str = "system:serviceaccount:amlnet:amlnet";
/// The scope of the Public cloud.
const SCOPE: &str = "--scope https://management.azure.com/.default";

type Variables<'a> = [(&'a str, &'a str)];

/// One application with one trusted account of a cluster, and two identities of the machine.
fn world() -> Sim {
    world_with(json!({}))
}

fn world_with(limits: Value) -> Sim {
    let sim = Sim::with(json!({
        "credentials": [{"federated": [{"issuer": ISSUER, "subject": SUBJECT}]}],
        "managedIdentities": [{"clientId": MACHINE}, {"clientId": ASSIGNED, "kind": "userAssigned"}],
        "limits": limits,
    }));
    sim.usual(json!({}));
    sim
}

/// A command with these variables in place of the client secret's.
fn command(sim: &Sim, arguments: &[&str], set: &Variables<'_>) -> Command {
    let mut command = sim.command(&[arguments, &["--log", "trace"]].concat());
    for name in ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"] {
        command.env_remove(name);
    }
    command.envs(set.iter().copied());
    command
}

const ONCE: [&str; 6] = ["run", "--dir", "dir", "--state", "state", "--once"];

#[track_caller]
fn once(sim: &Sim, set: &Variables<'_>) -> Ran {
    sim.ran(command(sim, &ONCE, set))
}

/// Who asked ARM.
fn who(sim: &Sim) -> BTreeSet<String> {
    sim.log_of(Server::Arm).into_iter().map(|entry| entry.client).collect()
}

/// Requests for tokens.
fn logins(sim: &Sim, server: Server) -> Vec<String> {
    let wanted = |url: &String| url.contains("/token");
    sim.log_of(server).into_iter().map(|entry| entry.url).filter(wanted).collect()
}

/// All was done, as this client, and neither a token nor one of `secrets` was said.
#[track_caller]
fn assert_done(sim: &Sim, ran: Ran, client: &str, secrets: &[&str]) {
    let ran = ran.exits(0);
    assert_eq!(ours(&sim.history(TABLE)), (0..4).map(east).chain((0..3).map(central)).collect());
    assert_eq!(who(sim), BTreeSet::from([client.to_owned()]));
    assert_silent(&ran, secrets);
}

#[track_caller]
fn assert_silent(ran: &Ran, secrets: &[&str]) {
    for secret in ["eyJ"].iter().chain(secrets) {
        assert!(!ran.all().contains(secret), "{secret} in: {}", ran.all());
    }
}

/// A token as Kubernetes writes it for an account.
fn federated(subject: &str) -> String {
    let now = jiff::Timestamp::now().as_second();
    let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims =
        json!({"iss": ISSUER, "sub": subject, "aud": ["api://AzureADTokenExchange"], "nbf": now, "exp": now + 3600});
    format!("{}.{}.c2lnbmF0dXJl", encode(json!({"alg": "RS256", "typ": "JWT"})), encode(claims))
}

/// A folder for `PATH` with an `az` that notes how it is started and does this.
fn az(sim: &Sim, script: &str) -> PathBuf {
    let folder = sim.path("bin");
    std::fs::create_dir(&folder).unwrap();
    let calls = sim.path("az-calls");
    std::fs::write(&calls, "").unwrap();
    let az = sim.write("bin/az", format!("#!/bin/sh\necho \"$*\" >> '{}'\n{script}\n", calls.display()));
    std::fs::set_permissions(az, std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// What `az account get-access-token -o json` prints.
fn az_with_token(sim: &Sim) -> PathBuf {
    let answer = json!({"accessToken": sim.token(), "expiresOn": "2035-06-01 12:00:00.000000",
        "expires_on": jiff::Timestamp::now().as_second() + 3600, "subscription": TABLE.split('/').nth(2),
        "tenant": TENANT.1, "tokenType": "Bearer"});
    az(sim, &format!("printf '%s\\n' '{}'", serde_json::to_string_pretty(&answer).unwrap()))
}

fn az_calls(sim: &Sim) -> Vec<String> {
    std::fs::read_to_string(sim.path("az-calls")).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn workload_identity_logs_in_with_the_token_file() {
    let sim = world();
    let token = federated(SUBJECT);
    let file = sim.write("token", &token).display().to_string();
    let ran = once(&sim, &[TENANT, CLIENT, ("AZURE_FEDERATED_TOKEN_FILE", &file)]);
    assert_done(&sim, ran, CLIENT.1, &[&token]);
    assert_eq!(logins(&sim, Server::Login).len(), 1);
}

#[test]
fn a_401_makes_the_rotated_token_file_be_read_again() {
    let sim = world();
    let file = sim.write("token", federated(SUBJECT)).display().to_string();
    let controller =
        sim.background(command(&sim, &ONCE[..5], &[TENANT, CLIENT, ("AZURE_FEDERATED_TOKEN_FILE", &file)]));
    controller.wait_until("the first week", || ours(&sim.history(TABLE)).len() == 7);
    let expire = || {
        sim.fault(json!({"match": {"method": "PUT", "nth": 2}, "effect": {"status": {"code": 401,
            "body": {"error": {"code": "ExpiredAuthenticationToken", "message": "expired"}}}}}));
    };
    // Rotated to a token that is not trusted: who still knows the old one would not notice.
    sim.write("token", federated("system:serviceaccount:other:other"));
    expire();
    sim.publish(&Doc::week(2).regions(0..8, 0..3));
    sim.ask_feed();
    controller.wait_until("the refused login", || controller.log().contains("AADSTS700213"));
    assert_eq!(ours(&sim.history(TABLE)).len(), 8, "one of four was written");
    // And to a good one.
    sim.write("token", federated(SUBJECT));
    sim.clear_faults();
    sim.publish(&Doc::week(3).regions(0..9, 0..3));
    sim.ask_feed();
    controller.wait_until("the third week", || ours(&sim.history(TABLE)).len() == 12);
    // Rotated in the middle of a plan, to another good one: one more login, and the plan goes on.
    let before = logins(&sim, Server::Login).len();
    sim.write("token", federated(SUBJECT));
    expire();
    sim.publish(&Doc::week(4).regions(0..13, 0..3));
    sim.ask_feed();
    controller.wait_until("the fourth week", || ours(&sim.history(TABLE)).len() == 16);
    assert_eq!(logins(&sim, Server::Login).len(), before + 1);
    let (code, _, log) = controller.terminate();
    assert!(code == 0 && !log.contains("eyJ"), "{log}");
}

#[test]
fn the_identity_of_an_app_service_is_the_systems_or_the_named_one() {
    for (client, asked) in [(None, "resource="), (Some(ASSIGNED), "client_id=44444444-")] {
        let sim = world();
        let endpoint = format!("{}/msi/token", sim.metadata());
        let mut set = vec![("IDENTITY_ENDPOINT", endpoint.as_str()), HEADER];
        set.extend(client.map(|client| (CLIENT.0, client)));
        let ran = once(&sim, &set);
        assert_done(&sim, ran, client.unwrap_or(MACHINE), &[HEADER.1]);
        let logins = logins(&sim, Server::Metadata);
        assert_eq!(logins.len(), 1, "{logins:?}");
        assert!(logins[0].contains(asked) && logins[0].contains("management.azure.com"), "{logins:?}");
        assert_eq!(logins[0].contains("client_id"), client.is_some(), "{logins:?}");
        assert!(sim.log_of(Server::Login).is_empty());
    }
}

#[test]
fn a_client_certificate_logs_in() {
    let sim = world();
    let ran = once(&sim, &[TENANT, CLIENT, ("AZURE_CLIENT_CERTIFICATE_PATH", CERTIFICATE)]);
    assert_done(&sim, ran, CLIENT.1, &["PRIVATE KEY"]);
    assert_eq!(logins(&sim, Server::Login).len(), 1);
}

#[test]
fn the_choice_decides_whatever_else_is_set() {
    for (choice, client, tokens) in [
        ("EnvironmentCredential", CLIENT.1, [1, 0, 0]),
        ("WorkloadIdentityCredential", CLIENT.1, [1, 0, 0]),
        ("ManagedIdentityCredential", ASSIGNED, [0, 1, 0]),
        ("AzureCliCredential", CLIENT.1, [0, 0, 1]),
        ("dev", CLIENT.1, [0, 0, 1]),
        ("prod", CLIENT.1, [1, 0, 0]),
    ] {
        let sim = world();
        let path = az_with_token(&sim).display().to_string();
        let before = logins(&sim, Server::Login).len();
        let (token, endpoint) = (federated(SUBJECT), format!("{}/msi/token", sim.metadata()));
        let file = sim.write("token", &token).display().to_string();
        let secret = sim.secret();
        // Only the chosen way is one that works.
        let is = |name: &str| choice == name;
        let set = [
            TENANT,
            (CLIENT.0, if is("ManagedIdentityCredential") { ASSIGNED } else { CLIENT.1 }),
            ("AZURE_CLIENT_SECRET", if is("EnvironmentCredential") || is("prod") { &secret } else { "wrong" }),
            ("AZURE_FEDERATED_TOKEN_FILE", if is("WorkloadIdentityCredential") { &file } else { "/nowhere" }),
            ("AZURE_CLIENT_CERTIFICATE_PATH", "/nowhere"),
            ("IDENTITY_ENDPOINT", &endpoint),
            HEADER,
            ("PATH", &path),
            ("AZURE_TOKEN_CREDENTIALS", choice),
        ];
        let ran = once(&sim, &set);
        assert_done(&sim, ran, client, &[&token, &secret]);
        let asked = [logins(&sim, Server::Login).len() - before, logins(&sim, Server::Metadata).len()];
        assert_eq!([asked[0], asked[1], az_calls(&sim).len()], tokens, "{choice}");
    }
}

#[test]
fn az_is_started_for_a_token_and_not_for_every_request() {
    let sim = world();
    let path = az_with_token(&sim).display().to_string();
    let ran = once(&sim, &[("PATH", &path)]);
    assert_done(&sim, ran, CLIENT.1, &[]);
    assert!(sim.log_of(Server::Arm).len() > 14);
    assert_eq!(az_calls(&sim), [format!("account get-access-token -o json {SCOPE}")]);
    // A token that ARM no longer takes is asked for once more.
    sim.publish(&Doc::week(2).regions(0..6, 0..3));
    sim.fault(json!({"match": {"method": "PUT"}, "effect": {"status": {"code": 401}}}));
    once(&sim, &[("PATH", &path)]).exits(0);
    assert_eq!(az_calls(&sim).len(), 3);
    assert_eq!(ours(&sim.history(TABLE)).len(), 9);
}

#[test]
fn a_login_that_cannot_be_is_said_and_nothing_is_sent_to_arm() {
    let sim = world();
    let path = az(&sim, "echo \"ERROR: Please run 'az login' to setup account.\" >&2; exit 1").display().to_string();
    let empty = sim.path("empty").display().to_string();
    let stranger = sim.write("stranger", federated("system:serviceaccount:other:other")).display().to_string();
    let endpoint = format!("{}/msi/token", sim.metadata());
    let (tenant, identity) = (("AZURE_TENANT_ID", MACHINE), ("IDENTITY_ENDPOINT", endpoint.as_str()));
    let secret = sim.secret();
    let secret = ("AZURE_CLIENT_SECRET", secret.as_str());
    let file = |path| ("AZURE_FEDERATED_TOKEN_FILE", path);
    let pem = |path| ("AZURE_CLIENT_CERTIFICATE_PATH", path);
    let cases: [(&Variables<'_>, &[&str]); 14] = [
        (&[("PATH", &empty)], &["set the variables of a login, or log in with az", "docs/azure.md", "az not found"]),
        (&[("PATH", &path)], &["set the variables of a login, or log in with az", "Please run 'az login'"]),
        (&[TENANT, CLIENT], &["AZURE_CLIENT_SECRET"]),
        (&[TENANT, CLIENT, file("/nowhere")], &["/nowhere"]),
        (&[CLIENT, file(&stranger)], &["needs AZURE_TENANT_ID"]),
        (&[TENANT, CLIENT, file(&stranger)], &["AADSTS700213", "system:serviceaccount:other:other"]),
        (&[TENANT, CLIENT, pem("/nowhere")], &["AZURE_CLIENT_CERTIFICATE_PATH /nowhere"]),
        (&[TENANT, (CLIENT.0, MACHINE), pem(CERTIFICATE)], &["AADSTS700016", MACHINE]),
        (&[tenant, CLIENT, secret], &["AADSTS90002", MACHINE]),
        (&[identity, HEADER, CLIENT], &["The requested identity has not been assigned to this resource"]),
        (&[identity, (HEADER.0, "wrong")], &["X-IDENTITY-HEADER"]),
        (&[("IDENTITY_ENDPOINT", "nonsense"), HEADER], &["IDENTITY_ENDPOINT", "nonsense"]),
        (&[TENANT, CLIENT, secret, ("AZURE_TOKEN_CREDENTIALS", "magic")], &["AZURE_TOKEN_CREDENTIALS is \"magic\""]),
        (&[TENANT, CLIENT, secret, ("AMLNET_CA_FILE", "/nowhere")], &["--ca-file /nowhere"]),
    ];
    for (set, said) in cases {
        let ran = once(&sim, set);
        assert_eq!(ran.code, 1, "{set:?}: {}", ran.all());
        ran.says(said);
        assert_silent(&ran, &[HEADER.1, secret.1]);
        assert_eq!(who(&sim), BTreeSet::new(), "{set:?}");
    }
}

/// What stands for the answer of the last resort, in one line with what to do.
#[test]
fn without_any_login_one_line_says_what_to_set() {
    let sim = world();
    let empty = sim.path("empty").display().to_string();
    let mut command = sim.command(&PLAN);
    for (name, _) in [TENANT, CLIENT, ("AZURE_CLIENT_SECRET", "")] {
        command.env_remove(name);
    }
    command.env("PATH", empty);
    let ran = sim.ran(command).exits(1);
    let all = ran.all();
    let lines: Vec<&str> = all.lines().filter(|line| line.contains("NoToken")).collect();
    assert_eq!(lines.len(), 1, "{all}");
    assert!(lines[0].contains("set the variables of a login, or log in with az; see docs/azure.md"), "{all}");
}

#[test]
fn a_certificate_that_is_not_trusted_is_said_with_what_to_do() {
    let sim = world();
    sim.write("tags.json", Doc::week(1).bytes());
    sim.objects("feed.yaml", &[feed("", json!({"spec": {"sources": [{"file": {"path": "../tags.json"}}]}}))]);
    let path = az_with_token(&sim).display().to_string();
    let secret = sim.secret();
    let mut without_advice = Vec::new();
    for (set, said) in [
        (&[TENANT, CLIENT, ("AZURE_CLIENT_SECRET", &secret)][..], "NoToken"),
        // The login is another's, so it is ARM that is not trusted.
        (&[("PATH", path.as_str())][..], "NoAnswer"),
    ] {
        let mut command = command(&sim, &PLAN, set);
        command.env_remove("AMLNET_CA_FILE");
        let ran = sim.ran(command);
        assert_eq!((ran.code, who(&sim)), (1, BTreeSet::new()), "{}", ran.all());
        ran.says(&[said, "invalid peer certificate"]);
        without_advice.extend((!ran.all().contains("--ca-file")).then(|| ran.all()));
    }
    assert!(without_advice.is_empty(), "--ca-file is missing in:\n{}", without_advice.join("\n"));
}

/// A document of another cloud: what is East US 2 elsewhere is `primary` here, what is Central US is `secondary`.
fn document(cloud: &str, primary: [&str; 2], secondary: [&str; 2]) -> Doc {
    let public = ["eastus2", "centralus", "westeurope", "northeurope"].map(|region| format!("AzureCloud.{region}"));
    let services = ["EastUS2", "CentralUS", "WestEurope"].map(|region| format!("AzureMachineLearning.{region}"));
    let batch = ["EastUS2", "CentralUS"].map(|region| format!("BatchNodeManagement.{region}"));
    let doc = public.iter().chain(&services).chain(&batch).fold(Doc::week(1), |doc, name| doc.without(name));
    let all = (0..4).map(east).chain((0..3).map(central)).collect::<Vec<_>>();
    let aml = |region: [&str; 2]| format!("AzureMachineLearning.{}", region[1]);
    doc.of_cloud(cloud)
        .tag(&format!("AzureCloud.{}", primary[0]), primary[0], ["20.1.0.0/16", "20.11.0.0/16"])
        .tag(&format!("AzureCloud.{}", secondary[0]), secondary[0], ["20.2.0.0/16"])
        .tag(&aml(primary), primary[0], (0..4).map(east))
        .tag(&aml(secondary), secondary[0], (0..3).map(central))
        .tag("AzureMachineLearning", "", all)
}

const GOVERNMENT: [[&str; 2]; 2] = [["usgovvirginia", "USGovVirginia"], ["usgovtexas", "USGovTexas"]];
const CHINA: [[&str; 2]; 2] = [["chinanorth3", "ChinaNorth3"], ["chinaeast3", "ChinaEast3"]];
const PLAN: [&str; 5] = ["plan", "-f", "dir/feed.yaml", "-f", "dir/ml.yaml"];

/// A simulator with a document of this cloud on its page, and a network in its region.
fn of_cloud(cloud: &str, [primary, secondary]: [[&str; 2]; 2], limits: Value) -> Sim {
    let sim = world_with(limits);
    sim.publish_of(cloud, &document(cloud, primary, secondary));
    sim.objects("feed.yaml", &[feed(&sim.page_of(cloud), json!({"spec": {"cloud": cloud}}))]);
    sim.objects("ml.yaml", &[network(json!({"spec": {"region": primary[1]}}))]);
    sim
}

/// Runs for a cloud, with the flags that name its addresses.
#[track_caller]
fn run_for(sim: &Sim, cloud: &str, arguments: &[&str], set: &Variables<'_>) -> Ran {
    let (arm, login) = (sim.arm(), sim.login());
    let flags = ["--cloud", cloud, "--arm-endpoint", &arm, "--authority-host", &login];
    let mut command = command(sim, &[arguments, &flags].concat(), set);
    command.env_remove("AMLNET_ARM_ENDPOINT").env_remove("AMLNET_AUTHORITY_HOST");
    sim.ran(command)
}

#[test]
fn each_cloud_has_its_own_document_and_its_own_scope() {
    // What China documents, by the hour; headers say so where it is enforced.
    let hourly = json!({"enforce": true, "reads": {"size": 12000, "perSecond": 3}, "writes": {"size": 1200, "perSecond": 1},
        "deletes": {"size": 15000, "perSecond": 4}});
    for (cloud, regions, arm, limits) in
        [("AzureGovernment", GOVERNMENT, "usgovcloudapi.net", json!({})), ("China", CHINA, "chinacloudapi.cn", hourly)]
    {
        let sim = of_cloud(cloud, regions, limits);
        let secret = sim.secret();
        let secret = [TENANT, CLIENT, ("AZURE_CLIENT_SECRET", secret.as_str())];
        run_for(&sim, cloud, &PLAN, &secret).exits(2).says(&["7 to add"]);
        assert_eq!(logins(&sim, Server::Login), [format!("/{}/oauth2/v2.0/token", TENANT.1)]);
        let path = az_with_token(&sim).display().to_string();
        run_for(&sim, cloud, &PLAN, &[("PATH", &path)]).exits(2);
        let scope = format!("--scope https://management.{arm}/.default");
        assert_eq!(az_calls(&sim), [format!("account get-access-token -o json {scope}")]);
        let endpoint = format!("{}/msi/token", sim.metadata());
        run_for(&sim, cloud, &ONCE, &[("IDENTITY_ENDPOINT", &endpoint), HEADER]).exits(0);
        let asked = logins(&sim, Server::Metadata);
        assert!(asked.len() == 1 && asked[0].contains(&format!("management.{arm}")), "{asked:?}");
        assert_eq!(ours(&sim.history(TABLE)), (0..4).map(east).chain((0..3).map(central)).collect(), "{cloud}");
        let status = sim.feed_status("public");
        assert_eq!(status["current"]["changeNumber"], 101, "{status}");
        // The page of the Public cloud has no document for this feed.
        sim.objects("feed.yaml", &[feed(&sim.page(), json!({"spec": {"cloud": cloud}}))]);
        run_for(&sim, cloud, &PLAN, &secret).exits(3);
    }
}

#[test]
fn china_does_not_stand_still_where_arm_shows_smaller_buckets_than_documented() {
    let sim = of_cloud("China", CHINA, json!({}));
    let secret = sim.secret();
    run_for(&sim, "China", &PLAN, &[TENANT, CLIENT, ("AZURE_CLIENT_SECRET", &secret)]).exits(2).says(&["7 to add"]);
}

/// `host:port` of addresses.
fn places(urls: &[String]) -> BTreeSet<String> {
    urls.iter().map(|url| url.trim_start_matches("https://").split('/').next().unwrap().to_owned()).collect()
}

#[test]
fn a_proxy_of_the_environment_carries_everything() {
    for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
        let (sim, proxy) = (world(), Proxy::start());
        let (secret, url) = (sim.secret(), proxy.url());
        let ran = once(&sim, &[TENANT, CLIENT, ("AZURE_CLIENT_SECRET", &secret), (variable, &url)]);
        assert_done(&sim, ran, CLIENT.1, &[&secret]);
        assert_eq!(proxy.asked(), places(&[sim.arm(), sim.login(), sim.page()]), "{variable}");
    }
    // Nothing goes past a proxy that is down.
    let sim = world();
    let (secret, down) = (sim.secret(), "http://127.0.0.1:9");
    once(&sim, &[TENANT, CLIENT, ("AZURE_CLIENT_SECRET", &secret), ("HTTPS_PROXY", down)]).exits(1);
    assert!(sim.log().is_empty());
}

#[test]
fn what_no_proxy_names_goes_past_it() {
    let (sim, proxy) = (world(), Proxy::start());
    let (secret, url) = (sim.secret(), proxy.url());
    let set = [TENANT, CLIENT, ("AZURE_CLIENT_SECRET", secret.as_str()), ("HTTPS_PROXY", url.as_str())];
    // ARM under another name of the same machine.
    let arm = sim.arm().replace("127.0.0.1", "localhost");
    let mut plan = command(&sim, &PLAN, &set);
    plan.env("AMLNET_ARM_ENDPOINT", arm).env("NO_PROXY", "localhost,example.com");
    sim.ran(plan).exits(2).says(&["7 to add"]);
    assert!(!who(&sim).is_empty());
    assert_eq!(proxy.asked(), places(&[sim.login(), sim.page()]));
    let proxy = Proxy::start();
    let url = proxy.url();
    let ran = once(&sim, &[&set[..3], &[("HTTPS_PROXY", &url), ("NO_PROXY", "127.0.0.1")]].concat());
    assert_done(&sim, ran, CLIENT.1, &[]);
    assert_eq!(proxy.asked(), BTreeSet::new());
}

#[test]
fn the_endpoint_of_a_managed_identity_is_never_behind_a_proxy() {
    let (sim, proxy) = (world(), Proxy::start());
    let (url, endpoint) = (proxy.url(), format!("{}/msi/token", sim.metadata()));
    let proxies = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"].map(|name| (name, url.as_str()));
    let ran = once(&sim, &[&[("IDENTITY_ENDPOINT", endpoint.as_str()), HEADER][..], &proxies].concat());
    assert_done(&sim, ran, MACHINE, &[]);
    assert_eq!(proxy.asked(), places(&[sim.arm(), sim.page()]));
}
