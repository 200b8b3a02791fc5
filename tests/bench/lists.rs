//! Lists as a firewall fetches them: whole requests over loopback, the load on the same processors as the server.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::{Stopped, mib};

const PATIENCE: Duration = Duration::from_secs(60);
const SPAN: Duration = Duration::from_secs(5);
/// Connections at the same time, each asking again as soon as it is answered.
const CLIENTS: usize = 8;
const PATH: &str = "/lists/default/ml/all";

pub(crate) fn measure(folder: &Path, document: &Path) {
    let (objects, state) = (folder.join("list-objects"), folder.join("list-state"));
    std::fs::create_dir_all(&objects).expect("the temporary folder");
    // The base profile of a large region: a realistic list.
    let yaml = format!(
        "apiVersion: amlnet.dev/v1alpha1\nkind: ServiceTagFeed\nmetadata: {{name: public}}\n\
         spec: {{cloud: Public, sources: [{{file: {{path: \"{}\"}}}}]}}\n---\n\
         apiVersion: amlnet.dev/v1alpha1\nkind: AmlNetwork\nmetadata: {{name: ml}}\n\
         spec: {{region: eastus2, mode: Observe, ipFamilies: [IPv4, IPv6], outbound: {{edition: \"2026-03\",\n\
         \x20 profiles: [Base], lists: [{{name: all}}]}}}}\n",
        document.display()
    );
    std::fs::write(objects.join("ml.yaml"), yaml).expect("the temporary folder");
    let at = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its number");
    let child = Command::new(env!("CARGO_BIN_EXE_amlnet"))
        .args(["run", "--installation-id", "bench", "--log", "off", "--http-listen", &at.to_string(), "--dir"])
        .arg(&objects)
        .arg("--state")
        .arg(&state)
        .env("AZURE_TENANT_ID", "none")
        .env("AZURE_CLIENT_ID", "none")
        .env("AZURE_CLIENT_SECRET", "none")
        .stdout(Stdio::null())
        .spawn()
        .expect("amlnet");
    let child = Stopped(child);
    let deadline = Instant::now() + PATIENCE;
    let whole = loop {
        if let Some(whole) =
            TcpStream::connect(at).ok().map(|stream| Client::new(stream).ask("")).filter(|a| a.status == 200)
        {
            break whole;
        }
        assert!(Instant::now() < deadline, "no list in time");
        std::thread::sleep(Duration::from_millis(50));
    };
    let entries = whole.body.split(|byte| *byte == b'\n').count() - 1;
    println!("list: {entries} entries, {:.0} KiB", whole.body.len() as f64 / 1024.0);
    let etag = format!("If-None-Match: {}\r\n", whole.etag);
    figure("304", rate(at, &etag, 304, 0), 5000);
    figure("whole, gzip", rate(at, "Accept-Encoding: gzip\r\n", 200, 100), 1000);
    figure("whole", rate(at, "", 200, whole.body.len()), 1000);
    let text = std::fs::read_to_string(format!("/proc/{}/status", child.0.id())).expect("its memory");
    let line = text.lines().find(|line| line.starts_with("VmHWM")).expect("the line");
    let peak: u64 = line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number");
    println!("lists, peak memory of the server: {:.1} MiB", mib(peak));
}

fn figure(what: &str, rate: f64, least: u32) {
    println!("lists, {what}: {rate:.0} requests/s (at least {least}); ratio {:.2}", f64::from(least) / rate);
}

struct Answer {
    status: u16,
    etag: String,
    body: Vec<u8>,
}

/// A connection that is kept.
struct Client(BufReader<TcpStream>);

impl Client {
    fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("a socket");
        Self(BufReader::with_capacity(64 << 10, stream))
    }

    fn ask(&mut self, headers: &str) -> Answer {
        write!(self.0.get_mut(), "GET {PATH} HTTP/1.1\r\nHost: amlnet\r\n{headers}\r\n").expect("the request");
        let mut answer = Answer { status: 0, etag: String::new(), body: Vec::new() };
        let (mut line, mut length) = (String::new(), 0);
        loop {
            line.clear();
            assert!(self.0.read_line(&mut line).expect("the answer") > 0, "the server closed the connection");
            let text = line.trim_end();
            if answer.status == 0 {
                answer.status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
            } else if text.is_empty() {
                break;
            } else if let Some((name, value)) = text.split_once(": ") {
                match name {
                    "content-length" => length = value.parse().expect("a length"),
                    "etag" => value.clone_into(&mut answer.etag),
                    _ => {}
                }
            }
        }
        answer.body.resize(length, 0);
        self.0.read_exact(&mut answer.body).expect("the body");
        answer
    }
}

/// Requests a second that were answered like this.
fn rate(at: SocketAddr, headers: &str, status: u16, least_bytes: usize) -> f64 {
    let (count, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut client = Client::new(TcpStream::connect(at).expect("a connection"));
                while !stop.load(Ordering::Relaxed) {
                    let answer = client.ask(headers);
                    assert!(answer.status == status && answer.body.len() >= least_bytes, "{}", answer.status);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(SPAN);
        stop.store(true, Ordering::Relaxed);
    });
    count.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64()
}
