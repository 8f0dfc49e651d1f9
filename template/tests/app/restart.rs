//! The server is killed, and is back: the show goes on.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use livepeer::studio::{Studio, StudioConfig};
use serde_json::json;
use tempfile::TempDir;
use url::Url;

use crate::media::{Camera, watch};
use crate::support::{Browser, KEY, TestApp, eventually};

/// The real program, which can be killed like no task can.
struct Program {
    child: Child,
    url: Url,
}

impl Program {
    /// Starts it on that port; 0 is any.
    fn start(folder: &Path, port: u16) -> Program {
        let log = std::fs::File::options()
            .append(true)
            .create(true)
            .open(folder.join("log"))
            .unwrap();
        let mut child = Command::new(env!(concat!("CARGO_BIN_EXE_", env!("CARGO_PKG_NAME"))))
            // Nothing of whoever runs the tests, and no `.env` of theirs.
            .env_clear()
            .current_dir(folder)
            .env("LISTEN", format!("127.0.0.1:{port}"))
            .env("DATA_DIR", folder.join("data"))
            .env("LIVEPEER_API_KEY", KEY)
            .env("LIVEPEER_LOCAL_UDP", "127.0.0.1:0")
            .env("LIVEPEER_LOCAL_ADVERTISE", "127.0.0.1")
            .env("POLL_SECONDS", "1")
            .env("RUST_LOG", "debug")
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut said = String::new();
        let out = child.stdout.take().unwrap();
        BufReader::new(out).read_line(&mut said).unwrap();
        let url = said.trim().strip_prefix("Open ").expect("it starts");
        Program {
            url: Url::parse(url).unwrap(),
            child,
        }
    }

    /// Kills it: no signal handler, no last words, nothing flushed.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn livepeer(&self) -> Studio {
        let api = self.url.join("livepeer/api").unwrap();
        Studio::new(StudioConfig::new(api, KEY.into())).unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_goes_on_in_the_middle_of_the_show() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start(folder.path(), 0);
    let (ada, bob) = (
        Browser::at(program.url.clone()),
        Browser::at(program.url.clone()),
    );
    let session = ada.create().await;
    let mut host = ada.host(&session).await;
    let mut viewer = bob.watch(&session).await;
    let slot = host.go_live().await;
    let publish = ada.credential(&session, "publish", &slot, "host").await;
    let camera = Camera::start(&publish.json()).await;
    viewer.phase("live").await;
    let before = program
        .livepeer()
        .list_streams(&Default::default())
        .await
        .unwrap();
    assert_eq!(before.len(), 1);
    let epoch = host.epoch.clone();

    program.kill();
    while host.next().await.is_ok() {}
    drop((camera, viewer));
    let mut program = Program::start(folder.path(), program.url.port().unwrap());

    // The pages come back by themselves, and find the same show on the same stream. What was asked before the cut, and
    // perhaps not answered, is not done twice.
    let mut host = ada.open(&session, "host").await;
    let hello = host.resume(&epoch, 1).await;
    assert_ne!(hello["epoch"], epoch);
    host.act("press-1", "go-live").await;
    let answer = host.until(|message| message["id"] == "press-1").await;
    assert_eq!(answer["type"], "done");
    let mut viewer = bob.watch(&session).await;
    assert_eq!(
        host.view["publishes"],
        json!([{"slot": slot, "source": {"type": "camera"}}])
    );

    // The same key still publishes; the picture is back.
    let again = ada.credential(&session, "publish", &slot, "host").await;
    assert_eq!(again.json()["url"], publish.json()["url"]);
    let camera = Camera::start(&again.json()).await;
    host.phase("live").await;
    viewer.phase("live").await;
    let play = bob.credential(&session, "play", &slot, "guest").await;
    watch(&play.json(), 10).await;
    let after = program
        .livepeer()
        .list_streams(&Default::default())
        .await
        .unwrap();
    let ids = |streams: &[livepeer::studio::Stream]| -> Vec<String> {
        streams.iter().map(|stream| stream.id.clone()).collect()
    };
    assert_eq!(ids(&before), ids(&after));

    // Killed while the stream is being ended: it is ended all the same.
    host.act("end", "end-show").await;
    host.until(|message| message["id"] == "end").await;
    program.kill();
    camera.stop().await;
    let program = Program::start(folder.path(), program.url.port().unwrap());
    let livepeer = program.livepeer();
    eventually(async || {
        let left = livepeer.list_streams(&Default::default()).await.unwrap();
        left.is_empty().then_some(())
    })
    .await;

    // And through all of this no secret was written down.
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    let key = before[0].stream_key.as_ref().unwrap();
    let token = play.json()["token"].as_str().unwrap().to_owned();
    assert!(log.contains(&session), "the log tells nothing");
    for secret in [KEY, key.expose(), &token] {
        assert!(!log.contains(secret), "a secret is in the log");
    }
}

#[tokio::test]
async fn who_does_not_come_back_after_a_restart_has_left() {
    let app = TestApp::start().await;
    let ada = app.browser();
    let session = ada.create().await;
    let mut host = ada.host(&session).await;
    let _viewer = app.browser().watch(&session).await;
    host.audience(1).await;
    let (cookie, folder) = (ada.cookie(), app.stop().await);

    let app = TestApp::start_in(folder, |_| {}).await;
    let ada = app.browser().with_cookie(cookie);
    let mut host = ada.host(&session).await;
    assert_eq!(host.view["audience"], 1);
    host.audience(0).await;
}

#[tokio::test]
async fn pages_are_told_that_the_server_restarts() {
    let app = TestApp::start().await;
    let ada = app.browser();
    let session = ada.create().await;
    let mut host = ada.host(&session).await;
    host.go_live().await;
    let begun = std::time::Instant::now();
    let folder: TempDir = app.stop().await;
    assert!(
        begun.elapsed().as_secs() < 5,
        "it took {:?}",
        begun.elapsed()
    );
    let code = loop {
        if let Err(code) = host.next().await {
            break code;
        }
    };
    assert_eq!(code, Some(1012), "service restart");

    // Streams outlive the restart.
    let app = TestApp::start_in(folder, |_| {}).await;
    let left = app
        .livepeer()
        .list_streams(&Default::default())
        .await
        .unwrap();
    assert_eq!(left.len(), 1);
}
