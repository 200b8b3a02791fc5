use proptest::prelude::*;

use super::*;
use crate::intent::Intent;
use crate::outbound::{Additional, ListContent, ListIntent, Outbound, Port, Protocol, Reach};
use crate::prefix::Family;
use crate::region::Regions;
use crate::requirement::Requirements;
use crate::service_tags::Digest;
use crate::testing::{document, document_numbered, intent, key, prefix};

const DAY: i64 = 86400;
const TERMS: Terms =
    Terms { hold_seconds: 10 * DAY as u64, mode: Mode::Sync, suspended: false, clocks_may_start: true };

fn day(day: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + day * DAY).unwrap()
}

fn ask(service: &str) -> Ask {
    Ask::Prefixes { service: service.to_owned(), region: Some("eastus2".to_owned()), family: Family::V4 }
}

fn wanted_of(number: u64, asks: &[(&str, &[&str])], hosts: &[&str]) -> Wanted {
    let digest = Digest::of(&number.to_be_bytes());
    Wanted {
        document: DocumentId { cloud: Cloud::Public, change_number: number, digest },
        asks: asks.iter().map(|(service, found)| (ask(service), found.iter().map(|p| prefix(p)).collect())).collect(),
        hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
    }
}

fn storage(number: u64, found: &[&str]) -> Wanted {
    wanted_of(number, &[("Storage", found)], &[])
}

fn texts(state: &ListState) -> Vec<String> {
    state.prefixes().iter().map(ToString::to_string).collect()
}

fn step(old: &ListState, wanted: &Wanted, terms: &Terms, now: i64) -> ListState {
    next(Some(old), Some(wanted), terms, day(now)).unwrap()
}

fn first(wanted: &Wanted) -> ListState {
    next(None, Some(wanted), &TERMS, day(0)).unwrap()
}

#[test]
fn what_is_new_comes_at_once_and_what_left_stays_until_its_hold_is_over() {
    let state = first(&storage(1, &["20.0.0.0/24", "20.0.1.0/24"]));
    let later = storage(2, &["20.0.1.0/24", "20.0.2.0/24"]);
    let state = step(&state, &later, &TERMS, 1);
    assert_eq!(texts(&state), ["20.0.0.0/24", "20.0.1.0/24", "20.0.2.0/24"]);
    assert_eq!((state.retiring(), state.changed_at, state.due(TERMS.hold_seconds)), (1, day(1), Some(day(11))));
    let held = step(&state, &later, &TERMS, 10);
    assert_eq!(held, state, "nothing changed, so nothing is written");
    let state = step(&held, &later, &TERMS, 11);
    assert_eq!(texts(&state), ["20.0.1.0/24", "20.0.2.0/24"]);
    assert_eq!((state.retiring(), state.changed_at), (0, day(11)));
}

#[test]
fn what_comes_back_is_wanted_again_and_its_next_hold_is_a_whole_one() {
    let (with, without) = (storage(1, &["20.0.0.0/24", "20.0.1.0/24"]), storage(2, &["20.0.1.0/24"]));
    let state = step(&first(&with), &without, &TERMS, 1);
    let state = step(&state, &with, &TERMS, 9);
    assert_eq!((state.retiring(), state.changed_at), (0, day(0)), "the entries never changed");
    let state = step(&state, &without, &TERMS, 12);
    assert_eq!(texts(&step(&state, &without, &TERMS, 21)).len(), 2);
    assert_eq!(texts(&step(&state, &without, &TERMS, 22)), ["20.0.1.0/24"]);
}

#[test]
fn what_the_spec_gives_up_goes_at_once_also_what_was_retiring() {
    let both = |number, found: &[&str]| {
        wanted_of(number, &[("Storage", found), ("Batch", &["20.9.0.0/24"])], &["a.example.org"])
    };
    let state = step(&first(&both(1, &["20.0.0.0/24", "20.0.1.0/24"])), &both(2, &["20.0.1.0/24"]), &TERMS, 1);
    assert_eq!(texts(&state).len(), 3);
    let only = wanted_of(2, &[("Batch", &["20.9.0.0/24"])], &["b.example.org"]);
    let sync = step(&state, &only, &TERMS, 2);
    assert_eq!(texts(&sync), ["20.9.0.0/24"]);
    assert_eq!(sync.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(), ["b.example.org"]);

    let upsert = step(&state, &only, &Terms { mode: Mode::UpsertOnly, ..TERMS }, 100);
    assert_eq!(texts(&upsert).len(), 3, "{upsert:?}");
    assert_eq!(upsert.hosts.len(), 2);
    let sync = step(&upsert, &only, &TERMS, 101);
    assert_eq!((texts(&sync).len(), sync.hosts.len()), (1, 1), "the mode allows it again");
}

