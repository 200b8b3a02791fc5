//! Logs on standard error, as text or JSON, one line each, and errors as text.
//!
//! Only amlnet's own lines are written, whatever level is asked for: at `trace` the HTTP and Azure libraries print
//! headers, and with them tokens.

mod levels;
mod news;
pub mod reach;

use std::io::Write;

pub use levels::{Levels, MODULES};
pub use news::{is_news, is_over};
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
}

/// Starts logging. Called once, by whoever starts the process. With `audit`, each write leaves its line unless logging
/// is off altogether.
pub fn start(format: Format, levels: Levels, audit: bool, colour: bool) {
    let most = levels.most();
    let ours = FilterFn::new(move |metadata| levels.admit(metadata, audit)).with_max_level_hint(most);
    let layer = tracing_subscriber::fmt::layer().with_writer(|| OneLine(std::io::stderr()));
    let layer = match format {
        Format::Text => layer.with_ansi(colour).boxed(),
        Format::Json => layer.json().flatten_event(true).boxed(),
    };
    // Fails only where somebody else started logging before, as tests of one process do.
    let _ = tracing_subscriber::registry().with(layer.with_filter(ours)).try_init();
}

/// Says why the process ends, in the form of the logs, whatever their level is.
pub fn last_word(format: Format, why: &dyn std::fmt::Display) {
    let text = match format {
        Format::Text => format!("error: {why}"),
        Format::Json => {
            let timestamp = jiff::Timestamp::now().to_string();
            let message = why.to_string();
            serde_json::json!({"timestamp": timestamp, "level": "ERROR", "message": message, "target": "amlnet"})
                .to_string()
        }
    };
    // Nothing is left to tell it to when standard error is gone.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Whatever stands in a message of somebody else's, a line of the log stays one line.
struct OneLine<W>(W);

impl<W: Write> Write for OneLine<W> {
    /// Takes a whole line, as the layer hands it over.
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let mut shown = Vec::with_capacity(line.len());
        for byte in text {
            match byte {
                b'\n' => shown.extend_from_slice(b"\\n"),
                b'\r' => shown.extend_from_slice(b"\\r"),
                other => shown.push(*other),
            }
        }
        shown.push(b'\n');
        self.0.write_all(&shown)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line() {
        let mut written = OneLine(Vec::new());
        written.write_all(b"WARN it says <html>\r\n<body>\n").unwrap();
        assert_eq!(written.0, b"WARN it says <html>\\r\\n<body>\n");
    }
}
