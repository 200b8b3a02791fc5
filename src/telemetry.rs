//! Logs on standard error, as text or JSON, and errors as text.
//!
//! Only amlnet's own lines are written, whatever level is asked for: at `trace` the HTTP and Azure libraries print
//! headers, and with them tokens.

use tracing::Metadata;
use tracing_subscriber::filter::{FilterFn, LevelFilter};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
}

/// The target of the lines that tell of each write.
const AUDIT: &str = "amlnet::audit";

/// Starts logging. Called once, by whoever starts the process. With `audit`, each write leaves its line unless logging
/// is off altogether.
pub fn start(format: Format, level: LevelFilter, audit: bool, colour: bool) {
    let ours = FilterFn::new(move |metadata: &Metadata<'_>| {
        let target = metadata.target();
        let is_audit = audit && target == AUDIT && level != LevelFilter::OFF;
        is_audit || (*metadata.level() <= level && (target == "amlnet" || target.starts_with("amlnet::")))
    });
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let layer = match format {
        Format::Text => layer.with_ansi(colour).boxed(),
        Format::Json => layer.json().flatten_event(true).boxed(),
    };
    // Fails only where somebody else started logging before, as tests of one process do.
    let _ = tracing_subscriber::registry().with(layer.with_filter(ours)).try_init();
}

/// An error with its causes, once each: reqwest's `Display` alone says little.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
