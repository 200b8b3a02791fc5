//! The log of feeds: what became of each document and source, once until it becomes something else.
//!
//! Must not judge anything.

use super::poll::{Line, LineResult, Report, State};
use crate::domain::approval::Word;
use crate::telemetry;

/// What a feed started with.
pub fn restored(feed: &str, state: &State) {
    if let Some(current) = &state.current {
        let record = &current.record;
        tracing::info!(
            feed,
            change_number = record.change_number,
            file_date = %record.file_date,
            digest = record.digest,
            "taken from what is stored"
        );
    }
}

/// What a poll found, where it differs from what the one before found.
pub fn polled(feed: &str, before: &Report, state: &State) {
    for (position, line) in state.report.lines.iter().enumerate() {
        let last = before.lines.get(position).filter(|last| last.source == line.source);
        let is_same = match line.result {
            LineResult::Accepted => false,
            // That a server says it in other words is no news.
            LineResult::Unchanged => last.is_some_and(|last| last.result.is_good()),
            _ => last == Some(line),
        };
        let Line { source, result, message: why } = line;
        match *result {
            _ if is_same => tracing::debug!(feed, source, position, result = name(*result), why, "polled"),
            LineResult::Accepted => match &state.current {
                Some(current) => {
                    let record = &current.record;
                    tracing::info!(
                        feed,
                        source,
                        position,
                        change_number = record.change_number,
                        file_date = %record.file_date,
                        digest = record.digest,
                        prefixes = record.prefixes,
                        why,
                        "a document is accepted"
                    );
                }
                None => tracing::info!(feed, source, position, why, "a document is accepted"),
            },
            LineResult::Unchanged => tracing::info!(feed, source, position, why, "nothing new"),
            LineResult::Held(reason) => {
                let digest = state.report.held.as_ref().map(|held| held.digest.as_str());
                tracing::warn!(feed, source, position, reason, digest, why, "a document is held until it is approved");
            }
            LineResult::Rejected(reason) => {
                tracing::warn!(feed, source, position, reason, why, "a document is rejected; the one in force stays");
            }
            LineResult::Failed(reason) => {
                tracing::warn!(feed, source, position, reason, why, "a source has no document to offer");
            }
        }
    }
    match &state.report.not_stored {
        Some(why) if telemetry::is_news("documents", &feed, why) => {
            tracing::error!(feed, why, "the documents cannot be stored; a restart without internet would lack them");
        }
        Some(_) => {}
        None => drop(telemetry::is_over("documents", &feed)),
    }
}

fn name(result: LineResult) -> &'static str {
    match result {
        LineResult::Accepted => "Accepted",
        LineResult::Unchanged => "Unchanged",
        LineResult::Held(_) => "Held",
        LineResult::Rejected(_) => "Rejected",
        LineResult::Failed(_) => "Failed",
    }
}

/// What became of the approval of a document, where it changes nothing.
pub fn approval(feed: &str, word: &Word) {
    let (approval, state, why) = (&word.approval.id, word.state.name(), &word.message);
    let is_news = telemetry::is_news("document approval", &format!("{feed} {approval}"), &format!("{state} {why}"));
    if word.state.is_idle() && is_news {
        tracing::info!(feed, approval, state, why, "an approval of a document changes nothing now");
    }
}
