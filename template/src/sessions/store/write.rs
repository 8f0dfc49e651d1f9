//! Writing one step of a session.

use rusqlite::{Connection, Transaction, params};
use session::{Deadline, Effect, Input, ParticipantId, Slot, Timestamp};

use super::Made;
use crate::store::StoreError;

/// What one step of a session changes, written in one transaction or not at all.
#[derive(Clone, Default)]
pub(crate) struct Changes {
    /// The inputs taken in, each with the page's id of the act that it answers.
    pub(crate) inputs: Vec<(Timestamp, Input, Option<String>)>,
    /// Effects to carry out.
    pub(crate) queued: Vec<Effect>,
    /// Effects carried out, or not wanted any more.
    pub(crate) settled: Vec<i64>,
    /// Streams made at Livepeer, or seen to start or stop.
    pub(crate) streams: Vec<(Slot, Made)>,
    /// Streams gone from Livepeer.
    pub(crate) ended: Vec<Slot>,
    /// Deadlines moved, or cleared.
    pub(crate) deadlines: Vec<(Deadline, Option<Timestamp>)>,
    /// Who joined (true) or left (false).
    pub(crate) present: Vec<(ParticipantId, bool)>,
}

impl Changes {
    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.inputs.is_empty()
            && self.queued.is_empty()
            && self.settled.is_empty()
            && self.streams.is_empty()
            && self.ended.is_empty()
    }
}

/// Writes one step of a session, and gives the outbox ids of the effects queued, in their order.
pub(crate) fn write(
    connection: &mut Connection,
    session: &str,
    first: u64,
    state: &str,
    changes: &Changes,
) -> Result<Vec<i64>, StoreError> {
    let transaction = connection.transaction()?;
    for (number, (at, input, act)) in (first..).zip(&changes.inputs) {
        transaction
            .prepare_cached(
                "INSERT INTO inputs (session, number, at, input, act) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                session,
                number,
                at.0,
                serde_json::to_string(input)?,
                act
            ])?;
    }
    transaction
        .prepare_cached("UPDATE sessions SET state = ?2, inputs = ?3 WHERE id = ?1")?
        .execute(params![session, state, first + changes.inputs.len() as u64])?;
    for id in &changes.settled {
        transaction
            .prepare_cached("DELETE FROM outbox WHERE id = ?1")?
            .execute([id])?;
    }
    let mut queued = Vec::with_capacity(changes.queued.len());
    for effect in &changes.queued {
        transaction
            .prepare_cached("INSERT INTO outbox (session, effect) VALUES (?1, ?2)")?
            .execute(params![session, serde_json::to_string(effect)?])?;
        queued.push(transaction.last_insert_rowid());
    }
    write_streams(&transaction, session, changes)?;
    for (deadline, at) in &changes.deadlines {
        match at {
            Some(at) => transaction
                .prepare_cached(
                    "INSERT INTO deadlines (session, name, at) VALUES (?1, ?2, ?3)
                     ON CONFLICT (session, name) DO UPDATE SET at = excluded.at",
                )?
                .execute(params![session, deadline.0, at.0])?,
            None => transaction
                .prepare_cached("DELETE FROM deadlines WHERE session = ?1 AND name = ?2")?
                .execute(params![session, deadline.0])?,
        };
    }
    for (participant, here) in &changes.present {
        let statement = if *here {
            "INSERT OR IGNORE INTO present (session, participant) VALUES (?1, ?2)"
        } else {
            "DELETE FROM present WHERE session = ?1 AND participant = ?2"
        };
        transaction
            .prepare_cached(statement)?
            .execute(params![session, participant.0])?;
    }
    transaction.commit()?;
    Ok(queued)
}

fn write_streams(
    transaction: &Transaction<'_>,
    session: &str,
    changes: &Changes,
) -> Result<(), StoreError> {
    for (slot, made) in &changes.streams {
        transaction
            .prepare_cached(
                "INSERT INTO streams (session, slot, stream_id, stream_key, playback_id, publisher, players, active)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT (session, slot) DO UPDATE SET active = excluded.active",
            )?
            .execute(params![
                session,
                slot.to_string(),
                made.id,
                made.key.expose(),
                made.playback_id,
                made.publisher.0,
                serde_json::to_string(&made.players)?,
                made.active
            ])?;
    }
    for slot in &changes.ended {
        transaction
            .prepare_cached("DELETE FROM streams WHERE session = ?1 AND slot = ?2")?
            .execute(params![session, slot.to_string()])?;
    }
    Ok(())
}
