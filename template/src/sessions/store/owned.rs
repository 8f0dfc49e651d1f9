//! Which sessions have something to be done, and which streams are theirs.

use rusqlite::{Connection, OptionalExtension, Row};
use session::{Effect, Slot};

use super::{json, slot};
use crate::store::StoreError;

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

/// Strikes a stream that is not there any more, whose session will not do it.
pub(crate) fn disown(connection: &Connection, stream_id: &str) -> Result<(), StoreError> {
    connection.execute("DELETE FROM streams WHERE stream_id = ?1", [stream_id])?;
    Ok(())
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

fn read_owned(row: &Row<'_>) -> rusqlite::Result<Owned> {
    Ok(Owned {
        session: row.get(0)?,
        slot: slot(row, 1)?,
        stream_id: row.get(2)?,
    })
}
