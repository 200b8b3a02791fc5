//! `make dev` as a user has it: the program is started, what it prints is typed, and it is stopped.

// A test that cannot go on fails where it stands, with the line.
#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

const START_WITHIN: Duration = Duration::from_secs(180);
const WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Waits for a condition; what is missing is named when it does not come about.
#[track_caller]
fn wait_until(what: &str, within: Duration, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + within;
    while !is_so() {
        assert!(Instant::now() < deadline, "not within {} s: {what}", within.as_secs());
        std::thread::sleep(LOOK_EVERY);
    }
}

fn send(signal: &str, process: &str) {
    // The shell's own `kill`: not every machine has one as a program.
    let sent = Command::new("sh").args(["-c", "kill \"$0\" \"$1\"", signal, process]).status().unwrap();
    assert!(sent.success(), "{signal} to {process}");
}

/// The program while it runs. It ends with its standard input, so with this value and with the test.
struct Dev {
    child: Child,
    _input: ChildStdin,
    said: Vec<String>,
}

impl Dev {
    fn start() -> Self {
        // Where they have to be built first, that is no part of what is measured.
        cluster::Binaries::find().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_amlnet-dev"))
            .arg("--until-stdin-closes")
            // Somebody else's settings, which are neither used nor changed.
            .env("KUBECONFIG", "/nobody/has/this")
            .env("AMLNET_READ_ONLY", "true")
            .env("AZURE_CLIENT_ID", "somebody")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let lines = lines(&mut child);
        let (mut said, deadline) = (Vec::new(), Instant::now() + START_WITHIN);
        let input = child.stdin.take().unwrap();
        loop {
            let line = lines.recv_timeout(deadline.saturating_duration_since(Instant::now()));
            let line = line.unwrap_or_else(|error| panic!("{error} after:\n{}", said.join("\n")));
            let is_last = line.contains("Ctrl-C here ends it");
            said.push(line);
            if is_last {
                break Self { child, _input: input, said };
            }
        }
    }

    /// What is to be typed, in its blocks.
    fn blocks(&self) -> Vec<Vec<String>> {
        let mut blocks = vec![Vec::new()];
        for line in &self.said {
            match line.strip_prefix("    ") {
                Some(command) => blocks.last_mut().unwrap().push(command.to_owned()),
                None if blocks.last().unwrap().is_empty() => {}
                None => blocks.push(Vec::new()),
            }
        }
        blocks
    }

    /// The folder of everything that it writes.
    fn folder(&self) -> PathBuf {
        let export = self.said.iter().find_map(|line| line.trim().strip_prefix("export KUBECONFIG=")).unwrap();
        Path::new(export).ancestors().nth(2).unwrap().to_owned()
    }

    fn end(mut self) -> ExitStatus {
        let mut status = None;
        wait_until("the end of the program", WITHIN, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }
}

fn lines(child: &mut Child) -> Receiver<String> {
    let (sender, receiver) = channel();
    let output = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            // Whoever has read enough stops listening; the program goes on.
            let _ = sender.send(line);
        }
    });
    receiver
}

/// One shell in which lines are typed: what was exported before counts.
struct Shell {
    home: tempfile::TempDir,
    exports: Vec<String>,
}

impl Shell {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap(), exports: Vec::new() }
    }

    fn run(&mut self, line: &str) -> Output {
        let text = [self.exports.join("\n"), line.to_owned()].join("\n");
        if line.starts_with("export ") || line.starts_with(". ") {
            self.exports.push(line.to_owned());
        }
        Command::new("sh").args(["-c", &text]).env("HOME", self.home.path()).output().unwrap()
    }

    #[track_caller]
    fn ok(&mut self, line: &str) -> String {
        let output = self.run(line);
        assert_eq!(output.status.code(), Some(0), "{line}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn all(&mut self, block: &[String]) -> String {
        block.iter().map(|line| self.ok(line)).collect()
    }

    fn field(&mut self, path: &str) -> String {
        self.ok(&format!("kubectl get amln ml -o jsonpath='{{{path}}}'"))
    }

    fn ready(&mut self) -> String {
        self.field(".status.conditions[?(@.type==\"Ready\")].reason")
    }
}

