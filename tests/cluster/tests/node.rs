//! A whole node: pods run and survive a power cut of the node, and nothing outlives the process, whatever ends it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cluster::Node;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(120);

/// Waits for it as long as a node on a busy machine may take, and says what the node knows when it does not come.
#[track_caller]
fn wait_on(node: &Node, what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "not in time: {what}\n{}", node.describe("default"));
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The image that every node has waits for a signal, which is all that a pod has to do here.
fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {
            "containers": [{
                "name": "waits", "image": "registry.k8s.io/pause:3.10", "imagePullPolicy": "Never",
                "securityContext": {
                    "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "runAsNonRoot": true,
                    "runAsUser": 65532, "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
                },
            }],
            "terminationGracePeriodSeconds": 1,
        },
    })
}

fn run_pod(node: &Node, name: &str) {
    // The controller manager makes the service account of the namespace in its own time.
    wait_on(node, "the service account", || !node.get("/api/v1/namespaces/default/serviceaccounts/default").is_null());
    node.kubectl_stdin(&["apply", "-f", "-"], &pod(name).to_string()).ok();
    wait_on(node, "a pod that runs", || is_running(&status(node, name)));
}

fn status(node: &Node, name: &str) -> Value {
    node.get(&format!("/api/v1/namespaces/default/pods/{name}"))["status"].clone()
}

fn is_running(status: &Value) -> bool {
    status["containerStatuses"][0]["state"]["running"].is_object()
}

#[test]
fn pods_run_can_be_reached_and_come_back_after_a_power_cut() {
    let Some(node) = Node::shared() else { return };
    run_pod(node, "stays");
    let before = status(node, "stays");
    // It listens to nobody, but its address is there: to be refused takes an answer.
    let address: SocketAddr = format!("{}:80", before["podIP"].as_str().unwrap()).parse().unwrap();
    let refused = node.within(|| TcpStream::connect_timeout(&address, PATIENCE)).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    let version = node.get("/version")["gitVersion"].clone();
    assert!(version.as_str().is_some_and(|version| version.starts_with("v1.")), "{version}");

    let begun = Instant::now();
    node.restart().unwrap();
    eprintln!("the node was back after {:.1} s", begun.elapsed().as_secs_f32());
    let id = |status: &Value| status["containerStatuses"][0]["containerID"].clone();
    wait_on(node, "the pod again", || {
        let now = status(node, "stays");
        is_running(&now) && id(&now) != id(&before)
    });
    assert_eq!(status(node, "stays")["containerStatuses"][0]["restartCount"], 1);
    node.kubectl(&["delete", "pod", "stays", "--timeout=60s"]).ok();
}

/// What the simulator of Azure does in other tests, and what a test does with a pod.
#[test]
fn the_networks_of_node_and_test_meet_only_where_a_test_says() {
    let Some(node) = Node::shared() else { return };
    let listener = node.within(|| TcpListener::bind((node.outside(), 0))).unwrap();
    let address = listener.local_addr().unwrap();
    assert!(TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_err(), "{address} is of the node alone");
    let way = node.way_to(address);
    let mut client = TcpStream::connect(way.address()).unwrap();
    client.write_all(b"hello").unwrap();
    let (mut server, _) = listener.accept().unwrap();
    let mut heard = [0; 5];
    server.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"hello");
}

const GOES_TO: &str = "CLUSTER_TEST_GOES_TO_STDOUT";

#[test]
#[ignore = "the other half of the next test, which runs it in a process of its own"]
fn runs_a_node_until_it_is_killed() {
    if std::env::var_os(GOES_TO).is_none() {
        return;
    }
    let node = Node::shared().expect("the other half has one");
    run_pod(node, "left-behind");
    // Past the capturing of output.
    writeln!(std::io::stdout().lock(), "FOLDER {}", node.folder().display()).unwrap();
    let _ = std::io::stdin().read(&mut [0]);
}

fn groups() -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let below = |path: &Path| std::fs::read_dir(path).into_iter().flatten().map(|entry| entry.unwrap().path());
    let hierarchies = below(root).chain([root.to_owned()]).filter(|path| path.is_dir());
    hierarchies.flat_map(|path| below(&path).collect::<Vec<_>>()).filter(|path| path.is_dir()).collect()
}

#[test]
fn nothing_of_a_node_outlives_a_process_that_is_killed() {
    // One that is skipped here would be skipped there.
    if Node::shared().is_none() {
        return;
    }
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", "node::runs_a_node_until_it_is_killed"])
        .env(GOES_TO, "yes")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let folder = lines.find_map(|line| line.split_once("FOLDER ").map(|(_, path)| PathBuf::from(path)));
    let folder = folder.expect("its node has a folder");
    let owner = format!("amlnet-node-{}-", child.id());
    let ours = || groups().into_iter().filter(|path| path.to_string_lossy().contains(&owner)).collect::<Vec<_>>();
    assert!(!ours().is_empty(), "the pod has a control group");
    assert!(crate::ends::processes(&folder).iter().any(|line| line.contains("kubelet")));

    // The signal that no process can handle.
    child.kill().unwrap();
    child.wait().unwrap();
    crate::ends::nothing_is_left(&folder);
    crate::wait_until("the control groups are gone", || ours().is_empty());
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
    assert!(!mounts.contains(folder.to_str().unwrap()), "{mounts}");
}
