//! Rules of what is shown: every target and Network of the moment, and nothing of what is gone.

use std::time::Duration;

use super::*;
use crate::api::read::Network;
use crate::domain::intent::Mode;
use crate::domain::memory::TargetMemory;
use crate::domain::plan::Limits;
use crate::domain::project::{Condition, ConditionType};
use crate::domain::testing::{self, contribution, guarded, input, key, observed};
use crate::store::{Held, Undecodable};

const PREFIX: &str = "20.1.0.0/26";

fn network(name: &str, mode: Mode) -> Held<Network> {
    let mut intent = testing::intent();
    intent.mode = mode;
    let object = Network { key: key(name), generation: 1, intent, reconcile_at: None, says_edition: false };
    Held { object, origin: "x.yaml".into(), broken: None }
}

fn status(ready: bool, reason: &str) -> NetworkStatus {
    let condition = |kind: ConditionType| Condition {
        kind,
        status: kind == ConditionType::Ready && ready,
        reason: reason.to_owned(),
        message: String::new(),
        observed_generation: 1,
        since: Timestamp::UNIX_EPOCH,
    };
    let subject = crate::domain::project::Subject::Valid(Vec::new());
    let empty =
        crate::domain::project::project(&testing::installation(), &key("x"), 1, &subject, None, Timestamp::UNIX_EPOCH);
    NetworkStatus { conditions: vec![condition(ConditionType::Ready)], ..empty }
}

fn outcome(end: End) -> (TargetInput, Outcome) {
    let input = input(vec![contribution("ml", &[(PREFIX, "Internet")])]);
    let plan = guarded(&input, &observed(&[]), Limits::DEFAULT);
    let outcome =
        Outcome { plan, applied: Vec::new(), end, seen: [(key("ml"), 1)].into(), memory: TargetMemory::default() };
    (input, outcome)
}

fn look(restored: usize) -> Look {
    Look { took: Duration::from_secs(1), restored, ended_at: Timestamp::from_second(77).unwrap() }
}

#[derive(Default)]
struct Moment {
    world: World,
    inputs: BTreeMap<ResourceId, TargetInput>,
    outcomes: BTreeMap<ResourceId, Outcome>,
    statuses: BTreeMap<ObjectKey, NetworkStatus>,
    watched: Watched,
    metrics: Metrics,
}

impl Moment {
    fn text(&mut self) -> String {
        let Self { world, inputs, outcomes, statuses, watched, metrics } = self;
        watched.changed();
        watched.not_before = None;
        watched.show(metrics, &Queue::default(), Seen { world, inputs, outcomes, statuses, unreadable_approvals: 3 });
        let _leading = std::mem::ManuallyDrop::new(metrics.lead());
        String::from_utf8(metrics.text().to_vec()).unwrap()
    }

    fn looked(&mut self, end: End, restored: usize, is_current: bool) {
        let (input, outcome) = outcome(end);
        self.watched.looked(&outcome, look(restored), is_current);
        self.inputs.insert(input.id.clone(), input.clone());
        self.outcomes.insert(input.id, outcome);
    }
}

fn has(text: &str, start: &str, value: &str) -> bool {
    text.lines().any(|line| line.starts_with(start) && line.ends_with(&format!(" {value}")))
}

#[test]
fn a_target_is_shown_from_the_beginning_and_vanishes_when_nobody_names_it() {
    let mut moment = Moment::default();
    let (input, _) = outcome(End::Planned);
    moment.inputs.insert(input.id.clone(), input.clone());
    let text = moment.text();
    assert!(has(&text, "amlnet_target_restored_total{", "0") && text.contains("state=\"Pending\""), "{text}");
    assert!(!text.contains("amlnet_target_entries{"), "{text}");

    moment.looked(End::Applied, 2, true);
    let text = moment.text();
    assert!(has(&text, "amlnet_target_restored_total{kind=\"RouteTable\",target=\"/subscriptions/", "2"), "{text}");
    assert!(has(&text, "amlnet_target_last_success_timestamp_seconds{", "77"), "{text}");
    assert!(text.contains("action=\"Add\"} 1") && text.contains("action=\"Remove\"} 0"), "{text}");
    assert_eq!(text.matches("\namlnet_target_state{").count(), 1);

    moment.inputs.clear();
    moment.outcomes.clear();
    let text = moment.text();
    assert!(!text.contains("amlnet_target"), "{text}");
    moment.inputs.insert(input.id.clone(), input);
    assert!(has(&moment.text(), "amlnet_target_restored_total{", "0"), "who comes back begins anew");
}

