//! The binary as a subprocess: its output, its exit code, its end.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// No command of a test takes longer, by far, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(120);
/// What is waited for comes after milliseconds or after seconds: one looks less often the longer it takes, as each look
/// may be a request, and the other tests need the processor.
const LOOKS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(100));

/// Waits until `condition` holds, and fails when it does not in time.
#[track_caller]
pub(crate) fn wait_until(what: &str, condition: impl FnMut() -> bool) {
    assert!(holds_within(PATIENCE / 2, condition), "not in time: {what}");
}

fn holds_within(patience: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let started = Instant::now();
    loop {
        if condition() {
            return true;
        }
        if started.elapsed() > patience {
            return false;
        }
        std::thread::sleep((started.elapsed() / 10).clamp(LOOKS.0, LOOKS.1));
    }
}

/// What a command left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Standard output as one JSON value.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}\nstdout:\n{}\nstderr:\n{}", self.stdout, self.stderr))
    }

    /// Both outputs.
    pub(crate) fn all(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }

    #[track_caller]
    pub(crate) fn says(&self, texts: &[&str]) {
        for text in texts {
            assert!(self.all().contains(text), "{text:?} is missing in:\n{}", self.all());
        }
    }
}

/// Runs a command to its end. Output goes through files: a pipe that nobody reads would stop it.
#[track_caller]
pub(super) fn run(command: Command, folder: &Path, stdin: Option<&str>) -> Ran {
    let mut process = Process::start(command, folder, stdin);
    let code = process.wait();
    Ran { code, stdout: process.read("out"), stderr: process.read("err") }
}

/// A process that does not outlive its test.
#[derive(Debug)]
struct Process {
    child: Child,
    output: tempfile::TempDir,
}

impl Process {
    fn start(mut command: Command, folder: &Path, stdin: Option<&str>) -> Self {
        let output = tempfile::tempdir_in(folder).unwrap();
        let file = |name| File::create(output.path().join(name)).unwrap();
        let input = match stdin {
            Some(text) => {
                let path = output.path().join("in");
                std::fs::write(&path, text).unwrap();
                Stdio::from(File::open(path).unwrap())
            }
            None => Stdio::null(),
        };
        let child = command.stdin(input).stdout(file("out")).stderr(file("err")).spawn().unwrap();
        Self { child, output }
    }

    #[track_caller]
    fn wait(&mut self) -> i32 {
        let mut status = None;
        let ended = holds_within(PATIENCE, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        assert!(ended, "it does not end:\n{}\n{}", self.read("out"), self.read("err"));
        status.unwrap().code().unwrap_or(-1)
    }

    fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&std::fs::read(self.output.path().join(name)).unwrap()).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A running controller.
#[derive(Debug)]
pub(crate) struct Controller(Process);

impl Controller {
    pub(super) fn start(command: Command, folder: &Path) -> Self {
        Self(Process::start(command, folder, None))
    }

    pub(crate) fn log(&self) -> String {
        format!("{}{}", self.0.read("out"), self.0.read("err"))
    }

    /// As the function, and says what the controller said where the condition does not come to hold.
    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, condition: impl FnMut() -> bool) {
        assert!(holds_within(PATIENCE / 2, condition), "not in time: {what}; the controller said:\n{}", self.log());
    }

    /// Sends SIGTERM, waits for the end, and returns the exit code, the time that took and the log.
    #[track_caller]
    pub(crate) fn terminate(mut self) -> (i32, Duration, String) {
        let started = Instant::now();
        let pid = self.0.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let code = self.0.wait();
        (code, started.elapsed(), self.log())
    }

    /// Sends it a signal by its name, such as STOP.
    #[track_caller]
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.0.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    #[allow(dead_code, reason = "for the tests in Kubernetes")]
    /// Waits until it has ended by itself, and returns the exit code and the log.
    #[track_caller]
    pub(crate) fn end(mut self) -> (i32, String) {
        let code = self.0.wait();
        (code, self.log())
    }

    /// Ends it at once, as a crash does, and returns the log.
    pub(crate) fn kill(mut self) -> String {
        self.0.child.kill().unwrap();
        self.0.child.wait().unwrap();
        self.log()
    }
}

/// Where the binary under test is.
pub(super) fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_amlnet"))
}
