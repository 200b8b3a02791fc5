//! What serves a need stays until the entry for the need is there.

use super::*;
use crate::plan::TargetInput;
use crate::testing::{Scene, contribution, input, regional, taken};

const AML: &str = "AzureMachineLearning";

/// What is held, but for what the second Network gives up itself.
fn held(plan: &Plan) -> Vec<String> {
    let held = plan.held.iter().filter(|held| held.step.address.to_string() != OLD);
    held.map(|held| format!("{:?} {:?} {}", held.reason, held.step.action, held.step.address)).collect()
}

const OLD: &str = "20.1.0.0/26";
const ELSEWHERE: &str = "30.0.0.0/24";

/// `before` stood for one Network, which now wants `now`. Another Network moved to a region in which it needs `needed`: a
/// person has to be asked.
fn moved(before: &[&str], now: &[&str], needed: &[&str]) -> (Scene, TargetInput) {
    let mut scene = Scene::empty();
    let central = |prefixes| regional("a", &[("centralus", AML, prefixes)]);
    scene.apply(&input(vec![central(before), regional("b", &[("eastus2", AML, &[OLD])])]));
    (scene, input(vec![central(now), regional("b", &[("westeurope", AML, needed)])]))
}

fn plan(before: &[&str], now: &[&str], needed: &[&str]) -> Plan {
    let (mut scene, input) = moved(before, now, needed);
    scene.decide(&input)
}

#[test]
fn a_wider_prefix_stays_for_a_narrower_one_that_is_held() {
    let (mut scene, input) = moved(&["20.2.0.0/24", "20.2.9.0/24"], &[ELSEWHERE], &["20.2.0.128/26"]);
    let plan = scene.decide(&input);
    assert_eq!(taken(&plan), ["Add 30.0.0.0/24", "Remove 20.2.9.0/24"]);
    assert_eq!(held(&plan), ["Approval Add 20.2.0.128/26", "Hold Remove 20.2.0.0/24"]);
    let why = "20.2.0.128/26 is needed and held itself; this serves it until it is there";
    assert_eq!(plan.held.last().unwrap().why, why);
    scene.approve(&plan, "a", 1);
    let plan = scene.decide(&input);
    assert!(plan.held.is_empty(), "{plan}");
    assert!(taken(&plan).contains(&"Remove 20.2.0.0/24".to_owned()), "{plan}");
}

#[test]
fn narrower_prefixes_stay_for_a_wider_one_that_is_held() {
    let plan = plan(&["20.2.0.0/25", "20.2.0.128/25", "20.2.1.0/25"], &[ELSEWHERE], &["20.2.0.0/24"]);
    assert_eq!(taken(&plan), ["Add 30.0.0.0/24", "Remove 20.2.1.0/25"]);
    assert_eq!(held(&plan), ["Approval Add 20.2.0.0/24", "Hold Remove 20.2.0.0/25", "Hold Remove 20.2.0.128/25"]);
}

#[test]
fn what_is_not_the_only_one_to_serve_the_need_goes() {
    let goes = |plan: &Plan| {
        assert!(taken(plan).contains(&"Remove 20.2.0.0/24".to_owned()), "{plan}");
        assert_eq!(held(plan), ["Approval Add 20.2.0.128/26"]);
    };
    goes(&plan(&["20.2.0.0/24"], &["20.2.0.0/16"], &["20.2.0.128/26"]));
    goes(&plan(&["20.2.0.0/24", "20.2.0.0/16"], &["20.2.0.0/16"], &["20.2.0.128/26"]));
}

#[test]
fn what_sends_elsewhere_serves_nobody() {
    let (_, mut input) = moved(&[], &[ELSEWHERE], &["20.2.0.128/26"]);
    let mut scene = Scene::empty();
    let appliance = contribution("a", &[("20.2.0.0/24", "10.0.1.4")]);
    scene.apply(&crate::testing::input(vec![appliance, regional("b", &[("eastus2", AML, &[OLD])])]));
    input.contributions[0] = contribution("a", &[(ELSEWHERE, "10.0.1.4")]);
    let plan = scene.decide(&input);
    assert!(taken(&plan).contains(&"Remove 20.2.0.0/24".to_owned()), "{plan}");
    assert_eq!(held(&plan), ["Approval Add 20.2.0.128/26"]);
}

#[test]
fn what_stays_takes_no_room_of_the_budget() {
    let (mut scene, mut input) = moved(&["20.2.0.0/24", "20.2.9.0/24"], &[ELSEWHERE], &["20.2.0.128/26"]);
    let removal = &mut input.contributions[0].removal;
    removal.budget.max = 1;
    let plan = scene.decide(&input);
    assert_eq!(taken(&plan), ["Add 30.0.0.0/24", "Remove 20.2.9.0/24"], "{plan}");
}

#[test]
fn the_sides_of_rules_are_places_of_their_own() {
    let place = |text: &str| among(&text.parse().unwrap(), &NextHop::Member).map(|(place, _)| place);
    let of = |text: &str| place(text).unwrap();
    assert_eq!(of("amlnet.prod.r with 20.0.0.0/24"), of("AMLNET.prod.R with 20.0.0.0/25"));
    assert_ne!(of("amlnet.prod.r with 20.0.0.0/24"), of("amlnet.prod.r at 20.0.0.0/24"));
    assert_ne!(of("amlnet.prod.r with 20.0.0.0/24"), of("amlnet.prod.s with 20.0.0.0/24"));
    assert_eq!(place("amlnet.prod.r with Storage"), None);
    assert_eq!(place("amlnet.prod.r on TCP 443"), None);
}
