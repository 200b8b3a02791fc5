//! From nothing to a route table that is right, and what the cluster then shows; what is said first where something is
//! wrong, and what readiness says to it.

use std::process::Command;

use cluster::ADMIN;
use serde_json::{Value, json};

use crate::harness::{Controller, TABLE, ours};
use crate::injector::{Effect, Injector};
use crate::leader::ready;
use crate::replica::Kube;
use crate::see::stop;

#[test]
fn a_network_converges_and_says_so() {
    let kube = Kube::start();
    kube.usual(json!({}));
    let replica = kube.replica("one", &[]);
    replica.wait_until("the routes", || ours(&kube.sim.history(TABLE)).len() == 7);
    replica.wait_until("Ready", || kube.condition("ml", "Ready") == ("True".into(), "InSync".into()));
    kube.kubectl(&["wait", "--for=condition=Ready", "amln/ml", "--timeout=60s"]);
    let object = kube.network("ml");
    assert_eq!(object["status"]["installation"], "prod");
    assert_eq!(object["status"]["observedGeneration"], object["metadata"]["generation"]);
    let (code, _, log) = replica.terminate();
    assert_eq!(code, 0, "{log}");
}

/// What is wrong is said in the log, in the status, and not by readiness: a rollout must not wait for Azure.
#[track_caller]
fn assert_said(kube: &Kube, replica: &Controller, texts: &[&str]) {
    let says = |text: &str| texts.iter().all(|part| text.contains(part));
    replica.wait_until("the line in the log", || replica.log().lines().any(|line| line.contains("WARN") && says(line)));
    replica.wait_until("the status", || says(&kube.message("ml", "Ready")));
    replica.wait_until("that it is ready", || ready(replica).0 == 200);
}

#[test]
fn whatever_keeps_azure_away_is_said_with_what_to_do_and_the_replica_is_ready() {
    let kube = Kube::start();
    stop(kube.running(json!({}), &[]));
    let kubeconfig = kube.cluster.kubeconfig(ADMIN);
    let with = |change: &dyn Fn(&mut Command)| {
        let mut command = kube.command("one", &kubeconfig, &["--resync", "1s"]);
        change(&mut command);
        kube.sim.background(command)
    };
    let expired = json!({"error": "invalid_client", "error_description": "AADSTS7000222: The provided client secret keys are expired."});
    kube.sim.fault(json!({"match": {"server": "login", "method": "POST"}, "times": 0,
        "effect": {"status": {"code": 400, "body": expired}}}));
    let replica = with(&|_| {});
    assert_said(&kube, &replica, &["NoToken", "AADSTS7000222", "the client secret has expired: make a new one"]);
    kube.sim.clear_faults();
    kube.in_sync(&replica);
    let forbidden =
        json!({"error": {"code": "AuthorizationFailed", "message": "The client does not have authorization."}});
    kube.sim.fault(json!({"match": {"method": "GET", "pathContains": "/routeTables/"}, "times": 0,
        "effect": {"status": {"code": 403, "body": forbidden}}}));
    assert_said(&kube, &replica, &["AuthorizationFailed", "grant amlnet's identity the role for this resource"]);
    stop(replica);
    kube.sim.clear_faults();
    let replica = with(&|command| _ = command.env_remove("AMLNET_CA_FILE"));
    assert_said(&kube, &replica, &["invalid peer certificate", "name its CA with --ca-file (chart: caBundle)"]);
    stop(replica);
    let replica = with(&|command| _ = command.env("AMLNET_ARM_ENDPOINT", "https://127.0.0.1:1/"));
    assert_said(&kube, &replica, &["NoAnswer", "127.0.0.1:1: ", "check the NetworkPolicy, the firewall and the route"]);
    stop(replica);
}

