//! What is remembered of a target as a ConfigMap: that it fits, comes back, and is told from what somebody edited.

use std::collections::BTreeSet;

use super::*;
use crate::domain::desired::{Address, Ask};
use crate::domain::intent::{DeletionPolicy, Mode, NextHop};
use crate::domain::memory::{Clock, ContributorMemory, Waiting};
use crate::domain::testing::{key, noon, table_id};

/// As many prefixes as there are names, without an order that would make them small.
fn prefix(name: &str) -> String {
    let digest = Digest::of(name.as_bytes()).to_string();
    let byte = |at: usize| u8::from_str_radix(&digest["sha256:".len() + at..][..2], 16).unwrap();
    format!("20.{}.{}.{}/32", byte(0), byte(2), byte(4))
}

/// What three Networks with ten sources each need of a policy: 3,000 prefixes a Network in two regions, of which some
/// are held, and the removal of which waits for a person. Names are as long as those of rules.
fn rules_of_three_networks() -> TargetMemory {
    let mut memory = TargetMemory::default();
    for network in ["ml", "analytics", "research"] {
        let (mut needs, mut retiring) = (BTreeMap::new(), BTreeMap::new());
        for region in ["eastus2", "centralus"] {
            let rule = format!("amlnet.prod.{network}.storage.{region}.tcp-ip");
            let address = |element: String| format!("{rule} {element}").parse::<Address>().unwrap();
            let far: BTreeSet<Address> =
                (0..1500).map(|number| address(format!("with {}", prefix(&format!("{rule} {number}"))))).collect();
            let near = (0..10).map(|number| address(format!("at 10.{number}.0.0/16")));
            retiring.extend(far.iter().take(150).map(|address| (address.clone(), Clock::start(noon()))));
            memory.next_hops.extend(far.iter().cloned().chain(near.clone()).map(|at| (at, NextHop::Member)));
            needs.insert(format!("rule/{rule}/storage/{region}/IPv4").parse::<Ask>().unwrap(), far);
            for at in near {
                let Address::Part(part) = &at else { panic!("{at} is no part of a rule") };
                needs.insert(Ask::Given(part.clone()), BTreeSet::from([at]));
            }
        }
        memory.applied.extend(needs.clone());
        let steps = retiring.keys().map(|at| format!("Remove amlnet-prod/{at}: {at} member -> nothing")).collect();
        let hash = Digest::of(network.as_bytes()).to_string();
        memory.waiting.push(Waiting { hash, steps, approved_by: BTreeMap::new() });
        let known = ContributorMemory {
            mode: Mode::Sync,
            suspended: false,
            deletion_policy: DeletionPolicy::Retain,
            needs,
            retiring,
            is_established: true,
            regions: BTreeSet::from(["eastus2".to_owned(), "centralus".to_owned()]),
        };
        memory.contributors.insert(key(network), known);
    }
    memory
}

/// A write of all that is needed.
fn open_write(memory: &TargetMemory) -> AuditLine {
    let added: Vec<String> = memory.next_hops.keys().map(ToString::to_string).collect();
    serde_json::from_value(serde_json::json!({"at": "2026-01-05T12:00:00Z", "write": "1", "installation": "prod",
        "target": table_id("rt"), "action": "Write", "entry": "amlnet-prod", "contributors": [], "wantedBy": [],
        "plan": "", "documents": [], "approvals": [], "before": null, "after": null, "added": added, "result": "",
        "code": null, "correlationId": null}))
    .unwrap()
}

/// As versions before this one wrote it.
fn as_it_was(memory: &TargetMemory, open: Option<&AuditLine>) -> ConfigMap {
    let mut map = write("prod", &table_id("rt"), memory, open).unwrap();
    map.binary_data = None;
    let data = map.data.get_or_insert_default();
    data.insert("memory.json".to_owned(), serde_json::to_string(memory).unwrap());
    data.extend(open.map(|open| ("open.json".to_owned(), serde_json::to_string(open).unwrap())));
    map
}

#[test]
fn what_three_networks_with_rules_need_fits_and_comes_back() {
    let memory = rules_of_three_networks();
    let open = open_write(&memory);
    assert!(serde_json::to_vec(&memory).unwrap().len() > 2 * packed::LARGEST, "plain it never fitted");
    for open in [None, Some(open)] {
        let map = write("prod", &table_id("rt"), &memory, open.as_ref()).unwrap();
        let size: usize = map.binary_data.iter().flatten().map(|(_, bytes)| bytes.0.len()).sum();
        assert!(size * 3 < packed::LARGEST, "{size}");
        assert_eq!(map.data.as_ref().unwrap().keys().collect::<Vec<_>>(), ["seal", "target"]);
        let remembered = Remembered { memory: memory.clone(), open };
        assert_eq!(read("prod", &map), Found::Whole(table_id("rt"), Box::new(remembered)));
    }
}

