//! Imports go one way (ARCHITECTURE.md), and `domain` imports nothing impure: proved from the sources.

use std::collections::BTreeSet;
use std::path::Path;

use crate::imports::{Reference, Scan, scan};
use crate::support::manifest_dir;

/// From the top down; a module may import those of later rows, never one of its own row. A new module
/// gets its place here.
const ORDER: [&[&str]; 8] =
    [&["main"], &["commands"], &["app"], &["reconcile"], &["azure", "store"], &["feed"], &["api"], &["domain"]];

/// Import nothing of amlnet. All may use them but the two lowest rows.
const LEAVES: [&str; 3] = ["telemetry", "metrics", "http"];
const WITHOUT_LEAVES: [&str; 2] = ["api", "domain"];

/// What `domain` may import beside itself: libraries that compute and nothing else.
const PURE_CRATES: [&str; 10] =
    ["std", "core", "alloc", "ipnet", "jiff", "serde", "serde_json", "serde_yaml", "sha2", "strsim"];
const PURE_MACRO_CRATES: [&str; 1] = ["thiserror"];

/// The beginnings of paths that `domain` must not name.
const IMPURE: [&str; 28] = [
    "kube",
    "k8s_openapi",
    "reqwest",
    "tokio",
    "tokio_rustls",
    "hyper",
    "azure_core",
    "azure_core_1",
    "azure_identity",
    "azure_mgmt_network",
    "axum",
    "tracing",
    "tracing_subscriber",
    "rustls",
    "futures",
    "rand",
    "uuid",
    "tempfile",
    "indicatif",
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "std::os",
    "std::sync::mpsc",
    "std::io",
    "std::backtrace",
    "std::random",
];
/// Of these modules only what is named here is pure: time spans, and addresses without sockets.
const PARTLY_PURE: [(&str, &[&str]); 2] =
    [("std::time", &["Duration"]), ("std::net", &["IpAddr", "Ipv4Addr", "Ipv6Addr", "AddrParseError"])];
/// Words that read a clock, make randomness, or depend on it, wherever they come from.
const IMPURE_WORDS: [&str; 9] =
    ["SystemTime", "Instant", "Uuid", "HashMap", "HashSet", "RandomState", "TcpStream", "TcpListener", "UdpSocket"];
const IMPURE_MACROS: [&str; 5] = ["println", "eprintln", "print", "eprint", "dbg"];

fn row(module: &str) -> Option<usize> {
    ORDER.iter().position(|row| row.contains(&module))
}

/// Why `from` must not import `to`.
fn forbidden(from: &str, to: &str) -> Option<String> {
    let known = |name: &str| LEAVES.contains(&name) || row(name).is_some();
    if from == to {
        None
    } else if let Some(unknown) = [from, to].into_iter().find(|name| !known(name)) {
        Some(format!("{unknown} has no place in the order of imports"))
    } else if LEAVES.contains(&from) {
        Some(format!("the leaf {from} imports {to}"))
    } else if LEAVES.contains(&to) {
        WITHOUT_LEAVES.contains(&from).then(|| format!("{from} imports {to}"))
    } else {
        (row(from) >= row(to)).then(|| format!("{from} imports {to}"))
    }
}

/// What one source does that it must not, a sentence each.
fn violations(file: &str, scanned: &Scan, layer: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for reference in &scanned.references {
        let path = reference.segments.join("::");
        if let Some(why) = against_order(reference, layer) {
            found.insert(format!("{file}: {why} ({path})"));
        }
        if layer == "domain"
            && let Some(why) = impurity(reference, &scanned.declared)
        {
            found.insert(format!("{file}: domain is pure, but {why} ({path})"));
        }
    }
    found
}

fn against_order(reference: &Reference, layer: &str) -> Option<String> {
    let absolute = reference.absolute()?;
    match absolute.first().map(String::as_str) {
        Some("*") | None if reference.in_use => Some("the crate as a whole is imported; name the module".to_owned()),
        // `pub(crate)` and the like.
        None => None,
        Some(to) => forbidden(layer, to),
    }
}

