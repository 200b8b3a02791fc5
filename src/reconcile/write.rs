//! One write, of a step or of all steps of a body: sent, waited for, and written down in the audit before and after.
//!
//! Must not decide whether a step is taken.

use std::collections::BTreeSet;
use std::time::Duration;

use super::said;
use super::stop::Stop;
use super::target::Bench;
use crate::azure::arm::ArmError;
use crate::azure::kind::Request;
use crate::domain::plan::{Action, Observed, Plan, TargetInput};
use crate::domain::resource_id::TargetKind;
use crate::store::audit::{AuditLine, AuditRoute};

/// A route or a rule is written in seconds (docs/facts.md, "Durations"). What takes longer is waited for without keeping
/// other targets from being worked on.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends one write and waits for its end; its correlation id.
pub(super) async fn write(
    plan: &Plan,
    input: &TargetInput,
    request: &Request,
    bench: Bench<'_>,
) -> Result<Option<String>, Stop> {
    let Bench { arm, store, fence, .. } = bench;
    let number = uuid::Uuid::new_v4().to_string();
    let Request { steps, write: request } = request;
    let line = AuditLine::begin(input, plan, steps, request.entry(), bench.now().to_string(), number);
    if let Err(error) = store.audit_begin(&input.id, &line).await {
        if steps.iter().any(|step| step.action == Action::Remove) {
            arm.metrics().not_kept("Audit");
            return Err(Stop::Forgetful(error));
        }
        // A full disk must not keep new addresses from the network; the log still has the line.
        arm.metrics().not_kept("Audit");
        said::not_audited(&input.id, &error);
    }
    let sent = arm.send(request, fence).await;
    let (ended, operation_id) = match sent {
        Ok(operation) => {
            // The log has it as soon as Azure has accepted it, whatever becomes of this process.
            log_write(&line, operation.correlation_id.as_deref());
            // A body that is written as a whole takes minutes where a firewall uses it.
            let patience = if input.id.kind.is_whole() { Duration::ZERO } else { PATIENCE };
            let ended = bench.leave_for(patience, arm.settle(&operation, fence)).await;
            (ended, operation.correlation_id)
        }
        Err(error) => (Err(error), None),
    };
    let line = match &ended {
        Ok(()) => Some(line.ended("Succeeded", None, operation_id.clone())),
        Err(ArmError::Refused(refusal)) if !refusal.leaves_it_open() => {
            let result = if operation_id.is_some() { "Failed" } else { "Refused" };
            let id = refusal.correlation_id.clone().or_else(|| operation_id.clone());
            Some(line.ended(result, Some(refusal.failure().code), id))
        }
        // It is not known how it ended: the next look at the target will tell.
        Err(_) => {
            let open = AuditLine { correlation_id: operation_id.clone(), ..line };
            if let Err(error) = store.audit_begin(&input.id, &open).await {
                arm.metrics().not_kept("Audit");
                said::not_audited(&input.id, &error);
            }
            None
        }
    };
    if let Some(line) = line {
        close(bench, input, &line).await;
    }
    ended.map(|()| operation_id).map_err(Stop::from)
}

/// Writes the line of a write whose end is known.
async fn close(Bench { store, arm, .. }: Bench<'_>, input: &TargetInput, line: &AuditLine) {
    if line.result != "Succeeded" {
        let AuditLine { target, entry, result, code, correlation_id, .. } = line;
        tracing::warn!(target_id = target, entry, result, code, correlation_id, "a write ended otherwise");
    }
    if let Err(error) = store.audit_end(&input.id, line).await {
        arm.metrics().not_kept("Audit");
        said::not_audited(&input.id, &error);
    }
}

/// A write whose answer was never seen: what stands in the target tells how it ended.
pub(super) async fn find_open_write(input: &TargetInput, observed: &Observed, bench: Bench<'_>) {
    let Some(line) = bench.store.audit_open(&input.id).filter(|_| !observed.updating) else { return };
    if input.id.kind != TargetKind::RouteTable {
        let stands: BTreeSet<String> = observed.entries.iter().map(|entry| entry.address.to_string()).collect();
        let failed = observed.whole.as_ref().is_some_and(|whole| whole.failed);
        let came_about = !failed
            && line.added.iter().all(|address| stands.contains(address))
            && !line.removed.iter().any(|address| stands.contains(address));
        return close(bench, input, &line.ended(if came_about { "Found" } else { "NotFound" }, None, None)).await;
    }
    let entry = observed.entries.iter().find(|entry| entry.name.eq_ignore_ascii_case(&line.entry));
    let stands = match (&line.after, entry) {
        (Some(after), Some(entry)) => {
            after.prefix.eq_ignore_ascii_case(&entry.address.to_string())
                && after.next_hop == entry.next_hop.to_string()
        }
        (None, None) => true,
        _ => false,
    };
    close(bench, input, &line.ended(if stands { "Found" } else { "NotFound" }, None, None)).await;
}

/// The line for whoever reads the log.
fn log_write(line: &AuditLine, correlation_id: Option<&str>) {
    let route = |route: &AuditRoute| format!("{} -> {}", route.prefix, route.next_hop);
    let some = |addresses: &[String]| (!addresses.is_empty()).then(|| addresses.join(","));
    let documents: Vec<&str> = line.documents.iter().map(|document| document.digest.as_str()).collect();
    tracing::info!(
        target: "amlnet::audit",
        target_id = line.target,
        action = line.action,
        entry = line.entry,
        before = line.before.as_ref().map(route),
        after = line.after.as_ref().map(route),
        added = some(&line.added),
        changed = some(&line.changed),
        removed = some(&line.removed),
        contributors = line.contributors.join(","),
        documents = documents.join(","),
        plan = line.plan,
        approvals = line.approvals.join(","),
        correlation_id,
        "wrote"
    );
}
