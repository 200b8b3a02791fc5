//! What the user sees: plain text on standard output, in numbered sections.

use std::io::Write as _;

use serde_json::Value;

use crate::list::Answer;
use crate::record::{Entry, Tally};
use crate::rules::Rule;
use crate::scene::last;
use crate::waiting::provisioning;

/// Longer listings are cut, with a count of what is left out.
pub(crate) const MANY: usize = 60;
/// Of many addresses only the first are shown.
const FEW: usize = 4;
/// Of what is planned for one target so many lines.
const FIRST: usize = 24;
/// A line of a log that is longer is cut.
const WIDE: usize = 240;

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

/// An IP group as ARM shows it: who uses it, whose it is, how much it holds.
pub(crate) fn group(shown: &Value) -> String {
    let properties = &shown["properties"];
    let tags = shown["tags"].as_object().into_iter().flatten();
    let tags: Vec<String> = tags.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or("?"))).collect();
    let users = ["firewalls", "firewallPolicies"].iter().filter_map(|list| properties[*list].as_array()).flatten();
    let users: Vec<&str> = users.filter_map(|user| user["id"].as_str()).map(last).collect();
    let addresses = properties["ipAddresses"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut lines = vec![format!(
        "IP group {}: {} addresses, {}, tags {}, used by {}",
        shown["name"].as_str().unwrap_or("?"),
        addresses.len(),
        provisioning(shown),
        tags.join(" "),
        users.join(" ")
    )];
    lines.extend(addresses.iter().filter_map(Value::as_str).take(FEW).map(|text| format!("  {text}")));
    if addresses.len() > FEW {
        lines.push(format!("  … {} more", addresses.len() - FEW));
    }
    lines.join("\n")
}

/// Rules of ours and of others in the order of their priorities: of many destinations the first and how many more.
pub(crate) fn rules(rules: &[Rule]) -> String {
    let mut sorted: Vec<&Rule> = rules.iter().collect();
    sorted.sort_by_key(|rule| (&rule.priorities, &rule.name));
    let mut rows = vec![["priority", "name", "what", "ports", "to"].map(str::to_owned).to_vec()];
    let joined = |texts: &mut dyn Iterator<Item = String>, between: &str| texts.collect::<Vec<_>>().join(between);
    rows.extend(sorted.into_iter().map(|rule| {
        let to = rule.to.first().map(String::as_str).unwrap_or_default();
        let more = rule.to.len().saturating_sub(1);
        let mut ports: Vec<String> = rule.ports.iter().cloned().collect();
        ports.sort_by_key(|port| (port.len(), port.clone()));
        vec![
            joined(&mut rule.priorities.iter().map(ToString::to_string), "/"),
            rule.last().to_owned(),
            rule.kind.trim_end_matches(" from port *").to_owned(),
            format!("{} {}", joined(&mut rule.protocols.iter().cloned(), " "), joined(&mut ports.into_iter(), ", ")),
            if more > 0 { format!("{to} and {more} more") } else { to.to_owned() },
        ]
    }));
    aligned(&rows)
}

/// An answer of the list: status, the headers that count, the first lines.
pub(crate) fn answer(answer: &Answer) -> String {
    let mut lines = vec![format!("HTTP/1.1 {}", answer.status)];
    for (name, value) in [("ETag", &answer.etag), ("Last-Modified", &answer.modified)] {
        lines.extend(value.as_ref().map(|value| format!("{name}: {value}")));
    }
    lines.extend(answer.body.lines().take(FEW).map(|line| format!("  {line}")));
    if answer.lines() > FEW {
        lines.push(format!("  … {} lines in all", answer.lines()));
    }
    lines.join("\n")
}

/// A text in which only the first of many addresses in a row are left. Routes, which say where they lead, stay.
pub(crate) fn cut_runs(text: &str) -> String {
    let is_address = |line: &str| line.starts_with(' ') && line.trim_start().starts_with("+ ") && !line.contains("->");
    let lines: Vec<&str> = text.lines().collect();
    let mut kept: Vec<String> = Vec::new();
    for run in lines.chunk_by(|one, other| is_address(one) == is_address(other)) {
        let most = if is_address(run[0]) && run.len() > 3 * FEW { FEW } else { run.len() };
        kept.extend(run[..most].iter().map(|line| (*line).to_owned()));
        if most < run.len() {
            let indent = " ".repeat(run[0].len() - run[0].trim_start().len());
            kept.push(format!("{indent}… {} more addresses", run.len() - most));
        }
    }
    kept.join("\n")
}

