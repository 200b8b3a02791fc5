//! One poll of a feed: its sources in order, the verdict, the archive.
//!
//! Whatever goes wrong, the document that was in force stays in force. Must not wait or repeat: `app` does.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{Accepted, Archive, Candidate, Fetched, REBUILT, Record, Source};
use crate::domain::accept::{self, InForce, Verdict};
use crate::domain::region::Regions;
use crate::domain::service_tags::{Cloud, Document};
use crate::domain::tag_diff;

/// A feed between two polls.
#[derive(Debug, Clone, Default)]
pub struct State {
    pub current: Option<Accepted>,
    /// What the archive keeps, newest first.
    pub stored: Vec<Record>,
    /// What the last poll found.
    pub report: Report,
    /// Whether the newest stored document cannot be read.
    lost_newest: bool,
    /// Whether no stored document can be read though there were some. Only a person ends that.
    memory_is_lost: bool,
    /// `current` with what a source that lags had more when it was asked last, and no file was accepted since.
    combined: Option<Arc<Document>>,
    /// Why the document in force may lack what the last one had, if so: nothing is removed because of it.
    pub no_removals: Option<String>,
}

/// What one poll found: a line for each source that was asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub lines: Vec<Line>,
    /// Why the accepted document is not stored, if it is not.
    pub not_stored: Option<String>,
    /// The document that waits for a person, if one does.
    pub held: Option<HeldDocument>,
}

/// A document that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldDocument {
    pub change_number: u64,
    pub digest: String,
    pub reason: String,
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
    /// Digests of documents that a person lets through although they lost much.
    pub approved: &'a BTreeSet<String>,
}

impl State {
    /// Starts from what the archive kept, so that a start without internet has a document.
    /// A stored document of another cloud is left where it is, and judges nothing: the feed was changed.
    pub async fn restore(archive: Option<&dyn Archive>, cloud: Cloud) -> Self {
        let Some(archive) = archive else { return Self::default() };
        let mut state = match archive.load().await {
            Ok((current, stored)) => {
                let is_newest = current.as_ref().map(|current| &current.record) == stored.first();
                let no_removals = (!is_newest).then(|| {
                    "the newest stored document cannot be read; until another is accepted nothing is removed".to_owned()
                });
                let current = current.filter(|current| current.document.cloud == cloud);
                Self { current, stored, no_removals, lost_newest: !is_newest, ..Self::default() }
            }
            Err(error) => {
                let report = Report { not_stored: Some(error.to_string()), ..Report::default() };
                // What was needed before is not known, and an older document could not be told from a newer one.
                Self { report, no_removals: Some(error.to_string()), memory_is_lost: true, ..Self::default() }
            }
        };
        match archive.additions().await {
            Ok(Some(additions)) if additions.cloud == cloud => state.add(additions),
            Ok(_) => {}
            Err(error) => {
                state.report.not_stored = Some(error.to_string());
                state.no_removals = Some(format!("{error}; until a file is accepted nothing is removed"));
            }
        }
        state
    }

    /// The document that counts now.
    pub fn in_force(&self) -> Option<&Arc<Document>> {
        self.combined.as_ref().or(self.current.as_ref().map(|current| &current.document))
    }

