//! docs/alerts.md and docs/runbooks: a page for each alert, and none that belongs to no alert.

use std::collections::BTreeSet;

use crate::rules::{self, text};

const URL: &str = "https://github.com/amlnet/amlnet/blob/main/";
const HEADINGS: [&str; 4] = ["## Meaning", "## Impact", "## Diagnosis", "## Mitigation"];

fn names() -> BTreeSet<String> {
    rules::alerts().into_iter().filter_map(|rule| rule.alert).collect()
}

#[test]
fn every_alert_leads_to_a_page_that_says_what_to_do() {
    for rule in rules::alerts() {
        let name = rule.alert.as_ref().unwrap();
        let page = rule.annotation("runbook_url").strip_prefix(URL);
        let page = page.unwrap_or_else(|| panic!("{name}: its runbook_url does not begin with {URL}"));
        assert_eq!(page, format!("docs/runbooks/{name}.md"));
        let text = text(page);
        assert!(text.starts_with(&format!("# {name}\n")), "{page}: another title");
        let headings: Vec<&str> = text.lines().filter(|line| line.starts_with("## ")).collect();
        assert_eq!(headings, HEADINGS, "{page}");
        let parts: Vec<&str> = text.split("\n## ").skip(1).collect();
        for (heading, part) in HEADINGS.iter().zip(&parts) {
            assert!(part.lines().skip(1).any(|line| !line.trim().is_empty()), "{page}: nothing below {heading}");
        }
        assert!(parts[2].contains("```sh\n"), "{page}: no command to look with");
    }
}

#[test]
fn every_page_belongs_to_an_alert_and_stands_in_the_index() {
    let folder = std::fs::read_dir(rules::path("docs/runbooks")).unwrap();
    let files: BTreeSet<String> = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let pages: BTreeSet<String> =
        files.iter().filter(|file| *file != "README.md").map(|file| file.trim_end_matches(".md").to_owned()).collect();
    assert_eq!(pages, names());
    let index = text("docs/runbooks/README.md");
    let listed: BTreeSet<String> = index
        .lines()
        .filter_map(|line| line.strip_prefix("| [")?.split_once(']'))
        .map(|(name, rest)| {
            assert!(rest.starts_with(&format!("({name}.md)")), "{rest}");
            name.to_owned()
        })
        .collect();
    assert_eq!(listed, names());
}

/// Name, severity and wait, in the order of the rules.
#[test]
fn the_table_of_alerts_is_that_of_the_rules() {
    let page = text("docs/alerts.md");
    let rows: Vec<String> = page
        .lines()
        .filter(|line| line.starts_with("| [Amlnet"))
        .map(|line| line.split('|').take(4).map(str::trim).collect::<Vec<_>>().join(" "))
        .collect();
    let expected: Vec<String> = rules::alerts()
        .into_iter()
        .map(|rule| {
            let (name, severity) = rule.alert_and_severity().unwrap();
            format!(" [{name}](runbooks/{name}.md) {severity} {}", rule.wait.unwrap())
        })
        .collect();
    assert_eq!(rows, expected);
}

/// The thresholds in the table are those of the expressions.
#[test]
fn the_figures_of_the_table_are_those_of_the_rules() {
    let page = text("docs/alerts.md");
    let figures = [
        ("AmlnetFeedStale", "warning", "21 days", "> 21 * 86400"),
        ("AmlnetFeedStale", "critical", "42 days", "> 42 * 86400"),
        ("AmlnetAdditionsLate", "warning", "half of their notice of 7 days", "< 3.5 * 86400"),
        ("AmlnetAdditionsLate", "critical", "within 24 hours", "< 86400"),
        ("AmlnetCapacityHigh", "warning", "80 %", "> 0.8"),
        ("AmlnetArmThrottled", "warning", "5 %", "> 0.05"),
        ("AmlnetArmThrottled", "warning", "more than 5 of them", "> 5"),
    ];
    for (name, severity, said, meant) in figures {
        let is_it = |line: &&str| line.starts_with(&format!("| [{name}]")) && line.contains(&format!("| {severity} |"));
        let row = page.lines().find(is_it).unwrap();
        assert!(row.contains(said), "{row}");
        let key = Some((name.to_owned(), severity.to_owned()));
        let rule = rules::alerts().into_iter().find(|rule| rule.alert_and_severity() == key).unwrap();
        assert!(rule.expression.contains(meant), "{name}: {}", rule.expression);
    }
}

/// A link to a file or a heading that is not there leaves somebody alone at night.
#[test]
fn links_lead_somewhere() {
    let mut pages: Vec<String> = names().iter().map(|name| format!("docs/runbooks/{name}.md")).collect();
    pages.extend(["docs/runbooks/README.md", "docs/alerts.md"].map(str::to_owned));
    for page in pages {
        let folder = page.rsplit_once('/').unwrap().0;
        for target in text(&page).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.starts_with("https://") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let linked = text(&format!("{folder}/{file}"));
            let is_there = heading.is_empty() || linked.lines().any(|line| anchor(line).as_deref() == Some(heading));
            assert!(is_there, "{page}: {file} has no heading #{heading}");
        }
    }
}

/// As GitHub makes it of a heading.
fn anchor(line: &str) -> Option<String> {
    let title = line.strip_prefix('#')?.trim_start_matches('#').trim().to_lowercase();
    let kept = title.chars().filter(|char| char.is_alphanumeric() || " -_".contains(*char));
    Some(kept.collect::<String>().replace(' ', "-"))
}
