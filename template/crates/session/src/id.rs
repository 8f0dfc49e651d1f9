//! Names of things: participants, slots, deadlines, and points in time.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time: milliseconds since the Unix epoch, as the shell's clock gave it with an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The point `span` later; stops at the end of time rather than wrapping.
    #[must_use]
    pub fn after(self, span: Duration) -> Timestamp {
        let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Timestamp(self.0.saturating_add(millis))
    }
}

/// Who somebody is within one session. The shell makes it from the signed identity; it is opaque here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ParticipantId(pub String);

impl From<&str> for ParticipantId {
    fn from(id: &str) -> Self {
        ParticipantId(id.to_owned())
    }
}

impl fmt::Display for ParticipantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A stream's place in a session, and which take of it this is: `show.1`, and after the show was ended and begun
/// again, `show.2`.
///
/// Each take is a stream object of its own at Livepeer. A late event about an older take therefore names a slot that is
/// no longer in use and can be told from news about the present one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// What the stream is for, in the words of its architecture: lower case letters, digits and `-`.
    pub name: String,
    /// Which take this is, counted from 1.
    pub take: u32,
}

impl Slot {
    /// The slot `name.take`.
    pub fn new(name: impl Into<String>, take: u32) -> Slot {
        Slot {
            name: name.into(),
            take,
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.name, self.take)
    }
}

/// The text is not a slot: slots read `name.take`, such as `show.1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotASlot(String);

impl fmt::Display for NotASlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "\"{}\" is not a slot; a slot reads name.take, such as show.1",
            self.0
        )
    }
}

impl std::error::Error for NotASlot {}

impl FromStr for Slot {
    type Err = NotASlot;

    fn from_str(text: &str) -> Result<Slot, NotASlot> {
        let refuse = || NotASlot(text.chars().take(40).collect());
        let (name, take) = text.rsplit_once('.').ok_or_else(refuse)?;
        let named = !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        // `u32::from_str` would also take "+1" and "01", which would be other spellings of one slot.
        let counted = take.bytes().all(|b| b.is_ascii_digit()) && !take.starts_with('0');
        match take.parse() {
            Ok(take) if named && counted => Ok(Slot::new(name, take)),
            _ => Err(refuse()),
        }
    }
}

impl Serialize for Slot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Slot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Slot, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// The name of a deadline, in the words of its architecture. Setting one that is set already moves it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Deadline(pub String);

impl From<&str> for Deadline {
    fn from(name: &str) -> Self {
        Deadline(name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_slot_reads_back_as_it_was_written() {
        let slot = Slot::new("call-guest", 12);
        assert_eq!(slot.to_string(), "call-guest.12");
        assert_eq!("call-guest.12".parse(), Ok(slot));
    }

    #[test]
    fn what_is_not_a_slot_is_refused() {
        for text in [
            "",
            "show",
            "show.",
            ".1",
            "show.0",
            "show.01",
            "show.+1",
            "Show.1",
            "a b.1",
            "show.99999999999",
        ] {
            assert!(text.parse::<Slot>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn time_does_not_wrap() {
        assert_eq!(
            Timestamp(u64::MAX).after(Duration::from_secs(1)),
            Timestamp(u64::MAX)
        );
        assert_eq!(Timestamp(5).after(Duration::from_millis(7)), Timestamp(12));
    }
}
