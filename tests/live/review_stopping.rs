//! The end, asked for while somebody does not answer, and a login host that is not there.

use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Controller, Counts, Sim, TABLE, assert_clean, central, east, ours};

/// Less than the shortest limit of a request, which are the ten seconds to connect; what takes milliseconds alone may
/// take seconds on a machine that is busy.
const SOON: Duration = Duration::from_secs(9);

/// An address where nobody listens.
fn closed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// An address where connections are made and nothing is ever said.
struct Silent(TcpListener);

impl Silent {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn address(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }

    fn called(&self, calls: &mut Vec<TcpStream>) -> bool {
        calls.extend(self.0.accept().ok().map(|(stream, _)| stream));
        !calls.is_empty()
    }
}

fn with_login_at(sim: &Sim, address: &str, arguments: &[&str]) -> Command {
    let host = format!("https://{address}/");
    let mut command = sim.command(&[arguments, &["--authority-host", &host]].concat());
    command.env_remove("AMLNET_AUTHORITY_HOST");
    command
}

const RUN: [&str; 5] = ["run", "--dir", "dir", "--state", "state"];

#[track_caller]
fn assert_finished_by_the_next(sim: &Sim) {
    sim.once(&[]).exits(0);
    let history = sim.history(TABLE);
    assert_eq!(ours(&history).len(), 7);
    assert_clean(&history, (0..4).map(east).chain((0..3).map(central)));
}

#[track_caller]
fn assert_ends_soon(controller: Controller, code: i32) {
    let (ended, took, log) = controller.terminate();
    assert!(took < SOON, "{took:?}: {log}");
    assert_eq!(ended, code, "{log}");
}

#[test]
fn sigterm_ends_soon_while_a_write_is_not_answered() {
    for (nth, once) in [(1, false), (3, false), (3, true)] {
        let sim = Sim::start();
        sim.usual(json!({}));
        let put = json!({"method": "PUT", "pathContains": "/routes/", "nth": nth});
        sim.fault(json!({"match": put, "effect": "withhold"}));
        let controller = sim.controller(if once { &["--once"] } else { &[] });
        controller.wait_until("the write", || Counts::of(&sim.log(), TABLE).put_route == nth);
        // What is left to do is 2, where somebody asked once.
        assert_ends_soon(controller, if once { 2 } else { 0 });
        assert_finished_by_the_next(&sim);
        assert_eq!(Counts::of(&sim.log(), TABLE).put_route, 7, "Azure had done it, so it is not written again");
    }
}

#[test]
fn sigterm_ends_soon_while_reads_and_the_page_are_not_answered() {
    for (what, asked) in [
        ("the table", json!({"method": "GET", "pathContains": "/routeTables/"})),
        ("an operation", json!({"method": "GET", "pathContains": "/operations/"})),
        ("the limits", json!({"method": "GET", "pathContains": "/usages"})),
        ("the page", json!({"server": "downloadPage"})),
        ("the login", json!({"server": "login"})),
    ] {
        let sim = Sim::start();
        sim.usual(json!({}));
        let part = asked["pathContains"].as_str().unwrap_or("/").to_ascii_lowercase();
        let is_asked = |entry: &armsim::model::log::LogEntry| {
            let server = serde_json::to_value(entry.server).unwrap();
            server == asked["server"].as_str().unwrap_or("arm") && entry.url.to_ascii_lowercase().contains(&part)
        };
        sim.fault(json!({"match": asked, "times": 0, "effect": "withhold"}));
        let controller = sim.controller(&[]);
        controller.wait_until(what, || sim.log().iter().any(is_asked));
        assert_ends_soon(controller, 0);
        sim.clear_faults();
        assert_finished_by_the_next(&sim);
    }
}

#[test]
fn sigterm_ends_soon_while_the_login_host_is_not_there() {
    let sim = Sim::start();
    sim.usual(json!({}));
    let controller = sim.background(with_login_at(&sim, &closed(), &RUN));
    controller.wait_until("the failure", || sim.status("ml")["targets"][0]["state"] == "Failed");
    assert_ends_soon(controller, 0);

    let silent = Silent::new();
    let mut calls = Vec::new();
    let controller = sim.background(with_login_at(&sim, &silent.address(), &RUN));
    controller.wait_until("the call", || silent.called(&mut calls));
    assert_ends_soon(controller, 0);
    assert_eq!(Counts::of(&sim.log(), TABLE), Counts::default(), "nobody was asked without a token");
    assert_finished_by_the_next(&sim);
}

#[test]
fn a_plan_without_a_login_host_ends_and_says_why() {
    let sim = Sim::start();
    let (feed, network) = sim.usual(json!({}));
    let plan = ["plan", "-f", feed.to_str().unwrap(), "-f", network.to_str().unwrap()];
    let silent = Silent::new();
    for (address, cause) in [(closed(), "onnection refused"), (silent.address(), "timed out")] {
        let started = Instant::now();
        let ran = sim.ran(with_login_at(&sim, &address, &plan)).exits(1);
        assert!(started.elapsed() < Duration::from_secs(40), "{:?}", started.elapsed());
        assert!(ran.all().contains(&address) || ran.all().contains(cause), "{}", ran.all());
        assert!(!ran.all().contains(&sim.secret()));
    }
}