/// A plan in which of each target only the first lines are left.
pub(crate) fn cut_targets(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut kept: Vec<String> = Vec::new();
    for block in lines.chunk_by(|_, next| next.starts_with(' ')) {
        let most = if block.len() > FIRST + 1 { FIRST } else { block.len() };
        kept.extend(block[..most].iter().map(|line| (*line).to_owned()));
        if most < block.len() {
            kept.push(format!("  … {} more lines", block.len() - most));
        }
    }
    kept.join("\n")
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
    row("table: reads (GET)", |tally| tally.reads);
    row("table: writes of routes (PUT)", |tally| tally.puts);
    row("security group: reads (GET)", |tally| tally.security_reads);
    row("security group: writes of rules (PUT)", |tally| tally.security_puts);
    row("table, security group: polls (GET)", |tally| tally.polls);
    row("IP group: reads (GET)", |tally| tally.group_reads);
    row("IP group: reads of firewall and policy", |tally| tally.user_reads);
    row("IP group: writes (PUT)", |tally| tally.group_puts);
    row("policy: reads with its firewall (GET)", |tally| tally.policy_reads);
    row("policy: writes of our rules (PUT)", |tally| tally.policy_puts);
    row("IP group, policy: polls (GET)", |tally| tally.group_polls);
    row("other writes (DELETE and others)", |tally| tally.other_writes);
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

/// A line of amlnet's log without what only fills it: long ids, most of each digest, what is beyond a wide screen.
pub(crate) fn shortened(line: &str, ids: &[&str]) -> String {
    let line = ids.iter().fold(line.to_owned(), |line, id| line.replace(id, &format!("…/{}", last(id))));
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
    match text.char_indices().nth(WIDE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
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
            shortened("wrote id=/a/b/rt of=/a/g digest=sha256:0123456789abcdef01 x", &["/a/b/rt", "/a/g"]),
            "wrote id=…/rt of=…/g digest=sha256:0123456789ab… x"
        );
        let cut = shortened(&"ä".repeat(1000), &[]);
        assert_eq!((cut.chars().count(), cut.ends_with('…')), (WIDE + 1, true));
    }

    #[test]
    fn of_many_addresses_in_a_row_the_first_are_left_and_routes_stay() {
        let addresses = |count: u8| {
            let lines: Vec<String> = (0..count).map(|last| format!("    + 1.0.0.{last}/32\n")).collect();
            lines.concat()
        };
        let (routes, few, addresses) = (addresses(13).replace("/32", "/32 -> Internet"), addresses(12), addresses(13));
        let cut = cut_runs(&format!("head\n{addresses}tail\n"));
        assert!(
            cut.starts_with("head\n    + 1.0.0.0/32\n") && cut.ends_with("\n    … 9 more addresses\ntail"),
            "{cut}"
        );
        for whole in [&routes, &few] {
            assert_eq!(cut_runs(whole), whole.trim_end());
        }
    }

    #[test]
    fn a_group_and_an_answer_are_told_in_a_few_lines() {
        let shown = serde_json::json!({"name": "g", "tags": {"a": "b"}, "properties": {"provisioningState": "Updating",
            "firewallPolicies": [{"id": "/x/p"}], "ipAddresses": ["1.0.0.0/8", "2.0.0.0/8", "3.0.0.0/8", "4.0.0.0/8", "5.0.0.0/8"]}});
        let told = group(&shown);
        assert!(told.starts_with("IP group g: 5 addresses, Updating, tags a=b, used by p\n  1.0.0.0/8\n"), "{told}");
        assert!(told.ends_with("\n  4.0.0.0/8\n  … 1 more"), "{told}");
        let served = Answer {
            asked_with: None,
            status: 200,
            etag: Some("\"e\"".to_owned()),
            modified: None,
            body: "1.0.0.0/8\n2.0.0.0/8\n".to_owned(),
        };
        assert_eq!(answer(&served), "HTTP/1.1 200\nETag: \"e\"\n  1.0.0.0/8\n  2.0.0.0/8");
    }

    #[test]
    fn of_each_target_of_a_plan_the_first_lines_are_left() {
        let target = |name: &str, lines: usize| format!("{name}\n{}", "  + x\n".repeat(lines));
        let cut = cut_targets(&(target("one", FIRST) + &target("two", FIRST + 1) + "2 targets\n"));
        let whole = target("one", FIRST);
        let tail = cut.strip_prefix(&whole).unwrap_or_else(|| panic!("{cut}"));
        let kept = target("two", FIRST - 1);
        assert_eq!(tail, format!("{kept}  … 2 more lines\n2 targets"));
    }

    #[test]
    fn rules_are_told_in_the_order_of_their_priorities() {
        let rule = |name: &str, priority: u64, to: &[&str]| {
            let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect();
            Rule {
                name: format!("c/{name}"),
                priorities: vec![priority],
                kind: "Outbound Allow from port *".to_owned(),
                protocols: texts(&["Tcp"]),
                ports: texts(&["443", "80"]),
                from: texts(&["*"]),
                to: texts(to),
                in_effect: true,
            }
        };
        let told = rules(&[rule("b", 2001, &["1.0.0.0/8", "2.0.0.0/8"]), rule("a", 300, &["Storage"])]);
        let lines: Vec<String> =
            told.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(
            lines[1..],
            ["300 a Outbound Allow Tcp 80, 443 Storage", "2001 b Outbound Allow Tcp 80, 443 1.0.0.0/8 and 1 more"]
        );
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [["a", "bb"], ["ccc", "d"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(aligned(&rows), "a    bb\nccc  d");
    }
}