fn impurity(reference: &Reference, declared: &[String]) -> Option<String> {
    let segments: Vec<&str> = reference.segments.iter().map(String::as_str).collect();
    let path = segments.join("::");
    let begins = |with: &str| path == with || path.strip_prefix(with).is_some_and(|rest| rest.starts_with("::"));
    if let Some(impure) = IMPURE.iter().find(|impure| begins(impure)) {
        // A variable may bear any name; a path or an import is meant.
        return (segments.len() > 1 || reference.in_use).then(|| format!("it names {impure}"));
    }
    if let Some((module, pure)) = PARTLY_PURE.iter().find(|(module, _)| begins(module)) {
        let item = segments.get(2);
        return (!item.is_some_and(|item| pure.contains(item))).then(|| format!("of {module} only {pure:?} are pure"));
    }
    if let Some(word) = segments.iter().find(|segment| IMPURE_WORDS.contains(segment)) {
        return Some(format!("it names {word}"));
    }
    if reference.followed_by == Some('(') && segments.len() > 1 && segments.last() == Some(&"now") {
        return Some("it reads a clock".to_owned());
    }
    if path.ends_with("TimeZone::system") || path.ends_with("TimeZone::try_system") {
        return Some("it reads the time zone of the machine".to_owned());
    }
    if reference.followed_by == Some('!') && IMPURE_MACROS.contains(segments.last()?) {
        return Some("it prints".to_owned());
    }
    let first = segments[0];
    let is_type = first.starts_with(char::is_uppercase);
    let own = matches!(first, "crate" | "super" | "self") || declared.iter().any(|module| module == first);
    let pure = PURE_CRATES.contains(&first) || PURE_MACRO_CRATES.contains(&first);
    (reference.in_use && (segments.get(1) == Some(&"*") && first == "std" || !(is_type || own || pure)))
        .then(|| format!("it imports {first}, which is not among the pure libraries"))
}

/// `src/domain/plan/mod.rs` is the module `domain::plan`.
fn module_of(file: &str) -> Vec<String> {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    path.split('/').filter(|part| *part != "mod" && *part != "lib").map(str::to_owned).collect()
}

fn sources(folder: &Path, name: &str, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = format!("{name}/{}", entry.file_name().to_str().unwrap());
        if path.is_dir() {
            sources(&path, &name, found);
        } else if path.extension().is_some_and(|found| found == "rs") && !name.ends_with("_tests.rs") {
            found.push((name, std::fs::read_to_string(path).unwrap()));
        }
    }
}

/// All violations in these sources: name and text of each file.
fn check(files: &[(String, String)]) -> BTreeSet<String> {
    let scans: Vec<(&str, Vec<String>, Scan)> =
        files.iter().map(|(file, text)| (file.as_str(), module_of(file), scan(text, &module_of(file)))).collect();
    let for_tests: BTreeSet<&Vec<String>> = scans.iter().flat_map(|(_, _, scanned)| &scanned.test_modules).collect();
    let is_for_tests = |module: &[String]| (1..=module.len()).any(|n| for_tests.contains(&module[..n].to_vec()));
    let checked = scans.iter().filter(|(_, module, _)| !is_for_tests(module));
    // The crate's root only declares.
    checked.filter_map(|(file, module, scanned)| Some(violations(file, scanned, module.first()?))).flatten().collect()
}

#[test]
fn imports_go_one_way_and_the_domain_is_pure() {
    let mut files = Vec::new();
    sources(&manifest_dir().join("src"), "src", &mut files);
    assert!(files.iter().any(|(name, _)| name == "src/domain/plan/entries.rs"), "the sources were not found");
    let found = check(&files);
    assert!(found.is_empty(), "{}", found.into_iter().collect::<Vec<_>>().join("\n"));
}

/// The compiler lets the package of the domain import what its manifest names, and nothing else of amlnet.
#[test]
fn the_domain_depends_on_what_is_pure() {
    let manifest = std::fs::read_to_string(manifest_dir().join("src/domain/Cargo.toml")).unwrap();
    let lines = || manifest.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let tables: Vec<&str> = lines().filter(|line| line.starts_with('[')).collect();
    assert_eq!(tables, ["[package]", "[lib]", "[dependencies]", "[dev-dependencies]", "[lints]"]);
    assert!(lines().any(|line| line == "build = false"), "a build script may do anything");
    let dependencies = lines().skip_while(|line| *line != "[dependencies]").skip(1);
    let named: BTreeSet<&str> = dependencies
        .take_while(|line| !line.starts_with('['))
        .map(|line| line.strip_suffix(".workspace = true").unwrap_or(line))
        .collect();
    let pure = PURE_CRATES.into_iter().chain(PURE_MACRO_CRATES);
    let pure: BTreeSet<&str> = pure.filter(|name| !["std", "core", "alloc"].contains(name)).collect();
    assert_eq!(named, pure);
}

