//! Values that are wrong, and an Azure that cannot be reached: what status and log say, and that pods are ready all the
//! same, as a rollout must not wait for Azure. Values that the chart refuses are its own tests' matter.

use serde_json::{Value, json};

use crate::release::{Release, shared};

/// The pods of these values are ready, and the log and the network's status say what is wrong.
#[track_caller]
fn says(release: &Release, change: Value, words: &[&str]) {
    let output = release.helm("upgrade", change, &["--install", "--wait", "--timeout=180s"]);
    assert_eq!(output.status, 0, "{}{}\n{}", output.stdout, output.stderr, release.node.describe(&release.namespace));
    let all = |text: &str| words.iter().all(|word| text.contains(word));
    release.wait(&format!("a status that says {words:?}"), || {
        let (status, _, message) = release.condition("Ready");
        status == "False" && all(&message)
    });
    release.wait(&format!("a line that says {words:?}"), || release.logs().lines().any(all));
    assert!(release.ours().is_empty(), "nothing was written");
}

#[test]
fn what_keeps_azure_away_is_said_and_the_pods_are_ready_all_the_same() {
    let Some(node) = shared() else { return };
    let release = Release::prepare(node, "values", json!({}));
    let quick = |change: Value| {
        let mut all = json!({"resync": "1m"});
        crate::harness::merge(&mut all, &change);
        all
    };
    release.apply_network(json!({}));
    // The federated credential in Azure is for another service account.
    says(&release, quick(json!({"serviceAccount": {"name": "somebody"}})), &["NoToken", "AADSTS", "somebody"]);
    // A proxy that inspects TLS, or a mirror, whose authority nobody named.
    says(&release, quick(json!({"caBundle": {"pem": null}})), &["certificate"]);
    // Nobody is there.
    let nowhere = format!("https://{}:1", node.outside());
    let words = ["NoAnswer", &format!("{}:1", node.outside())];
    says(&release, quick(json!({"azure": {"armEndpoint": nowhere}})), &words);

    // With the right values and read-only, everything is planned and nothing is written; then it is.
    let output = release.helm("upgrade", json!({"readOnly": true}), &["--wait", "--timeout=180s"]).ok();
    assert!(output.contains("readOnly is true"), "{output}");
    release.wait("a plan, and why it is not carried out", || {
        let target = release.network()["status"]["targets"][0].clone();
        target["held"] == 7 && target["message"].as_str().is_some_and(|message| message.contains("--read-only"))
    });
    assert_eq!(release.counts().writes(), 0);
    release.helm("upgrade", json!({}), &["--wait", "--timeout=180s"]).ok();
    release.in_sync();
    assert_eq!(release.ours().len(), 7);
}
