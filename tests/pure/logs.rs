//! docs/logs.md has every line that amlnet writes, with its level and its fields: read from the sources.
//! `AMLNET_UPDATE_GOLDEN=1` writes the table anew. The commands that look for lines find them, in JSON and in text.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const BEGIN: &str = "<!-- the lines, from the sources -->\n";
const END: &str = "<!-- end of the lines -->\n";

/// The messages of the one call that has several, with their levels.
const DECISIONS: [(&str, &[&str]); 5] = [
    ("reconciled", &["info", "warn"]),
    ("nothing to write", &["info", "warn"]),
    ("blocked", &["warn"]),
    ("waits", &["info"]),
    ("failed, will be tried again", &["warn"]),
];

/// What is known of all lines with one message.
#[derive(Default)]
struct Row {
    levels: BTreeSet<String>,
    modules: BTreeSet<String>,
    fields: BTreeSet<String>,
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The arguments of a call whose opening bracket was just passed, split at its own commas.
fn arguments(text: &str) -> Vec<String> {
    let (mut parts, mut depth, mut in_string) = (vec![String::new()], 0, false);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let part = parts.last_mut().unwrap();
        if in_string {
            part.push(letter);
            if letter == '\\' {
                part.extend(letters.next());
            }
            in_string = letter != '"';
            continue;
        }
        match letter {
            '"' => in_string = true,
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => break,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        part.push(letter);
    }
    parts.into_iter().map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
}

/// A string literal as it is said.
fn literal(part: &str) -> Option<String> {
    let text = part.strip_prefix('"')?.strip_suffix('"')?;
    let mut lines = text.split("\\\n");
    let first = lines.next()?.to_owned();
    Some(lines.fold(first, |said, line| said + line.trim_start()))
}

fn field(part: &str) -> String {
    part.split('=').next().unwrap_or_default().trim().trim_start_matches(['%', '?']).to_owned()
}

fn rows() -> BTreeMap<String, Row> {
    let mut files = Vec::new();
    sources(&Path::new(ROOT).join("src"), &mut files);
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let relative = file.strip_prefix(Path::new(ROOT).join("src")).unwrap().to_owned();
        let of_file = relative.components().next().unwrap().as_os_str().to_string_lossy().replace(".rs", "");
        for call in text.split("tracing::").skip(1) {
            let Some((level, rest)) = call.split_once("!(") else { continue };
            if !["error", "warn", "info", "$level"].contains(&level) {
                continue;
            }
            let mut arguments = arguments(rest);
            let said = arguments.pop().unwrap();
            let said = literal(&said).unwrap_or_else(|| panic!("{}: a line without message: {said}", file.display()));
            let target = arguments.iter().find_map(|part| part.strip_prefix("target: \"amlnet::")?.strip_suffix('"'));
            let module = target.map_or(of_file.clone(), str::to_owned);
            let fields = arguments.iter().filter(|part| !part.starts_with("target:")).map(|part| field(part));
            let fields: BTreeSet<String> = fields.collect();
            let messages: Vec<(&str, &[&str])> = if level == "$level" {
                DECISIONS.to_vec()
            } else {
                vec![(said.as_str(), std::slice::from_ref(&level))]
            };
            for (message, levels) in messages {
                assert!(level != "$level" || text.contains(&format!("\"{message}\"")), "{message}");
                assert!(!message.contains('{'), "{}: a message says what varies in fields: {message}", file.display());
                let row = rows.entry(message.to_owned()).or_default();
                row.levels.extend(levels.iter().map(|level| (*level).to_owned()));
                row.modules.insert(module.clone());
                row.fields.extend(fields.iter().cloned());
            }
        }
    }
    rows
}

fn table() -> String {
    let joined = |words: &BTreeSet<String>| words.iter().cloned().collect::<Vec<_>>().join(", ");
    let mut rows: Vec<(String, String)> = rows()
        .into_iter()
        .map(|(message, row)| {
            let fields: Vec<String> = row.fields.iter().map(|field| format!("`{field}`")).collect();
            let (levels, modules) = (joined(&row.levels), joined(&row.modules));
            (modules.clone(), format!("| `{message}` | {levels} | {modules} | {} |\n", fields.join(" ")))
        })
        .collect();
    rows.sort();
    let rows: String = rows.into_iter().map(|(_, row)| row).collect();
    format!("| message | level | module | fields |\n|---|---|---|---|\n{rows}")
}

