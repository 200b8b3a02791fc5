//! A plan as text: reads like a good diff, grouped by table, service and region.
//!
//! Must not decide anything. Colour is an argument; the caller knows whether a terminal is listening.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use jiff::Timestamp;

use super::desired::Purpose;
use super::plan::{Action, Counts, Plan, Step};

/// A plan that can be printed.
#[derive(Debug, Clone, Copy)]
pub struct Printed<'a> {
    pub plan: &'a Plan,
    pub colour: bool,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Printed { plan: self, colour: false }.fmt(f)
    }
}

impl fmt::Display for Printed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = self.plan;
        let limit = plan.limits.entries;
        writeln!(f, "{} {}", plan.id.kind, plan.id)?;
        let what = plan.id.kind.entries();
        writeln!(f, "  {} -> {} of at most {limit} {what}", plan.entries_now, plan.entries_after())?;
        for document in &plan.documents {
            let number = document.change_number;
            writeln!(f, "  document {} change number {number}, {}", document.cloud, document.digest.short())?;
        }
        if let Some(blocked) = &plan.blocked {
            writeln!(f, "  {}: {}", self.paint(RED, &format!("blocked, {}", blocked.reason.name())), blocked.message)?;
        }
        self.steps(f, &plan.steps, "  ")?;
        self.held(f)?;
        self.approval(f)?;
        self.section(
            f,
            "left alone",
            // What to do about it gets a line of its own.
            plan.conflicts.iter().map(|c| {
                format!(
                    "! {:<22} {}",
                    c.address.to_string(),
                    c.why.replacen("; ", "\n                             ", 1)
                )
            }),
        )?;
        self.section(
            f,
            "already there, not ours",
            plan.satisfied_by_others.iter().map(|(address, name)| format!("= {:<22} {name}", address.to_string())),
        )?;
        self.section(f, "unknown needs", plan.unresolved.iter().map(|(key, why)| format!("? {key}: {why}")))?;
        self.section(f, "warnings", plan.warnings.iter().map(|note| format!("* {}: {}", note.code, note.message)))?;
        if plan.steps.is_empty() && plan.held.is_empty() && plan.blocked.is_none() && plan.conflicts.is_empty() {
            writeln!(f, "  nothing to do")?;
        }
        Ok(())
    }
}

const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";

impl Printed<'_> {
    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn steps(&self, f: &mut fmt::Formatter<'_>, steps: &[Step], indent: &str) -> fmt::Result {
        // What the own region needs stands before what its pair needs; removals stand last.
        let mut groups: BTreeMap<(bool, bool, String), Vec<&Step>> = BTreeMap::new();
        for step in steps {
            let only_paired = step.purposes.iter().all(|p| matches!(p, Purpose::Service { paired: true, .. }));
            let key = (step.action == Action::Remove, only_paired || step.is_default_route(), title(step));
            groups.entry(key).or_default().push(step);
        }
        for ((.., title), group) in groups {
            writeln!(f, "{indent}{title}")?;
            for step in group {
                writeln!(f, "{indent}  {}", self.line(step))?;
            }
        }
        Ok(())
    }

    fn line(&self, step: &Step) -> String {
        let (sign, colour) = match step.action {
            Action::Add => ('+', GREEN),
            Action::Change => ('~', YELLOW),
            Action::Remove => ('-', RED),
        };
        if step.is_member() {
            let was_there = match (step.action, &step.before) {
                (Action::Change, Some((before, _))) if *before != step.address => format!("  (was {before})"),
                (Action::Change, _) => "  (written again)".to_owned(),
                _ => String::new(),
            };
            let element = match step.address.part() {
                Some(part) => part.element(),
                None => step.address.to_string(),
            };
            return self.paint(colour, &format!("{sign} {element}{was_there}"));
        }
        let hop = step.next_hop.as_ref().or(step.before.as_ref().map(|(_, hop)| hop));
        let hop = hop.map(ToString::to_string).unwrap_or_default();
        let mut line = format!("{sign} {:<22} -> {hop:<24} {}", step.address.to_string(), step.entry);
        if let (Action::Change, Some((address, hop))) = (step.action, &step.before) {
            let _ = write!(line, "  (was {address} -> {hop})");
        }
        self.paint(colour, line.trim_end())
    }

    fn held(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut groups: BTreeMap<(&str, &str, Option<Timestamp>), Vec<Step>> = BTreeMap::new();
        for held in &self.plan.held {
            groups.entry((held.reason.name(), &held.why, held.until)).or_default().push(held.step.clone());
        }
        for ((reason, why, until), steps) in groups {
            let until = until.map(|until| format!(", until {until}")).unwrap_or_default();
            writeln!(f, "  {}: {why}{until}", self.paint(YELLOW, &format!("held, {reason}")))?;
            self.steps(f, &steps, "    ")?;
        }
        Ok(())
    }

    /// What to type, once for each namespace that has to approve.
    fn approval(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(pending) = self.plan.pending.as_ref().filter(|pending| !pending.is_approved) else { return Ok(()) };
        let mut namespaces = BTreeSet::new();
        for network in pending.approvers.iter().filter(|network| namespaces.insert(&network.namespace)) {
            writeln!(f, "  to approve: amlnet approve {network} --hash {}", pending.hash)?;
        }
        Ok(())
    }

    fn section(&self, f: &mut fmt::Formatter<'_>, title: &str, lines: impl Iterator<Item = String>) -> fmt::Result {
        for (index, line) in lines.enumerate() {
            if index == 0 {
                writeln!(f, "  {}", self.paint(YELLOW, title))?;
            }
            writeln!(f, "    {line}")?;
        }
        Ok(())
    }
}