/// The processes that have something to do with a folder; `None` on machines that do not tell.
fn processes_of(folder: &Path) -> Option<usize> {
    let all = std::fs::read_dir("/proc").ok()?.filter_map(Result::ok);
    let lines = all.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    let name = folder.file_name().unwrap().to_string_lossy().into_owned();
    let found = lines.filter(|line| String::from_utf8_lossy(line).contains(&name)).count();
    Path::new("/proc/self/cmdline").exists().then_some(found)
}

fn nothing_is_left_of(folder: &Path) {
    wait_until("the end of every process and of the folder", WITHIN, || {
        processes_of(folder).is_none_or(|found| found == 0) && !folder.exists()
    });
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn what_it_prints_can_be_typed_and_does_what_it_says() {
    let dev = Dev::start();
    let mut shell = Shell::new();
    if shell.run("command -v curl").status.code() != Some(0) {
        eprintln!("skipped: there is no curl, which is what one types here");
        return;
    }
    let blocks = dev.blocks();
    let [look, publish, approve, after] = &blocks[..4] else { panic!("{blocks:?}") };

    let shown = shell.all(look);
    assert!(shown.contains("servicetagfeed.amlnet.dev/public") && shown.contains("InSync"), "{shown}");
    let number = |shell: &mut Shell| shell.field(".status.document.changeNumber");
    let entries = |shell: &mut Shell| shell.field(".status.targets[0].entries").parse::<u32>().unwrap();
    let (first, few) = (number(&mut shell), entries(&mut shell));

    shell.all(publish);
    wait_until("new prefixes", WITHIN, || number(&mut shell) != first && shell.ready() == "InSync");
    let many = entries(&mut shell);
    assert!(many > few, "{few} {many}");

    shell.all(publish);
    wait_until("a removal that waits for a person", WITHIN, || shell.ready() == "ApprovalNeeded");
    let plan = approve.iter().position(|line| line.starts_with("amlnet plan")).unwrap();
    shell.all(&approve[..plan]);
    let planned = shell.run(&approve[plan]);
    assert_eq!(planned.status.code(), Some(3), "{planned:?}");
    let waits = shell.field(".status.targets[0].pendingHash");
    assert!(String::from_utf8_lossy(&planned.stdout).contains(&waits), "{waits} {planned:?}");
    shell.all(&approve[plan + 1..]);
    wait_until("the removal", WITHIN, || entries(&mut shell) == many - 1 && shell.ready() == "InSync");

    let shown = shell.all(after);
    let names = shown.matches("\"name\":\"amlnet.dev.").count();
    assert_eq!(u32::try_from(names), Ok(many - 1), "{shown}");

    // Ctrl-C goes to everything that the terminal started.
    let folder = dev.folder();
    assert!(processes_of(&folder).is_none_or(|found| found >= 4));
    send("-INT", &format!("-{}", dev.child.id()));
    assert_eq!(dev.end().code(), Some(0));
    nothing_is_left_of(&folder);
}

#[test]
fn nothing_survives_it_when_it_is_killed() {
    let dev = Dev::start();
    let folder = dev.folder();
    assert!(folder.join("dev/amlnet.log").is_file());
    send("-KILL", &dev.child.id().to_string());
    assert!(!dev.end().success());
    nothing_is_left_of(&folder);
}

#[test]
fn without_go_it_says_what_to_install() {
    let empty = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_amlnet-dev"))
        .env_remove("KUBEBUILDER_ASSETS")
        .env("PATH", empty.path())
        .env("XDG_CACHE_HOME", empty.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(said.contains("Install Go") && said.contains("kube-apiserver"), "{said}");
}
