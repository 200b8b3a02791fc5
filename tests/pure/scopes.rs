//! Scopes from outside, with all that stands between them and a target: whatever the file says and whoever asks, nobody
//! gets an input that no scope covers, and who was allowed once takes nothing along when that ends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use amlnet::api::{read, scopes};
use amlnet::domain::intent::{Intent, ObjectKey, RouteTableIntent};
use amlnet::domain::memory::TargetMemory;
use amlnet::domain::plan::{Observed, TargetInput};
use amlnet::domain::resolve::PairedRegion;
use amlnet::domain::resource_id::ResourceId;
use amlnet::domain::scope::Scopes;
use amlnet::reconcile::index::{Absent, Documents, Memories, Setting, index, out_of_scope};
use amlnet::store::{Held, World};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};

use crate::support::{AT_ONCE, BASE, REGIONS, hop, intent, table};

const NAMESPACES: [&str; 3] = ["team-a", "team-ab", "team-b-1"];
/// Patterns, and of which of `NAMESPACES` each is.
const PATTERNS: [(&str, [bool; 3]); 5] = [
    ("team-a", [true, false, false]),
    ("team-a*", [true, true, false]),
    ("team-b-*", [false, false, true]),
    ("team-c", [false, false, false]),
    ("*", [true, true, true]),
];
const TABLES: [&str; 4] = [
    "/subscriptions/00000000-0000-0000-0000-00000000000a/resourceGroups/rg-a/providers/Microsoft.Network/routeTables/rt",
    "/subscriptions/00000000-0000-0000-0000-00000000000a/resourceGroups/RG-A/providers/Microsoft.Network/routeTables/rt2",
    "/subscriptions/00000000-0000-0000-0000-00000000000a/resourceGroups/rg-a2/providers/Microsoft.Network/routeTables/rt",
    "/subscriptions/00000000-0000-0000-0000-00000000000b/resourceGroups/rg-a/providers/Microsoft.Network/routeTables/rt",
];
/// Beginnings of ids, and which of `TABLES` each covers.
const IDS: [(&str, [bool; 4]); 6] = [
    ("/subscriptions/00000000-0000-0000-0000-00000000000A", [true, true, true, false]),
    ("/subscriptions/00000000-0000-0000-0000-00000000000a/RESOURCEGROUPS/rg-A", [true, true, false, false]),
    ("/subscriptions/00000000-0000-0000-0000-00000000000b/resourceGroups/rg-a", [false, false, false, true]),
    (
        "/subscriptions/00000000-0000-0000-0000-00000000000a/resourceGroups/rg-a/providers/Microsoft.Network/routeTables/rt",
        [true, false, false, false],
    ),
    ("/subscriptions/00000000-0000-0000-0000-00000000000a/resourceGroups/rg", [false; 4]),
    ("*", [true; 4]),
];
const TAGS: [&str; 2] = ["AzureMachineLearning", "Storage"];
const TAG_NAMES: [(&str, [bool; 2]); 4] = [
    ("azuremachinelearning", [true, false]),
    ("Storage", [false, true]),
    ("Storage.EastUS2", [false, false]),
    ("*", [true, true]),
];
const HOPS: [&str; 3] = ["Internet", "10.0.1.4", "10.0.2.4"];
const RANGES: [(&str, [bool; 3]); 5] = [
    ("Internet", [true, false, false]),
    ("10.0.1.0/24", [false, true, false]),
    ("10.0.0.0/8", [false, true, true]),
    ("10.0.2.4/32", [false, false, true]),
    ("*", [true, true, true]),
];

/// One entry of a file, as places in the tables above.
#[derive(Debug, Clone)]
struct Entry {
    namespaces: Vec<usize>,
    ids: Vec<usize>,
    tags: Vec<usize>,
    hops: Vec<usize>,
}

impl Entry {
    fn text(&self) -> String {
        let list = |field: &str, texts: Vec<&str>| {
            let quoted: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
            if quoted.is_empty() { String::new() } else { format!("  {field}: [{}]\n", quoted.join(", ")) }
        };
        let mut text = list("namespaces", self.namespaces.iter().map(|at| PATTERNS[*at].0).collect());
        text += &list("resourceIds", self.ids.iter().map(|at| IDS[*at].0).collect());
        text += &list("serviceTags", self.tags.iter().map(|at| TAG_NAMES[*at].0).collect());
        text += &list("nextHops", self.hops.iter().map(|at| RANGES[*at].0).collect());
        text.replacen("  ", "- ", 1)
    }

