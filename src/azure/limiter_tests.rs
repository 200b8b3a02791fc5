use std::cmp::Reverse;
use std::collections::BinaryHeap;

use proptest::prelude::*;

use super::*;

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

fn request(subscription: &str, region: &str, kind: Kind) -> Request {
    Request::new(subscription, region, kind)
}

fn many(count: usize, kind: Kind) -> Vec<Request> {
    (0..count).map(|_| request("s", "eastus2", kind)).collect()
}

fn azure() -> Limiter {
    Limiter::new(Figures::AZURE)
}

/// Asks once and gives the wait. A wait of zero is a permit.
fn wait(limiter: &mut Limiter, request: &mut Request, now: Duration) -> Duration {
    match limiter.ask(request, now) {
        Permit::Now => Duration::ZERO,
        Permit::At(time) => {
            assert!(time > now, "a wait that has passed: {time:?} at {now:?}");
            time.abs_diff(now)
        }
    }
}

/// What is left, as an answer's headers say it.
fn left(name: &str, count: u32) -> Remaining {
    let count = count.to_string();
    let name = format!("x-ms-ratelimit-remaining-subscription-{name}");
    Remaining::read(|header| (header == name).then_some(count.as_str()))
}

/// How many of `kind` may go at once, all at `now`.
fn burst(limiter: &mut Limiter, kind: Kind, now: Duration) -> usize {
    (0..100_000).take_while(|_| limiter.ask(&mut request("s", "eastus2", kind), now) == Permit::Now).count()
}

struct Run {
    /// When each request was sent, in the order of the requests.
    sent: Vec<Duration>,
    asks: usize,
}

impl Run {
    fn last(&self) -> f64 {
        self.sent.iter().max().unwrap().as_secs_f64()
    }
}

/// Simulated time: each request asks from its start on until it is sent, and is answered after `latency`.
fn run(
    limiter: &mut Limiter,
    mut requests: Vec<(Duration, Request)>,
    latency: Duration,
    mut answer: impl FnMut(&mut Limiter, &Request, Duration),
) -> Run {
    let mut events: BinaryHeap<_> =
        requests.iter().enumerate().map(|(i, (start, _))| Reverse((*start, false, i))).collect();
    let mut run = Run { sent: vec![Duration::MAX; requests.len()], asks: 0 };
    while let Some(Reverse((now, answered, index))) = events.pop() {
        let request = &mut requests[index].1;
        if answered {
            answer(limiter, request, now);
            continue;
        }
        run.asks += 1;
        match limiter.ask(request, now) {
            Permit::Now => {
                run.sent[index] = now;
                events.push(Reverse((now + latency, true, index)));
            }
            Permit::At(time) => {
                assert!(time > now && time <= now + WINDOW, "{time:?} at {now:?}");
                events.push(Reverse((time, false, index)));
            }
        }
    }
    run
}

fn run_at_once(limiter: &mut Limiter, requests: Vec<Request>) -> Run {
    let requests = requests.into_iter().map(|request| (Duration::ZERO, request)).collect();
    run(limiter, requests, Duration::ZERO, |_, _, _| {})
}

/// At most 95 % of a bucket and of a sliding window.
fn assert_within(times: &[Duration], size: f64, per_second: f64, in_window: usize, window: Duration) {
    let mut times = times.to_vec();
    times.sort();
    let (mut level, mut at) = (size * 0.95, Duration::ZERO);
    for (index, time) in times.iter().enumerate() {
        level = (level + time.abs_diff(at).as_secs_f64() * per_second * 0.95).min(size * 0.95) - 1.0;
        at = *time;
        assert!(level > -0.001, "the bucket has {level} at {time:?}");
        if let Some(later) = times.get(index + in_window * 95 / 100) {
            assert!(later.abs_diff(*time) >= window, "{time:?} to {later:?}");
        }
    }
}

