//! Ids, keys and the clock.

use std::time::{SystemTime, UNIX_EPOCH};

use rand::RngExt;
use uuid::Uuid;

/// The characters of stream keys and playback ids.
const BASE36: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// The three names of a stream. As at Studio, all three begin with the same four hexadecimal digits.
pub(crate) struct StreamIds {
    /// A UUID.
    pub(crate) id: String,
    /// Four groups of four base36 characters: 62 random bits after the shared digits. Whoever has it publishes.
    pub(crate) stream_key: String,
    /// Sixteen base36 characters. Whoever has it may ask to play.
    pub(crate) playback_id: String,
}

impl StreamIds {
    /// Fresh names, from a cryptographically secure source.
    pub(crate) fn random() -> StreamIds {
        let id = uuid();
        let shard = &id[..4];
        StreamIds {
            stream_key: format!("{shard}-{}-{}-{}", base36(4), base36(4), base36(4)),
            playback_id: format!("{shard}{}", base36(12)),
            id,
        }
    }
}

/// A fresh UUID, version 4.
pub(crate) fn uuid() -> String {
    Uuid::new_v4().to_string()
}

fn base36(length: usize) -> String {
    let mut rng = rand::rng();
    let pick = |_| char::from(BASE36[rng.random_range(0..BASE36.len())]);
    (0..length).map(pick).collect()
}

/// Now, in milliseconds since the Unix epoch: the unit of every time in Studio's API.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |elapsed| {
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_names_of_a_stream_share_their_first_four_hex_digits() {
        let ids = StreamIds::random();
        let shard = &ids.id[..4];
        assert!(shard.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert!(ids.stream_key.starts_with(shard) && ids.playback_id.starts_with(shard));
        let groups: Vec<_> = ids.stream_key.split('-').map(str::len).collect();
        assert_eq!(groups, [4, 4, 4, 4]);
        assert_eq!(ids.playback_id.len(), 16);
        assert!(ids.playback_id.bytes().all(|byte| BASE36.contains(&byte)));
    }
}