/// The checker does not look at the root, which only declares; the one module that has a body there is this.
#[test]
fn the_root_only_declares() {
    let root = std::fs::read_to_string(manifest_dir().join("src/lib.rs")).unwrap();
    let code = root.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//"));
    let domain = [
        "pub mod domain {",
        "pub use amlnet_domain::*;",
        "#[cfg(test)]",
        "#[allow(dead_code)]",
        "pub(crate) mod testing;",
        "}",
    ];
    for line in code.filter(|line| !domain.contains(line)) {
        let name = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';'));
        let name = name.unwrap_or_else(|| panic!("src/lib.rs does more than declare: {line}"));
        assert!(LEAVES.contains(&name) || row(name).is_some(), "{name} has no place in the order of imports");
    }
}

/// What the checker says of one made-up source.
fn said_of(file: &str, text: &str) -> String {
    let found = check(&[(file.to_owned(), text.to_owned())]);
    found.into_iter().collect::<Vec<_>>().join("\n")
}

#[test]
fn the_checker_finds_imports_against_the_order() {
    for (file, text, says) in [
        ("src/domain/plan/entries.rs", "use amlnet::azure::Arm;", "domain imports azure"),
        ("src/domain/plan/entries.rs", "fn f() { amlnet::feed::poll() }", "domain imports feed"),
        ("src/domain/plan/entries.rs", "use super::super::super::api::Spec;", "domain imports api"),
        ("src/domain/plan/mod.rs", "fn f() -> super::super::store::World { g() }", "domain imports store"),
        ("src/domain/prefix.rs", "use amlnet::{domain::plan, telemetry::{self, span}};", "domain imports telemetry"),
        ("src/api/mod.rs", "use crate::metrics::Counter;", "api imports metrics"),
        ("src/api/mod.rs", "use crate::feed as other;", "api imports feed"),
        ("src/azure/mod.rs", "use crate::{api, store::{World}};", "azure imports store"),
        ("src/store/files/mod.rs", "use super::super::azure;", "store imports azure"),
        ("src/feed/page.rs", "mod inner { use super::super::super::azure; }", "feed imports azure"),
        ("src/reconcile/target.rs", "impl From<crate::commands::Plan> for X {}", "reconcile imports commands"),
        ("src/app.rs", "pub use amlnet::commands::run;", "app imports commands"),
        ("src/commands/plan.rs", "fn f() { let x = crate::main::Args { a: 1 }; }", "commands imports main"),
        ("src/telemetry.rs", "use crate::domain::prefix::Prefix;", "the leaf telemetry imports domain"),
        ("src/feed/mod.rs", "use crate::*;", "the crate as a whole is imported"),
        ("src/feed/mod.rs", "use super::*;", "the crate as a whole is imported"),
        ("src/telemetry.rs", "use amlnet_domain::prefix::Prefix;", "the leaf telemetry imports domain"),
        ("src/gadgets.rs", "use crate::domain::prefix;", "gadgets has no place in the order"),
        ("src/app.rs", "use crate::gadgets::x;", "gadgets has no place in the order"),
        (
            "src/domain/x.rs",
            "#[cfg(test)]\nmod tests { use amlnet::azure; }\nuse amlnet::store;",
            "domain imports store",
        ),
        ("src/domain/x.rs", "macro_rules! m { () => { amlnet::azure::x() } }", "domain imports azure"),
        ("src/domain/x.rs", "fn f<'a>(x: &'a str) -> char { amlnet::azure::x(); 'a' }", "domain imports azure"),
    ] {
        assert!(said_of(file, text).contains(says), "{file}: {text}: {:?}", said_of(file, text));
    }
}

