//! Chromium without a screen, driven through chromedriver: every [`Page`] is a browser of its own, with its own profile,
//! a camera that draws a moving test picture and a microphone that beeps.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpStream},
    ops::Deref,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use fantoccini::{Client, ClientBuilder, wd::TimeoutConfiguration};
use hyper_util::client::legacy::connect::HttpConnector;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;

/// What every browser is started with: no screen, no sandbox (containers run as root), no traffic of its own.
pub(crate) const QUIET: &[&str] = &[
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
    // A page in the background must go on like one in front.
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
];

/// A camera and a microphone that are there, and a user who allows them.
pub const CAMERA: &[&str] = &[
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
];

/// A camera and a microphone that are there, and a user who denies them.
pub const CAMERA_DENIED: &[&str] = &[
    "--use-fake-device-for-media-stream",
    "--deny-permission-prompts",
];

/// No camera at all.
pub const NO_CAMERA: &[&str] = &[
    "--use-fake-device-for-media-stream=device-count=0",
    "--use-fake-ui-for-media-stream",
];

/// A [`CAMERA`], on a network that lets no UDP through.
pub const UDP_BLOCKED: &[&str] = &[
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
];

/// How long one script may run: benchmarks measure for minutes.
const SCRIPT_LIMIT: Duration = Duration::from_secs(900);

/// How often [`Page::until`] looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Whether browser tests can run here. Where they cannot, says that `test` was skipped; where nothing may be skipped
/// (`KIT_REQUIRE` is set, as `.ci/run` does) that is a failure.
///
/// # Panics
///
/// If Chromium or chromedriver is missing and `KIT_REQUIRE` is set.
pub fn available(test: &str) -> bool {
    let missing: Vec<&str> = [("chromedriver", driver()), ("chromium", chromium())]
        .into_iter()
        .filter_map(|(name, found)| found.is_none().then_some(name))
        .collect();
    missing.is_empty()
        || crate::skip::skipped(test, &format!("{} not installed", missing.join(" and ")))
}

fn driver() -> Option<PathBuf> {
    crate::skip::program(&["chromedriver"])
}

fn chromium() -> Option<PathBuf> {
    crate::skip::program(&["chromium", "chromium-browser", "google-chrome"])
}

/// A running chromedriver, from which browsers come. Cheap to clone; it ends with its last clone and page.
#[derive(Clone)]
pub struct Browser {
    driver: Arc<Driver>,
}

struct Driver {
    child: Child,
    port: u16,
}

