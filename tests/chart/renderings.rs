//! What the sets of values in `values/` render, on a real API server: it takes every object as it stands, and the pods
//! under the restricted profile.

use cluster::{ADMIN, Cluster};
use serde_json::{Value, json};

use crate::tools::{helm_3, helm_4, helms, install_monitoring, key, objects, of_kind, read, template, value_files};

/// As on a cluster that has amlnet's CRDs and the Prometheus operator's.
const APIS: [&str; 4] =
    ["--api-versions", "amlnet.dev/v1alpha1/ServiceTagFeed", "--api-versions", "monitoring.coreos.com/v1"];

#[track_caller]
fn rendered(name: &str, namespace: &str) -> Vec<Value> {
    let (_, file) = value_files().into_iter().find(|(found, _)| found == name).unwrap();
    objects(&template(helm_4(), namespace, &[APIS.as_slice(), &["-f", file.to_str().unwrap()]].concat()))
}

fn deployment(objects: &[Value]) -> Value {
    of_kind(objects, "Deployment")[0].clone()
}

#[test]
fn the_api_server_takes_all_objects_of_all_sets_of_values() {
    let cluster = Cluster::shared();
    install_monitoring(cluster);
    for crd in ["amlnetworks", "planapprovals", "servicetagfeeds"] {
        cluster.apply(&read(&format!("config/crd/{crd}.yaml")));
    }
    cluster.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: team-a}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: team-b}\n");
    for (name, file) in value_files() {
        let namespace = cluster.namespace("chart");
        let restrict = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
        let path = format!("/api/v1/namespaces/{namespace}");
        assert_eq!(cluster.ask(ADMIN, "PATCH", &path, Some(&restrict)).unwrap().status, 200);
        for (generation, helm) in helms() {
            let text = template(helm, &namespace, &[APIS.as_slice(), &["-f", file.to_str().unwrap()]].concat());
            let arguments =
                ["apply", "--server-side", "--force-conflicts", "--validate=strict", "-o", "name", "-f", "-"];
            let said = cluster.kubectl_stdin(ADMIN, &arguments, &text);
            assert_eq!(said.status, 0, "{name}, {generation}: {}", said.stderr);
            assert_eq!(said.stdout.lines().count(), objects(&text).len(), "{name}: {}", said.stdout);
        }
        let template = &deployment(&rendered(&name, &namespace))["spec"]["template"];
        let mut pod = template.clone();
        pod["metadata"]["name"] = json!("probe");
        // There is no such class here, and it has nothing to do with the profile.
        pod["spec"].as_object_mut().unwrap().remove("priorityClassName");
        let pods = format!("{path}/pods?dryRun=All");
        let answer = cluster.ask(ADMIN, "POST", &pods, Some(&pod)).unwrap();
        assert_eq!(answer.status, 201, "{name}: {}", answer.body);
        // What asks for more is refused there, so the answer before says something.
        pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = json!(true);
        let answer = cluster.ask(ADMIN, "POST", &pods, Some(&pod)).unwrap();
        assert!(answer.status == 403 && answer.body.contains("restricted"), "{name}: {}", answer.body);
    }
}

#[test]
fn both_generations_render_the_same() {
    for (name, file) in value_files() {
        let arguments = [APIS.as_slice(), &["-f", file.to_str().unwrap()]].concat();
        let sorted = |helm| {
            let mut objects = objects(&template(helm, "amlnet", &arguments));
            objects.sort_by_key(key);
            objects
        };
        let (four, three) = (sorted(helm_4()), sorted(helm_3()));
        assert_eq!(four.iter().map(key).collect::<Vec<_>>(), three.iter().map(key).collect::<Vec<_>>(), "{name}");
        assert_eq!(four, three, "{name}");
    }
}

#[test]
fn no_two_objects_of_a_rendering_are_one() {
    for (name, _) in value_files() {
        let mut keys: Vec<String> = rendered(&name, "amlnet").iter().map(key).collect();
        let all = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), all, "{name}: {keys:?}");
    }
}

#[test]
fn every_variable_of_the_program_that_is_set_is_one_that_it_knows() {
    let help = std::process::Command::new(env!("CARGO_BIN_EXE_amlnet")).args(["run", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for (name, _) in value_files() {
        let deployment = deployment(&rendered(&name, "amlnet"));
        let env = deployment["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap().clone();
        let ours: Vec<_> =
            env.iter().filter_map(|one| one["name"].as_str()).filter(|n| n.starts_with("AMLNET_")).collect();
        assert!(ours.len() >= 9, "{name}: {ours:?}");
        for variable in ours {
            assert!(help.contains(&format!("[env: {variable}=")), "{name}: {variable}");
        }
    }
}

#[test]
fn the_network_policy_lets_through_what_the_values_name() {
    let ports = |name: &str| -> Vec<i64> {
        let objects = rendered(name, "amlnet");
        let policy = of_kind(&objects, "NetworkPolicy")[0];
        let rules = policy["spec"]["egress"].as_array().unwrap();
        rules
            .iter()
            .flat_map(|rule| rule["ports"].as_array().unwrap())
            .map(|port| port["port"].as_i64().unwrap())
            .collect()
    };
    assert_eq!(ports("minimal"), [53, 53, 5353, 5353, 443, 6443]);
    assert_eq!(ports("proxy"), [53, 53, 5353, 5353, 443, 6443, 3128, 8443]);
    assert_eq!(ports("all-namespaces"), [53, 53, 5353, 5353, 443, 6443, 80]);
    assert_eq!(ports("monitored"), [53, 53, 5353, 5353, 443, 6443, 8080]);
}

#[test]
fn the_api_server_takes_the_plain_manifests() {
    let text =
        read("deploy/install.yaml").replace("YOUR-INSTALLATION-ID", "prod1").replace("YOUR-CLIENT-ID", "some-id");
    let arguments = ["apply", "--validate=strict", "-f", "-"];
    let said = Cluster::start().unwrap().kubectl_stdin(ADMIN, &arguments, &text).ok();
    assert_eq!(said.lines().filter(|line| line.ends_with(" created")).count(), objects(&text).len(), "{said}");
}
