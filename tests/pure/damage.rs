//! What must hold of every document, however damaged (ARCHITECTURE.md, "Invariants"): nothing leaves a table by itself.

use amlnet::domain::accept;
use amlnet::domain::desired::{self, Contribution};
use amlnet::domain::intent::{DeletionPolicy, Mode, ObjectKey, Removal};
use amlnet::domain::plan::{Action, Limits, Observed, Plan, TargetInput};
use amlnet::domain::prefix::Prefix;
use amlnet::domain::service_tags::{Cloud, Document};
use amlnet::domain::tag_diff::diff;
use proptest::prelude::*;
use proptest::sample::Index;
use std::sync::Arc;

use crate::support::{
    self, AT_ONCE, BASE, CAREFUL, REGIONS, Tags, apply, base_tags, document_json, executable, guarded, intent, states,
    table,
};

/// The plan for a table that holds exactly what the undamaged document says, when `document` comes into force.
fn plan_after(document: &Document, removal: Removal) -> (Plan, Observed) {
    let intent = intent(&["AzureMachineLearning"], removal);
    let input = |document: &Document| {
        let contribution = Contribution {
            network: ObjectKey { namespace: "ns".to_owned(), name: "ml".to_owned() },
            generation: 1,
            mode: Mode::Sync,
            suspended: false,
            deletion_policy: DeletionPolicy::Retain,
            removal,
            growth: intent.growth,
            clocks_may_start: true,
            outcome: desired::wishes(&intent, &table(), document, &REGIONS).map(Arc::new),
        };
        TargetInput::new(support::table_id("rt"), "prod".parse().unwrap(), vec![contribution])
    };
    let mut observed = Observed {
        location: "eastus2".to_owned(),
        entries: vec![],
        subnets: 1,
        updating: false,
        whole: None,
        rules: None,
    };
    for step in guarded(&input(&BASE), &observed, Limits::DEFAULT).steps {
        apply(&step, &mut observed).unwrap();
    }
    assert_eq!(observed.entries.len(), 4);
    (guarded(&input(document), &observed, Limits::DEFAULT), observed)
}

#[derive(Debug, Clone)]
enum Damage {
    Flip(Index, u8),
    Cut(Index),
    Drop(Index, usize),
    Insert(Index, Vec<u8>),
}

impl Damage {
    fn do_to(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Self::Flip(at, with) => {
                let at = at.index(bytes.len());
                bytes[at] ^= with;
            }
            Self::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Self::Drop(at, count) => {
                let at = at.index(bytes.len());
                bytes.drain(at..(at + count).min(bytes.len()));
            }
            Self::Insert(at, more) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, more.iter().copied());
            }
        }
    }
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        4 => (any::<Index>(), 1_u8..=255).prop_map(|(at, with)| Damage::Flip(at, with)),
        4 => (any::<Index>(), 0_u8..4).prop_map(|(at, bit)| Damage::Flip(at, 1 << bit)),
        1 => any::<Index>().prop_map(Damage::Cut),
        1 => (any::<Index>(), 1_usize..200).prop_map(|(at, count)| Damage::Drop(at, count)),
        1 => (any::<Index>(), proptest::collection::vec(any::<u8>(), 1..4)).prop_map(|(at, m)| Damage::Insert(at, m)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_document_damaged_at_random_removes_nothing(list in proptest::collection::vec(damage(), 1..4)) {
        let mut bytes = document_json(100, &base_tags()).to_string().into_bytes();
        for damage in &list {
 damage.do_to(&mut bytes);
 }
        // What fails to parse never comes as far as a plan.
        if let Ok(document) = Document::parse(&bytes) {
            let (plan, table) = plan_after(&document, CAREFUL);
            let last = states(executable(&plan), &table)?.pop().unwrap();
            for entry in &table.entries {
                prop_assert!(last.entries.contains(entry), "{}\n{plan}", entry.address);
            }
        }
    }

    #[test]
    fn a_document_without_some_of_its_tags_or_prefixes_removes_nothing(
        tags in proptest::sample::subsequence((0..9).collect::<Vec<usize>>(), 0..=9), emptied in any::<[bool; 9]>(),
    ) {
        let kept = base_tags().into_iter().enumerate().filter(|(n, _)| tags.contains(n));
        let kept: Tags = kept.map(|(n, (name, list))| (name, if emptied[n] { vec![] } else { list })).collect();
        // `document_json` would make the global tag out of the regional ones.
        let mut value = document_json(100, &kept);
        value["values"].as_array_mut().unwrap().retain(|tag| kept.contains_key(tag["name"].as_str().unwrap()));
        let document = Document::parse(value.to_string().as_bytes()).unwrap();
        let (plan, _) = plan_after(&document, CAREFUL);
        prop_assert!(executable(&plan).iter().all(|step| step.action == Action::Add), "{plan}");
    }

    #[test]
    fn a_document_that_only_lost_whole_tags_and_is_accepted_removes_nothing_even_at_once(
        tags in proptest::sample::subsequence((0..9).collect::<Vec<usize>>(), 0..=9),
    ) {
        let kept: Tags = base_tags().into_iter().enumerate().filter(|(n, _)| tags.contains(n)).map(|(_, t)| t).collect();
        let mut value = document_json(100, &kept);
        value["values"].as_array_mut().unwrap().retain(|tag| kept.contains_key(tag["name"].as_str().unwrap()));
        let document = Document::parse(value.to_string().as_bytes()).unwrap();
        if accept::check(&document, Cloud::Public, &REGIONS).is_ok() {
            let (plan, _) = plan_after(&document, AT_ONCE);
            prop_assert!(executable(&plan).is_empty(), "{plan}");
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), text in ".{0,100}") {
        let _ = Document::parse(&bytes);
        let _ = Document::parse(text.as_bytes());
        let _ = text.parse::<Prefix>();
        let _ = Document::parse(document_json(1, &Tags::from([(text.clone(), vec![text])])).to_string().as_bytes());
    }

    #[test]
    fn the_digest_does_not_depend_on_order_or_letter_case(
        tags in Just(document_json(100, &base_tags())["values"].as_array().unwrap().clone()).prop_shuffle(),
        upper in any::<[bool; 9]>(), turn in any::<Index>(), number in 0_u64..1000,
    ) {
        let mut value = document_json(number, &Tags::new());
        value["values"] = tags.into_iter().zip(upper).map(|(mut tag, upper)| {
            let name = tag["name"].as_str().unwrap().to_owned();
            tag["name"] = if upper { name.to_uppercase() } else { name.to_lowercase() }.into();
            let list = tag["properties"]["addressPrefixes"].as_array_mut().unwrap();
            let by = turn.index(list.len());
            list.rotate_left(by);
            if let Some(features) = tag["properties"]["networkFeatures"].as_array_mut() {
                features.reverse();
            }
            tag
        }).collect();
        let document = Document::parse(value.to_string().as_bytes()).unwrap();
        prop_assert_eq!(document.digest, BASE.digest);
        prop_assert!(diff(&document, &BASE).is_empty());
    }
}