    fn covers(&self, ask: &Ask, table: &Table) -> bool {
        let hop = |wanted: usize| self.hops.iter().any(|at| RANGES[*at].1[wanted]);
        self.namespaces.iter().any(|at| PATTERNS[*at].1[ask.namespace])
            && self.ids.iter().any(|at| IDS[*at].1[table.id])
            && ask.tags.iter().all(|tag| self.tags.iter().any(|at| TAG_NAMES[*at].1[*tag]))
            && (ask.tags.is_empty() || hop(table.hop))
            && table.default_route.is_none_or(hop)
    }
}

/// What one Network asks for, as places in the tables above.
#[derive(Debug, Clone)]
struct Ask {
    namespace: usize,
    tags: Vec<usize>,
    tables: Vec<Table>,
}

#[derive(Debug, Clone)]
struct Table {
    id: usize,
    hop: usize,
    default_route: Option<usize>,
}

impl Ask {
    fn key(&self, number: usize) -> ObjectKey {
        ObjectKey { namespace: NAMESPACES[self.namespace].to_owned(), name: format!("n{number}") }
    }

    fn intent(&self) -> Intent {
        let services: Vec<&str> = self.tags.iter().map(|at| TAGS[*at]).collect();
        let of = |asked: &Table| RouteTableIntent {
            id: TABLES[asked.id].parse().unwrap(),
            next_hop: hop(HOPS[asked.hop]),
            default_route: asked.default_route.map(|at| HOPS[at].parse().unwrap()),
            ..table()
        };
        let route_tables = self.tables.iter().map(of).collect();
        Intent { route_tables, paired_region: PairedRegion::None, ..intent(&services, AT_ONCE) }
    }
}

fn is_covered(entries: &[Entry], ask: &Ask) -> bool {
    ask.tables.iter().all(|table| entries.iter().any(|entry| entry.covers(ask, table)))
}

fn places(of: usize, least: usize) -> impl Strategy<Value = Vec<usize>> {
    subsequence((0..of).collect::<Vec<_>>(), least..=of)
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let lists = (places(PATTERNS.len(), 1), places(IDS.len(), 1), places(TAG_NAMES.len(), 0), places(RANGES.len(), 1));
    vec(lists.prop_map(|(namespaces, ids, tags, hops)| Entry { namespaces, ids, tags, hops }), 1..4)
}

fn asks() -> impl Strategy<Value = Vec<Ask>> {
    let table = |id: usize| {
        let default_route = prop_oneof![2 => Just(None), 1 => (1..HOPS.len()).prop_map(Some)];
        (0..HOPS.len(), default_route).prop_map(move |(hop, default_route)| Table { id, hop, default_route })
    };
    let tables = places(TABLES.len(), 1).prop_flat_map(move |ids| ids.into_iter().map(table).collect::<Vec<_>>());
    let ask = (0..NAMESPACES.len(), places(TAGS.len(), 0), tables);
    vec(ask.prop_map(|(namespace, tags, tables)| Ask { namespace, tags, tables }), 1..5)
}

