//! What is particular to targets whose body is written as a whole: IP groups.
//!
//! Whose a body is, and when it may be taken over. Must not look at what is desired: `entries` does.

use super::{Blocked, BlockedReason, Observed, TargetInput};
use crate::intent::Installation;
use crate::resolve::Note;
use crate::resource_id::TargetKind;

/// So many firewalls and policies may use one IP group (docs/facts.md, "Limits": a soft limit).
const USERS: usize = 50;

/// Why the body is not amlnet's to write, if so. Only an empty one is taken over.
pub(super) fn refusal(input: &TargetInput, observed: &Observed) -> Option<Blocked> {
    let whole = observed.whole.as_ref().filter(|_| input.id.kind == TargetKind::IpGroup)?;
    let installation = &input.installation;
    let message = match &whole.owner {
        _ if whole.is_marked(installation) => return None,
        Some(other) => format!(
            "the {} belongs to installation {other}; name another one here, or take it from the other's objects first",
            input.id.kind
        ),
        // Azure empties a group whose update failed: whether it is somebody's cannot be told by what it holds.
        None if whole.failed && !(whole.tags.is_empty() && whole.users.is_empty()) => format!(
            "the {} is in state Failed, in which Azure shows no addresses, and others use it or have tagged it; have it \
             repaired, or name another one{}",
            input.id.kind,
            lost_mark(installation)
        ),
        None if observed.entries.is_empty() => return None,
        None => format!(
            "the {} holds {} addresses that are not amlnet's, and it bears no mark; amlnet takes over an empty one only. \
             Name another one, or empty it{}",
            input.id.kind,
            observed.entries.len(),
            lost_mark(installation)
        ),
    };
    Some(Blocked { reason: BlockedReason::Conflict, message })
}

fn lost_mark(installation: &Installation) -> String {
    format!("; if it was amlnet's and lost its mark, give it the tag amlnet-installation: {installation} again")
}

/// What may make the body useless, or is close to a limit.
pub(super) fn warnings(observed: &Observed) -> Vec<Note> {
    let Some(whole) = observed.whole.as_ref().filter(|whole| whole.exists) else { return Vec::new() };
    let users = whole.users.len();
    let mut notes = Vec::new();
    if users == 0 {
        let message = "no firewall and no policy refers to the group, so it has no effect".to_owned();
        notes.push(Note { code: "NotUsed", message });
    }
    if users * 100 >= USERS * 80 {
        let message = format!("{users} firewalls and policies use the group; Azure supports about {USERS}");
        notes.push(Note { code: "ManyUsers", message });
    }
    notes
}
