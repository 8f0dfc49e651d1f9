//! The program: what it prints, how it ends, what it keeps when it is killed.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use livepeer::studio::{NewStream, StreamFilter, Studio, StudioConfig};

struct Program {
    child: Child,
    api_url: String,
    api_key: String,
    _out: BufReader<ChildStdout>,
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_livepeer-local"));
    command
        .args(["--listen", "127.0.0.1:0", "--udp", "127.0.0.1:0", "--data"])
        .arg(folder);
    command
        .env_remove("LIVEPEER_API_KEY")
        .env_remove("RUST_LOG");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Program {
    /// Starts it and reads what it says about how to reach it.
    fn start(folder: &Path) -> Program {
        let mut child = command(folder).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut value = |name: &str| {
            let mut line = String::new();
            while !line.trim().starts_with(name) {
                line.clear();
                assert_ne!(
                    out.read_line(&mut line).unwrap(),
                    0,
                    "it ended without naming {name}"
                );
            }
            line.trim().strip_prefix(name).unwrap().to_owned()
        };
        let api_url = value("LIVEPEER_API_URL=");
        let api_key = value("LIVEPEER_API_KEY=");
        Program {
            child,
            api_url,
            api_key,
            _out: out,
        }
    }

    fn studio(&self) -> Studio {
        let config = StudioConfig::new(self.api_url.parse().unwrap(), self.api_key.as_str().into());
        Studio::new(config).unwrap()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[tokio::test]
async fn killed_in_the_middle_it_comes_back_with_everything() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Program::start(folder.path());
    let stream = first
        .studio()
        .create_stream(&NewStream::source_only("kept"))
        .await
        .unwrap();
    // SIGKILL: nothing of it runs after this.
    first.child.kill().unwrap();
    first.child.wait().unwrap();

    let second = Program::start(folder.path());
    assert_eq!(second.api_key, first.api_key, "the key is kept too");
    let streams = second
        .studio()
        .list_streams(&StreamFilter::default())
        .await
        .unwrap();
    assert_eq!(streams, [stream]);
}

#[cfg(unix)]
#[tokio::test]
async fn asked_to_stop_it_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start(folder.path());
    let pid = program.child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    assert!(program.child.wait().unwrap().success());
}

#[cfg(unix)]
#[tokio::test]
async fn half_a_request_does_not_keep_it_from_ending() {
    let folder = tempfile::tempdir().unwrap();
    let mut program = Program::start(folder.path());
    let url: url::Url = program.api_url.parse().unwrap();
    let address = url.socket_addrs(|| None).unwrap();
    let mut connection = std::net::TcpStream::connect(&address[..]).unwrap();
    connection.write_all(b"GET /api/ingest HT").unwrap();
    // Answered after it on another connection: so the half is there.
    let every = StreamFilter::default();
    assert!(
        program
            .studio()
            .list_streams(&every)
            .await
            .unwrap()
            .is_empty()
    );

    let pid = program.child.id().to_string();
    let sent = Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    assert!(sent.success());
    let limit = Instant::now() + Duration::from_secs(30);
    let ended = loop {
        if let Some(ended) = program.child.try_wait().unwrap() {
            break ended;
        }
        assert!(Instant::now() < limit, "it still runs");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(ended.success());
}

#[test]
fn what_is_wrong_at_the_start_is_said_with_the_mend() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let udp = taken.local_addr().unwrap().to_string();
    let port = taken.local_addr().unwrap().port().to_string();
    let http = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = http.local_addr().unwrap().to_string();
    for (arguments, words) in [
        (["--udp", &udp], [port.as_str(), "stop what uses it"]),
        (["--listen", &listen], [listen.as_str(), "--listen"]),
        (["--listen", "nonsense"], ["nonsense", "--listen"]),
    ] {
        // The last of two equal options would be an error of its own, so these replace the usual ones.
        let mut command = Command::new(env!("CARGO_BIN_EXE_livepeer-local"));
        command.arg("--data").arg(folder.path()).args(arguments);
        if arguments[0] == "--udp" {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{arguments:?}");
        for word in words {
            assert!(said.contains(word), "{arguments:?} says {said}");
        }
    }
}
