//! What the user sees: plain text on standard output, in numbered sections.

use std::io::Write as _;

use crate::record::{Entry, Tally};

/// Longer listings are cut, with a count of what is left out.
pub(crate) const MANY: usize = 60;

/// One line, or several. A reader that went away (`| head`) is no reason to stop: the exit code still counts.
pub(crate) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

/// The head of a section: a number, a title, and one sentence.
pub(crate) fn section(number: u32, title: &str, sentence: &str) {
    say(&format!("\n{number}. {title}\n{}\n{sentence}", "-".repeat(title.len() + 3)));
}

/// A listing, indented, cut after `most` lines.
pub(crate) fn listing(text: &str, most: usize) {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let shown = if lines.len() > most { most } else { lines.len() };
    for line in &lines[..shown] {
        say(format!("  {line}").trim_end());
    }
    if shown < lines.len() {
        say(&format!("  … {} more lines", lines.len() - shown));
    }
}

/// A command as it is typed.
pub(crate) fn command(line: &str) {
    say(&format!("\n  $ {line}"));
}

/// Rows with aligned columns; the first row is the head.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The table's routes, other people's first.
pub(crate) fn routes(entries: &[Entry]) -> String {
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_by_key(|entry| (entry.is_ours(), entry.net(), entry.name.clone()));
    let mut rows = vec![["name", "prefix", "next hop", "whose"].map(str::to_owned).to_vec()];
    rows.extend(sorted.into_iter().map(|entry| {
        let whose = if entry.is_ours() { "ours" } else { "other people's" };
        vec![entry.name.clone(), entry.prefix.clone(), entry.hop(), whose.to_owned()]
    }));
    aligned(&rows)
}

/// How many requests of each kind there were, one column a phase.
pub(crate) fn tallies(phases: &[(&str, Tally)]) -> String {
    let mut rows = vec![vec![String::new()]];
    rows[0].extend(phases.iter().map(|(name, _)| (*name).to_owned()));
    let mut row = |title: &str, count: fn(&Tally) -> usize| {
        let mut row = vec![title.to_owned()];
        row.extend(phases.iter().map(|(_, tally)| count(tally).to_string()));
        rows.push(row);
    };
    row("reads of the table (GET)", |tally| tally.reads);
    row("polls of operations (GET)", |tally| tally.polls);
    row("writes (PUT)", |tally| tally.puts);
    row("writes (DELETE and others)", |tally| tally.other_writes);
    row("other reads (limits, regions)", |tally| tally.other_reads);
    row("download page and files", |tally| tally.downloads);
    aligned(&rows)
}

/// `amlnet tags diff` reduced to some tags: its first and last line, their blocks, and a line for all others.
pub(crate) fn reduced_diff(text: &str, tags: &[&str]) -> String {
    let lines: Vec<&str> = text.trim_end().lines().collect();
    let [head, blocks @ .., summary] = lines.as_slice() else {
        return text.to_owned();
    };
    let (mut kept, mut others, mut wanted) = (vec![(*head).to_owned()], 0, false);
    for line in blocks {
        if !line.starts_with(' ') {
            let name = line.split(' ').next().unwrap_or_default();
            wanted = tags.iter().any(|tag| tag.eq_ignore_ascii_case(name));
            others += usize::from(!wanted);
        }
        if wanted {
            kept.push((*line).to_owned());
        }
    }
    if kept.len() == 1 {
        kept.push(format!("(nothing changed in {})", tags.join(" and ")));
    }
    kept.push(format!("… {others} other tags changed as well, not shown here"));
    kept.push((*summary).to_owned());
    kept.join("\n")
}

/// A line of amlnet's log without what only fills it: the long id of the only table, most of each digest.
pub(crate) fn shortened(line: &str, table: &str) -> String {
    let short = format!("…/{}", table.rsplit('/').next().unwrap_or_default());
    let line = line.replace(table, &short);
    let mut parts = line.split("sha256:");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digest = part.chars().take_while(char::is_ascii_hexdigit).count();
        text.push_str("sha256:");
        text.push_str(&part[..digest.min(12)]);
        if digest > 12 {
            text.push('…');
        }
        text.push_str(&part[digest..]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIFF: &str = "Public: change number 1 -> 2\nAppService (changed, +1 -0)\n  + 1.0.0.0/8\n\
        azuremachinelearning.eastus2 (changed, +1 -1)\n  + 2.0.0.0/8\n  - 3.0.0.0/8\nSql (new tag, +0 -0)\n0 tags new";

    #[test]
    fn a_diff_keeps_the_wanted_tags_and_counts_the_others() {
        assert_eq!(
            reduced_diff(DIFF, &["AzureMachineLearning.EastUS2", "AzureMachineLearning.CentralUS"]),
            "Public: change number 1 -> 2\nazuremachinelearning.eastus2 (changed, +1 -1)\n  + 2.0.0.0/8\n  \
             - 3.0.0.0/8\n… 2 other tags changed as well, not shown here\n0 tags new"
        );
        assert!(reduced_diff(DIFF, &["Storage"]).contains("(nothing changed in Storage)"));
    }

    #[test]
    fn a_log_line_loses_the_id_and_most_of_a_digest() {
        assert_eq!(
            shortened("wrote id=/a/b/rt digest=sha256:0123456789abcdef01 x", "/a/b/rt"),
            "wrote id=…/rt digest=sha256:0123456789ab… x"
        );
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [["a", "bb"], ["ccc", "d"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(aligned(&rows), "a    bb\nccc  d");
    }
}
