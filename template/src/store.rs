//! The database: one SQLite file, one connection, one thread.
//!
//! SQLite writes one thing at a time whatever we do; a thread of its own makes that plain, keeps file access off the
//! async workers, and needs no pool. What is stored, and how, is beside its users: `sessions/store/`, `settings` here.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::oneshot;

/// Each step from one version of the schema to the next. Never edit one that has shipped: add another.
const MIGRATIONS: &[&str] = &[
    // 1: sessions, what happened in them, and what remains to be done for them.
    "CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
     CREATE TABLE sessions (
         id TEXT PRIMARY KEY,
         kind TEXT NOT NULL,
         title TEXT NOT NULL,
         host TEXT NOT NULL,
         host_name TEXT NOT NULL,
         created_at INTEGER NOT NULL,
         inputs INTEGER NOT NULL DEFAULT 0,
         state TEXT NOT NULL
     ) STRICT;
     -- The log: every input that changed a session, in order. With the opening it gives the state again.
     CREATE TABLE inputs (
         session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
         number INTEGER NOT NULL,
         at INTEGER NOT NULL,
         input TEXT NOT NULL,
         -- The page's own id of an act, so that one sent again after a cut is not done twice.
         act TEXT,
         PRIMARY KEY (session, number)
     ) STRICT, WITHOUT ROWID;
     CREATE UNIQUE INDEX inputs_by_act ON inputs (session, act) WHERE act IS NOT NULL;
     -- Effects that are not carried out yet.
     CREATE TABLE outbox (
         id INTEGER PRIMARY KEY AUTOINCREMENT,
         session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
         effect TEXT NOT NULL
     ) STRICT;
     CREATE INDEX outbox_by_session ON outbox (session);
     -- Streams at Livepeer that are not ended yet.
     CREATE TABLE streams (
         session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
         slot TEXT NOT NULL,
         stream_id TEXT NOT NULL UNIQUE,
         stream_key TEXT NOT NULL,
         playback_id TEXT NOT NULL,
         needs_token INTEGER NOT NULL,
         active INTEGER NOT NULL DEFAULT 0,
         PRIMARY KEY (session, slot)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE deadlines (
         session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
         name TEXT NOT NULL,
         at INTEGER NOT NULL,
         PRIMARY KEY (session, name)
     ) STRICT, WITHOUT ROWID;
     -- Who has joined and not left: after a restart they are given time to come back.
     CREATE TABLE present (
         session TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
         participant TEXT NOT NULL,
         PRIMARY KEY (session, participant)
     ) STRICT, WITHOUT ROWID;
     -- Webhook deliveries that were taken in; Livepeer repeats what it is not sure of.
     CREATE TABLE deliveries (id TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
    // 2: for whom each stream is. All that there were so far were their hosts', for whoever they admitted.
    "ALTER TABLE streams ADD COLUMN publisher TEXT NOT NULL DEFAULT '';
     -- `Players` as JSON.
     ALTER TABLE streams ADD COLUMN players TEXT NOT NULL DEFAULT '\"admitted\"';
     UPDATE streams SET publisher = (SELECT host FROM sessions WHERE sessions.id = streams.session);
     UPDATE streams SET players = '\"anyone\"' WHERE NOT needs_token;
     ALTER TABLE streams DROP COLUMN needs_token;",
];

/// Why the database cannot be used, in words for whoever runs the app.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be made or written.
    #[error(
        "DATA_DIR {path} cannot be written ({why}). Point DATA_DIR at a folder that this user may write."
    )]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        why: std::io::Error,
    },
    /// Another process has the folder.
    #[error(
        "DATA_DIR {0} is in use by another process of this app. Stop that one, or give this one a DATA_DIR of its own."
    )]
    InUse(PathBuf),
    /// The file was written by a later version.
    #[error(
        "the database in DATA_DIR has version {0}, which a later version of this app has written. Run that version, or \
         point DATA_DIR elsewhere."
    )]
    TooNew(usize),
    /// SQLite refused.
    #[error("the database failed: {0}")]
    Sql(#[from] rusqlite::Error),
    /// What is stored cannot be read back.
    #[error("what the database holds cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
    /// The database's thread has ended, because the app is stopping or because a statement panicked.
    #[error("the database is closed")]
    Closed,
}

/// What the database's thread is asked.
enum Job {
    Work(Box<dyn FnOnce(&mut Connection) + Send>),
    Close(oneshot::Sender<()>),
}

/// A handle to the database's thread, which ends and closes the file when it is told to, or when the last handle is
/// dropped.
#[derive(Clone)]
pub(crate) struct Store {
    jobs: mpsc::Sender<Job>,
}

