//! What people do in a history: to specs, to tables, with approvals; and what else happens between two looks.

use std::collections::BTreeSet;

use amlnet::domain::approval::{Approval, Subject};
use amlnet::domain::desired::Address;
use amlnet::domain::intent::{NextHop, ObjectKey};
use amlnet::domain::plan::ObservedEntry;
use amlnet::domain::service_tags::Cloud;
use jiff::SignedDuration;

use super::files::Damage;
use super::witness::{Given, ours};
use super::{DAY, History};

impl History<'_> {
    /// What may happen between two looks.
    pub(super) fn happen(&mut self, number: usize) {
        if self.dice.percent(10) && [1, 4, 9, 11, 13, 16].contains(&number) {
            let damage = *self.dice.one(&[Damage::Lost, Damage::Lost, Damage::MuchLost, Damage::Grown]);
            let edition = self.stage.shelf.damaged(number, damage);
            self.offer(&edition);
        }
        if self.dice.percent(25) {
            self.edit();
        }
        if self.dice.percent(25) {
            let tables: Vec<usize> = self.clouds.keys().copied().collect();
            let table = *self.dice.one(&tables);
            self.person_at(table);
        }
        let cloud = *self.dice.one(&Cloud::ALL);
        match self.dice.between(0, 19) {
            0 => drop(self.lagging.insert(cloud)),
            1 => drop(self.down.insert(cloud)),
            2..=5 => {
                self.lagging.clear();
                self.down.clear();
            }
            6 => self.crash(),
            7 if self.dice.percent(25) => {
                self.tally.count("memories lost");
                self.live.clear();
                self.durable.clear();
                self.lost_at = Some(self.now);
                self.witness.lost();
            }
            8 if self.nets.len() > 1 => {
                let keys: Vec<ObjectKey> = self.nets.keys().cloned().collect();
                self.nets.remove(self.dice.one(&keys));
                self.tally.count("Networks deleted");
            }
            9 if self.nets.len() < 4 => self.birth(),
            _ => {}
        }
    }

    pub(super) fn edit(&mut self) {
        let keys: Vec<ObjectKey> = self.nets.keys().cloned().collect();
        let key = self.dice.one(&keys).clone();
        let cloud = self.nets[&key].cloud;
        let (map, tables) = (self.map(cloud), self.tables_of(cloud));
        let net = self.nets.get_mut(&key).unwrap();
        if net.broken || self.dice.percent(10) {
            net.broken = !net.broken;
        } else {
            net.edit(map, &tables, &mut self.dice);
        }
    }

    /// Somebody works at a table by hand.
    pub(super) fn person_at(&mut self, table: usize) {
        let number = self.dice.between(0, 200);
        let entries = self.entries.get_mut(&table).unwrap();
        let of_ours: Vec<usize> = (0..entries.len()).filter(|at| ours(&entries[*at])).collect();
        let of_others: Vec<usize> = (0..entries.len()).filter(|at| !ours(&entries[*at])).collect();
        let strange: Address = format!("10.{number}.0.0/16").parse().unwrap();
        let is_free = |entries: &[ObservedEntry]| !entries.iter().any(|entry| entry.address == strange);
        let entry = |name: String, address: Address| ObservedEntry {
            name,
            address,
            next_hop: NextHop::Other("VnetLocal".to_owned()),
            failed: false,
        };
        match self.dice.between(0, 7) {
            0 | 1 if is_free(entries) => entries.push(entry(format!("mine-{number}"), strange)),
            2 if !of_others.is_empty() => drop(entries.remove(*self.dice.one(&of_others))),
            3 if is_free(entries) => entries.push(entry(format!("AMLNET.prod.{number}"), strange)),
            _ if of_ours.is_empty() => {}
            4 => drop(entries.remove(*self.dice.one(&of_ours))),
            5 => entries[*self.dice.one(&of_ours)].next_hop = NextHop::Other("VnetLocal".to_owned()),
            6 if is_free(entries) => entries[*self.dice.one(&of_ours)].address = strange,
            7 => {
                // An entry of ours becomes somebody else's.
                let at = *self.dice.one(&of_ours);
                entries[at].name = format!("taken-over-{number}");
            }
            _ => {}
        }
    }

    /// Some of what waits is approved: rightly, for somebody else, under another hash, or for too short a time.
    pub(super) fn people_approve(&mut self) {
        for (table, plan) in self.plans.clone() {
            let Some(pending) = plan.pending.filter(|pending| !pending.is_approved) else { continue };
            if self.dice.percent(50) {
                continue;
            }
            let lines: BTreeSet<String> = pending.steps.keys().cloned().collect();
            for by in &pending.approvers {
                match self.dice.between(0, 9) {
                    0 => {}
                    1 => self.approve(table, by, "sha256:0", BTreeSet::new(), DAY * 7),
                    2 => {
                        self.approve(table, by, &pending.hash.to_string(), lines.clone(), SignedDuration::from_secs(1));
                    }
                    3 => {
                        let other = ObjectKey { namespace: by.namespace.clone(), name: "somebody-else".to_owned() };
                        self.approve(table, &other, &pending.hash.to_string(), BTreeSet::new(), DAY * 7);
                    }
                    _ => self.approve(table, by, &pending.hash.to_string(), lines.clone(), DAY * 7),
                }
            }
        }
    }

    pub(super) fn approve(
        &mut self,
        table: usize,
        by: &ObjectKey,
        hash: &str,
        lines: BTreeSet<String>,
        lasts: SignedDuration,
    ) {
        let expires_at = self.now + lasts;
        self.approvals.push(Approval {
            id: format!("approval-{}", self.approvals.len()),
            subject: Subject::Network(by.clone()),
            hash: hash.to_owned(),
            approved_by: None,
            expires_at,
        });
        self.witness.given.push(Given { by: by.clone(), table, lines, expires_at });
    }
}