/// `AzureMachineLearning eastus2`, or all purposes of an entry that serves several.
fn title(step: &Step) -> String {
    if let Some(part) = step.address.part() {
        let of = if step.action == Action::Remove { "no longer wanted in rule" } else { "rule" };
        return format!("{of} {}", part.rule);
    }
    if step.action == Action::Remove {
        return "no longer wanted".to_owned();
    }
    step.purposes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service { service, region: Some(region), paired: false } => write!(f, "{service} {region}"),
            Self::Service { service, region: Some(region), paired: true } => write!(f, "{service} {region} (paired)"),
            Self::Service { service, region: None, .. } => write!(f, "{service} by service tag"),
            Self::Requirement { name, region, .. } => match region {
                Some(region) => write!(f, "{name} {region}"),
                None => f.write_str(name),
            },
            Self::Rule { requirement } => f.write_str(requirement),
            Self::DefaultRoute => f.write_str("default route"),
        }
    }
}

/// The counts of several targets together.
pub fn total(counts: impl IntoIterator<Item = Counts>) -> Counts {
    counts.into_iter().fold(Counts::default(), |sum, counts| Counts {
        add: sum.add + counts.add,
        change: sum.change + counts.change,
        remove: sum.remove + counts.remove,
        held: sum.held + counts.held,
        conflicts: sum.conflicts + counts.conflicts,
        blocked: sum.blocked + counts.blocked,
    })
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} to add, {} to change, {} to remove; {} held, {} in conflict, {} blocked",
            self.add, self.change, self.remove, self.held, self.conflicts, self.blocked
        )
    }
}

/// Service and region of a step, for outputs with one column each.
pub fn service_and_region(purposes: &BTreeSet<Purpose>) -> (Option<String>, Option<String>) {
    let services: BTreeSet<&str> = purposes
        .iter()
        .filter_map(|purpose| match purpose {
            Purpose::Service { service, .. } | Purpose::Requirement { service, .. } => Some(service.as_str()),
            Purpose::Rule { .. } | Purpose::DefaultRoute => None,
        })
        .collect();
    let regions: BTreeSet<&str> = purposes
        .iter()
        .filter_map(|purpose| match purpose {
            Purpose::Service { region, .. } | Purpose::Requirement { region, .. } => {
                region.as_ref().map(super::region::RegionName::as_str)
            }
            Purpose::Rule { .. } | Purpose::DefaultRoute => None,
        })
        .collect();
    let join = |set: BTreeSet<&str>| (!set.is_empty()).then(|| set.into_iter().collect::<Vec<_>>().join(","));
    (join(services), join(regions))
}
