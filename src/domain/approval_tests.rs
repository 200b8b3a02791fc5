//! Whose word counts for what, and what is said about it.

use super::*;
use crate::memory::Waiting;
use crate::plan::{Limits, entries};
use crate::testing::{Scene, by_document, contribution, input, key, needing, noon, observed};

const REASON: (HeldReason, &str) = (HeldReason::Approval, "because");

fn steps(lines: &[&str]) -> BTreeMap<String, (HeldReason, String)> {
    lines.iter().map(|line| ((*line).to_owned(), (REASON.0, REASON.1.to_owned()))).collect()
}

fn keys(names: &[&str]) -> BTreeSet<ObjectKey> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn plan() -> Plan {
    entries::plan(&input(vec![contribution("a", &[])]), &observed(&[]), Limits::DEFAULT)
}

fn given(id: &str, network: &str, hash: &str) -> Approval {
    Approval {
        id: id.to_owned(),
        subject: Subject::Network(network.parse().unwrap()),
        hash: hash.to_owned(),
        approved_by: None,
        expires_at: noon() + DEFAULT_EXPIRY,
    }
}

fn hash_of(lines: &[&str]) -> String {
    plan().hash_of(lines.iter().map(ToString::to_string).collect()).to_string()
}

/// Whether `approvals` suffice for these lines, of which `shown` were shown before.
fn is_approved(lines: &[&str], approvers: &[&str], approvals: &[Approval], shown: &[&str]) -> bool {
    let waiting = Waiting {
        hash: hash_of(shown),
        steps: shown.iter().map(ToString::to_string).collect(),
        approved_by: BTreeMap::new(),
    };
    let memory = TargetMemory { waiting: vec![waiting], ..TargetMemory::default() };
    pending(&plan(), steps(lines), keys(approvers), approvals, &memory, noon()).unwrap().is_approved
}

#[test]
fn where_nothing_needs_a_person_nothing_is_pending() {
    let nothing = pending(&plan(), steps(&[]), keys(&["ns/a"]), &[], &TargetMemory::default(), noon());
    assert_eq!(nothing, None);
}

#[test]
fn an_approval_of_the_hash_that_is_shown_is_enough() {
    let lines = ["one", "two"];
    assert!(!is_approved(&lines, &["ns/a"], &[], &[]));
    assert!(is_approved(&lines, &["ns/a"], &[given("ok", "ns/a", &hash_of(&lines))], &[]));
    assert!(!is_approved(&lines, &["ns/a"], &[given("ok", "ns/a", &hash_of(&["one"]))], &[]));
}

#[test]
fn an_approval_covers_what_is_left_of_what_was_shown_and_nothing_more() {
    let word = [given("ok", "ns/a", &hash_of(&["one", "two"]))];
    for (lines, expected) in [(vec!["one"], true), (vec!["one", "two", "three"], false), (vec!["three"], false)] {
        assert_eq!(is_approved(&lines, &["ns/a"], &word, &["one", "two"]), expected, "{lines:?}");
    }
    assert!(!is_approved(&["one"], &["ns/a"], &word, &["one"]), "what it names was never shown");
}

#[test]
fn each_namespace_has_to_approve_for_itself_and_one_network_of_it_is_enough() {
    let hash = hash_of(&["one"]);
    let all = ["x/a", "x/b", "y/c"];
    let by = |names: &[&str]| -> Vec<Approval> { names.iter().map(|name| given(name, name, &hash)).collect() };
    for (names, expected) in [
        (vec!["x/a"], false),
        (vec!["x/a", "x/b"], false),
        (vec!["y/c"], false),
        (vec!["x/b", "y/c"], true),
        (vec!["x/a", "y/other"], false),
    ] {
        assert_eq!(is_approved(&["one"], &all, &by(&names), &[]), expected, "{names:?}");
    }
}

#[test]
fn where_nobody_may_approve_nothing_is_approved() {
    assert!(!is_approved(&["one"], &[], &[given("ok", "ns/a", &hash_of(&["one"]))], &[]));
}

#[test]
fn what_is_expired_used_or_of_a_feed_does_not_count() {
    let good = given("ok", "ns/a", &hash_of(&["one"]));
    let ask = |approval: &Approval, memory: &TargetMemory, now| {
        let list = [approval.clone()];
        pending(&plan(), steps(&["one"]), keys(&["ns/a"]), &list, memory, now).unwrap().is_approved
    };
    let fresh = TargetMemory::default();
    assert!(ask(&good, &fresh, good.expires_at - SignedDuration::from_secs(1)));
    assert!(!ask(&good, &fresh, good.expires_at), "it stands until this second, and not in it");
    let used = TargetMemory { used: BTreeMap::from([("ok".to_owned(), good.expires_at)]), ..fresh.clone() };
    assert!(!ask(&good, &used, noon()));
    let of_a_feed = Approval { subject: Subject::Feed("a".to_owned()), ..good };
    assert!(!ask(&of_a_feed, &fresh, noon()));
}

#[test]
fn the_hash_is_another_one_for_other_steps_and_for_another_document() {
    let of = |number, lines: &[&str]| {
        let plan =
            entries::plan(&input(vec![by_document(number, contribution("a", &[]))]), &observed(&[]), Limits::DEFAULT);
        plan.hash_of(lines.iter().map(ToString::to_string).collect())
    };
    assert_eq!(of(1, &["one", "two"]), of(1, &["two", "one"]));
    assert_ne!(of(1, &["one"]), of(1, &["two"]));
    assert_ne!(of(1, &["one"]), of(2, &["one"]));
}

const A: &str = "20.1.0.0/26";
const B: &str = "20.2.0.0/26";

