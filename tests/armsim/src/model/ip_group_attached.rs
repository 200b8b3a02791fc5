//! Who uses an IP group: the firewalls and policies whose rules name it, those that follow from them, and which
//! operation holds one of them. Looks only; it never changes a resource.

use super::{
    error::{self, ApiError},
    ip_group::{IpGroup, References, add},
    ip_group_write::PUT_IP_GROUP,
    world::World,
};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

impl World {
    /// What the group shows. ASSUMPTION: classic firewalls whose own rules name it, and policies whose rules do; not
    /// the firewalls of those policies.
    pub(super) fn users(&self, group: &IpGroup) -> References {
        let key = group.id.key();
        let mut users = group.given.clone();
        for firewall in self.firewalls.values().filter(|firewall| names(&firewall.properties, &key)) {
            add(&mut users.firewalls, &firewall.id.to_string());
        }
        for policy in self.firewall_policies.values() {
            if policy.groups.iter().any(|rules| names(&rules.properties, &key)) {
                add(&mut users.policies, &policy.id.to_string());
            }
        }
        users
    }

    /// What a write of the group touches: its users, the policies that are based on those, and all their firewalls.
    pub(super) fn attached(&self, group: &IpGroup) -> References {
        self.with_dependents(self.users(group))
    }

    /// These, the policies that are based on them, and all their firewalls.
    pub(super) fn with_dependents(&self, mut touched: References) -> References {
        let mut found = true;
        while found {
            found = false;
            for policy in self.firewall_policies.values() {
                let base = policy.base();
                let is_child =
                    base.is_some_and(|base| touched.policies.iter().any(|known| known.eq_ignore_ascii_case(base)));
                if is_child {
                    found |= add(&mut touched.policies, &policy.id.to_string());
                }
            }
        }
        for id in &touched.policies {
            for firewall in self.firewalls_of_policy(id) {
                add(&mut touched.firewalls, &firewall);
            }
        }
        touched
    }

    /// The firewalls that a policy names, and those that name it.
    pub(super) fn firewalls_of_policy(&self, id: &str) -> Vec<String> {
        let policy = self.firewall_policies.get(&id.to_ascii_lowercase());
        let mut firewalls = policy.map(|policy| policy.given_firewalls.clone()).unwrap_or_default();
        for firewall in self.firewalls.values() {
            if firewall.policy().is_some_and(|policy| policy.eq_ignore_ascii_case(id)) {
                add(&mut firewalls, &firewall.id.to_string());
            }
        }
        firewalls
    }

    /// Whether the group itself and what its write touches are free. ASSUMPTION: a group that no firewall uses is
    /// refused in the same words; only refusals for a firewall were recorded.
    pub(super) fn check_ip_group_free(&self, key: &str, touched: &References) -> Result<(), ApiError> {
        let held = |key: &str| self.holds.get(&key.to_ascii_lowercase()).into_iter().flatten();
        // ASSUMPTION: only IP groups are written side by side, not IP groups and policies.
        let of_others = touched.all().flat_map(|id| held(id)).find(|operation| !self.is_of_ip_group(operation));
        if let Some(operation) = of_others {
            return Err(self.another_operation(operation));
        }
        if let Some(operation) = held(key).next() {
            return Err(self.another_operation(operation));
        }
        let others: BTreeSet<&String> = touched.all().flat_map(|id| held(id)).collect();
        let limit = self.settings.limits.ip_groups_at_once.max(1);
        match others.first() {
            Some(operation) if u64::try_from(others.len()).unwrap_or(u64::MAX) >= limit => {
                Err(self.another_operation(operation))
            }
            _ => Ok(()),
        }
    }

    /// Whether an operation is changing this firewall or policy.
    pub(super) fn is_held(&self, key: &str) -> bool {
        self.holds.get(key).is_some_and(|operations| !operations.is_empty())
    }

    /// Keeps others from what an operation changes.
    pub(super) fn hold<'a>(&mut self, operation: &str, ids: impl Iterator<Item = &'a String>) {
        for id in ids {
            self.holds.entry(id.to_ascii_lowercase()).or_default().insert(operation.to_owned());
        }
    }

    pub(super) fn release(&mut self, operation: &str) {
        self.holds.retain(|_, operations| {
            operations.remove(operation);
            !operations.is_empty()
        });
    }

    fn is_of_ip_group(&self, operation: &str) -> bool {
        let running = self.operations.get(&operation.to_ascii_lowercase());
        running.is_some_and(|running| running.name == PUT_IP_GROUP)
    }

    /// ASSUMPTION: the operation of an IP group that is named is the group's own; the real one names the firewall's
    /// update inside it, as is done for policies.
    pub(super) fn another_operation(&self, operation: &str) -> ApiError {
        let url = self.operations.get(&operation.to_ascii_lowercase()).map(|running| self.internal_url(running));
        error::another_operation(&url.unwrap_or_default())
    }
}

/// The IP groups that these rules name, in the form that ids are compared in.
pub(super) fn named_groups(rules: &Map<String, Value>) -> BTreeSet<String> {
    groups_as_named(rules).iter().map(|id| id.to_ascii_lowercase()).collect()
}

/// The same in the spelling of the rules.
pub(super) fn groups_as_named(rules: &Map<String, Value>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (field, value) in rules {
        collect(field, value, &mut found);
    }
    found
}

fn names(rules: &Map<String, Value>, key: &str) -> bool {
    named_groups(rules).contains(key)
}

fn collect(field: &str, value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(elements) if matches!(field, "sourceIpGroups" | "destinationIpGroups") => {
            found.extend(elements.iter().filter_map(Value::as_str).map(str::to_owned));
        }
        Value::Array(elements) => elements.iter().for_each(|element| collect(field, element, found)),
        Value::Object(fields) => fields.iter().for_each(|(field, value)| collect(field, value, found)),
        _ => {}
    }
}
