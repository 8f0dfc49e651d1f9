//! The load: publishers and viewers, in a process of their own so that what they cost is not counted as the server's.
//!
//! It is told what to do on its standard input and says what it saw on its standard output, a JSON object a line. Viewers do
//! the whole handshake and send what a browser sends; one in [`DECRYPTING`] decrypts all that comes, the others only
//! read the headers, which SRTP leaves in the clear. Read in this order: `wire.rs` is a socket, `sdp.rs` and `transport.rs`
//! connect a peer, `publisher.rs` sends, `viewer.rs` receives with the help of `rtp.rs` and `feedback.rs`, `tally.rs` counts.
//! `floor.rs` is apart from them: the same datagrams with no server before them.

mod feedback;
pub(super) mod floor;
mod hall;
mod publisher;
mod rtp;
mod sdp;
mod tally;
mod transport;
mod viewer;
mod wire;

use std::cell::RefCell;
use std::io::BufRead as _;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::LocalSet;

use hall::Hall;
use publisher::{Publisher, Sent};
use sdp::{Answer, Credentials};
pub(super) use tally::Seen;
use tally::Tally;
use transport::{Identity, Transport};
use wire::{Buffers, Wire};

/// One viewer in so many decrypts.
const DECRYPTING: usize = 10;
/// So many offers are on their way at once.
const OFFERS: usize = 8;
/// All viewers of a step have their first packet within so long, or the step has failed.
const JOINING: Duration = Duration::from_secs(60);
/// An offer that came too early is made again after this.
const AGAIN: Duration = Duration::from_millis(50);
/// No answer is longer.
const LONGEST_ANSWER: usize = 256 << 10;

/// What the load can be told.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Command {
    /// One publisher more for each WHIP address; they send from then on.
    Publish(Vec<String>),
    /// One viewer more for each WHEP address and number of a publisher; done when each has had a packet.
    Play(Vec<(String, usize)>),
    /// Begin to count.
    Measure,
    /// End counting, and say what was seen.
    Report,
}

/// What it says.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Reply {
    Done,
    Seen(Seen),
    Failed(String),
}

/// What the load's process is told when it starts.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Packets of a thousand that each viewer loses on purpose
    #[arg(long, default_value_t = 0)]
    drop: u32,
}

/// Runs the load until its standard input ends.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let (commands, mut received) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if commands.send(line).is_err() {
                return;
            }
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut load = Load::new(args.drop)?;
        while let Some(line) = received.recv().await {
            let reply = match load.obey(serde_json::from_str(&line)?).await {
                Ok(reply) => reply,
                Err(error) => Reply::Failed(format!("{error:#}")),
            };
            println!("{}", serde_json::to_string(&reply)?);
        }
        // Publishers stop with their handle.
        Ok(())
    })
}

type Http = Client<HttpConnector, Body>;

struct Load {
    identity: Rc<Identity>,
    buffers: Rc<RefCell<Buffers>>,
    tally: Rc<RefCell<Tally>>,
    http: Http,
    publishers: Vec<Rc<Sent>>,
    viewers: usize,
    drop: u32,
    failures: Rc<RefCell<Option<String>>>,
    stop: watch::Sender<bool>,
}

impl Load {
    fn new(drop: u32) -> anyhow::Result<Load> {
        Ok(Load {
            identity: Rc::new(Identity::new()?),
            buffers: Rc::new(RefCell::new(Buffers::new())),
            tally: Rc::default(),
            http: Client::builder(TokioExecutor::new()).build_http(),
            publishers: Vec::new(),
            viewers: 0,
            drop,
            failures: Rc::default(),
            stop: watch::Sender::new(false),
        })
    }

    async fn obey(&mut self, command: Command) -> anyhow::Result<Reply> {
        match command {
            Command::Publish(urls) => self.publish(urls).await.map(|()| Reply::Done),
            Command::Play(seats) => self.play(seats).await.map(|()| Reply::Done),
            Command::Measure => {
                self.tally.borrow_mut().measure();
                Ok(Reply::Done)
            }
            Command::Report => {
                let seen = self.tally.borrow_mut().report();
                match self.failures.borrow_mut().take() {
                    Some(why) => anyhow::bail!("{why}"),
                    None => Ok(Reply::Seen(seen)),
                }
            }
        }
    }

