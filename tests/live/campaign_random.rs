//! Weeks of random documents in random worlds, with random faults, crashes and people, by seed.
//!
//! A failure names its seed; `AMLNET_FAULT_SEEDS=17..18` runs it again. Which of several tables is served first, and
//! where a crash meets the others, is up to the machine; everything else comes from the seed.

use std::collections::{BTreeMap, BTreeSet};

use armsim::model::history::HistoryState;
use serde_json::{Value, json};

use crate::campaign::{DEFAULT, assert_default_route_last, own_name, seeds, side_by_side};
use crate::campaign_world::{Dice, Plan, pool, stale};
use crate::harness::{Counts, Sim, assert_clean, final_routes, ours, route, wait_until};

/// How many seeds there are in `make test`.
const SEEDS: u64 = 70;

#[test]
fn campaign_of_random_weeks() {
    side_by_side(&seeds(SEEDS), |seed| campaign(*seed));
}

/// What was done to the world, as far as the bound on writes goes.
struct Campaign {
    plan: Plan,
    sim: Sim,
    dice: Dice,
    /// By table.
    faults: Vec<usize>,
    deeds: Vec<usize>,
    /// By week and table: how many states there were when it began.
    began: Vec<Vec<usize>>,
    /// By week: the oldest week whose document may have been in force when it began.
    in_force: Vec<usize>,
}

fn campaign(seed: u64) {
    let mut dice = Dice::new(seed);
    let plan = Plan::new(&mut dice);
    let sim = plan.build();
    let none = vec![0; plan.tables.len()];
    let mut campaign =
        Campaign { plan, sim, dice, faults: none.clone(), deeds: none, began: Vec::new(), in_force: Vec::new() };
    for week in 0..campaign.plan.weeks.len() {
        campaign.week(week);
    }
    campaign.converges();
    campaign.check();
}

/// What may happen to a write, to a read, and to a request of another server.
pub(crate) fn on_write(dice: &mut Dice) -> Value {
    let status = |code: u16, name: &str| {
        let body = json!({"error": {"code": name, "message": "not now"}});
        json!({"status": {"code": code, "body": body, "headers": {"x-ms-retry-after-ms": "20"}}})
    };
    let fails = |code: &str| json!({"failOperation": {"code": code, "message": "it broke"}});
    dice.one(&[
        status(429, "RetryableErrorDueToAnotherOperation"),
        status(409, "AnotherOperationInProgress"),
        status(409, "Conflict"),
        status(409, "ScopeLocked"),
        status(412, "PreconditionFailed"),
        status(400, "RouteConflict"),
        status(400, "Strange"),
        status(401, "ExpiredAuthenticationToken"),
        status(403, "AuthorizationFailed"),
        status(500, "InternalServerError"),
        status(504, "GatewayTimeout"),
        json!({"throttle": {"retryAfter": 10}}),
        json!("html503"),
        json!("dropBefore"),
        json!("dropAfterCommit"),
        json!("lostOperation"),
        json!({"slow": {"ms": 50}}),
        fails("InternalServerError"),
        fails("CanceledAndSupersededDueToAnotherOperation"),
    ])
    .clone()
}

pub(crate) fn on_read(dice: &mut Dice) -> Value {
    let status = |code: u16| {
        let body = json!({"error": {"code": "Strange", "message": "not now"}});
        json!({"status": {"code": code, "body": body, "headers": {"x-ms-retry-after-ms": "20"}}})
    };
    let all = [
        status(401),
        status(403),
        status(500),
        json!({"throttle": {"retryAfter": 10}}),
        json!("html503"),
        json!("dropBefore"),
        json!({"status": {"code": 200, "body": {}}}),
    ];
    dice.one(&all).clone()
}

impl Campaign {
    fn week(&mut self, week: usize) {
        if week > 0 {
            self.sim.publish(&self.plan.weeks[week].doc(week));
        }
        // The first document has change number 101.
        let in_force = self.sim.in_force("public").saturating_sub(101);
        self.in_force.push(usize::try_from(in_force).unwrap().min(week));
        self.began.push(self.plan.tables.iter().map(|table| self.sim.history(&table.id).len()).collect());
        self.sim.clear_faults();
        for table in 0..self.plan.tables.len() {
            if self.dice.percent(25) {
                self.deed(table);
            }
        }
        match self.dice.between(0, 9) {
            0..3 => {
                self.sim.once(&[]);
            }
            3..6 => {
                for _ in 0..self.dice.between(1, 2) {
                    self.fault();
                }
                self.sim.once(&[]);
            }
            6..8 => self.crash(),
            _ => self.company(),
        }
    }

