//! A feed's state as its status. Must not decide anything.

use super::Record;
use super::poll::{Line, LineResult, State};
use crate::api::feed::{HeldDocument, ServiceTagFeedStatus, SourceStatus, StoredDocument};

pub fn of(state: &State, invalid: Option<&str>) -> ServiceTagFeedStatus {
    ServiceTagFeedStatus {
        current: state.current.as_ref().map(|current| document(&current.record)),
        stored: state.stored.iter().map(document).collect(),
        sources: state.report.lines.iter().map(source).collect(),
        held: state.report.held.as_ref().map(|held| HeldDocument {
            change_number: held.change_number,
            digest: held.digest.clone(),
            reason: held.reason.clone(),
        }),
        not_stored: state.report.not_stored.clone(),
        invalid: invalid.map(str::to_owned),
        previous: state
            .current
            .as_ref()
            .and_then(|current| state.stored.iter().find(|record| record.digest != current.record.digest))
            .map(document),
        ..ServiceTagFeedStatus::default()
    }
}

fn document(record: &Record) -> StoredDocument {
    StoredDocument {
        change_number: record.change_number,
        file_date: record.file_date.to_string(),
        digest: record.digest.clone(),
        accepted_at: record.accepted_at.to_string(),
        source: record.source.clone(),
        strategy: record.strategy.clone(),
        tags: record.tags,
        prefixes: record.prefixes,
    }
}

fn source(line: &Line) -> SourceStatus {
    let (result, reason) = match line.result {
        LineResult::Accepted => ("Accepted", None),
        LineResult::Unchanged => ("Unchanged", None),
        LineResult::Held(reason) => ("Held", Some(reason)),
        LineResult::Rejected(reason) => ("Rejected", Some(reason)),
        LineResult::Failed(reason) => ("Failed", Some(reason)),
    };
    SourceStatus {
        source: line.source.to_owned(),
        result: result.to_owned(),
        reason: reason.map(str::to_owned),
        message: line.message.clone(),
    }
}