#[test]
fn ten_thousand_writes_take_what_the_limits_allow_and_never_more_than_95_percent() {
    let run = run_at_once(&mut azure(), many(10_000, Kind::Write));
    assert_within(&run.sent, 200.0, 10.0, 1_000, WINDOW);
    // Ten windows of 1,000, of which the last needs 80 s: 200 at once and 800 at 10 a second.
    let bound = 9.0 * 300.0 + 80.0;
    assert!(run.last() <= 1.1 * bound, "{} s against {bound} s", run.last());
    assert!(run.sent.is_sorted(), "not in the order of asking");
    assert!(run.asks < 500_000, "{} questions", run.asks);
}

#[test]
fn ten_thousand_reads_take_what_the_limits_allow() {
    let run = run_at_once(&mut azure(), many(10_000, Kind::Read));
    assert_within(&run.sent, 250.0, 25.0, 10_000, WINDOW);
    assert!(run.last() <= 1.1 * (10_000.0 - 250.0) / 25.0, "{} s", run.last());
}

#[test]
fn first_a_burst_and_then_a_steady_pace() {
    let run = run_at_once(&mut azure(), many(300, Kind::Write));
    assert!(run.sent[..190].iter().all(Duration::is_zero));
    for (index, time) in run.sent[190..].iter().enumerate() {
        let expected = f64::from(u32::try_from(index + 1).unwrap()) / 9.5;
        assert!((time.as_secs_f64() - expected).abs() < 0.001, "{time:?} instead of {expected}");
    }
}

#[test]
fn writes_and_deletes_share_the_window_of_the_network_provider() {
    let mut requests = many(1_000, Kind::Write);
    requests.extend(many(1_000, Kind::Delete));
    let run = run_at_once(&mut azure(), requests);
    let (writes, deletes) = run.sent.split_at(1_000);
    assert_within(writes, 200.0, 10.0, 1_000, WINDOW);
    assert_within(deletes, 200.0, 10.0, 1_000, WINDOW);
    assert_within(&run.sent, 400.0, 20.0, 1_000, WINDOW);
    assert!(run.last() < 700.0, "{} s", run.last());
    // Neither kind is kept from its part.
    let within = |times: &[Duration]| times.iter().filter(|time| **time < WINDOW).count();
    assert!(within(writes) > 300 && within(deletes) > 300, "{} and {}", within(writes), within(deletes));
}

#[test]
fn callers_at_the_same_time_get_times_of_their_own() {
    for (kind, count) in [(Kind::Write, 3_000), (Kind::Read, 3_000), (Kind::Delete, 1_000), (Kind::Poll, 1_000)] {
        let mut limiter = azure();
        let waits: Vec<Duration> =
            many(count, kind).iter_mut().map(|request| wait(&mut limiter, request, seconds(7.0))).collect();
        let first = waits.iter().position(|wait| !wait.is_zero()).unwrap();
        assert!(waits[first..].is_sorted_by(|one, next| one < next), "{kind:?}");
        assert!(*waits.last().unwrap() < WINDOW);
    }
}

#[test]
fn reads_starve_neither_polls_nor_writes() {
    let mut limiter = azure();
    let mut requests: Vec<_> = many(5_000, Kind::Read).into_iter().map(|read| (Duration::ZERO, read)).collect();
    for second in 0..200 {
        requests.push((seconds(f64::from(second)), request("s", "eastus2", Kind::Poll)));
        if second % 2 == 0 {
            requests.push((seconds(f64::from(second) + 0.5), request("s", "eastus2", Kind::Write)));
        }
    }
    let started: Vec<Duration> = requests.iter().map(|(start, _)| *start).collect();
    let run = run(&mut limiter, requests, Duration::ZERO, |_, _, _| {});
    let late = (5_000..run.sent.len()).find(|index| run.sent[*index] != started[*index]);
    assert_eq!(late, None, "a poll or a write waited");
    assert!(run.last() < 240.0, "the reads took {} s", run.last());
}

#[test]
fn polls_and_reads_do_not_touch_what_writes_need() {
    let mut limiter = azure();
    assert_eq!(burst(&mut limiter, Kind::Read, Duration::ZERO), 190);
    assert_eq!(burst(&mut limiter, Kind::Poll, Duration::ZERO), 47);
    assert_eq!(burst(&mut limiter, Kind::Write, Duration::ZERO), 190);
    assert_eq!(burst(&mut limiter, Kind::Delete, Duration::ZERO), 190);
}

