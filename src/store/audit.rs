//! One line a write: enough to undo it by hand, and to rebuild every table from all lines.
//!
//! Must not hold secrets, and must not be needed for any decision: what amlnet rests on is remembered elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::plan::{Action, Plan, Step, TargetInput};
use crate::domain::resource_id::TargetKind;

/// One write, as it stands in `audit.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditLine {
    /// When it was sent, RFC 3339.
    pub at: String,
    /// Unique for each write.
    pub write: String,
    pub installation: String,
    pub target: String,
    /// `Add`, `Change` or `Remove`; `Write` where one write changed a whole body.
    pub action: String,
    /// The name of the entry; of a body that is written as a whole, the name of the resource.
    pub entry: String,
    pub contributors: Vec<String>,
    /// The contributors that want what is written; nobody wants what is removed.
    pub wanted_by: Vec<String>,
    pub plan: String,
    pub documents: Vec<AuditDocument>,
    /// The approvals by which it was done, where it needed any.
    pub approvals: Vec<String>,
    /// What stood there as far as the plan knew; null for nothing.
    pub before: Option<AuditRoute>,
    /// What stands there afterwards; null for nothing.
    pub after: Option<AuditRoute>,
    /// The addresses that a write of a whole body added, wrote again and took away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
    /// `Succeeded`; `Refused` or `Failed`: it did not come about; `Found` or `NotFound`: the answer was never seen, and a
    /// later look at the target found that it came about, or did not; empty while it is under way.
    pub result: String,
    /// ARM's code where it did not come about.
    pub code: Option<String>,
    pub correlation_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditDocument {
    pub cloud: String,
    pub change_number: u64,
    pub digest: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditRoute {
    /// A prefix, or a service tag.
    pub prefix: String,
    pub next_hop: String,
}

impl AuditLine {
    /// The line of a write that is about to be sent.
    /// `body` is the name of what is written where it is no route.
    pub fn begin(input: &TargetInput, plan: &Plan, steps: &[Step], body: &str, at: String, write: String) -> Self {
        let is_pending = |step: &Step, lines: &BTreeMap<String, _>| lines.contains_key(&step.line());
        let pending = plan.pending.as_ref().filter(|pending| steps.iter().any(|step| is_pending(step, &pending.steps)));
        let alone = steps.first().filter(|_| input.id.kind == TargetKind::RouteTable);
        let of = |action: Action| {
            let of_action = steps.iter().filter(|step| alone.is_none() && step.action == action);
            of_action.map(|step| step.address.to_string()).collect()
        };
        let wanted_by: BTreeSet<String> =
            steps.iter().flat_map(|step| &step.wanted_by).map(ToString::to_string).collect();
        let route = |prefix: &dyn ToString, hop: &dyn ToString| AuditRoute {
            prefix: prefix.to_string(),
            next_hop: hop.to_string(),
        };
        Self {
            at,
            write,
            installation: input.installation.to_string(),
            target: input.id.to_string(),
            action: alone.map_or_else(|| "Write".to_owned(), |step| format!("{:?}", step.action)),
            entry: alone.map_or_else(|| body.to_owned(), |step| step.entry.clone()),
            contributors: input.contributions.iter().map(|c| c.network.to_string()).collect(),
            wanted_by: wanted_by.into_iter().collect(),
            plan: plan.identity().to_string(),
            documents: plan
                .documents
                .iter()
                .map(|document| AuditDocument {
                    cloud: document.cloud.to_string(),
                    change_number: document.change_number,
                    digest: document.digest.to_string(),
                })
                .collect(),
            approvals: pending.map(|pending| pending.approved_by.iter().cloned().collect()).unwrap_or_default(),
            before: alone.and_then(|step| step.before.as_ref()).map(|(address, hop)| route(address, hop)),
            after: alone.and_then(|step| Some(route(&step.address, step.next_hop.as_ref()?))),
            added: of(Action::Add),
            changed: of(Action::Change),
            removed: of(Action::Remove),
            result: String::new(),
            code: None,
            correlation_id: None,
        }
    }

    /// The same with how it ended.
    #[must_use]
    pub fn ended(self, result: &str, code: Option<String>, correlation_id: Option<String>) -> Self {
        Self { result: result.to_owned(), code, correlation_id: correlation_id.or(self.correlation_id), ..self }
    }
}
