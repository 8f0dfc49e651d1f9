//! How sessions are stored: everything that an actor must find again after the process was killed at any instant.

use std::collections::BTreeMap;

use livepeer::StreamKey;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::de::DeserializeOwned;
use session::{Deadline, Effect, Input, ParticipantId, Slot, Timestamp};

use crate::store::StoreError;

/// What never changes about a session.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// In its address: unguessable, since whoever knows it may watch.
    pub(crate) id: String,
    /// Its architecture's name.
    pub(crate) kind: String,
    /// What its creator called it.
    pub(crate) title: String,
    /// The identity of its creator and host.
    pub(crate) host: String,
    /// What the host called themselves when they created it.
    pub(crate) host_name: String,
}

/// A session as it was left.
pub(crate) struct Saved {
    pub(crate) record: Record,
    /// How many inputs the log holds.
    pub(crate) inputs: u64,
    /// The architecture's state after the last of them.
    pub(crate) state: String,
    /// Effects that are not carried out yet, in the order in which they were asked for.
    pub(crate) outbox: BTreeMap<i64, Effect>,
    /// Streams that exist at Livepeer.
    pub(crate) streams: BTreeMap<Slot, Made>,
    pub(crate) deadlines: BTreeMap<Deadline, Timestamp>,
    /// Who had joined and not left.
    pub(crate) present: Vec<ParticipantId>,
}

/// A stream that exists at Livepeer.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    /// Livepeer's id of it.
    pub(crate) id: String,
    /// What its publisher proves itself with.
    pub(crate) key: StreamKey,
    /// What its players ask for.
    pub(crate) playback_id: String,
    /// Whether a player needs a token.
    pub(crate) needs_token: bool,
    /// Whether media arrived, when the session last heard.
    pub(crate) active: bool,
}

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

/// Stores a new session.
pub(crate) fn create(
    connection: &mut Connection,
    record: &Record,
    now: Timestamp,
    state: &str,
) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO sessions (id, kind, title, host, host_name, created_at, state)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            record.id,
            record.kind,
            record.title,
            record.host,
            record.host_name,
            now.0,
            state
        ],
    )?;
    Ok(())
}

/// The session of that id, if there is one.
pub(crate) fn record(connection: &Connection, id: &str) -> Result<Option<Record>, StoreError> {
    Ok(connection
        .query_row(
            "SELECT id, kind, title, host, host_name FROM sessions WHERE id = ?1",
            [id],
            read_record,
        )
        .optional()?)
}

/// All that is needed to go on with the session of that id.
pub(crate) fn load(connection: &mut Connection, id: &str) -> Result<Option<Saved>, StoreError> {
    // One transaction, so that all parts are of one moment.
    let connection = connection.transaction()?;
    let Some((record, inputs, state)) = connection
        .query_row(
            "SELECT id, kind, title, host, host_name, inputs, state FROM sessions WHERE id = ?1",
            [id],
            |row| Ok((read_record(row)?, row.get(5)?, row.get(6)?)),
        )
        .optional()?
    else {
        return Ok(None);
    };
    let mut saved = Saved {
        record,
        inputs,
        state,
        outbox: BTreeMap::new(),
        streams: BTreeMap::new(),
        deadlines: BTreeMap::new(),
        present: Vec::new(),
    };
    each(
        &connection,
        "SELECT id, effect FROM outbox WHERE session = ?1",
        id,
        |row| {
            saved.outbox.insert(row.get(0)?, json(row, 1)?);
            Ok(())
        },
    )?;
    each(
        &connection,
        "SELECT slot, stream_id, stream_key, playback_id, needs_token, active FROM streams WHERE session = ?1",
        id,
        |row| {
            let made = Made {
                id: row.get(1)?,
                key: row.get::<_, String>(2)?.into(),
                playback_id: row.get(3)?,
                needs_token: row.get(4)?,
                active: row.get(5)?,
            };
            saved.streams.insert(slot(row, 0)?, made);
            Ok(())
        },
    )?;
    each(
        &connection,
        "SELECT name, at FROM deadlines WHERE session = ?1",
        id,
        |row| {
            saved
                .deadlines
                .insert(Deadline(row.get(0)?), Timestamp(row.get(1)?));
            Ok(())
        },
    )?;
    each(
        &connection,
        "SELECT participant FROM present WHERE session = ?1",
        id,
        |row| {
            saved.present.push(ParticipantId(row.get(0)?));
            Ok(())
        },
    )?;
    Ok(Some(saved))
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
                "INSERT INTO streams (session, slot, stream_id, stream_key, playback_id, needs_token, active)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                 ON CONFLICT (session, slot) DO UPDATE SET active = excluded.active",
            )?
            .execute(params![
                session,
                slot.to_string(),
                made.id,
                made.key.expose(),
                made.playback_id,
                made.needs_token,
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

/// Whether the session's log holds an act of that id already.
pub(crate) fn acted(connection: &Connection, session: &str, act: &str) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached("SELECT 1 FROM inputs WHERE session = ?1 AND act = ?2")?
        .exists([session, act])?)
}