#[test]
fn a_pod_that_nothing_logs_in_hears_of_the_webhook_first() {
    let kube = Kube::start();
    let kubeconfig = kube.cluster.kubeconfig(ADMIN);
    let command = |set: &[(&str, &str)], more: &[&str]| {
        let mut command = kube.command("one", &kubeconfig, more);
        for name in ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET"] {
            command.env_remove(name);
        }
        command.env("KUBERNETES_SERVICE_HOST", "127.0.0.1").envs(set.iter().copied());
        command
    };
    let client = ("AZURE_CLIENT_ID", "22222222-2222-4222-8222-222222222222");
    for (set, said) in [
        (&[][..], "no AZURE_ variable is set, and a pod has no az: for workload identity give the pod the label"),
        (&[client], "AZURE_CLIENT_ID is set without AZURE_FEDERATED_TOKEN_FILE"),
    ] {
        let replica = kube.sim.background(command(set, &[]));
        replica.wait_until("the warning", || replica.log().contains(said));
        replica.wait_until("that it is ready", || ready(&replica).0 == 200);
        let log = replica.kill();
        assert!(log.lines().take(2).any(|line| line.contains(said)), "it is not among the first lines: {log}");
        assert_eq!(log.matches(said).count(), 1, "{log}");
    }
    // Here nothing can be tried: the program ends, and its last line says why, in the form of the others.
    let tenant = ("AZURE_TENANT_ID", "11111111-1111-4111-8111-111111111111");
    let ran = kube.sim.ran(command(&[client, tenant], &["--log-format", "json"])).exits(1);
    let last: Value = serde_json::from_str(ran.stderr.lines().last().unwrap()).unwrap();
    assert_eq!((&last["level"], &last["target"]), (&json!("ERROR"), &json!("amlnet")));
    let why = last["message"].as_str().unwrap();
    assert!(why.contains("AZURE_FEDERATED_TOKEN_FILE") && why.contains("is the webhook installed?"), "{why}");
}

#[test]
fn a_quota_and_an_api_server_that_is_away_are_told_from_missing_rights() {
    let kube = Kube::start();
    kube.usual(json!({}));
    let injector = Injector::before(&kube, ADMIN);
    let exceeded = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403, "reason": "Forbidden",
        "message": "configmaps \"x\" is forbidden: exceeded quota: few, requested: count/configmaps=1, used: 5, limited: 5"});
    injector.inject("POST", "/configmaps", 12, Effect::Answer(403, exceeded));
    let replica = kube.replica_of(&injector.kubeconfig, &[]);
    let advice = "raise the namespace's ResourceQuota, or make room in it";
    replica.wait_until("the advice", || replica.log().contains(advice));
    replica.wait_until("the routes", || ours(&kube.sim.table()).len() == 7);
    assert_eq!(ready(&replica).0, 200);
    replica.wait_until("the end of it", || injector.left() == 0);
    kube.in_sync(&replica);
    let log = replica.log();
    assert!(log.matches(advice).count() <= 6, "{log}");
    assert!(!log.contains("the Role of the service account lacks it"), "{log}");
    stop(replica);

    let config = std::fs::read_to_string(&injector.kubeconfig).unwrap();
    let mut config: Value = serde_json::from_str(&config).unwrap();
    config["clusters"][0]["cluster"]["server"] = json!("https://127.0.0.1:1");
    let away = kube.sim.write("away.kubeconfig", config.to_string());
    let replica = kube.replica_of(&away, &[]);
    replica.wait_until("what readiness says", || {
        let (code, text) = ready(&replica);
        code == 503 && text.contains("the CRDs cannot be looked at") && text.contains("nothing answers there")
    });
    let log = replica.kill();
    assert_eq!(log.matches("the CRDs cannot be looked at").count(), 1, "{log}");
}

#[test]
fn an_address_that_is_taken_ends_the_program_with_what_to_do() {
    let kube = Kube::start();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = kube.sim.command(&["run", "--namespace", &kube.namespace, "--http-listen", &address]);
    command.env("KUBECONFIG", kube.cluster.kubeconfig(ADMIN));
    let ran = kube.sim.ran(command).exits(1);
    ran.says(&[
        &format!("--http-listen {address}: "),
        "another program listens there: end it, or name another address",
    ]);
}