    async fn publish(&mut self, urls: Vec<String>) -> anyhow::Result<()> {
        for url in urls {
            let credentials = Credentials::random();
            let ssrcs = [rand::random(), rand::random()];
            let offer = sdp::publish(&credentials, &self.identity.fingerprint, ssrcs);
            let answer = match offer_to(&self.http, &url, &offer).await? {
                Offered::Answer(answer) => answer,
                Offered::NotYet(why) => anyhow::bail!("{why}"),
            };
            let identity = self.identity.clone();
            let transport = Transport::new(Instant::now(), identity, credentials, answer);
            let mut publisher = Publisher::new(Wire::bind()?, transport, ssrcs[0]);
            publisher.connect(&self.buffers).await?;
            self.publishers.push(publisher.sent.clone());
            let run = publisher.run(self.buffers.clone(), self.stop.subscribe());
            self.spawn("a publisher", run);
        }
        Ok(())
    }

    async fn play(&mut self, seats: Vec<(String, usize)>) -> anyhow::Result<()> {
        let count = seats.len();
        let turns = Rc::new(Semaphore::new(OFFERS));
        for seats in seats.chunks(hall::SEATS) {
            let (arrivals, arriving) = mpsc::unbounded_channel();
            for (url, publisher) in seats {
                let sent = self
                    .publishers
                    .get(*publisher)
                    .context("no such publisher")?;
                let decrypts = self.viewers.is_multiple_of(DECRYPTING);
                self.viewers += 1;
                let (turns, http, url) = (turns.clone(), self.http.clone(), url.clone());
                let (identity, arrivals) = (self.identity.clone(), arrivals.clone());
                let (tally, sent, drop) = (self.tally.clone(), sent.clone(), self.drop);
                self.spawn("a viewer", async move {
                    let _turn = turns.acquire().await?;
                    let credentials = Credentials::random();
                    let offer = sdp::play(&credentials, &identity.fingerprint);
                    let deadline = Instant::now() + JOINING;
                    // A stream is live with its publisher's first packet, which may be on its way yet.
                    let (began, answer) = loop {
                        let began = Instant::now();
                        match offer_to(&http, &url, &offer).await? {
                            Offered::Answer(answer) => break (began, answer),
                            Offered::NotYet(why) if began > deadline => anyhow::bail!("{why}"),
                            Offered::NotYet(_) => tokio::time::sleep(AGAIN).await,
                        }
                    };
                    let transport = Transport::new(Instant::now(), identity, credentials, answer);
                    let viewer = viewer::Viewer::new(began, transport, tally, sent, decrypts, drop);
                    // The hall is there as long as the load.
                    let _ = arrivals.send(viewer);
                    Ok(())
                });
            }
            let hall = Hall::new(Wire::bind()?);
            self.spawn(
                "a hall",
                hall.run(self.buffers.clone(), arriving, self.stop.subscribe()),
            );
        }
        let deadline = Instant::now() + JOINING;
        while self.tally.borrow().newcomers() < count {
            if let Some(why) = self.failures.borrow_mut().take() {
                anyhow::bail!("{why}");
            }
            let seen = self.tally.borrow().newcomers();
            ensure!(
                Instant::now() < deadline,
                "only {seen} of {count} viewers have had a packet"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Runs a part of the load beside the others; that it failed is told at the next opportunity.
    fn spawn(&self, what: &'static str, part: impl Future<Output = anyhow::Result<()>> + 'static) {
        let failures = self.failures.clone();
        tokio::task::spawn_local(async move {
            if let Err(error) = part.await {
                failures
                    .borrow_mut()
                    .get_or_insert(format!("{what}: {error:#}"));
            }
        });
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// What a server says to an offer that it does not refuse for good.
enum Offered {
    Answer(Answer),
    /// 409: there is no publisher yet, or another one.
    NotYet(String),
}

async fn offer_to(http: &Http, url: &str, offer: &str) -> anyhow::Result<Offered> {
    let request = Request::post(url)
        .header("content-type", "application/sdp")
        .body(Body::from(offer.to_owned()))?;
    let response = http
        .request(request)
        .await
        .context("the server does not answer")?;
    let status = response.status();
    let body = to_bytes(Body::new(response.into_body()), LONGEST_ANSWER).await?;
    let body = String::from_utf8_lossy(&body);
    let why = || format!("the server refuses an offer: {status} {body}");
    match status {
        StatusCode::CREATED => Answer::read(&body).map(Offered::Answer),
        StatusCode::CONFLICT => Ok(Offered::NotYet(why())),
        _ => Err(anyhow::Error::msg(why())),
    }
}
