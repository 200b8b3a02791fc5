//! What only grows, and what is measured while it happens: the collectors of the `prometheus` crate, by what happened.
//!
//! Names and labels stand in `names`. Must not be global: several controllers may run in one process.

use std::time::Duration;

use prometheus::{
    Counter, CounterVec, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
};

use super::names::{self, Family};

/// Of an answer over HTTPS, in seconds.
const REQUESTS: [f64; 10] = [0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// A plan takes a moment, a route seconds, a firewall policy minutes.
const RECONCILES: [f64; 12] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0, 1800.0];

/// Every collector, and where it is registered.
pub(super) struct Counters {
    /// Exported by every replica.
    pub(super) always: Registry,
    /// Exported while this process leads.
    pub(super) leading: Registry,
    pub(super) renewals: IntCounterVec,
    pub(super) answers: IntCounterVec,
    pub(super) written: IntCounterVec,
    pub(super) reconciles: HistogramVec,
    pub(super) requests: IntCounterVec,
    pub(super) durations: HistogramVec,
    pub(super) throttled: Counter,
    pub(super) lock_wait: CounterVec,
    pub(super) operations: IntGaugeVec,
    pub(super) logins: IntCounterVec,
    pub(super) retries: IntCounter,
    pub(super) statuses: IntCounterVec,
    pub(super) failures: IntCounterVec,
}

fn options(family: &Family) -> Opts {
    Opts::new(family.name, family.help)
}

/// Registers a collector that was made from the table.
fn registered<C: prometheus::core::Collector + Clone + 'static>(made: prometheus::Result<C>, with: &Registry) -> C {
    let collector = made.expect("names and labels of the table are well-formed");
    with.register(Box::new(collector.clone())).expect("each name of the table is used once");
    collector
}

fn counters(family: &Family, with: &Registry) -> IntCounterVec {
    registered(IntCounterVec::new(options(family), family.labels), with)
}

fn histograms(family: &Family, buckets: &[f64], with: &Registry) -> HistogramVec {
    let options = HistogramOpts::new(family.name, family.help).buckets(buckets.to_vec());
    registered(HistogramVec::new(options, family.labels), with)
}

impl Counters {
    pub(super) fn new() -> Self {
        let (always, leading) = (Registry::new(), Registry::new());
        #[cfg(target_os = "linux")]
        always
            .register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))
            .expect("nothing else is named process_*");
        let counters_of = |family: &Family, values: &[&[&str]]| {
            let with = if family.on_standby { &always } else { &leading };
            let made = counters(family, with);
            // What is there from the beginning can be seen to rise.
            for values in values {
                made.with_label_values(values);
            }
            made
        };
        let results: [&[&str]; 2] = [&["Ok"], &["Failed"]];
        Self {
            renewals: counters_of(&names::LEASE_RENEWALS, &[&["Renewed"], &["Failed"]]),
            answers: counters_of(&names::HTTP_REQUESTS, &[]),
            written: counters_of(&names::ENTRIES_WRITTEN, &[]),
            reconciles: histograms(&names::RECONCILE_DURATION, &RECONCILES, &leading),
            requests: counters_of(&names::ARM_REQUESTS, &[]),
            durations: histograms(&names::ARM_REQUEST_DURATION, &REQUESTS, &leading),
            throttled: registered(Counter::with_opts(options(&names::ARM_THROTTLED)), &leading),
            lock_wait: registered(
                CounterVec::new(options(&names::ARM_LOCK_WAIT), names::ARM_LOCK_WAIT.labels),
                &leading,
            ),
            operations: registered(
                IntGaugeVec::new(options(&names::ARM_OPERATIONS), names::ARM_OPERATIONS.labels),
                &leading,
            ),
            logins: counters_of(&names::LOGINS, &results),
            retries: registered(IntCounter::with_opts(options(&names::QUEUE_RETRIES)), &leading),
            statuses: counters_of(
                &names::STATUS_WRITES,
                &[
                    &["AmlNetwork", "Ok"],
                    &["AmlNetwork", "Failed"],
                    &["ServiceTagFeed", "Ok"],
                    &["ServiceTagFeed", "Failed"],
                ],
            ),
            failures: counters_of(&names::STATE_WRITE_FAILURES, &[&["Memory"], &["Document"], &["Status"], &["Audit"]]),
            always,
            leading,
        }
    }
}

/// In seconds.
pub(super) fn observe(histogram: &HistogramVec, labels: &[&str], took: Duration) {
    histogram.with_label_values(labels).observe(took.as_secs_f64());
}
