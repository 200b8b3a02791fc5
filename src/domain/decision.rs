//! One decision about one target: what was remembered, what stands there and what is asked for in; a guarded plan and
//! what is to be remembered out.
//!
//! A pure function. Must not know how a plan is carried out, or where a memory is kept.

use jiff::Timestamp;

use super::approval::Approval;
use super::guard::{self, Situation};
use super::memory::TargetMemory;
use super::plan::{Limits, Observed, Plan, TargetInput, entries};
use super::resolve::Note;

/// What a decision rests on besides the target itself.
#[derive(Debug, Clone, Copy)]
pub struct Basis<'a> {
    pub remembered: &'a TargetMemory,
    pub approvals: &'a [Approval],
    pub now: Timestamp,
}

/// The guarded plan, and what is remembered after this look. `notes` are said with the plan.
pub fn decide(
    input: &TargetInput,
    observed: &Observed,
    limits: Limits,
    notes: &[Note],
    basis: Basis<'_>,
) -> (Plan, TargetMemory) {
    let Basis { remembered, approvals, now } = basis;
    let (memory, said) = remembered.look(input, observed, now);
    let mut plan = entries::plan(input, observed, limits);
    plan.warnings.extend(notes.iter().cloned().chain(said));
    let plan = guard::guard(plan, Situation { input, observed, memory: &memory, approvals, now });
    let mut memory = memory;
    memory.forget_approvals(approvals, now);
    memory.remember_waiting(&plan, approvals);
    let memory = memory.after(&plan, input);
    (plan, memory)
}