#[test]
fn retry_after_is_obeyed_exactly_by_that_budget_of_that_subscription() {
    for (kind, same_budget) in [(Kind::Write, Kind::Write), (Kind::Delete, Kind::Delete), (Kind::Read, Kind::Poll)] {
        let (mut limiter, now) = (azure(), seconds(5.0));
        let mut throttled = request("S", "East US 2", kind);
        assert_eq!(limiter.ask(&mut throttled, now), Permit::Now);
        limiter.throttled(&throttled, seconds(417.0), now);
        let until = seconds(422.0);
        assert_eq!(limiter.ask(&mut throttled, now), Permit::At(until));
        assert_eq!(limiter.ask(&mut request("s", "westus", same_budget), now), Permit::At(until));
        let rest = [Kind::Read, Kind::Poll, Kind::Write, Kind::Delete].into_iter();
        for other in rest.filter(|other| other.budget() != kind.budget()) {
            assert_eq!(limiter.ask(&mut request("s", "eastus2", other), now), Permit::Now, "{other:?}");
        }
        assert_eq!(limiter.ask(&mut request("other", "eastus2", kind), now), Permit::Now);
        assert_eq!(limiter.ask(&mut throttled, seconds(421.999)), Permit::At(until));
        assert_eq!(limiter.ask(&mut throttled, until), Permit::Now);
    }
}

#[test]
fn a_refusal_reaches_those_who_wait_already_and_a_steady_pace_follows() {
    let mut limiter = azure();
    let mut waiting = many(200, Kind::Write);
    for request in &mut waiting {
        _ = limiter.ask(request, Duration::ZERO);
    }
    let sent = request("s", "eastus2", Kind::Write);
    limiter.throttled(&sent, seconds(60.0), seconds(0.01));
    // A shorter one that arrives later does not shorten it, and what is told as left does not lengthen it.
    limiter.throttled(&sent, seconds(5.0), seconds(0.02));
    limiter.answered(&sent, &left("writes", 0), seconds(0.03));
    let requests = waiting.split_off(190).into_iter().map(|request| (seconds(0.2), request)).collect();
    let times = run(&mut limiter, requests, Duration::ZERO, |_, _, _| {}).sent;
    assert_eq!(times[0], seconds(60.01));
    assert!(times.windows(2).all(|pair| pair[1].abs_diff(pair[0]).as_secs_f64() > 0.999 / 9.5), "{times:?}");
}

#[test]
fn regions_share_arms_bucket_but_not_the_window_of_the_network_provider() {
    let mut limiter = azure();
    assert_eq!(burst(&mut limiter, Kind::Write, Duration::ZERO), 190);
    assert!(!wait(&mut limiter, &mut request("s", "westus", Kind::Write), Duration::ZERO).is_zero());
    assert!(wait(&mut limiter, &mut request("other", "eastus2", Kind::Write), Duration::ZERO).is_zero());
    let both = |index| request("s", if index % 2 == 0 { "eastus2" } else { "westus" }, Kind::Write);
    let run = run_at_once(&mut azure(), (0..1_900).map(both).collect());
    assert_within(&run.sent, 200.0, 10.0, 2_000, WINDOW);
    assert!(run.last() < 190.0, "{} s", run.last());
}

#[test]
fn what_the_server_says_is_left_counts_at_once_when_it_is_less() {
    let mut limiter = azure();
    let mut first = request("s", "eastus2", Kind::Write);
    assert_eq!(limiter.ask(&mut first, Duration::ZERO), Permit::Now);
    limiter.answered(&first, &left("writes", 60), Duration::ZERO);
    // Five percent of 200 are left to others.
    assert_eq!(burst(&mut limiter, Kind::Write, Duration::ZERO), 50);
    assert_eq!(burst(&mut limiter, Kind::Delete, Duration::ZERO), 190);
    limiter.answered(&first, &left("deletes", 0), Duration::ZERO);
    let mut delete = request("s", "westus", Kind::Delete);
    assert!(wait(&mut limiter, &mut delete, Duration::ZERO) <= seconds(10.2));

    let mut limiter = azure();
    limiter.answered(&first, &left("global-writes", 160), Duration::ZERO);
    assert_eq!(burst(&mut limiter, Kind::Write, Duration::ZERO), 10, "5 % of 3,000 are left to others");
}

