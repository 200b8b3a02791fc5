//! The JSON that commands print: a contract. `docs/schemas/` holds its schemas, a test compares.
//!
//! Must not compute: every field is read off a domain value.

use schemars::JsonSchema;
use serde::Serialize;

use super::plan::{Approvals, Refused};
use crate::domain::desired::Address;
use crate::domain::desired::DocumentId;
use crate::domain::intent::NextHop;
use crate::domain::outcome::{End, Outcome};
use crate::domain::plan::{Action, Counts, Plan, Standing, Step};
use crate::domain::render::{service_and_region, total};
use crate::domain::resource_id::TargetKind;
use crate::domain::rule::Part;

/// What `plan` and `apply` print.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanOutput {
    /// The document that the targets follow; null where none is in force.
    pub document: Option<Document>,
    pub targets: Vec<Target>,
    /// What became of the approvals that were given.
    pub approvals: Vec<ApprovalOutput>,
    /// Networks that name something outside their scope: nothing is done for them.
    pub out_of_scope: Vec<OutOfScopeOutput>,
    pub summary: Summary,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalOutput {
    /// The object that it was given for; the file, where it cannot be read.
    pub subject: String,
    pub hash: Option<String>,
    pub approved_by: Option<String>,
    pub expires_at: Option<String>,
    /// InForce, OthersMissing, Used, Expired, OtherPlan, Outgrown, NoSuchSubject or Unreadable.
    pub state: String,
    pub message: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct OutOfScopeOutput {
    /// Namespace and name.
    pub network: String,
    pub message: String,
}

/// What `approve` prints.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApproveOutput {
    /// `namespace/name` of the PlanApproval.
    pub object: String,
    /// Where it was written, if into a state folder.
    pub file: Option<String>,
    pub subject: String,
    pub hash: String,
    pub approved_by: Option<String>,
    pub expires_at: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    pub cloud: String,
    pub change_number: u64,
    pub digest: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// The ARM id.
    pub id: String,
    pub kind: Kind,
    pub limit: usize,
    pub entries_now: usize,
    pub entries_after: usize,
    /// What to approve: over target, documents and the steps that need a person, with their values before. Where none
    /// does, over all steps.
    pub hash: String,
    /// In the order in which they are taken, unless `blocked` is set. After `apply`: what is left.
    pub steps: Vec<StepOutput>,
    pub held: Vec<HeldOutput>,
    pub conflicts: Vec<ConflictOutput>,
    pub warnings: Vec<WarningOutput>,
    /// Why nothing is done to the target.
    pub blocked: Option<BlockedOutput>,
    /// How it ended; null for `plan`, unless the target could not be read.
    pub result: Option<ResultOutput>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub enum Kind {
    RouteTable,
    IpGroup,
    RuleCollectionGroup,
    SecurityGroup,
}

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub enum ActionOutput {
    Add,
    Change,
    Remove,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepOutput {
    pub action: ActionOutput,
    pub entry: String,
    /// A prefix, or a service tag where the route is by tag; of a rule, the element that the step is about.
    pub prefix: String,
    /// What it will be; null for a removal, and where the target is no route table.
    pub next_hop: Option<String>,
    /// The rule that the step is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The members of an IP group that the step is about; of a rule, prefixes, service tags or IP groups of its far side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addresses: Option<Vec<String>>,
    /// Hosts of the far side of a rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hosts: Option<Vec<String>>,
    /// Ports of a rule, each with its protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<String>>,
    /// The computes' side of a rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sources: Option<Vec<String>>,
    /// What it is; null for an addition.
    pub before: Option<Before>,
    pub service: Option<String>,
    pub region: Option<String>,
    pub wanted_by: Vec<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Before {
    pub prefix: String,
    /// Null where the target is no route table.
    pub next_hop: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeldOutput {
    #[serde(flatten)]
    pub step: StepOutput,
    /// Mode, Growth, Hold, Budget or Approval.
    pub reason: String,
    pub why: String,
    /// RFC 3339; null where no time ends it.
    pub until: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConflictOutput {
    pub prefix: String,
    /// The rule that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    pub foreign_entry: Option<String>,
    pub why: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct WarningOutput {
    pub code: String,
    pub message: String,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct BlockedOutput {
    pub reason: String,
    pub message: String,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResultOutput {
    /// InSync, Applied, Held, NeedsPerson, Waiting, Blocked or Failed.
    pub state: String,
    pub message: Option<String>,
    /// ARM's code where it refused.
    pub code: Option<String>,
    pub correlation_id: Option<String>,
    /// What was carried out, in order.
    pub applied: Vec<AppliedOutput>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppliedOutput {
    #[serde(flatten)]
    pub step: StepOutput,
    pub correlation_id: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Summary {
    pub add: usize,
    pub change: usize,
    pub remove: usize,
    pub held: usize,
    pub conflicts: usize,
    pub blocked: usize,
}

impl PlanOutput {
    pub fn new<'a>(
        outcomes: impl IntoIterator<Item = &'a Outcome>,
        approvals: &Approvals,
        refused: &Refused,
        applied: bool,
    ) -> Self {
        let outcomes: Vec<&Outcome> = outcomes.into_iter().collect();
        let document = outcomes.iter().flat_map(|outcome| &outcome.plan.documents).next();
        Self {
            document: document.map(Document::from),
            targets: outcomes.iter().map(|outcome| Target::new(outcome, applied)).collect(),
            approvals: approvals_output(approvals),
            out_of_scope: refused
                .iter()
                .map(|(network, why)| OutOfScopeOutput { network: network.to_string(), message: why.to_string() })
                .collect(),
            summary: total(outcomes.iter().map(|outcome| outcome.counts())).into(),
        }
    }
}

fn approvals_output(approvals: &Approvals) -> Vec<ApprovalOutput> {
    let words = approvals.words.iter().map(|word| ApprovalOutput {
        subject: word.approval.subject.to_string(),
        hash: Some(word.approval.hash.clone()),
        approved_by: word.approval.approved_by.clone(),
        expires_at: Some(word.approval.expires_at.to_string()),
        state: word.state.name().to_owned(),
        message: word.message.clone(),
    });
    let unreadable = approvals.unreadable.iter().map(|problem| ApprovalOutput {
        subject: problem.place.clone(),
        hash: None,
        approved_by: None,
        expires_at: None,
        state: "Unreadable".to_owned(),
        message: problem.what.clone(),
    });
    words.chain(unreadable).collect()
}

impl From<&DocumentId> for Document {
    fn from(id: &DocumentId) -> Self {
        Self { cloud: id.cloud.to_string(), change_number: id.change_number, digest: id.digest.to_string() }
    }
}

impl From<Counts> for Summary {
    fn from(counts: Counts) -> Self {
        let Counts { add, change, remove, held, conflicts, blocked } = counts;
        Self { add, change, remove, held, conflicts, blocked }
    }
}

impl Target {
    fn new(outcome: &Outcome, applied: bool) -> Self {
        let plan = &outcome.plan;
        Self {
            id: plan.id.to_string(),
            kind: match plan.id.kind {
                TargetKind::RouteTable => Kind::RouteTable,
                TargetKind::IpGroup => Kind::IpGroup,
                TargetKind::RuleCollectionGroup => Kind::RuleCollectionGroup,
                TargetKind::SecurityGroup => Kind::SecurityGroup,
            },
            limit: plan.limits.entries,
            entries_now: plan.entries_now,
            entries_after: plan.entries_after(),
            hash: plan.hash().to_string(),
            steps: plan.steps.iter().map(StepOutput::from).collect(),
            held: plan
                .held
                .iter()
                .map(|held| HeldOutput {
                    step: (&held.step).into(),
                    reason: held.reason.name().to_owned(),
                    why: held.why.clone(),
                    until: held.until.map(|until| until.to_string()),
                })
                .collect(),
            conflicts: plan
                .conflicts
                .iter()
                .map(|conflict| ConflictOutput {
                    prefix: element(&conflict.address),
                    rule: conflict.address.part().map(|part| part.rule.clone()),
                    foreign_entry: conflict.foreign_entry.clone(),
                    why: conflict.why.clone(),
                })
                .collect(),
            warnings: warnings(plan),
            blocked: plan
                .blocked
                .as_ref()
                .map(|b| BlockedOutput { reason: b.reason.name().to_owned(), message: b.message.clone() }),
            result: (applied || !matches!(outcome.end, End::Planned)).then(|| ResultOutput::new(outcome)),
        }
    }
}

fn warnings(plan: &Plan) -> Vec<WarningOutput> {
    let unresolved = plan.unresolved.iter().map(|(network, why)| ("Unresolved", format!("{network}: {why}")));
    let notes = plan.warnings.iter().map(|note| (note.code, note.message.clone()));
    unresolved.chain(notes).map(|(code, message)| WarningOutput { code: code.to_owned(), message }).collect()
}

impl From<&Step> for StepOutput {
    fn from(step: &Step) -> Self {
        let (service, region) = service_and_region(&step.purposes);
        let part = step.address.part();
        let element = element(&step.address);
        let only = |is_it: fn(&Part) -> bool| part.filter(|part| is_it(&part.part)).map(|_| vec![element.clone()]);
        let is_of_group = part.is_none() && step.is_member() && !matches!(step.address, Address::Priority(_));
        Self {
            action: match step.action {
                Action::Add => ActionOutput::Add,
                Action::Change => ActionOutput::Change,
                Action::Remove => ActionOutput::Remove,
            },
            entry: step.entry.clone(),
            rule: part.map(|part| part.rule.clone()),
            addresses: only(|part| matches!(part, Part::Far(_))).or(is_of_group.then(|| vec![element.clone()])),
            hosts: only(|part| matches!(part, Part::Host(_))),
            ports: only(|part| matches!(part, Part::Port(_))),
            sources: only(|part| matches!(part, Part::Near(_))),
            prefix: element,
            next_hop: step.next_hop.as_ref().and_then(hop),
            before: step
                .before
                .as_ref()
                .map(|(address, next_hop)| Before { prefix: address.to_string(), next_hop: hop(next_hop) }),
            service,
            region,
            wanted_by: step.wanted_by.iter().map(ToString::to_string).collect(),
        }
    }
}

/// An address; of a rule, its element alone.
fn element(address: &Address) -> String {
    address.part().map_or_else(|| address.to_string(), |part| part.part.to_string())
}

fn hop(next_hop: &NextHop) -> Option<String> {
    (*next_hop != NextHop::Member).then(|| next_hop.to_string())
}

impl ResultOutput {
    fn new(outcome: &Outcome) -> Self {
        let (state, message, failure) = match &outcome.end {
            End::Planned => ("InSync", None, None),
            End::Applied => ("Applied", None, None),
            End::Waiting { why, .. } => ("Waiting", Some(why.clone()), None),
            End::Blocked { failure, .. } => ("Blocked", Some(failure.to_string()), Some(failure)),
            End::Failed(failure) => ("Failed", Some(failure.to_string()), Some(failure)),
        };
        let state = match (&outcome.plan.blocked, outcome.standing()) {
            (Some(_), _) => "Blocked",
            (None, Standing::NeedsPerson) if matches!(outcome.end, End::Planned | End::Applied) => "NeedsPerson",
            (None, _) if outcome.end == End::Planned && !outcome.plan.held.is_empty() => "Held",
            _ => state,
        };
        Self {
            state: state.to_owned(),
            message,
            code: failure.map(|failure| failure.code.clone()),
            correlation_id: failure.and_then(|failure| failure.correlation_id.clone()),
            applied: outcome
                .applied
                .iter()
                .map(|applied| AppliedOutput {
                    step: (&applied.step).into(),
                    correlation_id: applied.correlation_id.clone(),
                })
                .collect(),
        }
    }
}

/// What `tags check` prints.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckOutput {
    pub file: String,
    pub acceptable: bool,
    /// Why it is not acceptable.
    pub problem: Option<String>,
    pub cloud: Option<String>,
    pub change_number: Option<u64>,
    pub digest: Option<String>,
    pub tags: Option<usize>,
    pub prefixes: Option<usize>,
}

/// What `tags show` prints.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShowOutput {
    pub document: Document,
    pub tags: Vec<TagOutput>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TagOutput {
    pub name: String,
    pub region: String,
    pub network_features: Vec<String>,
    pub prefixes: Vec<String>,
}

/// What `tags diff` prints.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiffOutput {
    pub old: Document,
    pub new: Document,
    pub same: bool,
    pub tags: Vec<TagDiffOutput>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TagDiffOutput {
    pub name: String,
    /// Added, Removed or Changed.
    pub change: String,
    pub added: Vec<String>,
    pub removed: Vec<String>,
    /// Where the network features differ.
    pub features: Option<FeaturesOutput>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeaturesOutput {
    pub before: Vec<String>,
    pub after: Vec<String>,
}

/// What `version` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct VersionOutput {
    pub version: String,
    pub commit: String,
}

/// Every output that has a schema, by the name of its file.
pub fn schemas() -> Vec<(&'static str, schemars::Schema)> {
    vec![
        ("plan", schemars::schema_for!(PlanOutput)),
        ("approve", schemars::schema_for!(ApproveOutput)),
        ("tags-check", schemars::schema_for!(CheckOutput)),
        ("tags-show", schemars::schema_for!(ShowOutput)),
        ("tags-diff", schemars::schema_for!(DiffOutput)),
        ("requirements", schemars::schema_for!(super::requirements::report::Report)),
        ("version", schemars::schema_for!(VersionOutput)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The schemas are generated; scripts rely on the committed ones.
    #[test]
    fn the_committed_schemas_are_those_of_the_code() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schemas");
        for (name, schema) in schemas() {
            let path = folder.join(format!("{name}.schema.json"));
            let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
            if std::env::var_os("AMLNET_UPDATE_GOLDEN").is_some() {
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(&path, &text).unwrap();
            }
            let committed = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(committed == text, "{} is not what the code makes; run make golden", path.display());
        }
    }
}