impl Store {
    /// Opens the database in `folder`, making both if they are not there, and brings the schema up to date.
    pub(crate) fn open(folder: &Path) -> Result<Store, StoreError> {
        let refuse = |why| StoreError::Folder {
            path: folder.to_owned(),
            why,
        };
        std::fs::create_dir_all(folder).map_err(refuse)?;
        // Two processes would each run every session, and each carry out its effects.
        let lock = File::create(folder.join("app.lock")).map_err(refuse)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse(folder.to_owned())),
            Err(TryLockError::Error(why)) => return Err(refuse(why)),
        }
        let mut connection = Connection::open(folder.join("app.sqlite"))?;
        // In the write-ahead log a commit survives the death of this process at any instant; NORMAL leaves out the
        // sync to disk per commit, which only a power failure would miss, and then reconciliation mends it.
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        migrate(&mut connection)?;
        restrict(folder).map_err(refuse)?;

        let (jobs, inbox) = mpsc::channel::<Job>();
        std::thread::Builder::new()
            .name("store".into())
            .spawn(move || {
                let mut closing = None;
                while let Ok(job) = inbox.recv() {
                    match job {
                        Job::Work(work) => work(&mut connection),
                        Job::Close(done) => {
                            closing = Some(done);
                            break;
                        }
                    }
                }
                // What was asked later is refused from here on.
                drop(inbox);
                drop(connection);
                drop(lock);
                if let Some(done) = closing {
                    let _ = done.send(());
                }
            })
            .map_err(refuse)?;
        Ok(Store { jobs })
    }

    /// Runs `work` on the database's thread, after everything asked for earlier.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job = Box::new(move |connection: &mut Connection| {
            // Nobody waits any more: the asking task was cancelled. The work is done all the same.
            let _ = answer.send(work(connection));
        });
        self.jobs
            .send(Job::Work(job))
            .map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Closes the database when everything asked for earlier is done. Its folder is free when this returns.
    pub(crate) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.jobs.send(Job::Close(done)).is_ok() {
            let _ = closed.await;
        }
    }

    /// The value kept under `key`.
    pub(crate) async fn setting(&self, key: &'static str) -> Result<Option<String>, StoreError> {
        self.run(move |connection| {
            Ok(connection
                .query_row("SELECT value FROM settings WHERE key = ?1", [key], |row| {
                    row.get(0)
                })
                .optional()?)
        })
        .await
    }

    /// Keeps `value` under `key`.
    pub(crate) async fn set(&self, key: &'static str, value: String) -> Result<(), StoreError> {
        self.run(move |connection| {
            connection.execute(
                "INSERT INTO settings (key, value) VALUES (?1, ?2)
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                params![key, value],
            )?;
            Ok(())
        })
        .await
    }

    /// The value kept under `key`, or the one that `make` makes once and for all.
    pub(crate) async fn setting_or(
        &self,
        key: &'static str,
        make: impl FnOnce() -> String,
    ) -> Result<String, StoreError> {
        if let Some(value) = self.setting(key).await? {
            return Ok(value);
        }
        let value = make();
        self.set(key, value.clone()).await?;
        Ok(value)
    }
}

fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let version: usize = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let pending = MIGRATIONS
        .get(version..)
        .ok_or(StoreError::TooNew(version))?;
    for (done, migration) in pending.iter().enumerate() {
        let transaction = connection.transaction()?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", version + done + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

/// The database holds stream keys and the playback signing key: nobody else on this machine may read it.
#[cfg(unix)]
fn restrict(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    for name in ["app.sqlite", "app.sqlite-wal", "app.sqlite-shm"] {
        let path = folder.join(name);
        if path.exists() {
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o600))?;
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn restrict(_folder: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use session::Players;

    use super::*;

    #[tokio::test]
    async fn settings_survive_reopening() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.setting_or("who", || "a".into()).await.unwrap(), "a");
        store.set("colour", "blue".into()).await.unwrap();
        store.close().await;
        assert!(matches!(
            store.setting("who").await,
            Err(StoreError::Closed)
        ));

        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.setting_or("who", || "b".into()).await.unwrap(), "a");
        assert_eq!(
            store.setting("colour").await.unwrap().as_deref(),
            Some("blue")
        );
    }

    #[tokio::test]
    async fn a_folder_has_one_process() {
        let folder = tempfile::tempdir().unwrap();
        let _first = Store::open(folder.path()).unwrap();
        let refused = Store::open(folder.path()).err().unwrap();
        assert!(matches!(refused, StoreError::InUse(_)), "{refused}");
        assert!(refused.to_string().contains("DATA_DIR"));
    }

    #[tokio::test]
    async fn a_database_of_an_earlier_version_is_brought_up_to_date() {
        let folder = tempfile::tempdir().unwrap();
        let file = Connection::open(folder.path().join("app.sqlite")).unwrap();
        file.execute_batch(MIGRATIONS[0]).unwrap();
        file.execute_batch(
            "INSERT INTO sessions (id, kind, title, host, host_name, created_at, state)
             VALUES ('s', 'show', 'Friday', 'ada', 'Ada', 1, '{}');
             INSERT INTO streams (session, slot, stream_id, stream_key, playback_id, needs_token)
             VALUES ('s', 'show.1', 'i1', 'k1', 'p1', 1), ('s', 'show.2', 'i2', 'k2', 'p2', 0);
             PRAGMA user_version = 1",
        )
        .unwrap();
        drop(file);
        let store = Store::open(folder.path()).unwrap();
        let saved = store.run(|c| crate::sessions::store::load(c, "s")).await;
        let streams = saved.unwrap().unwrap().streams;
        let read: Vec<_> = streams
            .values()
            .map(|made| (&*made.publisher.0, &made.players))
            .collect();
        assert_eq!(
            read,
            [("ada", &Players::Admitted), ("ada", &Players::Anyone)]
        );
    }

    #[tokio::test]
    async fn a_later_version_of_the_database_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = Connection::open(folder.path().join("app.sqlite")).unwrap();
        file.pragma_update(None, "user_version", 1000).unwrap();
        drop(file);
        let refused = Store::open(folder.path()).err().unwrap();
        assert!(matches!(refused, StoreError::TooNew(1000)), "{refused}");
    }
}