/// The sessions for which something is to be done even if nobody opens their page: those with people, streams, effects
/// or deadlines.
pub(crate) fn unfinished(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare(
        "SELECT session FROM present UNION SELECT session FROM streams
         UNION SELECT session FROM outbox UNION SELECT session FROM deadlines",
    )?;
    let ids = statement.query_map([], |row| row.get(0))?;
    Ok(ids.collect::<Result<_, _>>()?)
}

/// A stream that some session owns.
#[derive(Clone, Debug)]
pub(crate) struct Owned {
    pub(crate) session: String,
    pub(crate) slot: Slot,
    pub(crate) stream_id: String,
}

/// Every stream that some session owns.
pub(crate) fn owned(connection: &Connection) -> Result<Vec<Owned>, StoreError> {
    let mut statement = connection.prepare("SELECT session, slot, stream_id FROM streams")?;
    let rows = statement.query_map([], read_owned)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Who owns the stream of that id at Livepeer.
pub(crate) fn owner(connection: &Connection, stream_id: &str) -> Result<Option<Owned>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT session, slot, stream_id FROM streams WHERE stream_id = ?1")?
        .query_row([stream_id], read_owned)
        .optional()?)
}

/// The slots whose stream is being made, or ended, at this moment: at Livepeer they may have one that `owned` lacks.
pub(crate) fn in_the_making(connection: &Connection) -> Result<Vec<(String, Slot)>, StoreError> {
    let mut statement = connection.prepare("SELECT session, effect FROM outbox")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, json::<Effect>(row, 1)?)))?;
    let mut slots = Vec::new();
    for row in rows {
        if let (session, Effect::Provision { slot, .. } | Effect::End { slot }) = row? {
            slots.push((session, slot));
        }
    }
    Ok(slots)
}

fn each(
    connection: &Connection,
    sql: &str,
    id: &str,
    mut take: impl FnMut(&Row<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([id])?;
    while let Some(row) = rows.next()? {
        take(row)?;
    }
    Ok(())
}

fn read_record(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record {
        id: row.get(0)?,
        kind: row.get(1)?,
        title: row.get(2)?,
        host: row.get(3)?,
        host_name: row.get(4)?,
    })
}

fn read_owned(row: &Row<'_>) -> rusqlite::Result<Owned> {
    Ok(Owned {
        session: row.get(0)?,
        slot: slot(row, 1)?,
        stream_id: row.get(2)?,
    })
}

fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|why| unreadable(column, why))
}

fn slot(row: &Row<'_>, column: usize) -> rusqlite::Result<Slot> {
    row.get_ref(column)?
        .as_str()?
        .parse()
        .map_err(|why| unreadable(column, why))
}

fn unreadable(
    column: usize,
    why: impl std::error::Error + Send + Sync + 'static,
) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(why))
}
