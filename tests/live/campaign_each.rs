//! probe
use crate::campaign::*;
use crate::harness::Counts;
#[test]
fn probe() {
    for tables in [1, 8, 20] {
        let sim = twenty_steps(tables);
        let t = std::time::Instant::now();
        let ran = sim.once(&[]).exits(0);
        let first = t.elapsed();
        for n in 0..tables {
            assert_ended(&sim, &table(n), &after_twenty_steps());
        }
        let t1 = std::time::Instant::now();
        sim.once(&[]).exits(0);
        println!(
            "{tables}: {first:?}, again {:?}, {:?} log {}",
            t1.elapsed(),
            Counts::of(&sim.log(), &table(0)),
            sim.log().len()
        );
        let _ = ran;
        let log = sim.log();
        if tables == 1 {
            for e in &log {
                println!("{} {} {}", e.method, e.status, e.url.split('?').next().unwrap());
            }
        }
    }
}