#[test]
fn a_service_without_addresses_left_its_document_and_was_not_given_up() {
    let two = |number, batch: &[&str]| wanted_of(number, &[("Storage", &["20.0.0.0/24"]), ("Batch", batch)], &[]);
    let state = step(&first(&two(1, &["20.9.0.0/24"])), &two(2, &[]), &TERMS, 1);
    assert_eq!((texts(&state).len(), state.retiring()), (2, 1));
}

#[test]
fn what_is_unknown_empty_or_suspended_leaves_the_list_as_it_stands() {
    let state = first(&storage(1, &["20.0.0.0/24"]));
    let other = storage(2, &["20.0.1.0/24"]);
    assert_eq!(next(Some(&state), None, &TERMS, day(99)), Some(state.clone()));
    assert_eq!(next(Some(&state), Some(&storage(2, &[])), &TERMS, day(99)), Some(state.clone()));
    assert_eq!(next(Some(&state), Some(&other), &Terms { suspended: true, ..TERMS }, day(99)), Some(state));
    for (wanted, suspended) in [(None, false), (Some(&storage(2, &[])), false), (Some(&other), true)] {
        assert_eq!(next(None, wanted, &Terms { suspended, ..TERMS }, day(0)), None);
    }
}

#[test]
fn while_a_source_lags_nothing_has_left_and_no_hold_ends() {
    let lags = Terms { clocks_may_start: false, ..TERMS };
    let state = first(&storage(1, &["20.0.0.0/24", "20.0.1.0/24"]));
    let state = step(&state, &storage(1, &["20.0.1.0/24", "20.0.2.0/24"]), &lags, 1);
    assert_eq!((texts(&state).len(), state.retiring()), (3, 0));
    let state = step(&state, &storage(2, &["20.0.2.0/24"]), &TERMS, 20);
    assert_eq!((texts(&state).len(), state.retiring()), (3, 2), "the clocks start now");
    let state = step(&state, &storage(2, &["20.0.2.0/24"]), &lags, 40);
    assert_eq!(texts(&state).len(), 3);
}

#[test]
fn a_clock_that_goes_back_does_not_shorten_a_hold() {
    let without = storage(2, &["20.0.1.0/24"]);
    let state = step(&first(&storage(1, &["20.0.0.0/24", "20.0.1.0/24"])), &without, &TERMS, 1000);
    let state = step(&state, &without, &TERMS, 2);
    assert_eq!(texts(&step(&state, &without, &TERMS, 11)).len(), 2);
    assert_eq!(texts(&step(&state, &without, &TERMS, 12)).len(), 1);
}

#[test]
fn two_changes_within_a_second_have_two_times_and_a_far_future_is_left_behind() {
    let state = first(&storage(1, &["20.0.0.0/24"]));
    let half = day(0).checked_add(SignedDuration::from_millis(500)).unwrap();
    let state = next(Some(&state), Some(&storage(2, &["20.0.1.0/24"])), &TERMS, half).unwrap();
    assert_eq!(state.changed_at, day(0).checked_add(SignedDuration::from_secs(1)).unwrap());
    assert_eq!(state.followed_since, state.changed_at);
    let ahead = step(&state, &storage(3, &["20.0.2.0/24"]), &TERMS, 1000);
    assert_eq!(step(&ahead, &storage(4, &["20.0.3.0/24"]), &TERMS, 2).changed_at, day(2));
}

#[test]
fn a_list_is_served_sorted_with_the_families_apart_and_read_back_as_it_was_written() {
    let mut wanted = storage(7, &["104.0.0.0/24", "20.0.0.0/24"]);
    let v6 = Ask::Prefixes { service: "storage".to_owned(), region: None, family: Family::V6 };
    wanted.asks.insert(v6, BTreeSet::from([prefix("2603:1030::/48")]));
    wanted.hosts = ["b.example.org", "*.a.example.org"].map(|host| host.parse().unwrap()).into();
    let list = List { format: ListFormat::Plain, state: first(&wanted) };
    let at: ListKey = "ns/ml/palo-alto".parse().unwrap();
    assert_eq!(at, ListKey { network: key("ml"), name: "palo-alto".to_owned() });
    assert_eq!(at.path(), "/lists/ns/ml/palo-alto");
    let plain = String::from_utf8(list.render(&at, ListFormat::Plain)).unwrap();
    assert_eq!(plain, "20.0.0.0/24\n104.0.0.0/24\n2603:1030::/48\n*.a.example.org\nb.example.org\n");
    let json: serde_json::Value = serde_json::from_slice(&list.render(&at, ListFormat::Json)).unwrap();
    let digest = Digest::of(&7_u64.to_be_bytes()).to_string();
    assert_eq!(
        json,
        serde_json::json!({"network": "ns/ml", "list": "palo-alto", "changedAt": day(0).to_string(),
            "document": {"cloud": "Public", "changeNumber": 7, "digest": digest},
            "ipv4": ["20.0.0.0/24", "104.0.0.0/24"], "ipv6": ["2603:1030::/48"],
            "hosts": ["*.a.example.org", "b.example.org"]})
    );
    let retiring = List { state: step(&list.state, &storage(8, &["20.0.0.0/24"]), &TERMS, 3), ..list };
    let text = serde_json::to_string(&retiring).unwrap();
    assert_eq!(serde_json::from_str::<List>(&text).unwrap(), retiring, "{text}");
}

