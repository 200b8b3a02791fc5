//! Objects: each cluster has its own, a restart keeps them, CRDs and admission policies are in force at once.

use std::time::Instant;

use cluster::{ADMIN, Cluster, Settings};
use serde_json::json;

fn config_maps(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/configmaps")
}

#[test]
fn two_clusters_side_by_side_know_nothing_of_each_other() {
    let begun = Instant::now();
    let (one, two) = std::thread::scope(|scope| {
        let [one, two] = [0, 1].map(|_| scope.spawn(|| Cluster::start().unwrap()));
        (one.join().unwrap(), two.join().unwrap())
    });
    eprintln!("two clusters at once were ready after {:.1} s", begun.elapsed().as_secs_f32());
    assert_ne!(one.url(), two.url());
    let namespace = one.namespace("only");
    let path = format!("/api/v1/namespaces/{namespace}");
    assert_eq!(one.ask(ADMIN, "GET", &path, None).unwrap().status, 200);
    assert_eq!(two.ask(ADMIN, "GET", &path, None).unwrap().status, 404);
    let kubeconfig = one.kubeconfig(ADMIN);
    let kubeconfig = kubeconfig.to_str().unwrap();
    // The other's token and certificate are of no use here.
    let url = two.url();
    let output = one.kubectl(ADMIN, &["--kubeconfig", kubeconfig, "--server", &url, "get", "namespaces"]);
    assert_ne!(output.status, 0);
    assert!(output.stderr.contains("certificate"), "{}", output.stderr);
}

#[test]
fn a_restarted_api_server_has_the_same_address_and_objects() {
    let cluster = Settings::default().user("alice", &["system:masters"]).start().unwrap();
    let (url, namespace) = (cluster.url(), cluster.namespace("kept"));
    let body = json!({"metadata": {"name": "one"}, "data": {"a": "b"}});
    let maps = config_maps(&namespace);
    assert_eq!(cluster.ask("alice", "POST", &maps, Some(&body)).unwrap().status, 201);
    let account = cluster.service_account(&namespace, "robot");

    cluster.stop_api_server();
    let refused = cluster.ask("alice", "GET", &maps, None).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    let begun = Instant::now();
    cluster.start_api_server().unwrap();
    eprintln!("a stopped API server was ready after {:.1} s", begun.elapsed().as_secs_f32());
    cluster.restart_api_server().unwrap();

    assert_eq!(cluster.url(), url);
    let kept = cluster.ask("alice", "GET", &format!("{maps}/one"), None).unwrap();
    assert_eq!(kept.json()["data"]["a"], "b");
    // Its token is still good: 403 is about the role, 401 would be about the token.
    assert_eq!(cluster.ask(&account, "GET", &maps, None).unwrap().status, 403);
    crate::wait_until("the requests before and after the restart are in the audit log", || {
        let verbs: Vec<String> = cluster.requests_of("alice").into_iter().map(|request| request.verb).collect();
        verbs == ["create", "get"]
    });
}

const CRD: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: lamps.test.amlnet.dev}
spec:
  group: test.amlnet.dev
  names: {kind: Lamp, plural: lamps, singular: lamp}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties: {watts: {type: integer}, colour: {type: string}}
            x-kubernetes-validations:
            - {rule: "self.watts < 100", message: "write fewer than 100 watts"}
"#;

const POLICY: &str = r#"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: lamp-owner}
spec:
  matchConstraints:
    resourceRules:
    - {apiGroups: [test.amlnet.dev], apiVersions: [v1], operations: [CREATE], resources: [lamps]}
  validations:
  - {expression: "object.spec.colour != 'red'", message: "no red lamps"}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: lamp-owner}
spec: {policyName: lamp-owner, validationActions: [Deny]}
"#;

#[test]
fn custom_resources_are_served_when_apply_returns_and_their_rules_hold() {
    let cluster = Cluster::shared();
    let namespace = cluster.namespace("lamps");
    cluster.apply(CRD);
    let lamps = format!("/apis/test.amlnet.dev/v1/namespaces/{namespace}/lamps");
    let lamp = |name: &str, spec| json!({"apiVersion": "test.amlnet.dev/v1", "kind": "Lamp", "metadata": {"name": name}, "spec": spec});
    let post = |lamp| cluster.ask(ADMIN, "POST", &lamps, Some(&lamp)).unwrap();
    assert_eq!(post(lamp("dim", json!({"watts": 40}))).status, 201);
    let refused = post(lamp("bright", json!({"watts": 400})));
    assert_eq!(refused.status, 422);
    assert!(refused.body.contains("write fewer than 100 watts"), "{}", refused.body);

    cluster.apply(POLICY);
    // Policies reach the admission chain by a watch, a moment later.
    let mut tried = 0;
    crate::wait_until("the admission policy refuses", || {
        tried += 1;
        let answer = post(lamp(&format!("red-{tried}"), json!({"watts": 4, "colour": "red"})));
        answer.status == 422 && answer.body.contains("no red lamps")
    });
    let listed = cluster.kubectl(ADMIN, &["get", "lamps", "dim", "-n", &namespace, "-o", "name"]).ok();
    assert_eq!(listed.trim(), "lamp.test.amlnet.dev/dim");
}
