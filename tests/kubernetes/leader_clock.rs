//! A clock that is wrong, or is stepped while a replica runs: leases are measured by the clock that only runs on.

use std::path::{Path, PathBuf};
use std::process::Command;

use cluster::ADMIN;
use serde_json::json;

use crate::leader::{ONE, Pair, SHORT, SLOW, TWO, ready};

/// The preload library of libfaketime, where a distribution or a build of one's own puts it.
fn libfaketime() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().map(|entry| entry.unwrap().path());
    let folders = folders.chain(["/usr/lib", "/usr/lib64", "/usr/local/lib"].map(PathBuf::from));
    folders.map(|folder| folder.join("faketime/libfaketime.so.1")).find(|path| path.exists())
}

/// The clock of a process: by what it differs from the machine's, in a file.
fn stepped(command: &mut Command, library: &Path, file: &Path) {
    command
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", file)
        .env("FAKETIME_NO_CACHE", "1")
        .env("DONT_FAKE_MONOTONIC", "1");
}

#[test]
#[expect(clippy::print_stdout, reason = "says why it is skipped")]
fn a_clock_that_is_stepped_neither_loses_nor_doubles_the_lease() {
    let Some(library) = libfaketime() else {
        println!("skipped: there is no libfaketime (Debian: apt-get install faketime)");
        return;
    };
    let pair = Pair::start(&json!({"latencies": {"route": SLOW}}));
    let kubeconfig = pair.kube.cluster.kubeconfig(ADMIN);
    // They differ by nine hours from the start.
    let clocks = [pair.kube.sim.write("clock-one", "-4h"), pair.kube.sim.write("clock-two", "+5h")];
    let start = |which: usize| {
        let mut command = pair.command(which, &kubeconfig, &SHORT);
        stepped(&mut command, &library, &clocks[which]);
        pair.kube.sim.background(command)
    };
    let one = start(ONE);
    one.wait_until("that the first leads", || pair.holder() == "one");
    let two = start(TWO);
    two.wait_until("that the second is ready", || ready(&two).0 == 200);
    let renewed = || {
        let lease = pair.kube.cluster.ask(ADMIN, "GET", &pair.lease(), None).unwrap().json();
        lease["spec"]["renewTime"].as_str().unwrap_or_default().to_owned()
    };
    let real = jiff::Timestamp::now();
    let by = |text: &str| text.parse::<jiff::Timestamp>().map_or(0, |time| time.duration_since(real).as_hours());
    for (step, hours) in [("+7h", 7), ("-9h", -9), ("+0", 0)] {
        pair.kube.sim.write("clock-one", step);
        pair.kube.sim.write("clock-two", if hours > 0 { "-3h" } else { "+26h" });
        // A renewal by the new clock, and as many as a lease is long.
        one.wait_until("a renewal by the stepped clock", || (by(&renewed()) - hours).abs() <= 1);
        for _ in 0..4 {
            let before = renewed();
            one.wait_until("the next renewal", || renewed() != before);
        }
    }
    pair.converges(&one);
    assert_eq!((pair.holder().as_str(), pair.transitions()), ("one", 0));
    assert_eq!((pair.requests_of(TWO), ready(&two).0), (0, 200));
    pair.assert_wrote_in_turn(&[ONE]);
    // It is followed as always.
    one.kill();
    two.wait_until("that the second leads", || pair.holder() == "two");
}
