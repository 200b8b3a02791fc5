//! `armsim replay`: recorded conversations against a fresh world, on simulated time. What a recording implies about the
//! world around it - the hour, what was there before, how ARM behaved in its year - is taken from the recording; every
//! answer is the simulator's own. Nothing here knows a particular recording.

mod compare;
mod expected;
mod forms;
mod player;
mod recording;
mod seed;
mod timeline;

pub use compare::Difference;
pub use expected::{Entry, Expected};

use std::{fmt::Write, path::Path};

/// What came of one interaction.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Counted from 0.
    pub interaction: usize,
    /// Method and path.
    pub request: String,
    pub differences: Vec<Difference>,
}

/// Replays one recording.
pub fn replay(path: &Path) -> Result<Vec<Outcome>, String> {
    let recording = recording::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(player::play(&recording))
}

/// The lines that are printed, and whether nothing failed.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub text: String,
    pub passed: usize,
    pub failed: usize,
}

impl Report {
    /// Replays the files one after the other, each against a world of its own.
    pub fn of(paths: &[impl AsRef<Path>], mut expected: Expected) -> Result<Self, String> {
        let mut report = Self::default();
        let mut files = vec![];
        for path in paths {
            let path = path.as_ref();
            let file = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
            for outcome in replay(path)? {
                report.add(&file, &outcome, &mut expected);
            }
            files.push(file);
        }
        for entry in expected.unused(&files) {
            report.line(format_args!(
                "{} #{} {}: expected, but there is no such difference",
                entry.file, entry.interaction, entry.field
            ));
            report.failed += 1;
        }
        let Self { passed, failed, .. } = report;
        report.line(format_args!("{passed} passed, {failed} failed"));
        Ok(report)
    }

    fn add(&mut self, file: &str, outcome: &Outcome, expected: &mut Expected) {
        let Outcome { interaction, request, differences } = outcome;
        let mut is_as_expected = true;
        for difference in differences {
            let Difference { field, text } = difference;
            let text = text.replace(['\n', '\r'], " ");
            match expected.reason(file, *interaction, difference) {
                Some(reason) => {
                    self.line(format_args!("{file} #{interaction} {request}: {field}: {text} (expected: {reason})"));
                }
                None => {
                    is_as_expected = false;
                    self.line(format_args!("{file} #{interaction} {request}: {field}: {text}"));
                }
            }
        }
        if is_as_expected {
            self.passed += 1;
        } else {
            self.failed += 1;
        }
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{line}");
    }
}

#[cfg(test)]
mod tests;
