//! A session as people have it: the app as a process of its own, the host's page in one browser, guests in others.

use anyhow::Context;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

use super::person::{LIMIT, Person};
use super::{Build, Served};
use crate::browser::{Browser, CAMERA};

/// Rooms are heavy: three browsers that encode and decode. Two at once would make each wait for the other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// A session's title, to look for where it must not be.
pub const TITLE: &str = "Friday in the studio";
/// Its host's name, likewise.
pub const HOST: &str = "Ada";

/// A session with its host in a browser of their own.
pub struct Room {
    /// The person who opened it.
    pub host: Person,
    /// Where other people come from.
    pub browser: Browser,
    /// The link for them.
    pub link: String,
    /// What runs it.
    pub app: Served,
    /// The app's folder, as long as it runs.
    _data: TempDir,
    /// Held until everything above has ended.
    _turn: MutexGuard<'static, ()>,
}

impl Room {
    /// Fills in the home page's form as a person would, choosing that architecture.
    ///
    /// # Errors
    ///
    /// If the app does not build or start, or does not offer that.
    pub async fn open(build: Build, kind: &str) -> anyhow::Result<Room> {
        Room::open_with(build, kind, &[], CAMERA).await
    }

    /// The same with settings for the app, and command-line switches for the host's devices.
    ///
    /// # Errors
    ///
    /// If the app does not build or start, or does not offer that.
    pub async fn open_with(
        build: Build,
        kind: &str,
        settings: &[(&str, &str)],
        host_switches: &[&str],
    ) -> anyhow::Result<Room> {
        let turn = ONE_AT_A_TIME.lock().await;
        let data = tempfile::tempdir()?;
        let app = Served::start(build, data.path(), settings)?;
        let browser = Browser::start().await?;
        let host = Person(browser.open_with(&app.url(), host_switches).await?);
        let fill = "
            const [kind, title, name] = arguments;
            const choice = document.querySelector(`[name=kind][value=\"${kind}\"]`);
            if (choice === null) throw new Error(`${kind} is not offered`);
            choice.checked = true;
            document.querySelector('[name=title]').value = title;
            document.querySelector('[name=name]').value = name;
            document.querySelector('[data-action=create]').click();";
        host.run::<()>(fill, json!([kind, TITLE, HOST]))
            .await
            .context("on the home page")?;
        let link = host
            .until("document.querySelector('#link')?.value", LIMIT)
            .await?;
        Ok(Room {
            host,
            browser,
            link,
            app,
            _data: data,
            _turn: turn,
        })
    }

    /// Somebody else opens the link, in a browser of their own.
    ///
    /// # Errors
    ///
    /// If the page does not come.
    pub async fn guest(&self) -> anyhow::Result<Person> {
        self.browser.open(&self.link).await.map(Person)
    }

    /// The host presses Go live once the camera shows; returns when the page says that it is so.
    ///
    /// # Errors
    ///
    /// If it does not come to that.
    pub async fn go_live(&self) -> anyhow::Result<()> {
        self.host.plays("preview").await?;
        self.host.press("go-live").await?;
        self.host.phase("live").await
    }

    /// Waits until the streams of exactly these slots stand at Livepeer.
    ///
    /// # Errors
    ///
    /// If it does not come to that: with what stands there.
    pub async fn stands_at_livepeer(&self, slots: &[&str]) -> anyhow::Result<()> {
        let mut wanted: Vec<String> = slots
            .iter()
            .map(|slot| format!("{TITLE} ({slot})"))
            .collect();
        wanted.sort();
        let begun = std::time::Instant::now();
        loop {
            let there = self.app.streams().await?;
            if there == wanted {
                return Ok(());
            }
            anyhow::ensure!(
                begun.elapsed() < LIMIT,
                "there are {there:?} at Livepeer, not {wanted:?}"
            );
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }
}