#[test]
fn the_checker_finds_what_is_impure() {
    for (text, says) in [
        ("use kube::Api;", "it names kube"),
        ("fn f() { ::tokio::spawn(g()); }", "it names tokio"),
        ("async fn f() { reqwest::get(url).await; }", "it names reqwest"),
        ("use azure_mgmt_network as network;", "it names azure_mgmt_network"),
        ("use std::{fmt, fs};", "it names std::fs"),
        ("use std::fs;", "it names std::fs"),
        ("fn f() { std::env::var(name); }", "it names std::env"),
        ("use std::net::{IpAddr, TcpStream};", "of std::net only"),
        ("use std::net;", "of std::net only"),
        ("use std::net::*;", "of std::net only"),
        ("use std::time::{Duration, SystemTime};", "of std::time only"),
        ("use std::time;", "of std::time only"),
        ("use std::*;", "it imports std"),
        ("fn f() { let at = jiff::Timestamp::now(); }", "it reads a clock"),
        ("fn f() { Zoned::now (); }", "it reads a clock"),
        ("fn f() { Uuid::new_v4(); }", "it names Uuid"),
        ("fn f() { tracing::info!(\"x\"); }", "it names tracing"),
        ("fn f() { println!(\"x\"); }", "it prints"),
        ("use std::collections::{BTreeMap, HashMap};", "it names HashMap"),
        ("use chrono::Utc;", "it imports chrono"),
        ("fn f() { std::thread::sleep(d); }", "it names std::thread"),
        ("use rand::Rng;", "it names rand"),
    ] {
        assert!(said_of("src/domain/x.rs", text).contains(says), "{text}: {:?}", said_of("src/domain/x.rs", text));
    }
}

#[test]
fn the_checker_lets_pass_what_is_allowed() {
    for (file, text) in [
        ("src/main.rs", "use amlnet::{commands, telemetry, app::App};"),
        ("src/commands/plan.rs", "use crate::{app, azure::Arm, domain::plan, feed, metrics, reconcile, store};"),
        ("src/azure/kind/mod.rs", "use crate::api; use super::super::azure::error; use super::{self as x, error::*};"),
        ("src/feed/mod.rs", "use crate::domain::*; mod page; use page::Link; pub(crate) fn f() {}"),
        ("src/domain/x.rs", "// use amlnet::azure;\n/* amlnet::store /* nested */ tokio::spawn */ //! std::fs\n"),
        (
            "src/domain/x.rs",
            "const A: &str = \"amlnet::azure\"; const B: &str = r#\"a \" tokio::spawn\"#; const C: char = '\"';",
        ),
        ("src/domain/x.rs", "#[cfg(test)]\n#[path = \"x_tests.rs\"]\nmod tests;\nuse std::net::{IpAddr, Ipv4Addr};"),
        ("src/domain/x.rs", "#[cfg(test)]\nmod tests { use amlnet::azure; fn f() { std::fs::read(\"}\"); } }"),
        ("src/domain/x.rs", "#[cfg(test)]\nuse std::fs; use std::collections::BTreeMap;"),
        (
            "src/domain/x.rs",
            "use std::time::Duration; use jiff::Timestamp; fn f(now: Timestamp) { g(now); queue.next(now) }",
        ),
        ("src/domain/x.rs", "use super::plan::{Step, entries}; use crate::prefix::Prefix; use Mode::Sync;"),
        (
            "src/domain/x.rs",
            "#[derive(thiserror::Error, serde::Serialize)] pub(super) struct E; pub(in crate::plan) fn f() {}",
        ),
        ("src/domain/x.rs", "fn f<'a>(x: &'a str) -> impl Iterator<Item = char> + use<'a> { x.chars() }"),
        ("src/lib.rs", "pub mod domain { pub use amlnet_domain::*; } pub mod azure;"),
    ] {
        assert_eq!(said_of(file, text), "", "{text}");
    }
}

#[test]
fn a_file_that_is_compiled_for_tests_only_is_not_checked() {
    let file = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let testing = file("src/domain/testing.rs", "use amlnet::azure; fn f() { std::fs::read(x); }");
    let with = |declaration: &str| check(&[testing.clone(), file("src/domain/lib.rs", declaration)]);
    assert_eq!(with("#[cfg(test)]\npub(crate) mod testing;"), BTreeSet::new());
    assert_eq!(with("pub(crate) mod testing;").len(), 3);
}