#[test]
fn the_plain_text_of_older_versions_is_read_and_written_compressed() {
    let memory = rules_of_three_networks();
    let open = open_write(&memory);
    for open in [None, Some(open)] {
        let old = as_it_was(&memory, open.as_ref());
        let Found::Whole(id, known) = read("prod", &old) else { panic!("{:?}", read("prod", &old)) };
        assert_eq!((&known.memory, &known.open), (&memory, &open));
        let map = write("prod", &id, &known.memory, known.open.as_ref()).unwrap();
        assert!(map.data.unwrap().keys().all(|key| !key.contains("json")));
        assert!(map.binary_data.unwrap().contains_key("memory.json.gz"));
    }
}

#[test]
fn what_somebody_damaged_or_edited_is_no_memory() {
    let (mut memory, id) = (TargetMemory::default(), table_id("rt"));
    memory.removals.push(Clock::start(noon()));
    let open = open_write(&memory);
    let whole = write("prod", &id, &memory, Some(&open)).unwrap();
    let old = as_it_was(&memory, Some(&open));
    let other = write("prod", &id, &TargetMemory::default(), None).unwrap();
    let with = |map: &ConfigMap, key: &str, bytes: Option<Vec<u8>>| {
        let mut map = map.clone();
        let all = map.binary_data.get_or_insert_default();
        match bytes {
            Some(bytes) => all.insert(key.to_owned(), ByteString(bytes)),
            None => all.remove(key),
        };
        map
    };
    let bytes = |map: &ConfigMap, key: &str| map.binary_data.as_ref().unwrap()[key].0.clone();
    let memory_of = |map: &ConfigMap| bytes(map, "memory.json.gz");
    let cut = memory_of(&whole)[..20].to_vec();
    let mut edited = old.clone();
    edited.data.as_mut().unwrap().get_mut("memory.json").unwrap().push(' ');
    let mut foreign_seal = whole.clone();
    foreign_seal.data.as_mut().unwrap().insert("seal".to_owned(), other.data.as_ref().unwrap()["seal"].clone());
    for (map, why) in [
        (with(&whole, "memory.json.gz", Some(cut)), "memory.json.gz: it cannot be decompressed"),
        (with(&whole, "open.json.gz", Some(b"{}".to_vec())), "open.json.gz: it cannot be decompressed"),
        (with(&whole, "memory.json.gz", Some(memory_of(&other))), "is not what was written"),
        (with(&whole, "memory.json.gz", None), "is not what was written"),
        (with(&whole, "open.json.gz", None), "is not what was written"),
        // Beside the old text too, it is what counts.
        (with(&old, "memory.json.gz", Some(memory_of(&other))), "is not what was written"),
        (edited, "is not what was written"),
        (foreign_seal, "is not what was written"),
    ] {
        let Found::Damaged(of, said) = read("prod", &map) else { panic!("{why}: {:?}", read("prod", &map)) };
        assert_eq!(of, id);
        assert!(said.contains(why) && said.starts_with(&name("prod", &id)), "{why}: {said}");
    }
    // Another installation's seal is none.
    let mut moved = whole;
    moved.metadata.name = Some(name("test", &id));
    assert!(matches!(read("test", &moved), Found::Damaged(..)));
    assert!(matches!(read("prod", &moved), Found::Nameless(..)));
}

#[test]
fn what_fits_in_no_config_map_is_refused_with_the_target_and_what_to_do() {
    let mut memory = TargetMemory::default();
    // Digests are as small as they can be.
    let used = |number: usize| (Digest::of(&number.to_le_bytes()).to_string(), noon());
    memory.used = (0..25_000).map(used).collect();
    let error = write("prod", &table_id("rt"), &memory, None).unwrap_err();
    assert_eq!(error.place, name("prod", &table_id("rt")));
    assert!(error.what.contains(&table_id("rt").to_string()), "{}", error.what);
    assert!(error.what.contains("bytes even compressed") && error.what.contains("fewer Networks"), "{}", error.what);
}
