use std::sync::Mutex;

use super::*;
use crate::domain::testing::json_value;
use crate::feed::{ArchiveError, SourceError, Validators};

type Rows<'a> = &'a [(&'a str, &'a str, &'a [&'a str])];

const EAST: &[&str] = &["20.1.0.0/26", "20.1.0.64/26"];

fn rows<'a>(prefixes: &'a [&'a str]) -> [(&'a str, &'a str, &'a [&'a str]); 3] {
    [
        ("AzureCloud.eastus2", "eastus2", &["20.0.0.0/8"]),
        ("AzureMachineLearning", "", prefixes),
        ("AzureMachineLearning.EastUS2", "eastus2", prefixes),
    ]
}

/// A source with one answer.
struct Scripted {
    text: Option<Vec<u8>>,
    only_adds: bool,
    published: Option<jiff::civil::Date>,
}

fn file(number: u64, rows: Rows<'_>) -> Scripted {
    Scripted { text: Some(json_value(number, rows).to_string().into_bytes()), only_adds: false, published: None }
}

/// As the Discovery API answers: no regional tag of the service, and a change number of its own that is a text.
fn discovery(prefixes: &[&str]) -> Scripted {
    let mut value = json_value(7, &rows(prefixes)[..2]);
    value["changeNumber"] = "7".into();
    Scripted { text: Some(value.to_string().into_bytes()), only_adds: true, published: None }
}

const DOWN: Scripted = Scripted { text: None, only_adds: false, published: None };

#[async_trait::async_trait]
impl Source for Scripted {
    fn name(&self) -> &'static str {
        if self.only_adds { "discovery" } else { "file" }
    }

    fn only_adds(&self) -> bool {
        self.only_adds
    }

    async fn fetch(&self, _: Option<&Validators>) -> Result<Fetched, SourceError> {
        let Some(text) = self.text.clone() else {
            return Err(SourceError::Unreachable { place: "here".into(), what: "down".into() });
        };
        let parse = if self.only_adds { Document::parse_discovery } else { Document::parse };
        let document = parse(&text).map_err(|error| SourceError::Document { place: "here".into(), error })?;
        let strategy = self.name().to_owned();
        Ok(Fetched::Document(Box::new(Candidate {
            document,
            text,
            published: self.published,
            strategy,
            validators: None,
        })))
    }
}

/// An archive in memory.
#[derive(Default)]
struct Memory {
    stored: Mutex<Vec<(Record, Vec<u8>)>>,
    additions: Mutex<Option<Vec<u8>>>,
}

#[async_trait::async_trait]
impl Archive for Memory {
    async fn load(&self) -> Result<(Option<Accepted>, Vec<Record>), ArchiveError> {
        let stored = self.stored.lock().unwrap();
        let current = stored.first().map(|(record, text)| Accepted {
            document: Arc::new(Document::parse(text).unwrap()),
            record: record.clone(),
        });
        Ok((current, stored.iter().map(|(record, _)| record.clone()).collect()))
    }

    async fn additions(&self) -> Result<Option<Document>, ArchiveError> {
        Ok(self.additions.lock().unwrap().as_ref().map(|text| Document::parse_discovery(text).unwrap()))
    }

    async fn store_additions(&self, text: Option<&[u8]>) -> Result<(), ArchiveError> {
        *self.additions.lock().unwrap() = text.map(<[u8]>::to_vec);
        Ok(())
    }

    async fn store(&self, record: &Record, text: &[u8]) -> Result<Vec<Record>, ArchiveError> {
        let mut stored = self.stored.lock().unwrap();
        stored.insert(0, (record.clone(), text.to_vec()));
        Ok(stored.iter().map(|(record, _)| record.clone()).collect())
    }
}

fn poll(state: State, sources: Vec<Scripted>, archive: &Memory) -> State {
    let (regions, none) = (Regions::built_in(), BTreeSet::new());
    let judge = Judge { cloud: Cloud::Public, regions: &regions, now: Timestamp::UNIX_EPOCH, approved: &none };
    let sources: Vec<Box<dyn Source>> = sources.into_iter().map(|s| Box::new(s) as Box<dyn Source>).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(state.poll(&sources, Some(archive), judge))
}

fn restored(archive: Option<&dyn Archive>, cloud: Cloud) -> State {
    futures::executor::block_on(State::restore(archive, cloud))
}

fn global(state: &State) -> Vec<String> {
    let document = state.in_force().unwrap();
    document.tag("AzureMachineLearning").unwrap().prefixes.iter().map(ToString::to_string).collect()
}