    fn fault(&mut self) {
        let (table, nth) = (self.dice.between(0, self.plan.tables.len() - 1), self.dice.between(1, 5));
        let id = self.plan.tables[table].id.clone();
        let (matching, effect) = match self.dice.between(0, 9) {
            0..6 => {
                let method = *self.dice.one(&["PUT", "PUT", "DELETE"]);
                let path = format!("{id}/routes/");
                (json!({"method": method, "pathContains": path, "nth": nth}), on_write(&mut self.dice))
            }
            6 => (json!({"method": "GET", "pathContains": id, "nth": nth}), on_read(&mut self.dice)),
            7 => (json!({"method": "GET", "pathContains": "/operations/", "nth": nth}), on_read(&mut self.dice)),
            8 => (json!({"server": "login"}), json!("dropBefore")),
            _ => (json!({"server": "downloadPage"}), json!({"status": {"code": 503}})),
        };
        self.faults.iter_mut().for_each(|faults| *faults += 1);
        self.sim.fault(json!({"match": matching, "effect": effect}));
    }

    /// SIGKILL while an answer about a table is awaited, if it comes to that.
    fn crash(&mut self) {
        let (table, nth) = (self.dice.between(0, self.plan.tables.len() - 1), self.dice.between(1, 12));
        let id = self.plan.tables[table].id.to_ascii_lowercase();
        self.faults.iter_mut().for_each(|faults| *faults += 1);
        self.sim.fault(json!({"match": {"pathContains": id, "nth": nth}, "effect": "withhold"}));
        let from = self.sim.log().len();
        let crashing = self.sim.controller(&["--once"]);
        crashing.wait_until("the answer that is withheld, or the end", || {
            let log = self.sim.log();
            let asked = log[from..].iter().filter(|entry| entry.url.to_ascii_lowercase().contains(&id)).count();
            asked >= nth || crashing.log().contains(" to add, ")
        });
        drop(crashing);
    }

    /// A person works at a table while a run does.
    fn company(&mut self) {
        let table = self.dice.between(0, self.plan.tables.len() - 1);
        let id = self.plan.tables[table].id.clone();
        let when = self.dice.between(1, 8);
        let hop = *self.dice.one(&["None", "VirtualAppliance 10.0.9.8"]);
        let ours: Vec<(String, String)> = self.routes(table, true);
        let (name, prefix) = match ours.first() {
            Some(_) if self.dice.percent(60) => self.dice.one(&ours).clone(),
            _ => ("on-premises".to_owned(), "10.20.0.0/16".to_owned()),
        };
        self.deeds[table] += 1;
        let from = self.sim.log().len();
        std::thread::scope(|scope| {
            let run = scope.spawn(|| self.sim.once(&[]));
            wait_until("the moment for a deed", || {
                let log = self.sim.log();
                let asked = log[from..].iter().filter(|entry| entry.url.starts_with(&id)).count();
                asked >= when || run.is_finished()
            });
            self.put(table, &name, &prefix, hop);
            run.join().unwrap();
        });
    }

    fn put(&self, table: usize, name: &str, prefix: &str, hop: &str) {
        let mut resource = route(name, prefix, hop);
        resource["id"] = json!(format!("{}/routes/{name}", self.plan.tables[table].id));
        self.sim.put(resource);
    }

    /// Names and prefixes of routes of ours, or of others, as they stand.
    fn routes(&self, table: usize, of_ours: bool) -> Vec<(String, String)> {
        let history = self.sim.history(&self.plan.tables[table].id);
        let ours = ours(&history);
        let routes = final_routes(&history).into_iter().filter(|(prefix, _)| ours.contains(prefix) == of_ours);
        routes.map(|(prefix, route)| (route.name, prefix)).collect()
    }

    /// What a person does while nothing runs.
    fn deed(&mut self, table: usize) {
        let id = self.plan.tables[table].id.clone();
        let (ours, others) = (self.routes(table, true), self.routes(table, false));
        let free: Vec<String> = {
            let taken: BTreeSet<&String> = ours.iter().chain(&others).map(|(_, prefix)| prefix).collect();
            pool().into_iter().filter(|prefix| !taken.contains(prefix)).collect()
        };
        let number = self.deeds[table];
        self.deeds[table] += 1;
        let what = self.dice.between(0, 6);
        match what {
            0 => self.put(table, &format!("new-{number}"), &format!("10.{}.0.0/16", 100 + number), "VnetLocal"),
            1 | 2 if !others.is_empty() => {
                let (name, prefix) = self.dice.one(&others).clone();
                if what == 1 {
                    self.put(table, &name, &prefix, "VirtualAppliance 10.0.1.99");
                } else {
                    self.sim.delete(&format!("{id}/routes/{name}"));
                }
            }
            3 if !free.is_empty() => {
                let prefix = self.dice.one(&free).clone();
                let hop = (*self.dice.one(&[self.plan.tables[table].hop.as_str(), "None"])).to_owned();
                self.put(table, &format!("mine-{number}"), &prefix, &hop);
            }
            4..=6 if !ours.is_empty() => {
                let (name, prefix) = self.dice.one(&ours).clone();
                match what {
                    4 => self.put(table, &name, &prefix, "VirtualAppliance 10.0.9.9"),
                    5 => self.sim.delete(&format!("{id}/routes/{name}")),
                    _ => self.put(table, &name, &format!("30.{number}.0.0/16"), "None"),
                }
            }
            _ => {}
        }
    }

