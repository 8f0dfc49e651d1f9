//! Who follows which events: what a player asked for, between its POST and its GETs.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio_util::sync::CancellationToken;

use super::events::Name;
use crate::engine::SessionId;

/// Subscriptions of one session; arbitrary, and a player needs one.
const MOST: usize = 4;

/// A subscription that nobody reads is dropped after so long; whoever reads comes back within seconds.
const UNREAD: Duration = Duration::from_secs(60);

/// All of them, by their session.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    all: Mutex<HashMap<SessionId, Vec<Subscription>>>,
}

/// One list of names. Dropped when it is deleted, or when nobody has read it for a while.
#[derive(Clone, Debug)]
struct Subscription {
    /// 128 random bits in a form fit for an address: whoever knows it may read, since a browser's EventSource cannot say who it is.
    id: String,
    names: Vec<Name>,
    /// Ends those who read.
    over: CancellationToken,
    read_at: Instant,
}

/// What a reader of a subscription is given.
pub(super) struct Reading {
    pub(super) names: Vec<Name>,
    pub(super) over: CancellationToken,
}

impl Subscriptions {
    /// A new one. `None` if the session has as many as it may.
    pub(super) fn add(
        &self,
        now: Instant,
        session: &SessionId,
        names: Vec<Name>,
    ) -> Option<String> {
        let mut all = self.lock();
        all.retain(|_, of_one| {
            of_one.retain(|subscription| {
                now.saturating_duration_since(subscription.read_at) < UNREAD
            });
            !of_one.is_empty()
        });
        let of_one = all.entry(session.clone()).or_default();
        if of_one.len() >= MOST {
            return None;
        }
        let id = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>());
        of_one.push(Subscription {
            id: id.clone(),
            names,
            over: CancellationToken::new(),
            read_at: now,
        });
        Some(id)
    }

    /// For whoever reads: called at the beginning, and again and again while it goes on. `None` once it is over.
    pub(super) fn read(&self, now: Instant, session: &SessionId, id: &str) -> Option<Reading> {
        let mut all = self.lock();
        let of_one = all.get_mut(session)?;
        let found = of_one
            .iter_mut()
            .find(|subscription| subscription.id == id)?;
        found.read_at = now;
        Some(Reading {
            names: found.names.clone(),
            over: found.over.clone(),
        })
    }

    /// Ends one. `false` if there is none.
    pub(super) fn remove(&self, session: &SessionId, id: &str) -> bool {
        let mut all = self.lock();
        let Some(of_one) = all.get_mut(session) else {
            return false;
        };
        let Some(at) = of_one.iter().position(|subscription| subscription.id == id) else {
            return false;
        };
        of_one.remove(at).over.cancel();
        if of_one.is_empty() {
            all.remove(session);
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Vec<Subscription>>> {
        // Lists of names: nothing in there can be left half done.
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn session_id(number: u8) -> SessionId {
        URL_SAFE_NO_PAD.encode([number; 16]).parse().unwrap()
    }

    #[test]
    fn what_nobody_reads_makes_room_and_what_is_read_stays() {
        let (all, begin, session) = (Subscriptions::default(), Instant::now(), session_id(1));
        let add = |now| all.add(now, &session, vec![Name::Active]);
        let read = add(begin).unwrap();
        for _ in 1..MOST {
            add(begin).unwrap();
        }
        assert_eq!(add(begin), None);
        assert!(all.read(begin + UNREAD / 2, &session, &read).is_some());
        add(begin + UNREAD).unwrap();
        assert!(all.read(begin + UNREAD, &session, &read).is_some());
        all.add(begin + 3 * UNREAD, &session_id(2), Vec::new())
            .unwrap();
        assert!(all.read(begin + 3 * UNREAD, &session, &read).is_none());
        assert_eq!(all.lock().len(), 1);
    }

    #[test]
    fn a_deleted_one_ends_its_readers() {
        let (all, now, session) = (Subscriptions::default(), Instant::now(), session_id(1));
        let id = all.add(now, &session, vec![Name::Viewers]).unwrap();
        let reading = all.read(now, &session, &id).unwrap();
        assert_eq!(reading.names, [Name::Viewers]);
        assert!(!all.remove(&session_id(2), &id));
        assert!(all.remove(&session, &id));
        assert!(reading.over.is_cancelled());
        assert!(!all.remove(&session, &id));
        assert!(all.lock().is_empty());
    }
}