/// A table of `a` and, in another namespace, `b`, where the removal of one entry waits for both.
fn shared() -> (Scene, Plan) {
    let mut scene = Scene::empty();
    scene.apply(&input(asked(&[A, B])));
    let plan = scene.decide(&input(asked(&[A])));
    assert!(plan.pending.is_some());
    (scene, plan)
}

fn asked(prefixes: &[&str]) -> Vec<crate::desired::Contribution> {
    let mut list = vec![needing("a", prefixes), needing("b", prefixes)];
    list[1].network = "other/b".parse().unwrap();
    for contribution in &mut list {
        contribution.removal.approval = crate::intent::Approval::Always;
    }
    list
}

/// What is said of an approval in a world of these Networks.
fn said(approval: &Approval, scene: &Scene, plan: &Plan) -> (State, String) {
    let word =
        word(approval, &keys(&["ns/a", "other/b", "ns/idle"]), &[Seen { plan, memory: &scene.memory }], scene.now);
    let word = word.unwrap();
    (word.state, word.message)
}

#[test]
fn what_is_said_of_an_approval_is_what_becomes_of_it() {
    let (mut scene, plan) = shared();
    scene.approve(&plan, "ns/a", 7);
    let plan = scene.decide(&input(asked(&[A])));
    let (state, message) = said(&scene.approvals[0], &scene, &plan);
    assert_eq!(state, State::OthersMissing);
    assert!(message.contains("ns, other"), "{message}");

    scene.approve(&plan, "other/b", 7);
    let plan = scene.decide(&input(asked(&[A])));
    for approval in &scene.approvals {
        assert_eq!(said(approval, &scene, &plan).0, State::InForce);
    }

    let plan = scene.apply(&input(asked(&[A])));
    for approval in &scene.approvals {
        assert_eq!(said(approval, &scene, &plan).0, State::Used);
    }
}

#[test]
fn an_approval_of_what_waits_counts_before_it_is_looked_at() {
    let (scene, plan) = shared();
    let (state, message) = said(&given("new", "ns/a", &plan.hash().to_string()), &scene, &plan);
    assert_eq!(state, State::OthersMissing, "{message}");
    let alone = || asked(&[A, B]).remove(0);
    let mut scene = Scene::empty();
    scene.apply(&input(vec![alone()]));
    let plan = scene.decide(&input(vec![asked(&[A]).remove(0)]));
    assert_eq!(said(&given("new", "ns/a", &plan.hash().to_string()), &scene, &plan).0, State::InForce);
}

#[test]
fn an_approval_of_a_plan_that_has_grown_names_what_waits_now() {
    let (mut scene, plan) = shared();
    scene.approve(&plan, "ns/a", 7);
    let plan = scene.decide(&input(asked(&[])));
    let (state, message) = said(&scene.approvals[0], &scene, &plan);
    assert_eq!(state, State::Outgrown);
    assert!(message.contains(&plan.hash().to_string()), "{message}");
}

#[test]
fn an_approval_that_fits_nothing_says_what_waits_and_who_is_unknown() {
    let (scene, plan) = shared();
    let other = given("x", "ns/a", "sha256:0");
    let (state, message) = said(&other, &scene, &plan);
    assert_eq!(state, State::OtherPlan);
    assert!(message.contains(&plan.hash().to_string()), "{message}");
    let (state, message) = said(&given("x", "ns/idle", &plan.hash().to_string()), &scene, &plan);
    assert_eq!((state, message.contains("nothing waits")), (State::OtherPlan, true), "{message}");
    assert_eq!(said(&given("x", "ns/none", "sha256:0"), &scene, &plan).0, State::NoSuchSubject);
}

#[test]
fn an_expired_approval_is_said_to_be_expired_unless_it_was_used() {
    let (mut scene, plan) = shared();
    scene.approve(&plan, "ns/a", 1);
    scene.wait(1);
    assert_eq!(said(&scene.approvals[0], &scene, &plan).0, State::Expired);
    scene.memory.used.insert(scene.approvals[0].id.clone(), scene.now);
    assert_eq!(said(&scene.approvals[0], &scene, &plan).0, State::Used);
}

#[test]
fn of_a_network_that_is_gone_and_left_entries_the_approval_still_counts() {
    let (mut scene, plan) = shared();
    scene.memory.orphaned.insert(crate::testing::address(A), [key("gone")].into());
    assert_eq!(said(&given("x", "ns/gone", "sha256:0"), &scene, &plan).0, State::OtherPlan);
}

#[test]
fn of_a_feeds_approval_the_document_decides() {
    let approval = Approval { subject: Subject::Feed("public".to_owned()), ..given("x", "ns/a", "sha256:1") };
    let later = approval.expires_at;
    let state = |in_force, held, now| word_about_document(&approval, in_force, held, now).state;
    assert_eq!(state(None, Some("sha256:1"), noon()), State::InForce);
    assert_eq!(state(Some("sha256:1"), None, later), State::Used);
    assert_eq!(state(None, Some("sha256:1"), later), State::Expired);
    assert_eq!(state(None, Some("sha256:2"), noon()), State::OtherPlan);
    assert_eq!(state(None, None, noon()), State::OtherPlan);
    let (scene, plan) = shared();
    let seen = [Seen { plan: &plan, memory: &scene.memory }];
    assert_eq!(word(&approval, &keys(&[]), &seen, noon()), None, "of a Network's plan it says nothing");
}

#[test]
fn only_an_approval_in_force_is_not_idle() {
    use State::{Expired, InForce, NoSuchSubject, OtherPlan, OthersMissing, Outgrown, Used};
    assert!(!InForce.is_idle());
    assert!([OthersMissing, Used, Expired, OtherPlan, Outgrown, NoSuchSubject].into_iter().all(State::is_idle));
}
