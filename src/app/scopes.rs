//! The scopes file: read at the start, and looked at again while amlnet runs.
//!
//! A file that cannot be used must never widen anything: at the start it is an error, later the last good one counts.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::AppError;
use crate::api::scopes;
use crate::domain::scope::Scopes;
use crate::store::files::folder;

/// How often the file is looked at. Looking also works where Kubernetes swaps the links of a mounted ConfigMap.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What Networks may name: a file's scopes, or anything.
///
/// # Errors
/// Where there is a file and it cannot be used: to go on without it would allow everything.
pub fn read(path: Option<&Path>) -> Result<Arc<Scopes>, AppError> {
    path.map_or_else(|| Ok(Arc::new(Scopes::any())), |path| text(path).and_then(|text| parse(path, &text)))
}

fn text(path: &Path) -> Result<String, AppError> {
    folder::read_file(path).text.map_err(|what| AppError(format!("--scopes {}: {what}", path.display())))
}

fn parse(path: &Path, text: &str) -> Result<Arc<Scopes>, AppError> {
    let scopes = scopes::parse(text).map_err(|error| AppError(format!("--scopes {}: {error}", path.display())))?;
    Ok(Arc::new(scopes))
}

/// Watches the file until the receivers are gone. Publishes only scopes that differ.
pub async fn watch(path: Option<PathBuf>, sender: watch::Sender<Arc<Scopes>>) {
    let Some(path) = path else {
        sender.closed().await;
        return;
    };
    let (mut before, mut said) = (None, None);
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = sender.closed() => return,
        }
        // Half of a file may allow more than the whole: an id that is cut covers what lies beside it.
        let found = text(&path);
        let now = found.as_ref().ok().cloned();
        let is_settled = now == before;
        before = now;
        if !is_settled {
            continue;
        }
        match found.and_then(|text| parse(&path, &text)) {
            Ok(scopes) => {
                said = None;
                let differs = sender.send_if_modified(|current| {
                    let differs = *current != scopes;
                    *current = scopes;
                    differs
                });
                if differs {
                    tracing::info!(file = %path.display(), "the scopes changed");
                }
            }
            Err(error) => {
                let problem = error.to_string();
                if said.as_ref() != Some(&problem) {
                    tracing::error!(problem, "the scopes cannot be read; the last ones stay in force");
                }
                said = Some(problem);
            }
        }
    }
}