    /// Without faults, one run does all that is left, and the next one nothing.
    fn converges(&mut self) {
        self.sim.clear_faults();
        for run in 0..=2 {
            let before: Vec<usize> = self.writes();
            let ran = self.sim.once(&[]);
            assert_ne!(ran.code, 1, "{}", ran.all());
            if self.writes() == before {
                return;
            }
            assert!(run < 2, "it does not come to rest:\n{}", ran.all());
        }
    }

    fn writes(&self) -> Vec<usize> {
        let log = self.sim.log();
        let log: Vec<_> = log.into_iter().filter(|entry| entry.method != "GET").collect();
        let of = |table: &crate::campaign_world::Table| Counts::of(&log, &table.id).writes();
        self.plan.tables.iter().map(of).collect()
    }

    fn check(&self) {
        for (n, table) in self.plan.tables.iter().enumerate() {
            let history = self.sim.history(&table.id);
            self.check_weeks(n, &history);
            self.check_end(n, &history);
            self.check_costs(n);
            if !self.plan.removes(n) {
                let log = self.sim.log();
                assert_eq!(Counts::of(&log, &table.id).delete_route, 0, "{}: nothing may be removed", table.id);
                assert_clean(&history, pool().into_iter().chain(stale()));
            }
        }
    }

    /// In no week was anything lost that all documents need which may have been in force then, and nothing foreign was
    /// ever changed.
    fn check_weeks(&self, table: usize, history: &[HistoryState]) {
        for (week, began) in self.began.iter().enumerate() {
            let ends = self.began.get(week + 1).map_or(history.len(), |began| began[table]);
            let mut needed = self.plan.needed(table, week);
            for older in self.in_force[week]..week {
                let then = self.plan.needed(table, older);
                needed.retain(|prefix| then.contains(prefix));
            }
            let states = &history[began[table] - 1..ends];
            assert_default_route_last(states, &needed);
            assert_clean(states, needed);
        }
    }

    /// The table holds what its networks need by the last document, and nothing of ours besides.
    fn check_end(&self, table: usize, history: &[HistoryState]) {
        let last = self.plan.weeks.len() - 1;
        let (routes, ours) = (final_routes(history), ours(history));
        let id = &self.plan.tables[table].id;
        let written = self.plan.written(table, last);
        for (prefix, hop) in &written {
            let route = routes.get(prefix).unwrap_or_else(|| panic!("{id}: {prefix} is missing"));
            if ours.contains(prefix) {
                assert_eq!((&route.name, &route.hop), (&own_name(prefix), hop), "{id}: {prefix}");
            }
        }
        let needed = self.plan.needed(table, last);
        let left: Vec<&String> = ours.difference(&needed).collect();
        assert!(
            left.is_empty() || !self.plan.removes(table),
            "{id}: {left:?} are not needed\n{}",
            self.sim.once(&[]).all()
        );
        assert!(written.contains_key(DEFAULT) || !ours.contains(DEFAULT), "{id}: a default route that nobody wants");
    }

    /// Each change that a document needs costs one write; so does whatever a person undoes, and a fault at most one.
    fn check_costs(&self, table: usize) {
        let weeks = 0..self.plan.weeks.len();
        let needs: Vec<BTreeMap<String, String>> = weeks.map(|week| self.plan.written(table, week)).collect();
        let changes = needs.windows(2).map(|pair| {
            let differs = |a: &BTreeMap<String, String>, b: &BTreeMap<String, String>| {
                a.keys().filter(|prefix| !b.contains_key(*prefix)).count()
            };
            differs(&pair[0], &pair[1]) + differs(&pair[1], &pair[0])
        });
        let started = needs[0].len() + self.plan.owned_at_first(table);
        let bound = started + changes.sum::<usize>() + self.deeds[table] + self.faults[table];
        let writes = self.writes()[table];
        assert!(writes <= bound, "{}: {writes} writes, {bound} are allowed", self.plan.tables[table].id);
    }
}
