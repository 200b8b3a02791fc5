//! A feed as samples: what is in force, what its sources answered, and how often.
//!
//! Counts live as long as the feed's task, so they go with the feed. Must not ask sources.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::feed::Record;
use crate::feed::poll::{LineResult, State};
use crate::metrics::{Samples, names};

/// What is counted of a feed.
#[derive(Debug, Default)]
pub(super) struct FeedFigures {
    attempted_at: Option<Timestamp>,
    succeeded_at: Option<Timestamp>,
    /// By source, result and reason.
    answers: BTreeMap<[&'static str; 3], u64>,
}

impl FeedFigures {
    /// What was stored is as good as an answer of the time when it was accepted.
    pub(super) fn found(&mut self, state: &State) {
        self.succeeded_at = state.current.as_ref().map(|current| current.record.accepted_at);
    }

    /// The sources were asked.
    pub(super) fn polled(&mut self, state: &State, now: Timestamp) {
        self.attempted_at = Some(now);
        for line in &state.report.lines {
            if line.result.is_good() {
                self.succeeded_at = Some(now);
            }
            let (result, reason) = words(line.result);
            *self.answers.entry([line.source, result, reason]).or_default() += 1;
        }
    }

    /// Everything that is known of the feed now.
    pub(super) fn samples(&self, feed: &str, state: &State) -> Samples {
        let mut samples = Samples::default();
        if let Some(at) = self.attempted_at {
            samples.time(&names::FEED_LAST_ATTEMPT, &[feed], at);
        }
        if let Some(at) = self.succeeded_at {
            samples.time(&names::FEED_LAST_SUCCESS, &[feed], at);
        }
        if let Some(current) = &state.current {
            document(&mut samples, feed, &current.record);
        }
        if state.report.held.is_some() {
            samples.fact(&names::FEED_DOCUMENT_HELD, &[feed]);
        }
        for ([source, result, reason], count) in &self.answers {
            samples.total(&names::FEED_RESULTS, &[feed, source, result, reason], *count);
        }
        for (position, line) in state.report.lines.iter().enumerate() {
            let (result, reason) = words(line.result);
            samples.fact(&names::FEED_SOURCE_RESULT, &[feed, &position.to_string(), line.source, result, reason]);
        }
        samples
    }
}

fn document(samples: &mut Samples, feed: &str, record: &Record) {
    if let Ok(date) = record.file_date.to_zoned(TimeZone::UTC) {
        samples.time(&names::FEED_DOCUMENT_DATE, &[feed], date.timestamp());
    }
    samples.time(&names::FEED_DOCUMENT_ACCEPTED, &[feed], record.accepted_at);
    samples.total(&names::FEED_DOCUMENT_CHANGE_NUMBER, &[feed], record.change_number);
    samples.count(&names::FEED_DOCUMENT_PREFIXES, &[feed], record.prefixes);
    samples.count(&names::FEED_DOCUMENT_TAGS, &[feed], record.tags);
    samples.fact(&names::FEED_DOCUMENT_INFO, &[feed, &record.source, &record.strategy]);
}

/// The result and its reason, as in a status; no reason is empty.
fn words(result: LineResult) -> (&'static str, &'static str) {
    match result {
        LineResult::Accepted => ("Accepted", ""),
        LineResult::Unchanged => ("Unchanged", ""),
        LineResult::Held(reason) => ("Held", reason),
        LineResult::Rejected(reason) => ("Rejected", reason),
        LineResult::Failed(reason) => ("Failed", reason),
    }
}
