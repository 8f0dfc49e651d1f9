//! The wall clock. Architectures never read it: time comes in with their inputs.

use std::time::{SystemTime, UNIX_EPOCH};

use session::Timestamp;

/// Now.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
