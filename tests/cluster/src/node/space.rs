//! The network and the machine of a node: Linux namespaces that end with this process, however it ends, and with them
//! everything that was started in them. Nothing here knows what runs there.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::Error;

/// Loopback with the node's addresses, and no way out. A pod reaches these addresses through the bridge.
const NETWORK: &str = r#"
set -e
"$1" link set lo up
ip=$1
shift
for address; do "$ip" address add "$address/32" dev lo; done
echo ready
read -r _ || :
"#;

/// As the first of its processes: when the pipe ends it ends, and the kernel kills all others. What would lie below
/// /var/lib, /var/log and /run of this computer lies in the folder, or in memory that a restart forgets. It waits for
/// its reader rather than for the pipe, as `wait` also buries the orphans that a first process is left with.
const MACHINE: &str = r#"
set -e
mount --bind "$1/var-lib" /var/lib
mount --bind "$1/var-log" /var/log
mount -t tmpfs -o mode=755 tmpfs /run
echo ready
exec 3<&0 </dev/null
read -r _ <&3 &
reader=$!
exec 3<&-
wait "$reader" || :
"#;

/// A shell that keeps a namespace. It ends with the pipe that only this process writes to.
#[derive(Debug)]
struct Keeper {
    shell: Child,
    pipe: Option<ChildStdin>,
}

impl Keeper {
    fn start(what: &'static str, mut command: Command) -> Result<Self, Error> {
        let mut shell = command
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|source| Error::Spawn { program: command.get_program().to_string_lossy().into_owned(), source })?;
        let pipe = shell.stdin.take();
        let mut keeper = Self { shell, pipe };
        let mut line = String::new();
        if let Some(out) = keeper.shell.stdout.take() {
            // Without an answer the line stays empty.
            let _ = BufReader::new(out).read_line(&mut line);
        }
        if line.trim() == "ready" {
            return Ok(keeper);
        }
        keeper.pipe = None;
        let mut said = String::new();
        if let Some(mut err) = keeper.shell.stderr.take() {
            let _ = err.read_to_string(&mut said);
        }
        Err(Error::Namespace { what, why: said.trim().to_owned() })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.pipe = None;
        // Without a child to wait for there is nothing left to end.
        let _ = self.shell.wait();
    }
}

/// A network that only its bridge and its own loopback belong to.
#[derive(Debug)]
pub(super) struct Network {
    keeper: Keeper,
}

impl Network {
    pub(super) fn start(ip: &Path, addresses: &[std::net::Ipv4Addr]) -> Result<Self, Error> {
        let mut command = Command::new("unshare");
        command.args(["--net", "--", "sh", "-c", NETWORK, "network"]).arg(ip);
        command.args(addresses.iter().map(ToString::to_string));
        Ok(Self { keeper: Keeper::start("a network", command)? })
    }

    pub(super) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/net", self.keeper.shell.id()))
    }

    /// Runs it on a thread of this network. Threads and sockets that it makes are of this network too, and stay so.
    pub(super) fn within<T: Send>(&self, action: impl FnOnce() -> T + Send) -> std::io::Result<T> {
        let namespace = File::open(self.path())?;
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
                Ok(action())
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// The program, seeing nothing but this network.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path().display())).arg("--").arg(program);
        command
    }
}

/// Processes, mounts and a folder for what is in memory, on a network.
#[derive(Debug)]
pub(super) struct Machine {
    keeper: Keeper,
    first: u32,
}

impl Machine {
    pub(super) fn start(network: &Network, folder: &Path) -> Result<Self, Error> {
        for name in ["var-lib", "var-log"] {
            let path = folder.join(name);
            std::fs::create_dir_all(&path).map_err(Error::file("cannot make", path))?;
        }
        let mut command = network.command(Path::new("unshare"));
        command.args(["--pid", "--mount", "--fork", "--kill-child=KILL", "--mount-proc", "--"]);
        command.args(["sh", "-c", MACHINE, "machine"]).arg(folder);
        let keeper = Keeper::start("a machine", command)?;
        let first = child_of(keeper.shell.id())
            .ok_or_else(|| Error::Namespace { what: "a machine", why: "its first process was not found".to_owned() })?;
        Ok(Self { keeper, first })
    }

    /// The program among the processes of the machine. It dies with the process that starts it.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={}", self.first)).args(["--net", "--pid", "--mount", "--"]);
        command.args(["setpriv", "--pdeathsig", "KILL", "--"]).arg(program);
        command
    }

    /// How this computer sees a path of the machine.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.first))
    }

    /// Like a power cut: every process ends at once, and what was in memory is gone.
    pub(super) fn end(self) {
        drop(self.keeper);
    }
}

fn child_of(parent: u32) -> Option<u32> {
    let processes = std::fs::read_dir("/proc").ok()?;
    processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).find(|process: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        line.is_some_and(|pid| pid.trim() == parent.to_string())
    })
}