    /// Takes the additions of a source that lags.
    fn add(&mut self, additions: Document) {
        self.combined = Some(Arc::new(match &self.current {
            Some(current) => current.document.with_additions_of(&additions),
            None => additions,
        }));
        self.no_removals =
            Some("the Discovery API was asked, which lags; until a file is accepted nothing is removed".to_owned());
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
                Ok(Fetched::Document(candidate)) if source.only_adds() => {
                    self.consider_additions(source.name(), *candidate, archive, judge).await
                }
                Ok(Fetched::Document(candidate)) => self.consider(source.name(), *candidate, archive, judge).await,
            };
            // A source that only adds does not make asking the others needless.
            let ends = line.result.is_good() && !source.only_adds();
            self.report.lines.push(line);
            if ends {
                break;
            }
        }
        self
    }

    async fn consider(
        &mut self,
        source: &'static str,
        candidate: Candidate,
        archive: Option<&dyn Archive>,
        judge: Judge<'_>,
    ) -> Line {
        let today = judge.now.to_zoned(TimeZone::UTC).date();
        let file_date = candidate.published.unwrap_or(today);
        // Dates are compared where both were published; otherwise the change number decides alone.
        let comparable = self.current.as_ref().is_none_or(|current| current.record.date_is_published);
        let date = match &self.current {
            Some(current) if !(comparable && candidate.published.is_some()) => current.record.file_date,
            _ => file_date,
        };
        let in_force = self.current.as_ref().map(|c| InForce { document: &c.document, file_date: c.record.file_date });
        if let Some(last) = self.newest_if_lost().filter(|last| is_older(&candidate, file_date, last)) {
            // It cannot be read any more, but its number and date still say what is old.
            let message = format!(
                "change number {} of {file_date} is rejected: the one accepted last ({}, {}) is newer, though it cannot be \
                 read any more",
                candidate.document.change_number, last.change_number, last.file_date
            );
            return Line { source, result: LineResult::Rejected("Older"), message };
        }
        let verdict = accept::judge(&candidate.document, date, judge.cloud, in_force, judge.regions);
        let record = Record {
            change_number: candidate.document.change_number,
            file_date,
            date_is_published: candidate.published.is_some(),
            digest: candidate.document.digest.to_string(),
            accepted_at: judge.now,
            source: source.to_owned(),
            strategy: candidate.strategy.clone(),
            tags: candidate.document.tags().len(),
            prefixes: candidate.document.prefix_count(),
            validators: candidate.validators.clone(),
        };
        let number = record.change_number;
        let line = |result, message| Line { source, result, message };
        match verdict.clone() {
            Verdict::Unchanged => {
                self.store_again(archive, &candidate, &record).await;
                line(LineResult::Unchanged, format!("change number {number} is in force already"))
            }
            Verdict::Held(reason) if !judge.approved.contains(&record.digest) => {
                let message = format!("change number {number} is held: {reason}. Its digest is {}", record.digest);
                let digest = record.digest;
                self.report.held = Some(HeldDocument { change_number: number, digest, reason: reason.to_string() });
                line(LineResult::Held("Shrunk"), message)
            }
            Verdict::Rejected(rejection) => line(
                LineResult::Rejected(rejection.category()),
                format!("change number {number} is rejected: {rejection}"),
            ),
            Verdict::Accepted | Verdict::Held(_) => {
                self.store(archive, &record, &candidate.text).await;
                let how = if verdict == Verdict::Accepted { "" } else { ", approved" };
                let message =
                    format!("change number {number} of {file_date} is accepted ({}{how})", candidate.strategy);
                self.current = Some(Accepted { document: Arc::new(candidate.document), record });
                if !self.memory_is_lost {
                    self.no_removals = None;
                }
                self.lost_newest = false;
                self.forget_additions(archive).await;
                line(LineResult::Accepted, message)
            }
        }
    }

    /// A source that lags: what it has more is added to what is in force, what it lacks is told.
    async fn consider_additions(
        &mut self,
        source: &'static str,
        candidate: Candidate,
        archive: Option<&dyn Archive>,
        judge: Judge<'_>,
    ) -> Line {
        let number = candidate.document.change_number;
        if let Err(rejection) = accept::check(&candidate.document, judge.cloud, judge.regions) {
            let message = format!("its change number {number} is rejected: {rejection}");
            return Line { source, result: LineResult::Rejected(rejection.category()), message };
        }
        let behind = self.current.as_ref().map(|current| missing_in(&current.document, &candidate.document));
        let before = self.in_force().map(|document| document.digest);
        self.add(candidate.document);
        if let Some(archive) = archive
            && let Err(error) = archive.store_additions(Some(&candidate.text)).await
        {
            self.report.not_stored = Some(error.to_string());
        }
        let message = match behind {
            Some(behind) => format!(
                "change number {number} of its own numbering; it lacks {behind} prefixes of the file in force, \
                 and what it has more is added"
            ),
            None => format!("change number {number} of its own numbering is used until there is a file"),
        };
        let same = before == self.in_force().map(|document| document.digest);
        Line { source, result: if same { LineResult::Unchanged } else { LineResult::Accepted }, message }
    }

    async fn forget_additions(&mut self, archive: Option<&dyn Archive>) {
        self.combined = None;
        if let Some(archive) = archive
            && let Err(error) = archive.store_additions(None).await
        {
            self.report.not_stored = Some(error.to_string());
        }
    }

    /// What was accepted last, where it cannot be read any more and a predecessor stands in.
    fn newest_if_lost(&self) -> Option<&Record> {
        let in_force = self.current.as_ref().map(|current| &current.record);
        self.stored.first().filter(|newest| Some(*newest) != in_force && self.lost_newest)
    }

    /// A document that could not be stored when it was accepted, or whose record was lost with the index, is stored when
    /// it comes again.
    async fn store_again(&mut self, archive: Option<&dyn Archive>, candidate: &Candidate, record: &Record) {
        let Some(current) = &mut self.current else { return };
        let is_stored = self.stored.iter().any(|stored| stored.digest == current.record.digest);
        if current.record.source == REBUILT {
            current.record = record.clone();
        } else if is_stored {
            return;
        }
        self.store(archive, record, &candidate.text).await;
    }

    /// A full disk must not keep new addresses from the network: the document counts, and the failure is said.
    async fn store(&mut self, archive: Option<&dyn Archive>, record: &Record, text: &[u8]) {
        let Some(archive) = archive else { return };
        match archive.store(record, text).await {
            Ok(stored) => self.stored = stored,
            Err(error) => self.report.not_stored = Some(error.to_string()),
        }
    }
}

/// Whether a candidate is older than a record, as far as both say: dates count where both were published.
fn is_older(candidate: &Candidate, file_date: Date, last: &Record) -> bool {
    let dates = candidate.published.is_some() && last.date_is_published && file_date < last.file_date;
    let number = candidate.document.change_number;
    number < last.change_number || (number == last.change_number && dates)
}

/// How many prefixes of the tags that both have are in `full` only.
fn missing_in(full: &Document, lagging: &Document) -> usize {
    let changed = tag_diff::diff(full, lagging).into_iter().filter(|tag| tag.change == tag_diff::TagChange::Changed);
    changed.map(|tag| tag.removed.len()).sum()
}

#[cfg(test)]
#[path = "poll_tests.rs"]
mod tests;
