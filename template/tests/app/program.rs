//! The real program, which can be killed like no task can.

#![allow(dead_code, reason = "not every build has every test")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use livepeer::studio::{Studio, StudioConfig};
use url::Url;

use crate::support::KEY;

pub(crate) struct Program {
    child: Child,
    pub(crate) url: Url,
}

impl Program {
    /// Starts it on that port; 0 is any. What it logs is appended to `log` in the folder.
    pub(crate) fn start(folder: &Path, port: u16) -> Program {
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
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn livepeer(&self) -> Studio {
        let api = self.url.join("livepeer/api").unwrap();
        Studio::new(StudioConfig::new(api, KEY.into())).unwrap()
    }

    /// The ids of the streams that stand at its Livepeer, in order.
    pub(crate) async fn streams(&self) -> Vec<String> {
        let streams = self.livepeer().list_streams(&Default::default()).await;
        let mut ids: Vec<String> = streams.unwrap().into_iter().map(|s| s.id).collect();
        ids.sort();
        ids
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
