//! What a subscription may ask for: ARM's token buckets, per region, principal and kind of operation and once more for
//! all principals together, and the network provider's own count per subscription and location. Decides and tells;
//! refuses only where the world asks for it.

use super::{
    error::{self, ApiError},
    settings::{Bucket, Limits},
    time::Time,
};
use std::{collections::BTreeMap, time::Duration};

/// What the global buckets hold where nothing is enforced, as seen in 2025 and 2026.
const GLOBAL_READS: Bucket = Bucket { size: 16_500, per_second: 1_650 };
/// ASSUMPTION: how fast it fills; 15 times what a principal's bucket gets, raised as the sizes were.
const GLOBAL_WRITES: Bucket = Bucket { size: 12_000, per_second: 600 };

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Read,
    Write,
    Delete,
}

impl Kind {
    pub(super) fn of(method: &str) -> Self {
        match method {
            "GET" | "HEAD" => Self::Read,
            "DELETE" => Self::Delete,
            _ => Self::Write,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
        }
    }
}

/// A request as the limits see it.
#[derive(Clone, Debug)]
pub(super) struct Asked<'a> {
    pub(super) now: Time,
    pub(super) subscription: &'a str,
    /// The client and the region of ARM that it reached.
    pub(super) principal: &'a str,
    pub(super) kind: Kind,
    /// The location of the network resource, where it is one.
    pub(super) location: Option<&'a str>,
    pub(super) time_scale: f64,
}

/// What is left of the principal's bucket, where buckets are enforced, and of the global one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Left {
    pub(super) principal: Option<u64>,
    pub(super) global: u64,
}

#[derive(Clone, Copy, Debug)]
struct Level {
    /// In thousandths of a request.
    left: u64,
    since: Time,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    since: Time,
    count: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Throttle {
    principals: BTreeMap<(String, String, Kind), Level>,
    global: BTreeMap<(String, Kind), Level>,
    provider: BTreeMap<(String, String, bool), Window>,
}

impl Level {
    /// Filled up to now.
    fn fill(&mut self, bucket: Bucket, asked: &Asked<'_>) {
        let elapsed = faster(asked.now.millis().saturating_sub(self.since.millis()), asked.time_scale);
        self.left = self.left.saturating_add(elapsed.saturating_mul(bucket.per_second)).min(bucket.size * 1000);
        self.since = asked.now;
    }

    /// Milliseconds until there is one request again.
    fn wait(self, bucket: Bucket) -> u64 {
        1000_u64.saturating_sub(self.left).div_ceil(bucket.per_second.max(1))
    }
}

/// Milliseconds of Azure's time.
fn faster(millis: u64, time_scale: f64) -> u64 {
    let elapsed = Duration::from_millis(millis).as_secs_f64() / time_scale.max(1e-6);
    u64::try_from(Duration::try_from_secs_f64(elapsed).unwrap_or(Duration::MAX).as_millis()).unwrap_or(u64::MAX)
}

fn full(bucket: Bucket, now: Time) -> Level {
    Level { left: bucket.size * 1000, since: now }
}

impl Throttle {
    /// Counts a request, or refuses it. A refused request takes nothing.
    pub(super) fn take(&mut self, limits: &Limits, asked: &Asked<'_>) -> Result<Left, ApiError> {
        let subscription = asked.subscription.to_ascii_lowercase();
        let global_bucket = global_bucket(limits, asked.kind);
        let global =
            self.global.entry((subscription.clone(), asked.kind)).or_insert_with(|| full(global_bucket, asked.now));
        global.fill(global_bucket, asked);
        if !limits.enforce {
            global.left = global.left.saturating_sub(1000);
            return Ok(Left { principal: None, global: global.left / 1000 });
        }
        let bucket = principal_bucket(limits, asked.kind);
        let key = (subscription.clone(), asked.principal.to_owned(), asked.kind);
        let own = self.principals.entry(key).or_insert_with(|| full(bucket, asked.now));
        own.fill(bucket, asked);
        let empty = [(*own, bucket), (*global, global_bucket)].into_iter().find(|(level, _)| level.left < 1000);
        if let Some((level, bucket)) = empty {
            let seconds = level.wait(bucket).div_ceil(1000).max(1);
            let actor = asked.principal.split('@').next().unwrap_or_default();
            return Err(error::subscription_throttled(asked.kind.name(), asked.subscription, actor, seconds));
        }
        if let Some(location) = asked.location {
            check_provider(&mut self.provider, limits, asked, &subscription, location)?;
        }
        own.left -= 1000;
        global.left -= 1000;
        Ok(Left { principal: Some(own.left / 1000), global: global.left / 1000 })
    }

    /// What is left without another request, for a refused one.
    pub(super) fn left(&self, limits: &Limits, asked: &Asked<'_>) -> Left {
        let subscription = asked.subscription.to_ascii_lowercase();
        let own = self.principals.get(&(subscription.clone(), asked.principal.to_owned(), asked.kind));
        let global = self.global.get(&(subscription, asked.kind));
        let whole = |level: Option<&Level>, bucket: Bucket| level.map_or(bucket.size, |level| level.left / 1000);
        Left {
            principal: limits.enforce.then(|| whole(own, principal_bucket(limits, asked.kind))),
            global: whole(global, global_bucket(limits, asked.kind)),
        }
    }
}

/// ASSUMPTION: counted in windows that begin with the first request; only numbers and length are documented.
fn check_provider(
    windows: &mut BTreeMap<(String, String, bool), Window>,
    limits: &Limits,
    asked: &Asked<'_>,
    subscription: &str,
    location: &str,
) -> Result<(), ApiError> {
    let is_read = asked.kind == Kind::Read;
    let allowed = if is_read { limits.provider.reads } else { limits.provider.writes };
    let length = limits.provider.window.0.as_millis();
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    let fresh = Window { since: asked.now, count: 0 };
    let window = windows.entry((subscription.to_owned(), location.to_owned(), is_read)).or_insert(fresh);
    let elapsed = faster(asked.now.millis().saturating_sub(window.since.millis()), asked.time_scale);
    if elapsed >= length {
        *window = fresh;
    }
    if window.count >= allowed {
        let seconds = (length - elapsed.min(length)).div_ceil(1000).max(1);
        return Err(error::provider_throttled(is_read, location, allowed, window.count + 1, seconds));
    }
    window.count += 1;
    Ok(())
}

fn principal_bucket(limits: &Limits, kind: Kind) -> Bucket {
    match kind {
        Kind::Read => limits.reads,
        Kind::Write => limits.writes,
        Kind::Delete => limits.deletes,
    }
}

fn global_bucket(limits: &Limits, kind: Kind) -> Bucket {
    match (limits.enforce, kind) {
        (true, kind) => {
            let Bucket { size, per_second } = principal_bucket(limits, kind);
            Bucket { size: size * limits.global_factor, per_second: per_second * limits.global_factor }
        }
        (false, Kind::Read) => GLOBAL_READS,
        (false, _) => GLOBAL_WRITES,
    }
}
