//! What the programs of a node are told: their arguments and configuration files, as text. Nothing is started here.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use serde_json::json;

use crate::certificates;

/// The service `kubernetes`, the node, and the API server: all on loopback, where pods find it without kube-proxy.
pub(super) const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);
/// For servers that a test starts beside the cluster.
pub(super) const OUTSIDE: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 7);
const SERVICES: &str = "10.96.0.0/24";
const PODS: &str = "10.244.0.0/24";
/// The bridge of the pods.
pub(super) const BRIDGE: &str = "pods0";
pub(super) const NAME: &str = "node1";
/// What containerd starts first in every pod; our own program under the name that it knows.
pub(super) const PAUSE: &str = "registry.k8s.io/pause:3.10";
pub(super) const CONTAINERD_SOCKET: &str = "/run/containerd/containerd.sock";

pub(super) fn api_server() -> SocketAddr {
    SocketAddr::from((ADDRESS, 443))
}

pub(super) fn etcd() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 2379))
}

/// The network of pods: a bridge whose gateway is the node, and no way further.
pub(super) fn cni() -> String {
    let bridge = json!({
        "type": "bridge", "bridge": BRIDGE, "isGateway": true, "ipMasq": false,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": PODS}]], "routes": [{"dst": "0.0.0.0/0"}]},
    });
    json!({"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge]}).to_string()
}

/// Without `restrict_oom_score_adj` runc fails with "can't get final child's PID" where the score may not be lowered.
pub(super) fn containerd(cni_plugins: &Path, cni: &Path) -> String {
    format!(
        "version = 3\n\
         [plugins.'io.containerd.cri.v1.images'.pinned_images]\n\
         sandbox = '{PAUSE}'\n\
         [plugins.'io.containerd.cri.v1.runtime']\n\
         restrict_oom_score_adj = true\n\
         [plugins.'io.containerd.cri.v1.runtime'.cni]\n\
         bin_dirs = ['{}']\n\
         conf_dir = '{}'\n",
        cni_plugins.display(),
        cni.display()
    )
}

pub(super) fn kubelet(cgroup: &str) -> String {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        // Version 1 of control groups is still what many kernels have.
        "failCgroupV1": false,
        "failSwapOn": false,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup,
        "cgroupsPerQOS": true,
        "enforceNodeAllocatable": [],
        "localStorageCapacityIsolation": false,
        // The disk of a test machine may be nearly full.
        "evictionHard": {},
        "imageGCHighThresholdPercent": 100,
        "containerRuntimeEndpoint": format!("unix://{CONTAINERD_SOCKET}"),
        "authentication": {"anonymous": {"enabled": true}, "webhook": {"enabled": false}},
        "authorization": {"mode": "AlwaysAllow"},
        // There is no DNS: pods use addresses.
        "resolvConf": "",
        // A test changes a ConfigMap or waits for a token, and does not want to wait a minute.
        "syncFrequency": "5s",
        "nodeStatusUpdateFrequency": "2s",
    })
    .to_string()
}

pub(super) fn etcd_arguments(folder: &Path) -> Vec<String> {
    vec![
        format!("--data-dir={}", folder.join("etcd").display()),
        // What a crash of the machine would lose is lost anyway.
        "--unsafe-no-fsync".to_owned(),
    ]
}

pub(super) fn api_server_arguments(folder: &Path, tokens: &str) -> Vec<String> {
    let file = |name: &str| folder.join(name).display().to_string();
    vec![
        format!("--etcd-servers=http://{}", etcd()),
        format!("--bind-address={ADDRESS}"),
        format!("--advertise-address={ADDRESS}"),
        "--secure-port=443".to_owned(),
        format!("--service-cluster-ip-range={SERVICES}"),
        format!("--cert-dir={}", file("certificates")),
        format!("--tls-cert-file={}", file(certificates::SERVER)),
        format!("--tls-private-key-file={}", file(certificates::SERVER_KEY)),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-account-key-file={}", file(certificates::ACCOUNTS)),
        format!("--service-account-signing-key-file={}", file(certificates::ACCOUNTS_KEY)),
        format!("--token-auth-file={}", file(tokens)),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--allow-privileged=true".to_owned(),
        // For logs and exec: nobody resolves the node's name.
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
    ]
}

/// A node that is gone is noticed within seconds, as a test that restarts one would otherwise wait for minutes.
pub(super) fn controller_manager_arguments(folder: &Path, kubeconfig: &Path) -> Vec<String> {
    vec![
        format!("--kubeconfig={}", kubeconfig.display()),
        format!("--service-account-private-key-file={}", folder.join(certificates::ACCOUNTS_KEY).display()),
        format!("--root-ca-file={}", folder.join(certificates::AUTHORITY).display()),
        "--leader-elect=false".to_owned(),
    ]
}

pub(super) fn scheduler_arguments(kubeconfig: &Path) -> Vec<String> {
    vec![format!("--kubeconfig={}", kubeconfig.display()), "--leader-elect=false".to_owned()]
}

pub(super) fn kubelet_arguments(configuration: &Path, kubeconfig: &Path) -> Vec<String> {
    vec![
        format!("--config={}", configuration.display()),
        format!("--kubeconfig={}", kubeconfig.display()),
        format!("--hostname-override={NAME}"),
        format!("--node-ip={ADDRESS}"),
    ]
}
