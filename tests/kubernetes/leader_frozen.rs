//! A leader that is frozen for longer than its lease, in the middle of its writes, and then goes on.

use std::net::SocketAddr;

use cluster::{ADMIN, Proxy};
use serde_json::{Value, json};

use crate::leader::{ONE, Pair, SHORT, SLOW, TWO, ready};

/// An answer that finds the leader frozen.
const UNHEARD: &str = "unheard";

/// Freezes the leader when so many writes have arrived, and lets it go on while the next one is in its own.
#[track_caller]
fn frozen_at(write: usize, fault: Option<Value>) {
    let pair = Pair::start(&json!({"latencies": {"route": SLOW}}));
    if let Some(effect) = fault {
        let put = json!({"method": "PUT", "pathContains": "/routes/", "nth": write});
        pair.kube.sim.fault(json!({"match": put, "effect": effect}));
    }
    let (one, two) = pair.both(&pair.kube.cluster.kubeconfig(ADMIN), &SHORT);
    one.wait_until("the moment", || pair.writes_of(ONE) >= write);
    one.signal("STOP");
    pair.kube.sim.release(UNHEARD);
    two.wait_until("that the second writes", || pair.writes_of(TWO) >= 3);
    one.signal("CONT");
    let (code, log) = one.end();
    assert_eq!(code, 1, "{log}");
    assert!(log.contains("the lease is lost"), "{log}");
    pair.converges(&two);
    pair.assert_wrote_in_turn(&[ONE, TWO]);
}

#[test]
fn before_its_first_write_was_answered() {
    frozen_at(1, Some(json!({"hold": {"key": UNHEARD}})));
}

#[test]
fn while_its_writes_come_one_after_the_other() {
    frozen_at(7, None);
}

#[test]
fn while_the_answer_to_a_write_was_lost() {
    frozen_at(12, Some(json!("dropAfterCommit")));
}

#[test]
fn while_azure_tells_it_to_write_again() {
    let body = json!({"error": {"code": "InternalServerError", "message": "An error occurred."}});
    frozen_at(20, Some(json!({"status": {"code": 500, "body": body}})));
}

/// Whether somebody has a connection to this address, as the kernel's list tells it.
fn is_connected(to: SocketAddr) -> bool {
    let port = format!(":{:04X}", to.port());
    let list = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let fields = list.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    fields.into_iter().any(|fields| fields[2].ends_with(&port) && fields[3] == "01")
}

/// Connecting has a limit of ten seconds, and the other one has to lead before that.
const SHORTER: [&str; 6] = ["--lease-duration", "3s", "--lease-renew-deadline", "2s", "--lease-retry-period", "1s"];

/// The lease was looked at, and the connection for the write is being made: that is all that the process knows when it
/// goes on.
#[test]
fn while_it_connects_for_its_next_write() {
    let pair = Pair::start(&json!({"latencies": {"route": SLOW}}));
    let sim = &pair.kube.sim;
    let proxy = Proxy::to(sim.arm().trim_start_matches("https://").parse().unwrap()).unwrap();
    let later = json!({"status": {"code": 503, "headers": {"retry-after": "5"}}});
    sim.fault(json!({"match": {"method": "PUT", "pathContains": "/routes/"}, "effect": later}));
    let mut command = pair.command(ONE, &pair.kube.cluster.kubeconfig(ADMIN), &SHORTER);
    command.env("AMLNET_ARM_ENDPOINT", format!("https://{}", proxy.address()));
    let one = sim.background(command);
    one.wait_until("a write that has to be repeated", || pair.writes_of(ONE) == 1);
    proxy.refuse();
    proxy.hold();
    let two = pair.replica(TWO, &SHORTER);
    one.wait_until("a new connection", || is_connected(proxy.address()));
    one.signal("STOP");
    proxy.heal();
    two.wait_until("that the second is ready", || ready(&two).0 == 200);
    two.wait_until("that the second writes", || pair.writes_of(TWO) > 0);
    one.signal("CONT");
    let (code, log) = one.end();
    assert_eq!(code, 1, "{log}");
    pair.converges(&two);
    pair.assert_wrote_in_turn(&[ONE, TWO]);
    assert!(log.contains("this process was frozen"), "{log}");
}