/// A Network in eastus2 with these profiles, and one list.
fn resolved(change: impl FnOnce(&mut Intent, &mut Outbound, &mut ListIntent)) -> Result<Wanted, String> {
    let tags: &[crate::testing::TagRow<'_>] = &[
        ("AzureCloud.eastus2", "eastus2", &["20.0.0.0/8"]),
        ("Storage", "", &["20.1.0.0/24", "20.2.0.0/24", "2603:1030::/48"]),
        ("Storage.eastus2", "eastus2", &["20.1.0.0/24", "2603:1030::/48"]),
        ("AzureKeyVault", "", &["20.3.0.0/24"]),
    ];
    let document = document(tags);
    let mut intent = intent();
    let storage = Reach::Tag { name: "Storage".to_owned(), regional: true };
    let hosts = Reach::Hosts(vec!["github.com".parse().unwrap(), "*.github.com".parse().unwrap()]);
    let vault = Reach::Tag { name: "AzureKeyVault".to_owned(), regional: false };
    let ports = vec![Port { protocol: Protocol::Https, port: 443 }];
    let additional = [("near", storage), ("github", hosts), ("vault", vault)];
    let additional = additional.map(|(name, to)| Additional { name: name.to_owned(), to, ports: ports.clone() });
    let mut outbound = Outbound {
        firewall_policies: Vec::new(),
        edition: "2026-03".to_owned(),
        profiles: BTreeSet::new(),
        parameters: BTreeMap::new(),
        exclude: BTreeSet::new(),
        sources: Vec::new(),
        additional: additional.into(),
        ip_groups: Vec::new(),
        lists: Vec::new(),
    };
    let (format, content) = (ListFormat::Plain, ListContent::All);
    let mut list = ListIntent { name: "all".to_owned(), format, content, requirement: None };
    change(&mut intent, &mut outbound, &mut list);
    let (regions, requirements) = (Regions::built_in(), Requirements::built_in());
    wanted(&intent, &outbound, &list, &document, &regions, &requirements).map_err(|why| why.to_string())
}

/// As the list would be served.
fn lines(change: impl FnOnce(&mut Intent, &mut Outbound, &mut ListIntent)) -> Vec<String> {
    let list = List { format: ListFormat::Plain, state: first(&resolved(change).unwrap()) };
    let plain = String::from_utf8(list.render(&"ns/ml/all".parse().unwrap(), ListFormat::Plain)).unwrap();
    plain.lines().map(str::to_owned).collect()
}

#[test]
fn content_requirement_and_families_narrow_a_list() {
    let both = |intent: &mut Intent| intent.families = [Family::V4, Family::V6].into();
    assert_eq!(lines(|_, _, _| {}), ["20.1.0.0/24", "20.3.0.0/24", "*.github.com", "github.com"]);
    assert_eq!(lines(|_, _, list| list.content = ListContent::Hosts), ["*.github.com", "github.com"]);
    assert_eq!(lines(|_, _, list| list.content = ListContent::Addresses), ["20.1.0.0/24", "20.3.0.0/24"]);
    assert_eq!(lines(|_, _, list| list.requirement = Some("AzureKeyVault".to_owned())), ["20.3.0.0/24"]);
    let v6 = lines(|intent, _, list| {
        both(intent);
        list.content = ListContent::IPv6;
    });
    assert_eq!(v6, ["2603:1030::/48"]);
    let storage = lines(|intent, _, list| {
        both(intent);
        list.requirement = Some("near".to_owned());
    });
    assert_eq!(storage, ["20.1.0.0/24", "2603:1030::/48"]);
}

