//! Programs: servers that do not outlive this process, and commands that end within a time.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::Error;

const LOOK_EVERY: Duration = Duration::from_millis(10);

/// The server runs beside a reader of a pipe that only this process writes to. When this process ends, however it
/// does, the pipe ends, and the reader kills the server. (`PR_SET_PDEATHSIG` would do it when the *thread* ends, and a
/// test's thread ends with the test.) Being in a process group of their own, both stay when the terminal interrupts the
/// tests, and go with the pipe.
const KEEPER: &str = r#"
exec 3<&0 </dev/null
"$@" 3<&- &
server=$!
{ read -r _; kill -KILL "$server"; } <&3 2>/dev/null &
reader=$!
exec 3<&-
wait "$server"
code=$?
kill -KILL "$reader" 2>/dev/null
exit "$code"
"#;

/// A program beside this process, its output in a file. Dropping it kills it and waits for its end.
#[derive(Debug)]
pub struct Server {
    program: &'static str,
    keeper: Child,
    pipe: Option<ChildStdin>,
    log: PathBuf,
}

impl Server {
    /// Starts it in `folder`, with the command's arguments and environment. Output is appended to `PROGRAM.log` there: a
    /// server that is started again goes on in the same file.
    pub fn start(program: &'static str, command: &Command, folder: &Path) -> Result<Self, Error> {
        let log = folder.join(format!("{program}.log"));
        let open = || File::options().create(true).append(true).open(&log);
        let out = open().map_err(Error::file("cannot write", &log))?;
        let err = open().map_err(Error::file("cannot write", &log))?;
        let mut shell = Command::new("sh");
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        let mut keeper = shell
            .args(["-c", KEEPER, program])
            .arg(command.get_program())
            .args(command.get_args())
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(out)
            .stderr(err)
            .process_group(0)
            .spawn()
            .map_err(|source| Error::Spawn { program: program.to_owned(), source })?;
        let pipe = keeper.stdin.take();
        Ok(Self { program, keeper, pipe, log })
    }

    /// Waits until `ready`. A server that ends before, or is not ready within `patience`, is an error with its log.
    pub fn wait_until(&mut self, patience: Duration, mut ready: impl FnMut() -> bool) -> Result<(), Error> {
        let deadline = Instant::now() + patience;
        loop {
            if ready() {
                return Ok(());
            }
            if let Ok(Some(status)) = self.keeper.try_wait() {
                return Err(self.error(format!("ended before it was ready ({status})")));
            }
            if Instant::now() > deadline {
                return Err(self.error(format!("was not ready within {} s", patience.as_secs())));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// An error, with the end of its log, once it has ended by itself.
    pub fn check(&mut self) -> Result<(), Error> {
        match self.keeper.try_wait() {
            Ok(Some(status)) => Err(self.error(format!("ended ({status})"))),
            _ => Ok(()),
        }
    }

    /// Where its output goes.
    pub fn log(&self) -> &Path {
        &self.log
    }

    fn error(&self, what: String) -> Error {
        Error::Server { program: self.program, what, log: end_of(&self.log) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.pipe = None;
        // Without a child to wait for there is nothing left to end.
        let _ = self.keeper.wait();
    }
}

/// The last lines, which is where the reason stands.
pub(crate) fn end_of(log: &Path) -> String {
    let text = std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// What a command left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// As a shell would say it: 128 + the signal for one that was killed.
    pub(crate) fn code(&self) -> i32 {
        self.status.code().or_else(|| self.status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
    }
}

/// Runs a command to its end, and kills it when that takes longer than `patience`. Input and output go through files:
/// a pipe that nobody reads would stop it.
pub(crate) fn run(command: &mut Command, stdin: Option<&str>, patience: Duration) -> std::io::Result<Ran> {
    let (mut out, mut err) = (tempfile::tempfile()?, tempfile::tempfile()?);
    let input = match stdin {
        None => Stdio::null(),
        Some(text) => {
            let mut file = tempfile::tempfile()?;
            file.write_all(text.as_bytes())?;
            file.rewind()?;
            file.into()
        }
    };
    let mut child = command.stdin(input).stdout(out.try_clone()?).stderr(err.try_clone()?).spawn()?;
    let deadline = Instant::now() + patience;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            let seconds = patience.as_secs();
            return Err(std::io::Error::new(std::io::ErrorKind::TimedOut, format!("did not end within {seconds} s")));
        }
        std::thread::sleep(LOOK_EVERY);
    };
    let read = |file: &mut File| -> std::io::Result<String> {
        let mut bytes = Vec::new();
        file.rewind()?;
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    Ok(Ran { status, stdout: read(&mut out)?, stderr: read(&mut err)? })
}