#[test]
fn what_is_looked_at_anew_keeps_its_figures() {
    let mut moment = Moment::default();
    moment.looked(End::Applied, 0, true);
    moment.outcomes.clear();
    let text = moment.text();
    assert!(text.contains("state=\"Pending\"") && text.contains("\namlnet_target_entries_limit{"), "{text}");
    // It worked for something that is not asked for any more.
    moment.looked(End::Waiting { why: String::new(), seconds: None }, 5, false);
    let text = moment.text();
    assert!(has(&text, "amlnet_target_restored_total{", "5") && !text.contains("state=\"Waiting\""), "{text}");
}

#[test]
fn only_what_ended_well_is_a_success() {
    for (end, is_success) in
        [(End::Planned, true), (End::Applied, true), (End::Waiting { why: String::new(), seconds: None }, false)]
    {
        let mut moment = Moment::default();
        moment.looked(end, 0, true);
        assert_eq!(moment.text().contains("amlnet_target_last_success"), is_success);
    }
    let (_, mut blocked) = outcome(End::Planned);
    blocked.plan.blocked = Some(crate::domain::plan::Blocked {
        reason: crate::domain::plan::BlockedReason::Capacity,
        message: String::new(),
    });
    assert_eq!(result(&blocked), "Blocked");
}

#[test]
fn networks_are_counted_by_mode_and_condition() {
    let mut moment = Moment::default();
    for (name, mode, ready) in [("a", Mode::Sync, true), ("b", Mode::Sync, true), ("c", Mode::Observe, false)] {
        moment.world.networks.insert(key(name), network(name, mode));
        moment.statuses.insert(key(name), status(ready, if ready { "InSync" } else { "Pending" }));
    }
    moment.world.networks.insert(key("d"), network("d", Mode::Observe));
    moment.watched.found(&key("d"), Some(&status(false, "Failed")));
    moment.watched.found(&key("a"), Some(&status(false, "Failed")));
    let text = moment.text();
    for line in [
        "amlnet_networks{mode=\"Sync\",condition=\"Ready\",status=\"True\",reason=\"InSync\"} 2",
        "amlnet_networks{mode=\"Observe\",condition=\"Ready\",status=\"False\",reason=\"Pending\"} 1",
        "amlnet_networks{mode=\"Observe\",condition=\"Ready\",status=\"False\",reason=\"Failed\"} 1",
        "amlnet_network_condition{network_namespace=\"ns\",network=\"a\",condition=\"Ready\",reason=\"InSync\"} 1",
        "amlnet_network_condition{network_namespace=\"ns\",network=\"d\",condition=\"Ready\",reason=\"Failed\"} 0",
    ] {
        assert_eq!(text.lines().filter(|found| *found == line).count(), 1, "{line} in {text}");
    }
    assert_eq!(text.matches("\namlnet_network_condition{").count(), 4);
    moment.world.networks.clear();
    moment.statuses.clear();
    assert!(!moment.text().contains("amlnet_network"));
}

#[test]
fn what_cannot_be_read_is_counted_by_resource() {
    let mut moment = Moment::default();
    let undecodable = |place: &str, network: Option<&str>| Undecodable {
        place: place.to_owned(),
        network: network.map(key),
        generation: 0,
        message: String::new(),
    };
    moment.world.networks.insert(key("held"), Held { broken: Some("no".to_owned()), ..network("held", Mode::Sync) });
    moment.world.undecodable = vec![
        undecodable("AmlNetwork ns/held", Some("held")),
        undecodable("AmlNetwork ns/other", Some("other")),
        undecodable("ServiceTagFeed ns/public", None),
        undecodable("dir/x.yaml", None),
    ];
    let text = moment.text();
    for (resource, count) in [("AmlNetwork", 2), ("ServiceTagFeed", 1), ("PlanApproval", 3), ("File", 1)] {
        assert!(text.contains(&format!("amlnet_objects_unreadable{{resource=\"{resource}\"}} {count}\n")), "{text}");
    }
}