#[test]
fn a_bucket_that_proves_larger_and_faster_is_used_as_such_and_never_beyond() {
    // The server's bucket has four times the size and the refill; the network provider's window does not bind here.
    let (mut limiter, size, per_second) =
        (Limiter::new(Figures { provider_changes: 1_000_000, ..Figures::AZURE }), 800.0, 40.0);
    let (mut level, mut at) = (size, Duration::ZERO);
    let requests = (0..12_000).map(|index| (seconds(f64::from(index / 200)), request("s", "r", Kind::Write))).collect();
    let run = run(&mut limiter, requests, Duration::ZERO, |limiter, request, now| {
        level = (level + now.abs_diff(at).as_secs_f64() * per_second).min(size) - 1.0;
        at = now;
        assert!(level >= size * 0.04, "{level} left at {now:?}");
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 800")]
        limiter.answered(request, &left("writes", level as u32), now);
    });
    let learnt = &limiter.subscriptions["s"].principal[WRITES];
    assert!(learnt.size <= size && learnt.size > size - 2.0, "{}", learnt.size);
    assert!(learnt.per_second <= per_second + 0.2 && learnt.per_second > 36.0, "{}", learnt.per_second);
    assert!(run.last() < 12_000.0 / 38.0 * 1.15, "{} s", run.last());
    // A refusal in spite of that: back to what is known.
    limiter.throttled(&request("s", "r", Kind::Write), seconds(1.0), seconds(1_000.0));
    assert_eq!(burst(&mut limiter, Kind::Write, seconds(1_100.0)), 190);
}

#[test]
fn in_china_no_hour_has_more_than_95_percent_of_the_hourly_limit() {
    let mut limiter = Limiter::new(Figures::CHINA);
    let times = run_at_once(&mut limiter, many(3_000, Kind::Write)).sent;
    assert_within(&times, 600.0, 600.0 / 3600.0, 1_200, Duration::from_secs(3600));
}

#[test]
fn who_went_away_keeps_nobody_waiting_for_long() {
    let mut limiter = azure();
    let mut gone = many(400, Kind::Write);
    for request in &mut gone {
        _ = limiter.ask(request, Duration::ZERO);
    }
    let mut late = request("s", "eastus2", Kind::Write);
    assert!(!wait(&mut limiter, &mut late, seconds(25.0)).is_zero());
    assert_eq!(burst(&mut limiter, Kind::Write, seconds(100.0)), 190);
    assert_eq!(limiter.subscriptions["s"].regions["eastus2"].queues[&Kind::Write].waiting.len(), 1);
    // A place that was given up is not somebody else's.
    assert!(!wait(&mut limiter, &mut gone[399], seconds(100.0)).is_zero());
    assert_eq!(limiter.subscriptions["s"].regions["eastus2"].queues[&Kind::Write].waiting.len(), 2);
}

#[test]
fn a_clock_that_jumps_does_no_harm() {
    let (year, now) = (Duration::from_secs(365 * 86_400), seconds(1_000.0));
    let mut limiter = azure();
    let sent = request("s", "eastus2", Kind::Write);
    let permits = many(190, Kind::Write).iter_mut().map(|request| limiter.ask(request, now + year)).collect::<Vec<_>>();
    assert_eq!(permits, [Permit::Now; 190]);
    limiter.throttled(&sent, seconds(30.0), now + year);
    // Set back by a year: no time has passed.
    let mut next = request("s", "eastus2", Kind::Write);
    assert_eq!(limiter.ask(&mut next, now), Permit::At(now + seconds(30.0)));
    // A caller that was overtaken by a moment changes nothing.
    assert_eq!(limiter.ask(&mut next, seconds(999.5)), Permit::At(now + seconds(30.0)));
    assert_eq!(limiter.ask(&mut next, now + seconds(30.0)), Permit::Now);
    assert!(burst(&mut limiter, Kind::Write, now + seconds(30.0)) == 0);
    for end in [Duration::ZERO, Duration::MAX, seconds(3.0)] {
        _ = limiter.ask(&mut request("s", "eastus2", Kind::Write), end);
        limiter.throttled(&sent, Duration::MAX, end);
        limiter.answered(&sent, &left("writes", u32::MAX), end);
        limiter.answered(&sent, &left("global-writes", 0), end);
    }
}