#[test]
fn the_first_source_with_an_acceptable_document_wins() {
    let archive = Memory::default();
    let bad = Scripted { text: Some(b"<html>".to_vec()), only_adds: false, published: None };
    let state = poll(State::default(), vec![DOWN, bad, file(5, &rows(EAST)), file(9, &rows(EAST))], &archive);
    assert_eq!(state.current.as_ref().unwrap().record.change_number, 5);
    let results: Vec<LineResult> = state.report.lines.iter().map(|line| line.result).collect();
    assert_eq!(results, [LineResult::Failed("Unreachable"), LineResult::Failed("Html"), LineResult::Accepted]);
    assert_eq!(archive.stored.lock().unwrap().len(), 1);
}

#[test]
fn what_goes_wrong_leaves_the_document_in_force() {
    let archive = Memory::default();
    let good = poll(State::default(), vec![file(5, &rows(EAST))], &archive);
    for (bad, result) in [
        (DOWN, LineResult::Failed("Unreachable")),
        (file(4, &rows(&EAST[..1])), LineResult::Rejected("Older")),
        (file(6, &rows(&["30.0.0.0/26"])), LineResult::Rejected("OutsideRegion")),
        (file(6, &rows(&EAST[..1])), LineResult::Held("Shrunk")),
    ] {
        let state = poll(good.clone(), vec![bad], &archive);
        assert_eq!(state.report.lines[0].result, result);
        assert_eq!(global(&state), EAST);
    }
}

#[test]
fn the_discovery_api_adds_takes_nothing_away_and_names_its_lag() {
    let archive = Memory::default();
    let before = poll(State::default(), vec![file(5, &rows(EAST))], &archive);
    assert_eq!(before.no_removals, None);
    let state = poll(before, vec![DOWN, discovery(&["20.1.0.64/26", "20.1.0.128/26"])], &archive);
    assert_eq!(global(&state), ["20.1.0.0/26", "20.1.0.64/26", "20.1.0.128/26"]);
    assert!(state.report.lines[1].message.contains("lacks 1 prefixes of the file in force"), "{:?}", state.report);
    assert!(state.no_removals.is_some(), "it never starts a removal");
    assert_eq!(state.in_force().unwrap().change_number, 5, "its own numbering is not the file's");

    // A restart keeps its additions; the file that comes back unchanged does not take them away.
    let state = restored(Some(&archive), Cloud::Public);
    assert_eq!(global(&state).len(), 3);
    let state = poll(state, vec![file(5, &rows(EAST))], &archive);
    assert_eq!(global(&state).len(), 3);
    assert!(state.no_removals.is_some());

    // A newer file decides again.
    let state = poll(state, vec![file(6, &rows(&["20.1.0.0/26", "20.1.0.64/26", "20.1.1.0/26"]))], &archive);
    assert_eq!(global(&state), ["20.1.0.0/26", "20.1.0.64/26", "20.1.1.0/26"]);
    assert_eq!(state.no_removals, None);
    assert!(archive.additions.lock().unwrap().is_none());
}

#[test]
fn the_discovery_api_alone_is_enough_and_removes_nothing() {
    let state = poll(State::default(), vec![discovery(EAST)], &Memory::default());
    assert_eq!(global(&state), EAST);
    assert!(state.no_removals.is_some() && state.current.is_none());
}

#[test]
fn a_stored_document_of_another_cloud_judges_nothing() {
    let archive = Memory::default();
    let _ = poll(State::default(), vec![file(5, &rows(EAST))], &archive);
    assert!(restored(Some(&archive), Cloud::China).current.is_none());
    assert!(restored(Some(&archive), Cloud::Public).current.is_some());
}

#[test]
fn an_undated_file_is_not_newer_every_day_and_one_with_the_same_number_is_not_older() {
    let archive = Memory::default();
    let (regions, none) = (Regions::built_in(), BTreeSet::new());
    let at = |day: i64| Judge {
        cloud: Cloud::Public,
        regions: &regions,
        now: Timestamp::from_second(day * 86400).unwrap(),
        approved: &none,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let poll = |state: State, source: Scripted, judge| {
        runtime.block_on(state.poll(&[Box::new(source) as Box<dyn Source>], Some(&archive), judge))
    };
    let state = poll(State::default(), file(5, &rows(EAST)), at(100));
    let state = poll(state, file(5, &rows(EAST)), at(101));
    assert_eq!(state.report.lines[0].result, LineResult::Unchanged);
    let more = ["20.1.0.0/26", "20.1.0.64/26", "20.1.1.0/26"];
    let dated = Scripted { published: Some(jiff::civil::date(1970, 1, 5)), ..file(5, &rows(&more)) };
    let state = poll(state, dated, at(102));
    assert_eq!(state.report.lines[0].result, LineResult::Accepted, "{:?}", state.report);
}
