//! How sessions are stored: everything that an actor must find again after the process was killed at any instant.

mod owned;
mod write;

use std::collections::BTreeMap;

use livepeer::StreamKey;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::de::DeserializeOwned;
use session::{Deadline, Effect, ParticipantId, Players, Slot, Timestamp};

pub(crate) use self::owned::{Owned, disown, in_the_making, owned, owner, unfinished};
pub(crate) use self::write::{Changes, write};
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
    /// The only one who is given its key.
    pub(crate) publisher: ParticipantId,
    /// Who may play it.
    pub(crate) players: Players,
    /// Whether media arrived, when the session last heard.
    pub(crate) active: bool,
}

impl Made {
    /// Whether somebody may be given what it takes to play it, should it stand in their View.
    pub(crate) fn may_be_played_by(&self, participant: &ParticipantId) -> bool {
        match &self.players {
            Players::Anyone | Players::Admitted => true,
            Players::Only(these) => these.contains(participant),
        }
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
        "SELECT slot, stream_id, stream_key, playback_id, publisher, players, active FROM streams WHERE session = ?1",
        id,
        |row| {
            let made = Made {
                id: row.get(1)?,
                key: row.get::<_, String>(2)?.into(),
                playback_id: row.get(3)?,
                publisher: ParticipantId(row.get(4)?),
                players: json(row, 5)?,
                active: row.get(6)?,
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

/// Whether the session's log holds an act of that id already.
pub(crate) fn acted(connection: &Connection, session: &str, act: &str) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached("SELECT 1 FROM inputs WHERE session = ?1 AND act = ?2")?
        .exists([session, act])?)
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