#[test]
fn headers_are_read_and_nonsense_is_passed_over() {
    let pairs = [("reads", "249"), ("global-writes", " 11999 "), ("global-reads", "many"), ("deletes", "-1")];
    let remaining = Remaining::read(|header| {
        let name = header.strip_prefix("x-ms-ratelimit-remaining-subscription-").unwrap();
        pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    });
    let expected = Remaining { principal: [Some(249), None, None], global: [None, Some(11_999), None] };
    assert_eq!(remaining, expected);
}

#[derive(Debug, Clone)]
enum Event {
    Ask(Kind),
    Answer(&'static str, u32),
    Throttled(Kind, f64),
    Pass(f64),
    SetBack(f64),
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop_oneof![Just(Kind::Read), Just(Kind::Poll), Just(Kind::Write), Just(Kind::Delete)]
}

fn event() -> impl Strategy<Value = Event> {
    let name = prop_oneof![Just("reads"), Just("writes"), Just("global-writes"), Just("deletes")];
    prop_oneof![
        30 => kinds().prop_map(Event::Ask),
        5 => (name, 0..2_000_u32).prop_map(|(name, count)| Event::Answer(name, count)),
        1 => (kinds(), 0.0..600.0).prop_map(|(kind, wait)| Event::Throttled(kind, wait)),
        3 => (0.0..40.0).prop_map(Event::Pass),
        1 => (0.0..400.0).prop_map(Event::SetBack),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens: times of one kind never decrease while the clock does not either, and no wait is longer than
    /// five minutes and the Retry-After that was named.
    #[test]
    fn waits_are_in_order_and_bounded(burst in 0..400_u32, events in proptest::collection::vec(event(), 1..300)) {
        let (mut limiter, mut now) = (azure(), seconds(10_000.0));
        let mut last: BTreeMap<Kind, Duration> = BTreeMap::new();
        let mut longest_retry = 0.0_f64;
        let events = (0..burst).map(|_| Event::Ask(Kind::Write)).chain(events);
        for event in events {
            match event {
                Event::Ask(kind) => {
                    let mut asked = request("s", "eastus2", kind);
                    let time = match limiter.ask(&mut asked, now) {
                        Permit::Now => now,
                        Permit::At(time) => {
                            prop_assert!(time > now);
                            time
                        }
                    };
                    let before = last.insert(kind, time).unwrap_or(time);
                    prop_assert!(time >= before, "{time:?} after {before:?}");
                    let longest = WINDOW + seconds(longest_retry);
                    let wait = time.abs_diff(now);
                    prop_assert!(wait <= longest, "{wait:?} is longer than {longest:?}");
                }
                Event::Answer(name, count) => {
                    limiter.answered(&request("s", "eastus2", Kind::Write), &left(name, count), now);
                }
                Event::Throttled(kind, wait) => {
                    longest_retry = longest_retry.max(wait);
                    limiter.throttled(&request("s", "eastus2", kind), seconds(wait), now);
                }
                Event::Pass(time) => now += seconds(time),
                Event::SetBack(time) => {
                    now -= seconds(time);
                    last.clear();
                }
            }
        }
    }

    /// Callers that come when they like, with answers that tell of others' use: never more than 95 % of anything.
    #[test]
    fn no_order_of_callers_gets_more(starts in proptest::collection::vec(0.0..400.0_f64, 1..1_500), latency in 0.0..5.0) {
        let requests = starts.iter().map(|start| (seconds(*start), request("s", "r", Kind::Write))).collect();
        let run = run(&mut azure(), requests, seconds(latency), |limiter, request, now| {
            limiter.answered(request, &left("writes", now.subsec_micros() % 200), now);
        });
        assert_within(&run.sent, 200.0, 10.0, 1_000, WINDOW);
    }
}
