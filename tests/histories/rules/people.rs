//! What people do in a history of rules: to specs, to what stands in Azure, with approvals; and what else happens.

use serde_json::json;

use super::azure::Seat;
use super::{DAY, History};
use crate::replay::files::Damage;
use amlnet::domain::intent::ObjectKey;
use jiff::SignedDuration;

impl History<'_> {
    /// What may happen between two looks.
    pub(super) fn happen(&mut self, number: usize) {
        if self.dice.percent(10) && [1, 4, 9, 11, 13, 16].contains(&number) {
            let damage = *self.dice.one(&[Damage::Lost, Damage::Lost, Damage::MuchLost, Damage::Grown]);
            let edition = self.stage.shelf.damaged(number, damage);
            self.offer(&edition);
        }
        if self.dice.percent(30) {
            self.edit();
        }
        if self.dice.percent(30) {
            let seat = *self.dice.one(&Seat::ALL);
            self.person_at(seat);
        }
        match self.dice.between(0, 19) {
            0 => self.lagging = true,
            1 => self.down = true,
            2..=6 => (self.lagging, self.down) = (false, false),
            7 => self.crash(),
            8 if self.dice.percent(25) => self.lose_memory(),
            9 if self.nets.len() > 1 => {
                let keys: Vec<ObjectKey> = self.nets.keys().cloned().collect();
                self.nets.remove(self.dice.one(&keys));
                self.tally.count("Networks deleted");
            }
            10 if self.nets.len() < 3 => self.birth(),
            11 => self.azure.stranger(true),
            12..=14 => self.azure.stranger(false),
            _ => {}
        }
    }

    fn edit(&mut self) {
        let keys: Vec<ObjectKey> = self.nets.keys().cloned().collect();
        let key = self.dice.one(&keys).clone();
        let net = self.nets.get_mut(&key).unwrap();
        if net.broken || self.dice.percent(10) {
            net.broken = !net.broken;
        } else {
            net.edit(&mut self.dice);
        }
    }

    /// Somebody works by hand.
    pub(super) fn person_at(&mut self, seat: Seat) {
        let number = self.dice.between(0, 200);
        let what = self.dice.between(0, 5);
        let mut lists = self.azure.lists(seat);
        // A list with one entry is written in another field, and an empty one would be another rule.
        lists.retain(|list| list.as_array().is_some_and(|list| list.len() > 2));
        match what {
            0 | 1 => self.azure.others_change(seat, number),
            2 => self.azure.lose(seat, number),
            _ if lists.is_empty() => {}
            3 | 4 => {
                let at = number % lists.len();
                let list = lists[at].as_array_mut().unwrap();
                list.remove(number % list.len());
            }
            _ => {
                let (at, strange) = (number % lists.len(), json!(format!("10.{number}.0.0/16")));
                let list = lists[at].as_array_mut().unwrap();
                if !list.contains(&strange) {
                    list.push(strange);
                }
            }
        }
    }

    /// Some of what waits is approved: rightly, under another hash, or for too short a time.
    pub(super) fn people_approve(&mut self) {
        for (seat, plan) in self.plans.clone() {
            let Some(pending) = plan.pending.filter(|pending| !pending.is_approved) else { continue };
            if self.dice.percent(50) {
                continue;
            }
            let (hash, lines) = (pending.hash.to_string(), || pending.steps.keys().cloned());
            for by in &pending.approvers {
                match self.dice.between(0, 9) {
                    0 => {}
                    1 => self.approve(seat, by, "sha256:0", std::iter::empty(), DAY * 7),
                    2 => self.approve(seat, by, &hash, lines(), SignedDuration::from_secs(1)),
                    _ => self.approve(seat, by, &hash, lines(), DAY * 7),
                }
            }
        }
    }
}