#[test]
fn a_list_that_would_hold_nothing_says_why() {
    let says = |why: &str, change: &dyn Fn(&mut Outbound, &mut ListIntent)| {
        let error = resolved(|_, outbound, list| change(outbound, list)).unwrap_err();
        assert!(error.contains(why), "{error}");
    };
    says("ipFamilies has no IPv6", &|_, list| list.content = ListContent::IPv6);
    says("list all: it would hold nothing: there are no hosts", &|outbound, list| {
        outbound.additional.retain(|row| row.name != "github");
        list.content = ListContent::Hosts;
    });
    says("there are no IPv4 addresses", &|_, list| {
        list.requirement = Some("github".to_owned());
        list.content = ListContent::IPv4;
    });
    says("no requirement is chosen", &|outbound, _| outbound.additional.clear());
    says("Sturage", &|_, list| list.requirement = Some("Sturage".to_owned()));
    says("profiles that are chosen do not hold the requirement AzureMonitor", &|_, list| {
        list.requirement = Some("AzureMonitor".to_owned());
    });
    says("no service tag", &|outbound, _| {
        outbound.additional[2].to = Reach::Tag { name: "Missing".to_owned(), regional: false };
    });
}

#[test]
fn another_document_gives_another_list() {
    let one = document_numbered(5, &[("AzureCloud.eastus2", "eastus2", &["20.0.0.0/8"])]);
    assert_eq!(Followed::from(DocumentId::from(&one)).change_number, 5);
}

/// One moment: hours since the last, which of eight prefixes each of two services has, whether the second one is asked
/// for, whether the source lags.
type Moment = (i64, u8, u8, bool, bool);

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_documents_come_nothing_is_missing_and_nothing_is_there_without_reason(
        moments in prop::collection::vec((0_i64..100, any::<u8>(), any::<u8>(), any::<bool>(), any::<bool>()), 1..40)
    ) {
        check(&moments)?;
    }
}

fn check(moments: &[Moment]) -> Result<(), TestCaseError> {
    let prefixes = |service: u8, bits: u8| -> BTreeSet<Prefix> {
        (0..8).filter(|bit| bits & (1 << bit) != 0).map(|bit| prefix(&format!("20.{service}.{bit}.0/24"))).collect()
    };
    let hold = SignedDuration::from_secs(10 * DAY);
    let (mut now, mut state) = (day(0), None::<ListState>);
    // When each prefix was wanted last, by a document that counted; nothing of a service that is not asked for.
    let mut last_wanted: [BTreeMap<Prefix, Timestamp>; 2] = Default::default();
    // Since when it is known that a document lacks it.
    let mut left: BTreeMap<Prefix, Timestamp> = BTreeMap::new();
    for (hours, one, two, asks_two, lags) in moments {
        now = now.checked_add(SignedDuration::from_hours(*hours)).unwrap();
        let mut asks = BTreeMap::from([(ask("one"), prefixes(1, *one))]);
        if *asks_two {
            asks.insert(ask("two"), prefixes(2, *two));
        }
        let wanted = Wanted { asks, ..storage(1, &[]) };
        let terms = Terms { clocks_may_start: !lags, ..TERMS };
        let before = state.clone();
        state = next(state.as_ref(), Some(&wanted), &terms, now);
        let Some(state) = &state else {
            prop_assert!(wanted.is_empty());
            continue;
        };
        if wanted.is_empty() {
            prop_assert_eq!(Some(state), before.as_ref());
            continue;
        }
        let served = state.prefixes();
        for (index, service) in ["one", "two"].into_iter().enumerate() {
            let last = &mut last_wanted[index];
            let Some(found) = wanted.asks.get(&ask(service)) else {
                left.retain(|prefix, _| !last.contains_key(prefix));
                last.clear();
                continue;
            };
            for prefix in found {
                prop_assert!(served.contains(prefix), "{prefix} is wanted");
                last.insert(*prefix, now);
                left.remove(prefix);
            }
            if !lags {
                let gone = last.keys().filter(|prefix| !found.contains(*prefix));
                for prefix in gone {
                    left.entry(*prefix).or_insert(now);
                }
            }
            for (prefix, at) in last.iter() {
                if at.duration_until(now) < hold {
                    prop_assert!(served.contains(prefix), "{prefix} left within its hold");
                }
            }
        }
        let reasons: BTreeSet<Prefix> = last_wanted.iter().flat_map(|last| last.keys().copied()).collect();
        prop_assert!(served.is_subset(&reasons), "{served:?}");
        let is_over = |prefix: &&Prefix| left.get(*prefix).is_some_and(|at| at.duration_until(now) >= hold);
        prop_assert!(*lags || served.iter().find(is_over).is_none(), "a hold is over, and it is still there");
        if before.is_some_and(|before| before.prefixes() == served && before.changed_at != state.changed_at) {
            return Err(TestCaseError::fail("the time of the change moved though nothing changed"));
        }
    }
    Ok(())
}
