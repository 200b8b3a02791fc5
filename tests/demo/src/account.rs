//! The last two steps of the demonstration: what was done and what it cost, and whether all of it was right.
//!
//! Gathers the evidence; what must be true of it stands in `proof`.

use std::time::Instant;

use crate::proof::{self, Check, Evidence, Whole};
use crate::record::{Request, Tally};
use crate::show::{self, MANY, listing, say, section};
use crate::story::{Stage, around};
use crate::waiting::Mark;

/// Steps 8 and 9: whether all of it was right.
pub(crate) async fn account(
    stage: &Stage,
    [planned, first]: [Mark; 2],
    list: proof::list::Evidence,
    started: Instant,
) -> Result<bool, String> {
    let Stage { ids, simulator, .. } = stage;
    let (history, requests) = (simulator.history(&ids.table).await?, simulator.requests().await?);
    section(8, "The table now, and what it cost", "Read from the simulator, not from amlnet.");
    say("");
    listing(&show::routes(history.last().map_or(&[], |state| &state.entries)), usize::MAX);
    let phases: [Vec<Request>; 3] = [
        requests[..planned.requests].to_vec(),
        requests[planned.requests..first.requests].to_vec(),
        requests[first.requests..].to_vec(),
    ];
    let titles = ["plan", "first document", "next document"];
    let tallies: Vec<(&str, Tally)> =
        titles.into_iter().zip(&phases).map(|(title, requests)| (title, Tally::of(requests, ids))).collect();
    say("");
    listing(&show::tallies(&tallies), MANY);

    let table = Evidence {
        needed: stage.of_both(|one| &one.needed),
        conflict: stage.conflict,
        converged: first.states - 1,
        history,
        requests: phases.clone(),
        others: vec![ids.group.clone(), ids.own_rules.clone(), ids.security.clone()],
    };
    let [[group_around, rules_around], [group_now, rules_now]] = [stage.around.clone(), around(simulator, ids).await?];
    let group = proof::group::Evidence {
        id: ids.group.clone(),
        needed: stage.of_both(|one| &one.grouped),
        history: simulator.group_history(&ids.group).await?,
        converged: first.group_states - 1,
        requests: phases.clone(),
        around: [group_around, group_now],
    };
    let policy = proof::rules::Evidence {
        what: "the policy",
        id: ids.own_rules.clone(),
        asked: stage.of_both(|one| &one.policy),
        may_overlap: true,
        begin: Vec::new(),
        history: simulator.policy_history(&ids.own_rules).await?,
        converged: first.policy_states.saturating_sub(1),
        requests: phases.clone(),
    };
    let surroundings = proof::policy::Surroundings {
        around: [rules_around, rules_now],
        own: simulator.resource(&ids.own_rules).await?,
    };
    let security = proof::rules::Evidence {
        what: "the security group",
        id: ids.security.clone(),
        asked: stage.of_both(|one| &one.security),
        may_overlap: false,
        begin: stage.secured.clone(),
        history: simulator.security_history(&ids.security).await?,
        converged: first.security_states - 1,
        requests: phases,
    };
    let whole = Whole { table, group, list, policy: (policy, surroundings), security };
    section(
        9,
        "The proof",
        "Computed without amlnet's code, from the two documents, the simulator's record of every state, and every answer of\n\
         the list.",
    );
    let checks = proof::all(&whole);
    say("");
    listing(&checks.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"), MANY);
    let failed: Vec<&Check> = checks.iter().filter(|check| !check.holds()).collect();
    let seconds = started.elapsed().as_secs_f64();
    if failed.is_empty() {
        let writes: usize = tallies.iter().map(|(_, tally)| tally.writes()).sum();
        let Whole { table, group, list, policy: (policy, _), security } = &whole;
        say(&format!(
            "\nPASS  {} checks on {} states of the table, {} of the IP group, {} of our rules in the policy, {} of the security \
             group and\n      {} answers of the list: {writes} writes, no needed prefix missing, nothing foreign touched \
             ({seconds:.1} s)",
            checks.len(),
            table.history.len(),
            group.history.len(),
            policy.history.len(),
            security.history.len(),
            list.answers.len()
        ));
    } else {
        say(&format!("\nFAIL  {} of {} checks failed; see FAIL above ({seconds:.1} s)", failed.len(), checks.len()));
    }
    Ok(failed.is_empty())
}
