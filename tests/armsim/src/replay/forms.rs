//! Generated values: found in texts, compared by form, and by consistency - the same recorded id is the same simulated
//! one wherever it stands, and two recorded ones are two simulated ones.

use super::recording::NIL;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Which simulated id stands for which recorded one.
#[derive(Debug, Default)]
pub(super) struct Names {
    simulated: BTreeMap<String, String>,
    recorded: BTreeMap<String, String>,
}

impl Names {
    /// Why the two texts are not the same but for generated values; `None`: they are.
    pub(super) fn compare(&mut self, recorded: &str, simulated: &str) -> Option<String> {
        let (form, ids) = form(recorded);
        let (simulated_form, simulated_ids) = self::form(simulated);
        if form != simulated_form {
            let are_times = is_time(recorded) && is_time(simulated);
            return (!are_times && !are_like_sizes(recorded, simulated)).then(|| differ(recorded, simulated));
        }
        ids.iter().zip(&simulated_ids).find_map(|(recorded, simulated)| self.pair(recorded, simulated))
    }

    fn pair(&mut self, recorded: &str, simulated: &str) -> Option<String> {
        // Recorders put zeros where ids were: nothing to learn from.
        if recorded == NIL {
            return None;
        }
        let known = self.simulated.entry(recorded.to_owned()).or_insert_with(|| simulated.to_owned());
        if known != simulated {
            return Some(format!(
                "recorded the same id {recorded} as before, simulated {simulated} and before {known}"
            ));
        }
        let known = self.recorded.entry(simulated.to_owned()).or_insert_with(|| recorded.to_owned());
        (known != recorded)
            .then(|| format!("recorded a new id {recorded} after {known}, simulated the same {simulated} for both"))
    }
}

pub(super) fn differ(recorded: &str, simulated: &str) -> String {
    format!("recorded {}, simulated {}", short(recorded), short(simulated))
}

pub(super) fn short(text: &str) -> String {
    const LONGEST: usize = 300;
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}… ({} bytes)", &text[..at], text.len()),
        None => text.to_owned(),
    }
}

fn is_time(text: &str) -> bool {
    text.parse::<Timestamp>().is_ok()
}

/// `0.001346588 MB` and about as much: what the service counts is not known, and recorders that mask names change it.
fn are_like_sizes(recorded: &str, simulated: &str) -> bool {
    const TOLERANCE: f64 = 0.1;
    let size = |text: &str| text.strip_suffix(" MB")?.parse::<f64>().ok();
    size(recorded)
        .zip(size(simulated))
        .is_some_and(|(recorded, simulated)| simulated > 0.0 && (recorded - simulated).abs() <= recorded * TOLERANCE)
}

/// The text with its generated parts as placeholders, and the ids that stood there.
fn form(text: &str) -> (String, Vec<String>) {
    let mut form = String::with_capacity(text.len());
    let mut ids = vec![];
    let mut rest = text;
    let mut before = None;
    while let Some(first) = rest.chars().next() {
        let starts_word = before.is_none_or(|before: char| !before.is_ascii_alphanumeric());
        if let Some(id) = rest.get(..36).filter(|id| starts_word && is_uuid(id)) {
            ids.push(id.to_ascii_lowercase());
            form.push_str("{id}");
            rest = &rest[36..];
            before = Some('0');
        } else if let Some(after) = seconds(rest).filter(|_| starts_word) {
            form.push_str("{seconds}");
            rest = after;
            before = Some('0');
        } else {
            form.push(first);
            rest = &rest[first.len_utf8()..];
            before = Some(first);
        }
    }
    (form, ids)
}

/// What follows the number in `14 seconds` and `'14' seconds`.
fn seconds(text: &str) -> Option<&str> {
    let after = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_wait = after.len() < text.len() && after.trim_start_matches('\'').starts_with(" seconds");
    is_wait.then_some(after)
}

pub(super) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, byte)| match i {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "842ee685-6acf-4c5f-b9e9-5f4d7a3d5910";
    const B: &str = "c0ba21a3-552d-49f7-950c-e1f6d66a858d";

    #[test]
    fn one_recorded_id_is_one_simulated_id() {
        let mut names = Names::default();
        assert_eq!(names.compare(&format!("W/\"{A}\""), &format!("W/\"{B}\"")), None);
        assert_eq!(names.compare(A, B), None);
        assert!(names.compare(A, A).unwrap().contains("as before"));
        assert!(names.compare(B, B).unwrap().contains("for both"));
        assert!(names.compare(&format!("W/\"{A}\""), B).unwrap().starts_with("recorded W/"));
    }

    #[test]
    fn masked_ids_and_waits_and_times_are_compared_by_form() {
        let mut names = Names::default();
        assert_eq!(names.compare(NIL, A), None);
        assert_eq!(names.compare(NIL, B), None);
        assert_eq!(names.compare("retried in 14 seconds.", "retried in 11 seconds."), None);
        assert_eq!(names.compare("2024-11-08T01:11:31Z", "2025-01-01T00:00:00.123Z"), None);
        assert_eq!(names.compare("0.001346588 MB", "0.00127697 MB"), None);
        assert!(names.compare("0.001346588 MB", "0.0011 MB").is_some() && names.compare("1 MB", "1 GB").is_some());
        assert!(names.compare("westus", "westus2").is_some());
        assert!(names.compare("in 14 minutes", "in 11 minutes").is_some());
    }
}
