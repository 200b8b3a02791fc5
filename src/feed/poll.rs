//! One poll of a feed: its sources in order, the verdict, the archive.
//!
//! Whatever goes wrong, the document that was in force stays in force. Must not wait or repeat: `app` does.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Accepted, Archive, Candidate, Fetched, Record, Source};
use crate::domain::accept::{self, InForce, Verdict};
use crate::domain::region::Regions;
use crate::domain::service_tags::Cloud;

/// A feed between two polls.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub current: Option<Accepted>,
    /// What the archive keeps, newest first.
    pub stored: Vec<Record>,
    /// What the last poll found.
    pub report: Report,
    /// Why the document in force may lack what the last one had, if so: nothing is removed because of it.
    pub older_than_last: Option<String>,
}

/// What one poll found: a line for each source that was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub lines: Vec<Line>,
    /// Why the accepted document is not stored, if it is not.
    pub not_stored: Option<String>,
}

/// How one source fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub source: &'static str,
    pub result: LineResult,
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineResult {
    Accepted,
    Unchanged,
    Held(&'static str),
    Rejected(&'static str),
    Failed(&'static str),
}

impl LineResult {
    /// Whether this source did what a source is for.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Accepted | Self::Unchanged)
    }
}

/// What judges a candidate besides the document in force.
#[derive(Debug, Clone, Copy)]
pub struct Judge<'a> {
    pub cloud: Cloud,
    pub regions: &'a Regions,
    pub now: Timestamp,
}

impl State {
    /// Starts from what the archive kept, so that a start without internet has a document.
    /// A stored document of another cloud is left where it is, and judges nothing: the feed was changed.
    pub fn restore(archive: Option<&dyn Archive>, cloud: Cloud) -> Self {
        let Some(archive) = archive else { return Self::default() };
        match archive.load() {
            Ok((current, stored)) => {
                let is_newest = current.as_ref().map(|current| &current.record) == stored.first();
                let older_than_last = (!is_newest).then(|| {
                    "the newest stored document cannot be read; until another is accepted nothing is removed".to_owned()
                });
                let current = current.filter(|current| current.document.cloud == cloud);
                Self { current, stored, older_than_last, ..Self::default() }
            }
            Err(error) => {
                let report = Report { not_stored: Some(error.to_string()), ..Report::default() };
                Self { report, ..Self::default() }
            }
        }
    }

    /// Asks the sources in order; the first that yields an acceptable document, or the one in force, ends the poll.
    #[must_use]
    pub async fn poll(mut self, sources: &[Box<dyn Source>], archive: Option<&dyn Archive>, judge: Judge<'_>) -> Self {
        self.report = Report::default();
        for source in sources {
            let validators = self.current.as_ref().and_then(|current| current.record.validators.clone());
            let line = match source.fetch(validators.as_ref()).await {
                Err(error) => Line {
                    source: source.name(),
                    result: LineResult::Failed(error.category()),
                    message: error.to_string(),
                },
                Ok(Fetched::NotModified) => Line {
                    source: source.name(),
                    result: LineResult::Unchanged,
                    message: "the server says that nothing changed".to_owned(),
                },
                Ok(Fetched::Document(candidate)) => self.consider(source.name(), *candidate, archive, judge),
            };
            let good = line.result.is_good();
            self.report.lines.push(line);
            if good {
                break;
            }
        }
        self
    }

    fn consider(
        &mut self,
        source: &'static str,
        candidate: Candidate,
        archive: Option<&dyn Archive>,
        judge: Judge<'_>,
    ) -> Line {
        let date = candidate.published.unwrap_or_else(|| judge.now.to_zoned(TimeZone::UTC).date());
        let in_force = self.current.as_ref().map(|c| InForce { document: &c.document, file_date: c.record.file_date });
        let verdict = accept::judge(&candidate.document, date, judge.cloud, in_force, judge.regions);
        let number = candidate.document.change_number;
        let line = |result, message| Line { source, result, message };
        match verdict {
            Verdict::Unchanged => {
                self.store_again(archive, &candidate);
                line(LineResult::Unchanged, format!("change number {number} is in force already"))
            }
            Verdict::Held(reason) => {
                line(LineResult::Held("Shrunk"), format!("change number {number} is held: {reason}"))
            }
            Verdict::Rejected(rejection) => line(
                LineResult::Rejected(rejection.category()),
                format!("change number {number} is rejected: {rejection}"),
            ),
            Verdict::Accepted => {
                let document = candidate.document;
                let record = Record {
                    change_number: number,
                    file_date: date,
                    digest: document.digest.to_string(),
                    accepted_at: judge.now,
                    source: source.to_owned(),
                    strategy: candidate.strategy.clone(),
                    tags: document.tags().len(),
                    prefixes: document.prefix_count(),
                    validators: candidate.validators.clone(),
                };
                self.store(archive, &record, &candidate.text);
                let message = format!("change number {number} of {date} is accepted ({})", candidate.strategy);
                self.current = Some(Accepted { document: Arc::new(document), record });
                self.older_than_last = None;
                line(LineResult::Accepted, message)
            }
        }
    }

    /// A document that could not be stored when it was accepted is stored when it comes again.
    fn store_again(&mut self, archive: Option<&dyn Archive>, candidate: &Candidate) {
        let Some(current) = &self.current else { return };
        let record = current.record.clone();
        if self.stored.first().map(|stored| &stored.digest) != Some(&record.digest) {
            self.store(archive, &record, &candidate.text);
        }
    }

    /// A full disk must not keep new addresses from the network: the document counts, and the failure is said.
    fn store(&mut self, archive: Option<&dyn Archive>, record: &Record, text: &[u8]) {
        let Some(archive) = archive else { return };
        match archive.store(record, text) {
            Ok(stored) => self.stored = stored,
            Err(error) => self.report.not_stored = Some(error.to_string()),
        }
    }
}
