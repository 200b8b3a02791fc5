//! The pages of the documentation: their links lead somewhere, and what they quote is what the program says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Files with this ending below a folder.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Everything that a user may read: `docs/`, the pages at the root, and those of charts.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(ROOT);
    let mut pages = files(&root.join("docs"), ".md");
    pages.extend(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|page| root.join(page)));
    if root.join("charts").exists() {
        pages.extend(files(&root.join("charts"), ".md"));
    }
    pages
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Its lines outside of code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    })
}

/// What GitHub makes of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|char| char.is_alphanumeric() || " -_".contains(*char));
    kept.flat_map(char::to_lowercase).map(|char| if char == ' ' { '-' } else { char }).collect()
}

fn anchors(page: &Path) -> BTreeSet<String> {
    let text = read(page);
    prose(&text).filter_map(|line| line.strip_prefix('#').map(|rest| anchor(rest.trim_start_matches('#')))).collect()
}

/// The targets of `[text](target)`.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        for part in line.split("](").skip(1) {
            found.extend(part.split(')').next().map(str::to_owned));
        }
    }
    found
}

#[test]
fn links_lead_somewhere() {
    let mut dead = Vec::new();
    for page in pages() {
        for link in links(&read(&page)) {
            if link.starts_with("http") || link.starts_with("mailto:") {
                continue;
            }
            let (file, wanted) = link.split_once('#').map_or((link.as_str(), None), |(file, at)| (file, Some(at)));
            let target = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            let leads = target.exists()
                && wanted.is_none_or(|wanted| {
                    target.extension().is_none_or(|ending| ending != "md") || anchors(&target).contains(wanted)
                });
            if !leads {
                dead.push(format!("{}: {link}", page.strip_prefix(ROOT).unwrap().display()));
            }
        }
    }
    assert!(dead.is_empty(), "these links lead nowhere:\n{}", dead.join("\n"));
}

/// The sources below a folder, with texts that go on in the next line as one.
fn sources(folder: &str, ending: &str) -> String {
    let texts: Vec<String> = files(&Path::new(ROOT).join(folder), ending).iter().map(|file| read(file)).collect();
    let mut whole = String::new();
    for line in texts.iter().flat_map(|text| text.lines()) {
        match line.strip_suffix('\\') {
            Some(start) => whole.push_str(start.trim_start()),
            None => {
                whole.push_str(line.trim_start());
                whole.push('\n');
            }
        }
    }
    whole.replace("\\\"", "\"")
}

/// In tables whose first column is headed so: the texts in backticks there.
fn quotes(text: &str, heading: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut is_said = false;
    for line in prose(text) {
        match line.strip_prefix('|').map(str::trim_start) {
            None => is_said = false,
            Some(row) if row.starts_with(&format!("{heading} |")) => is_said = true,
            Some(row) if is_said => {
                let cell = row.replace("\\|", "\u{0}");
                let cell = cell.split(" | ").next().unwrap().replace('\u{0}', "|");
                found.extend(cell.split('`').skip(1).step_by(2).map(str::to_owned));
            }
            Some(_) => {}
        }
    }
    found
}

/// What stands between the places that differ from case to case, which a page writes as `…`.
#[track_caller]
fn are_said(heading: &str, sources: &str, at_least: usize) {
    let (mut count, mut wrong) = (0, Vec::new());
    for page in pages() {
        for quote in quotes(&read(&page), heading) {
            for part in quote.split('…').map(str::trim).filter(|part| part.len() > 6) {
                count += 1;
                if !sources.contains(part) {
                    wrong.push(format!("{}: {part}", page.strip_prefix(ROOT).unwrap().display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "nobody says these any more:\n{}", wrong.join("\n"));
    assert!(count >= at_least, "only {count} quotes were found");
}

#[test]
fn what_is_quoted_is_what_the_program_says() {
    are_said("it says", &sources("src", ".rs"), 40);
}

#[test]
fn what_is_quoted_is_what_the_chart_says() {
    are_said("the chart says", &sources("charts/amlnet/templates", ".tpl"), 5);
}

/// The names of all fields of amlnet's objects.
fn fields() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in files(&Path::new(ROOT).join("config/crd"), ".yaml") {
        let object: serde_json::Value = serde_yaml::from_str(&read(&file)).unwrap();
        let mut open = vec![&object];
        while let Some(value) = open.pop() {
            if let Some(properties) = value["properties"].as_object() {
                names.extend(properties.keys().cloned());
            }
            open.extend(value.as_object().into_iter().flat_map(|map| map.values()));
            open.extend(value.as_array().into_iter().flatten());
        }
    }
    names
}

/// kubectl prints nothing for a field that there is not, and succeeds.
#[test]
fn fields_in_commands_are_there() {
    // Of other objects: a Lease, a ConfigMap, a ServiceAccount, a Prometheus.
    let others = [
        "metadata",
        "name",
        "namespace",
        "annotations",
        "labels",
        "items",
        "holderIdentity",
        "data",
        "binaryData",
        "target",
        "ruleSelector",
        "serviceMonitorSelector",
    ];
    let known: BTreeSet<String> = fields().into_iter().chain(others.map(str::to_owned)).collect();
    let (mut count, mut wrong) = (0, Vec::new());
    for page in pages() {
        for line in read(&page).lines().filter(|line| line.contains("jsonpath=")) {
            for path in line.split("jsonpath=").skip(1).flat_map(|rest| rest.split('{').skip(1)) {
                let path = path.split('}').next().unwrap().replace("\\.", "\u{0}");
                let names = path
                    .split('.')
                    .skip(1)
                    .map(|name| name.split(|char: char| !char.is_alphanumeric() && char != '\u{0}').next().unwrap());
                for name in names.filter(|name| !name.is_empty() && !name.contains('\u{0}')) {
                    count += 1;
                    if !known.contains(name) {
                        wrong.push(format!("{}: .{name} in {line}", page.strip_prefix(ROOT).unwrap().display()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "no object has these fields:\n{}", wrong.join("\n"));
    assert!(count > 20, "only {count} fields were found");
}
