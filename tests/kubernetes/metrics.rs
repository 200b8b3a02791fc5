//! What a leader and a standby export, and what moves when the lead does.

use amlnet::metrics::names;
use cluster::ADMIN;
use serde_json::json;

use crate::harness::{Controller, Scrape, TABLE};
use crate::leader::{ONE, Pair, SHORT, TWO, answer};

const TARGET: [(&str, &str); 2] = [("kind", "RouteTable"), ("target", TABLE)];

fn scrape(replica: &Controller) -> Scrape {
    let (code, answer) = answer(replica, "/metrics");
    assert_eq!(code, 200);
    Scrape::parse(answer.split_once("\r\n\r\n").unwrap().1)
}

/// Everything that a leader tells of this table.
fn leads(scrape: &Scrape, replica: &str) {
    for (name, labels, value) in [
        ("amlnet_leader", vec![], 1.0),
        ("amlnet_installation_info", vec![("store", "kubernetes"), ("installation", "prod")], 1.0),
        ("amlnet_feed_document_change_number", vec![("feed", "public")], 102.0),
        ("amlnet_network_condition", vec![("network", "ml"), ("condition", "Ready"), ("reason", "InSync")], 1.0),
        ("amlnet_target_pending", TARGET.to_vec(), 0.0),
        ("amlnet_target_restored_total", TARGET.to_vec(), 0.0),
        ("amlnet_status_writes_total", vec![("result", "Failed")], 0.0),
        ("amlnet_state_write_failures_total", vec![], 0.0),
    ] {
        assert_eq!(scrape.sum(name, &labels), Some(value), "{replica}: {name} {labels:?}");
    }
    let now = jiff::Timestamp::now().as_second();
    let renewed = scrape.sum("amlnet_lease_last_renewal_timestamp_seconds", &[]).unwrap();
    #[expect(clippy::cast_possible_truncation, reason = "seconds")]
    let age = now - renewed as i64;
    assert!((-2..10).contains(&age), "{replica}: {age}");
    assert!(scrape.sum("amlnet_lease_renewals_total", &[("result", "Renewed")]).unwrap() >= 1.0, "{replica}");
}

/// Nothing of feeds, Networks, targets and Azure.
fn stands_by(scrape: &Scrape) {
    assert_eq!(scrape.sum("amlnet_leader", &[]), Some(0.0));
    assert_eq!(scrape.sum("amlnet_lease_last_renewal_timestamp_seconds", &[]), None);
    for name in scrape.families() {
        let family = names::ALL.iter().find(|family| family.name == name).unwrap();
        assert!(family.on_standby, "{name}");
    }
    assert!(scrape.families().contains("amlnet_build_info"));
}

#[test]
fn a_leader_tells_everything_and_a_standby_that_it_is_one() {
    let pair = Pair::start(&json!({}));
    let (one, two) = pair.both(&pair.kube.cluster.kubeconfig(ADMIN), &SHORT);
    pair.converges(&one);
    let in_sync = [&TARGET[..], &[("state", "InSync")]].concat();
    let is_in_sync = |replica: &Controller| {
        let scrape = scrape(replica);
        let status = [("resource", "AmlNetwork"), ("result", "Ok")];
        let ready = [("network", "ml"), ("condition", "Ready"), ("reason", "InSync")];
        scrape.sum("amlnet_target_state", &in_sync) == Some(1.0)
            && scrape.sum("amlnet_network_condition", &ready) == Some(1.0)
            && scrape.sum("amlnet_status_writes_total", &status).is_some_and(|count| count >= 1.0)
    };
    one.wait_until("that it tells of the table", || is_in_sync(&one));
    leads(&scrape(&one), "one");
    assert_eq!(scrape(&one).sum("amlnet_entries_written_total", &[("action", "Add")]), Some(60.0));
    stands_by(&scrape(&two));
    // It renews on.
    let renewals = |replica: &Controller| scrape(replica).sum("amlnet_lease_renewals_total", &[("result", "Renewed")]);
    let before = renewals(&one);
    one.wait_until("a renewal", || renewals(&one) > before);

    let (code, _, log) = one.terminate();
    assert_eq!(code, 0, "{log}");
    two.wait_until("that the other leads", || scrape(&two).sum("amlnet_leader", &[]) == Some(1.0));
    // The status that stands there is told of before anything was looked at.
    let condition = [("network", "ml"), ("condition", "Ready")];
    two.wait_until("the condition", || scrape(&two).sum("amlnet_network_condition", &condition) == Some(1.0));
    two.wait_until("that it has looked", || {
        let scrape = scrape(&two);
        scrape.sum("amlnet_target_state", &in_sync) == Some(1.0)
            && scrape.sum("amlnet_network_condition", &condition) == Some(1.0)
    });
    leads(&scrape(&two), "two");
    assert_eq!((pair.writes_of(ONE), pair.writes_of(TWO)), (60, 0));
}