fn parsed(entries: &[Entry]) -> Scopes {
    let text: String = entries.iter().map(Entry::text).collect();
    scopes::parse(&format!("scopes:\n{text}")).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn world(asks: &[Ask]) -> World {
    let network = |(number, ask): (usize, &Ask)| {
        let key = ask.key(number);
        let object = read::Network {
            key: key.clone(),
            generation: 1,
            reconcile_at: None,
            intent: ask.intent(),
            says_edition: true,
        };
        (key, Held { object, origin: "a.yaml".into(), broken: None })
    };
    World { networks: asks.iter().enumerate().map(network).collect(), ..World::default() }
}

fn indexed(world: &World, memories: &Memories, scopes: Scopes) -> BTreeMap<ResourceId, TargetInput> {
    index(world, &documents(), memories, &setting(scopes))
}

fn documents() -> Documents {
    Documents { instead: Some(Arc::new(BASE.clone())), ..Documents::default() }
}

fn setting(scopes: Scopes) -> Setting {
    Setting {
        installation: "prod".parse().unwrap(),
        regions: Arc::new(REGIONS.clone()),
        requirements: amlnet::domain::requirement::Tables::BuiltIn,
        no_memory: None,
        absent: Absent::Deleted,
        read_only: None,
        scopes: Arc::new(scopes),
    }
}

/// Who asks for what of which target.
fn contributors(inputs: &BTreeMap<ResourceId, TargetInput>) -> BTreeSet<(ResourceId, ObjectKey)> {
    let of = |input: &TargetInput| {
        let id = input.id.clone();
        input.contributions.iter().map(move |c| (id.clone(), c.network.clone())).collect::<Vec<_>>()
    };
    inputs.values().flat_map(of).collect()
}

/// What is remembered where everything was allowed once.
fn remembered(world: &World) -> Memories {
    let nothing = Observed {
        location: "eastus2".to_owned(),
        entries: Vec::new(),
        subnets: 1,
        updating: false,
        whole: None,
        rules: None,
    };
    let now = "2026-01-05T12:00:00Z".parse().unwrap();
    let look = |input: TargetInput| (input.id.clone(), TargetMemory::default().look(&input, &nothing, now).0);
    indexed(world, &Memories::new(), Scopes::any()).into_values().map(look).collect()
}

proptest! {
    #[test]
    fn a_network_gets_inputs_where_its_scope_covers_all_of_it_and_none_elsewhere(entries in entries(), asks in asks()) {
        let found = contributors(&indexed(&world(&asks), &Memories::new(), parsed(&entries)));
        let allowed = asks.iter().enumerate().filter(|(_, ask)| is_covered(&entries, ask));
        let expected: BTreeSet<_> = allowed
            .flat_map(|(number, ask)| ask.tables.iter().map(move |table| (TABLES[table.id].parse().unwrap(), ask.key(number))))
            .collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_wider_scope_takes_nothing_away(
        entries in entries(), more in entries(), asks in asks(), at in any::<Index>(), list in 0..4_usize, item in any::<Index>()
    ) {
        let allowed = |entries: &[Entry]| -> BTreeSet<usize> {
            let refused = out_of_scope(&world(&asks), &setting(parsed(entries)));
            (0..asks.len()).filter(|number| !refused.contains_key(&asks[*number].key(*number))).collect()
        };
        let before = allowed(&entries);
        let longer = [entries.clone(), more].concat();
        prop_assert!(before.is_subset(&allowed(&longer)));
        let mut wider = entries;
        let entry = at.get(&wider).clone();
        let at = at.index(wider.len());
        let (mut changed, lengths) = (entry, [PATTERNS.len(), IDS.len(), TAG_NAMES.len(), RANGES.len()]);
        let into = [&mut changed.namespaces, &mut changed.ids, &mut changed.tags, &mut changed.hops].into_iter().nth(list).unwrap();
        let item = item.index(lengths[list]);
        if !into.contains(&item) {
            into.push(item);
        }
        wider[at] = changed;
        prop_assert!(before.is_subset(&allowed(&wider)));
    }

    #[test]
    fn a_scope_that_was_narrowed_lets_nobody_leave_and_looks_at_no_target_for_him(
        entries in entries(), asks in asks(), deleted in any::<bool>()
    ) {
        let whole = world(&asks);
        let memories = remembered(&whole);
        // Where Networks are gone as well, one is left: nothing found at all never means deleted.
        let world = if deleted { world(&asks[..1]) } else { whole };
        let scopes = parsed(&entries);
        let refused = out_of_scope(&world, &setting(scopes.clone()));
        let inputs = indexed(&world, &memories, scopes.clone());
        for (id, memory) in &memories {
            let is_outside =
                |key: &ObjectKey| refused.contains_key(key) || !scopes.reaches(&key.namespace, id);
            let (outside, inside): (Vec<&ObjectKey>, Vec<&ObjectKey>) = memory.contributors.keys().partition(|key| is_outside(key));
            let named = inputs.get(id).is_some_and(|input| !input.contributions.is_empty());
            if inside.is_empty() && !outside.is_empty() && !named {
                prop_assert!(!inputs.contains_key(id), "{id} is looked at for {outside:?}");
            }
            let Some(input) = inputs.get(id) else { continue };
            prop_assert!(outside.iter().all(|key| !input.departed.contains_key(*key)));
            prop_assert!(input.contributions.iter().all(|c| !is_outside(&c.network)));
            if !outside.is_empty() {
                let why = input.removals_frozen.clone().unwrap_or_default();
                prop_assert!(why.contains("what it needed is kept"), "{why:?}");
            }
        }
    }

    #[test]
    fn whoever_was_never_allowed_changes_nothing_for_his_neighbours(entries in entries(), asks in asks()) {
        let (all, scopes) = (world(&asks), parsed(&entries));
        let refused = out_of_scope(&all, &setting(scopes.clone()));
        let mut others = all.clone();
        others.networks.retain(|key, _| !refused.contains_key(key));
        let memories = remembered(&others);
        let (with, without) = (indexed(&all, &memories, scopes.clone()), indexed(&others, &memories, scopes));
        prop_assert_eq!(with, without);
    }
}
