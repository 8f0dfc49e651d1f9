//! Spans of time in policies.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A span of time as a policy has it: whole seconds, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seconds(NonZeroU32);

impl Seconds {
    /// That many seconds; one if it is none.
    pub const fn new(seconds: u32) -> Seconds {
        match NonZeroU32::new(seconds) {
            Some(seconds) => Seconds(seconds),
            None => Seconds(NonZeroU32::MIN),
        }
    }

    /// The same, for adding to a point in time.
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0.get() as u64)
    }
}

/// As a person says it: "a minute", "90 seconds", "2 hours".
impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get() {
            1 => f.write_str("a second"),
            60 => f.write_str("a minute"),
            3600 => f.write_str("an hour"),
            hours if hours % 3600 == 0 => write!(f, "{} hours", hours / 3600),
            minutes if minutes % 60 == 0 => write!(f, "{} minutes", minutes / 60),
            seconds => write!(f, "{seconds} seconds"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_span_reads_as_a_person_says_it() {
        for (seconds, words) in [
            (1, "a second"),
            (60, "a minute"),
            (90, "90 seconds"),
            (120, "2 minutes"),
            (3600, "an hour"),
            (7200, "2 hours"),
        ] {
            assert_eq!(Seconds::new(seconds).to_string(), words);
        }
    }

    #[test]
    fn no_time_at_all_is_refused() {
        assert!(serde_json::from_str::<Seconds>("0").is_err());
        assert!(serde_json::from_str::<Seconds>("-1").is_err());
        assert_eq!(
            serde_json::from_str::<Seconds>("5").unwrap(),
            Seconds::new(5)
        );
    }
}
