//! The file that the tables live in: one JSON document, replaced as a whole, so that whatever moment the process is
//! killed at, the file is either the old one or the new one.
//!
//! A change is on disk before anyone can read it: whatever a request was answered with is there after `kill -9`. Writers
//! queue; readers never wait for the disk.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tempfile::NamedTempFile;

use crate::config::StartError;
use crate::tables::{FromDisk, Tables, VERSION};

/// The tables and their file. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: PathBuf,
    current: RwLock<Arc<Tables>>,
    /// One change at a time, from reading the tables to having replaced the file.
    writing: Mutex<()>,
    /// Held until the store is closed or the process ends, however it ends; then the next one may open the file.
    lock: File,
}

/// Why a change did not happen.
pub(crate) enum ChangeError<E> {
    /// The change itself refused.
    Refused(E),
    /// The file could not be written. The tables are as they were.
    NotWritten(io::Error),
}

impl Store {
    /// Opens the file, or makes one with the tables that `fresh` gives.
    pub(crate) fn open(file: &Path, fresh: impl FnOnce() -> Tables) -> Result<Store, StartError> {
        let failed = |source| StartError::State {
            path: file.to_owned(),
            source,
        };
        let folder = folder_of(file);
        fs::create_dir_all(folder).map_err(failed)?;
        let lock = lock(file)?;
        let tables = match fs::read(file) {
            Ok(bytes) => read(file, &bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let tables = fresh();
                write(file, &tables).map_err(failed)?;
                tables
            }
            Err(error) => return Err(failed(error)),
        };
        Ok(Store {
            inner: Arc::new(Inner {
                file: file.to_owned(),
                current: RwLock::new(Arc::new(tables)),
                writing: Mutex::new(()),
                lock,
            }),
        })
    }

    /// The tables as they are on disk now.
    pub(crate) fn read(&self) -> Arc<Tables> {
        let current = self.inner.current.read();
        current.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes the tables and returns once the file holds the change. If `change` refuses or the file cannot be written,
    /// nothing has changed. Runs to its end even if the caller goes away.
    pub(crate) async fn change<T, E>(
        &self,
        change: impl FnOnce(&mut Tables) -> Result<T, E> + Send + 'static,
    ) -> Result<T, ChangeError<E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let inner = self.inner.clone();
        let task = tokio::task::spawn_blocking(move || inner.change(change));
        match task.await {
            Ok(result) => result,
            Err(error) => Err(ChangeError::NotWritten(io::Error::other(error))),
        }
    }

    /// Lets another process (or another store of this one) open the file.
    pub(crate) fn close(&self) {
        if let Err(error) = self.inner.lock.unlock() {
            tracing::warn!(%error, "the lock on the state file was not released");
        }
    }
}

impl Inner {
    fn change<T, E>(
        &self,
        change: impl FnOnce(&mut Tables) -> Result<T, E>,
    ) -> Result<T, ChangeError<E>> {
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self
            .current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut next = Tables::clone(&current);
        let answer = change(&mut next).map_err(ChangeError::Refused)?;
        write(&self.file, &next).map_err(ChangeError::NotWritten)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        Ok(answer)
    }
}

fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Two processes that replace one file would lose each other's streams.
fn lock(file: &Path) -> Result<File, StartError> {
    let mut path = file.as_os_str().to_owned();
    path.push(".lock");
    let opened = File::options().create(true).append(true).open(&path);
    let failed = |source| StartError::State {
        path: file.to_owned(),
        source,
    };
    let lock = opened.map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StartError::InUse {
            path: file.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

fn read(file: &Path, bytes: &[u8]) -> Result<Tables, StartError> {
    let unreadable = |why: String| StartError::Unreadable {
        path: file.to_owned(),
        why,
    };
    let disk: FromDisk =
        serde_json::from_slice(bytes).map_err(|error| unreadable(error.to_string()))?;
    if disk.version != VERSION {
        let why = format!(
            "it has the form {}, this program knows {VERSION}",
            disk.version
        );
        return Err(unreadable(why));
    }
    disk.try_into()
        .map_err(|error: serde_json::Error| unreadable(error.to_string()))
}

/// Writes beside the file, then renames over it. The temporary file is readable by its owner only, and so is what it
/// becomes: it holds stream keys and the API key.
fn write(file: &Path, tables: &Tables) -> io::Result<()> {
    let text = tables.to_json()?;
    let mut beside = NamedTempFile::new_in(folder_of(file))?;
    beside.write_all(text.as_bytes())?;
    beside.as_file().sync_data()?;
    beside.persist(file).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn fresh() -> Tables {
        Tables::new("key".into(), "user".into(), "project".into())
    }

    fn rename_user(tables: &mut Tables) -> Result<(), String> {
        tables.user_id = "another".into();
        Ok(())
    }

    #[tokio::test]
    async fn what_was_answered_is_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/er/state.json");
        let store = Store::open(&file, fresh).unwrap();
        assert!(store.change(rename_user).await.is_ok());
        store.close();
        let again = Store::open(&file, fresh).unwrap();
        assert_eq!(again.read().user_id, "another");
        assert_eq!(again.read().api_key, "key".into());
    }

    #[tokio::test]
    async fn a_refused_change_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("state.json"), fresh).unwrap();
        let refused = store
            .change(|tables| {
                tables.user_id = "half".into();
                Err::<(), _>("no")
            })
            .await;
        assert!(matches!(refused, Err(ChangeError::Refused("no"))));
        assert_eq!(store.read().user_id, "user");
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_leaves_the_tables_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        let store = Store::open(&inner.join("state.json"), fresh).unwrap();
        fs::remove_dir_all(&inner).unwrap();
        let failed = store.change(rename_user).await;
        assert!(matches!(failed, Err(ChangeError::NotWritten(_))));
        assert_eq!(store.read().user_id, "user");
    }

    #[tokio::test]
    async fn one_file_has_one_user_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.json");
        let first = Store::open(&file, fresh).unwrap();
        assert!(matches!(
            Store::open(&file, fresh),
            Err(StartError::InUse { .. })
        ));
        first.close();
        assert!(Store::open(&file, fresh).is_ok());
    }

    #[test]
    fn a_spoilt_file_is_named_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.json");
        for spoilt in ["", "{", "{\"version\":1}"] {
            fs::write(&file, spoilt).unwrap();
            let error = Store::open(&file, fresh).unwrap_err();
            assert!(error.to_string().contains("state.json"), "{error}");
            assert_eq!(fs::read_to_string(&file).unwrap(), spoilt);
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn only_the_owner_may_read_the_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state.json");
        let store = Store::open(&file, fresh).unwrap();
        assert!(store.change(rename_user).await.is_ok());
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}
