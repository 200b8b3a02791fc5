//! A moment in milliseconds since the epoch, given by whoever runs the model. Must not read a clock.

use jiff::Timestamp;
use std::time::Duration;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(u64);

impl Time {
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    pub fn millis(self) -> u64 {
        self.0
    }

    pub fn seconds(self) -> u64 {
        self.0 / 1000
    }

    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// .NET ticks (100 ns since year 1), as they stand in the `t` of a signed operation URL.
    pub fn ticks(self) -> u64 {
        621_355_968_000_000_000 + self.0 * 10_000
    }

    pub fn rfc3339(self) -> String {
        format!("{:.3}", self.timestamp())
    }

    pub fn http_date(self) -> String {
        self.timestamp().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
    }

    /// As error messages of the login service write it.
    pub fn us_date(self) -> String {
        self.timestamp().strftime("%-m/%-d/%Y %-I:%M:%S %p").to_string()
    }

    fn timestamp(self) -> Timestamp {
        i64::try_from(self.0).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok()).unwrap_or(Timestamp::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_in_the_three_forms() {
        let time = Time::from_millis(1_731_028_284_394);
        assert_eq!(time.rfc3339(), "2024-11-08T01:11:24.394Z");
        assert_eq!(time.http_date(), "Fri, 08 Nov 2024 01:11:24 GMT");
        assert_eq!(time.us_date(), "11/8/2024 1:11:24 AM");
        assert_eq!(Time::from_millis(0).ticks(), 621_355_968_000_000_000);
    }
}
