//! When the loop goes on: after a resync, or when something is due and somebody has time.
//!
//! Must not decide what is done then.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::places::{Place, Places};
use crate::domain::resource_id::ResourceId;

/// The resync, spread by up to a tenth either way so that targets do not stay in step.
pub(super) fn next_resync(id: &ResourceId, resync: Duration, now: Timestamp) -> Timestamp {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    (id, now.as_millisecond()).hash(&mut hasher);
    let millis = i64::try_from(resync.as_millis()).unwrap_or(i64::MAX / 4);
    let spread = (millis / 5).max(1);
    let offset = i64::try_from(hasher.finish() % u64::try_from(spread).unwrap_or(1)).unwrap_or(0);
    now.checked_add(SignedDuration::from_millis(millis - spread / 2 + offset)).unwrap_or(Timestamp::MAX)
}

/// Waits until something is due, and then for a place to work at.
pub(super) async fn place_when_due(places: &Places, due: Option<Timestamp>) -> Place {
    sleep_until(due).await;
    places.take().await
}

async fn sleep_until(due: Option<Timestamp>) {
    match due {
        Some(due) => {
            let wait = due.duration_since(Timestamp::now());
            tokio::time::sleep(Duration::try_from(wait).unwrap_or(Duration::ZERO)).await;
        }
        None => std::future::pending().await,
    }
}
