//! From nothing to a route table that is right, and what the cluster then shows.

use serde_json::json;

use crate::harness::{TABLE, ours};
use crate::replica::Kube;

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