#[test]
fn the_documentation_has_every_line_of_the_log() {
    let path = Path::new(ROOT).join("docs/logs.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("docs/logs.md says where the table begins");
    let (found, after) = rest.split_once(END).expect("docs/logs.md says where the table ends");
    let wanted = table();
    if std::env::var_os("AMLNET_UPDATE_GOLDEN").is_some_and(|value| value == "1") {
        std::fs::write(&path, format!("{before}{BEGIN}{wanted}{END}{after}")).unwrap();
        return;
    }
    let (found, wanted): (BTreeSet<&str>, BTreeSet<&str>) = (found.lines().collect(), wanted.lines().collect());
    let lacking: Vec<_> = wanted.difference(&found).collect();
    let unknown: Vec<_> = found.difference(&wanted).collect();
    assert!(
        lacking.is_empty() && unknown.is_empty(),
        "AMLNET_UPDATE_GOLDEN=1 writes docs/logs.md anew\nit lacks:\n{lacking:#?}\nnobody writes:\n{unknown:#?}"
    );
}

/// What was logged.
#[derive(Clone, Default)]
struct Logged(Arc<Mutex<Vec<u8>>>);

impl Write for Logged {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(line)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A log as the program writes it, as JSON or as text, with a line of the audit among it.
fn log(json: bool) -> String {
    let logged = Logged::default();
    let writer = logged.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone());
    let say = || {
        tracing::info!(target: "amlnet::commands::controller", identity = "one", "leads");
        tracing::info!(target: "amlnet::feed::said", source = "WARN", "a document is accepted");
        tracing::warn!(target: "amlnet::reconcile::said", reason = "Locked", why = "it leads elsewhere", "blocked");
        tracing::info!(target: "amlnet::reconcile::said", why = "no ERROR or WARN of ours", "waits");
        tracing::error!(target: "amlnet::commands::ready", why = "the CRDs are missing", "not ready");
        tracing::info!(target: "amlnet::commands::controller", reason = "asked to stop", "leads no more");
    };
    if json {
        tracing::subscriber::with_default(subscriber.json().flatten_event(true).finish(), say);
    } else {
        tracing::subscriber::with_default(subscriber.finish(), say);
    }
    let lines = String::from_utf8(logged.0.lock().unwrap().clone()).unwrap();
    assert_eq!(lines.lines().count(), 6, "{lines}");
    format!("{{\"at\":\"2026-01-05T10:12:07Z\",\"write\":\"0c4d\",\"action\":\"Add\"}}\n{lines}")
}

/// What a shell lets through.
fn filtered(filter: &str, log: &str) -> String {
    let mut shell =
        Command::new("sh").args(["-c", filter]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    shell.stdin.take().unwrap().write_all(log.as_bytes()).unwrap();
    String::from_utf8(shell.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn the_commands_of_the_pages_find_what_they_look_for() {
    let wanted: [(&str, &[&str]); 5] = [
        ("docs/logs.md", &["blocked", "not ready"]),
        ("docs/logs.md", &["leads", "leads no more"]),
        ("docs/logs.md", &["a document is accepted"]),
        ("docs/logs.md", &["not ready"]),
        ("docs/kubernetes.md", &["\"write\":\"0c4d\""]),
    ];
    let mut filters = Vec::new();
    for page in ["docs/logs.md", "docs/kubernetes.md"] {
        let text = std::fs::read_to_string(Path::new(ROOT).join(page)).unwrap();
        let commands = text.lines().filter(|line| line.starts_with("kubectl -n amlnet logs"));
        filters.extend(commands.map(|line| {
            // With `--all-pods` each line begins with the name of its pod, whatever `--prefix` says.
            let filter = line.strip_prefix("kubectl -n amlnet logs -l app.kubernetes.io/name=amlnet --tail=-1 | ");
            (page, filter.unwrap_or_else(|| panic!("{page}: {line}")).to_owned())
        }));
    }
    assert_eq!(filters.len(), wanted.len(), "{filters:?}");
    for json in [true, false] {
        let log = log(json);
        for ((page, filter), (of, messages)) in filters.iter().zip(wanted) {
            assert_eq!(*page, of);
            let found = filtered(filter, &log);
            assert_eq!(found.lines().count(), messages.len(), "{filter}\n{log}found:\n{found}");
            for (line, message) in found.lines().zip(messages) {
                assert!(line.contains(message), "{filter}: {message} is not in {line}");
            }
        }
    }
}