impl Browser {
    /// Starts chromedriver on a free port.
    ///
    /// # Errors
    ///
    /// If chromedriver or Chromium is not installed, or does not start.
    pub async fn start() -> anyhow::Result<Browser> {
        let program = driver()
            .context("chromedriver is not installed (Debian: apt-get install chromium-driver)")?;
        let mut child = Command::new(program)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("chromedriver does not start")?;
        let output = child.stdout.take().context("its output is piped")?;
        // Held from here on, so that it is killed whatever happens.
        let mut driver = Driver { child, port: 0 };
        let mut lines = BufReader::new(output).lines();
        driver.port = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| {
                line.split_once("started successfully on port ")?
                    .1
                    .trim_end_matches('.')
                    .parse()
                    .ok()
            })
            .context("chromedriver ended before it said on which port it listens")?;
        // Whatever else it says must not fill the pipe.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Ok(Browser {
            driver: Arc::new(driver),
        })
    }

    /// Opens an address in a new browser with [`CAMERA`].
    ///
    /// # Errors
    ///
    /// If Chromium does not start or the address does not answer.
    pub async fn open(&self, url: &str) -> anyhow::Result<Page> {
        self.open_with(url, CAMERA).await
    }

    /// Opens an address in a new browser with these command-line switches for its devices.
    ///
    /// # Errors
    ///
    /// If Chromium does not start or the address does not answer.
    pub async fn open_with(&self, url: &str, switches: &[&str]) -> anyhow::Result<Page> {
        let profile = tempfile::Builder::new().prefix("kit-browser-").tempdir()?;
        let mut arguments: Vec<String> = QUIET
            .iter()
            .chain(switches)
            .map(|&switch| switch.to_owned())
            .collect();
        arguments.push(format!("--user-data-dir={}", profile.path().display()));
        let chromium =
            chromium().context("Chromium is not installed (Debian: apt-get install chromium)")?;
        let wishes = json!({
            "goog:chromeOptions": { "binary": chromium, "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let Value::Object(wishes) = wishes else {
            bail!("capabilities are an object")
        };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(wishes)
            .connect(&format!("http://127.0.0.1:{}", self.driver.port))
            .await
            .context("Chromium does not start")?;
        let session = client
            .session_id()
            .await?
            .context("the session has no id")?;
        let page = Page {
            client,
            session,
            driver: self.driver.clone(),
            _profile: profile,
        };
        page.update_timeouts(TimeoutConfiguration::new(Some(SCRIPT_LIMIT), None, None))
            .await?;
        page.goto(url)
            .await
            .with_context(|| format!("cannot open {url}"))?;
        Ok(page)
    }

    /// Ends chromedriver at once if no page is left; otherwise it ends with the last page, as when this is dropped.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Both fail only if it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One browser with one page. Dereferences to fantoccini's client: `goto`, `find`, `refresh`, `screenshot` ...
///
/// The browser ends when this is dropped, in a failing test too.
pub struct Page {
    client: Client,
    session: String,
    driver: Arc<Driver>,
    /// Deleted after the browser has ended.
    _profile: TempDir,
}

impl Deref for Page {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Page {
    /// Runs the body of an async function in the page and returns what it returns. `arguments` is a JSON array, found
    /// in the script under the same name.
    ///
    /// # Errors
    ///
    /// What the script throws; a result of another type.
    pub async fn run<T: DeserializeOwned>(
        &self,
        script: &str,
        arguments: Value,
    ) -> anyhow::Result<T> {
        let Value::Array(arguments) = arguments else {
            bail!("a script's arguments are an array")
        };
        let script = format!("return (async function() {{ {script}\n}}).apply(null, arguments);");
        let value = self.client.execute(&script, arguments).await?;
        serde_json::from_value(value.clone())
            .with_context(|| format!("the script returned {value}"))
    }

    /// Evaluates an expression in the page again and again until it is truthy, and returns its value.
    ///
    /// # Errors
    ///
    /// When `limit` has passed: with the last value, what the page shows, and what its console says.
    pub async fn until<T: DeserializeOwned>(
        &self,
        expression: &str,
        limit: Duration,
    ) -> anyhow::Result<T> {
        let script = format!(
            "try {{ const value = await ({expression}); return [Boolean(value), value]; }} \
             catch (error) {{ return [false, String(error)]; }}"
        );
        let begun = Instant::now();
        loop {
            // While a page is being loaded, scripts have nowhere to run.
            let seen: anyhow::Result<(bool, Value)> = self.run(&script, json!([])).await;
            let last = match seen {
                Ok((true, value)) => {
                    return serde_json::from_value(value.clone())
                        .with_context(|| format!("{expression} is {value}"));
                }
                Ok((false, value)) => value.to_string(),
                Err(problem) => format!("not to be had: {problem:#}"),
            };
            if begun.elapsed() > limit {
                let text: String = self
                    .run("return document.body.innerText", json!([]))
                    .await
                    .unwrap_or_default();
                bail!(
                    "{expression}\nis still {last} after {} s\non the page: {text}\nin the console: {:#?}",
                    limit.as_secs(),
                    self.console().unwrap_or_default()
                );
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// What the page wrote to its console, and what the browser complained of, since the last call.
    ///
    /// # Errors
    ///
    /// If chromedriver does not answer.
    pub fn console(&self) -> anyhow::Result<Vec<String>> {
        let answer = self.ask("POST", "/se/log", r#"{"type":"browser"}"#)?;
        let entries = answer["value"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        Ok(entries
            .iter()
            .filter_map(|entry| entry["message"].as_str())
            .map(str::to_owned)
            .collect())
    }

    /// Closes the browser. Dropping the page does too, but cannot report that it failed.
    ///
    /// # Errors
    ///
    /// If chromedriver does not answer.
    pub fn close(self) -> anyhow::Result<()> {
        self.ask("DELETE", "", "").map(drop)
    }

    /// One request to chromedriver without the client, for what it does not know and for where nothing can be awaited.
    fn ask(&self, method: &str, path: &str, body: &str) -> anyhow::Result<Value> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.driver.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(
            stream,
            "{method} /session/{}{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.session,
            body.len()
        )?;
        // Chromedriver keeps the connection open whatever is asked of it, so the length decides where the answer ends.
        let mut lines = BufReader::new(stream);
        let mut length = 0;
        let mut line = String::new();
        while lines.read_line(&mut line)? > 0 && !line.trim().is_empty() {
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse()?;
            }
            line.clear();
        }
        let mut answer = vec![0; length];
        lines.read_exact(&mut answer)?;
        Ok(serde_json::from_slice(&answer)?)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // Chromedriver ends the browser of a session that is deleted, and of no other.
        let _ = self.ask("DELETE", "", "");
    }
}
