//! The chart is upgraded while amlnet is in the middle of its work.

use serde_json::json;

use crate::harness::{Doc, TABLE, assert_clean, central, east};
use crate::release::{REPOSITORY, Release, TAGS, shared};

#[test]
fn an_upgrade_in_the_middle_of_long_operations_loses_and_repeats_nothing() {
    let Some(node) = shared() else { return };
    let release = Release::prepare(node, "upgrade", json!({}));
    release.installed(json!({}));
    release.apply_network(json!({}));
    release.in_sync();
    let before = release.counts();
    assert_eq!(before.put_route, 7);

    // Each write takes five seconds now, and four of them are needed.
    release.sim.set(json!({"latencies": {"route": "2500s"}}));
    let old: Vec<String> = release.ready_pods();
    release.publish(&Doc::week(2).regions(1..7, 0..3));
    release.wait("the first of the long operations", || release.counts().put_route > before.put_route);
    let change = json!({"image": {"tag": TAGS[1]}, "resync": "5m", "log": {"level": "debug"}});
    let output = release.helm("upgrade", change, &["--wait", "--timeout=180s"]);
    assert_eq!(output.status, 0, "{}{}\n{}", output.stdout, output.stderr, node.describe("upgrade"));
    release.wait("only new pods", || {
        let now = release.pods();
        now.len() == 2 && release.ready_pods().iter().all(|pod| !old.contains(pod))
    });
    let image = format!("{REPOSITORY}:{}", TAGS[1]);
    assert!(release.pods().iter().all(|pod| pod["spec"]["containers"][0]["image"] == image));

    let wanted = || (1..7).map(east).chain((0..3).map(central)).collect();
    release.wait("the document is followed", || release.ours() == wanted());
    release.in_sync();
    let after = release.counts();
    assert_eq!((after.put_route - before.put_route, after.delete_route), (3, 1), "each step once");
    assert_eq!(after.other, 0);
    assert_clean(&release.sim.history(TABLE), (1..4).map(east).chain((0..3).map(central)));
}
