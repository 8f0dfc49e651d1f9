//! Getting reports to webhooks: in order, signed, again after a failure, and never in the way of anything else.
//!
//! Each webhook has a lane: a bounded queue and a task that makes first attempts in order. What fails for a reason that may
//! pass waits on its own and is tried again (5 s, then twice as long each time, up to an hour), with the same id, a new
//! time and a new signature. A full queue loses the newest report and says so in the log.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, USER_AGENT};
use livepeer::webhook::{self, Delivery};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::ids::{now_ms, uuid};
use crate::live::WireStream;
use crate::store::Store;
use crate::tables::WebhookRow;

/// Reports that one webhook may be behind.
const QUEUE: usize = 256;

/// Reports, of all webhooks, that may wait for another attempt.
const WAITING: usize = 1024;

/// Studio's own: as long as one attempt may take, as often as it is repeated, as long as it waits at most.
const ATTEMPT: Duration = Duration::from_secs(30);
const RETRIES: u32 = 33;
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// A handle to all lanes; cheap to clone.
#[derive(Clone)]
pub(crate) struct Deliveries {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    lanes: Mutex<HashMap<String, mpsc::Sender<Report>>>,
    waiting: Arc<Semaphore>,
    first_wait: Duration,
    tasks: TaskTracker,
    /// No further attempts after failures.
    closing: CancellationToken,
    /// No further anything.
    stop: CancellationToken,
}

/// One event on its way to one webhook.
#[derive(Clone)]
struct Report {
    webhook_id: String,
    delivery: Delivery,
}

/// What became of an attempt.
enum Outcome {
    /// Taken, or refused for good.
    Done,
    /// May work later.
    Failed(String),
}

impl Deliveries {
    /// No lanes yet; each begins with its first report.
    pub(crate) fn new(store: Store, first_wait: Duration) -> Deliveries {
        Deliveries {
            inner: Arc::new(Inner {
                store,
                lanes: Mutex::default(),
                waiting: Arc::new(Semaphore::new(WAITING)),
                first_wait,
                tasks: TaskTracker::new(),
                closing: CancellationToken::new(),
                stop: CancellationToken::new(),
            }),
        }
    }

    /// Puts an event into the lane of every webhook that asked for it. Never waits.
    pub(crate) fn report(&self, event: &str, stream: &WireStream) {
        let tables = self.inner.store.read();
        let mut lanes = self
            .inner
            .lanes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        lanes.retain(|id, _| tables.webhook(id).is_some());
        let stream = &stream.row.stream;
        let (id, created_at) = (uuid(), now_ms());
        for row in &tables.webhooks {
            let webhook = &row.webhook;
            let about = webhook.stream_id.as_ref().is_none_or(|id| *id == stream.id);
            if !about || !webhook.events.iter().any(|wanted| wanted == event) {
                continue;
            }
            let mut stream = stream.clone();
            stream.stream_key = None;
            let report = Report {
                webhook_id: webhook.id.clone(),
                delivery: Delivery {
                    id: id.clone(),
                    webhook_id: Some(webhook.id.clone()),
                    created_at: Some(created_at),
                    timestamp: created_at,
                    name: event.to_owned(),
                    stream: Some(stream),
                    payload: None,
                },
            };
            let lane = lanes
                .entry(webhook.id.clone())
                .or_insert_with(|| self.open_lane());
            if lane.try_send(report).is_err() {
                tracing::warn!(webhook = %webhook.id, event, "webhook is too far behind: a report was dropped");
            }
        }
    }

    /// Delivers what is queued, once and for at most `deadline`; what waits for another attempt is dropped.
    pub(crate) async fn close(&self, deadline: Duration) {
        self.inner.closing.cancel();
        self.inner
            .lanes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        self.inner.tasks.close();
        if tokio::time::timeout(deadline, self.inner.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("a webhook did not answer before the end");
        }
        self.stop();
    }

    /// Drops everything at once.
    pub(crate) fn stop(&self) {
        self.inner.closing.cancel();
        self.inner.stop.cancel();
    }

    fn open_lane(&self) -> mpsc::Sender<Report> {
        let (lane, mut reports) = mpsc::channel::<Report>(QUEUE);
        let deliveries = self.clone();
        self.inner.tasks.spawn(async move {
            let mut client = None;
            loop {
                let report = tokio::select! {
                    () = deliveries.inner.stop.cancelled() => return,
                    report = reports.recv() => report,
                };
                let Some(report) = report else {
                    return;
                };
                if let Outcome::Failed(why) = deliveries.attempt(&report, &mut client).await {
                    deliveries.try_again_later(report, why);
                }
            }
        });
        lane
    }

    fn try_again_later(&self, report: Report, why: String) {
        let webhook = report.webhook_id.clone();
        let Ok(place) = self.inner.waiting.clone().try_acquire_owned() else {
            tracing::warn!(%webhook, why, "webhook failed, and too many reports wait already: dropped");
            return;
        };
        tracing::info!(%webhook, why, "webhook failed, trying again later");
        let deliveries = self.clone();
        self.inner.tasks.spawn(async move {
            let _place = place;
            let mut client = None;
            let mut wait = deliveries.inner.first_wait;
            for _ in 0..RETRIES {
                tokio::select! {
                    () = deliveries.inner.closing.cancelled() => return,
                    () = tokio::time::sleep(wait) => {}
                }
                match deliveries.attempt(&report, &mut client).await {
                    Outcome::Done => return,
                    Outcome::Failed(why) => tracing::debug!(%webhook, why, "webhook failed again"),
                }
                wait = wait.saturating_mul(2).min(LONGEST_WAIT);
            }
            tracing::warn!(%webhook, "webhook failed for the last time: the report is dropped");
        });
    }

    /// One attempt, with the webhook as it is registered now.
    async fn attempt(&self, report: &Report, client: &mut Option<Client>) -> Outcome {
        let Some(row) = self.inner.store.read().webhook(&report.webhook_id).cloned() else {
            return Outcome::Done;
        };
        let mut delivery = report.delivery.clone();
        delivery.timestamp = now_ms();
        let body = match serde_json::to_vec(&delivery) {
            Ok(body) => body,
            Err(error) => return Outcome::Failed(error.to_string()),
        };
        let sent = tokio::select! {
            () = self.inner.stop.cancelled() => return Outcome::Done,
            sent = post(client, &row, body, delivery.timestamp) => sent,
        };
        match sent {
            Err(why) => Outcome::Failed(why),
            Ok(response) => {
                let status = response.status();
                if status.is_server_error() {
                    return Outcome::Failed(format!("it answered {status}"));
                }
                if !status.is_success() {
                    tracing::warn!(webhook = %report.webhook_id, %status, "webhook refused a report; not sent again");
                }
                Outcome::Done
            }
        }
    }
}

/// A client, and the address that it was made for.
pub(crate) type Client = (Url, reqwest::Client);

/// Sends one signed body to a webhook. `client` is kept between calls while the address stays the same.
pub(crate) async fn post(
    client: &mut Option<Client>,
    row: &WebhookRow,
    body: Vec<u8>,
    timestamp: u64,
) -> Result<reqwest::Response, String> {
    let url = &row.webhook.url;
    let (_, http) = match client.take() {
        Some(kept) if kept.0 == *url => client.insert(kept),
        _ => {
            let fresh = livepeer::http_client(url, ATTEMPT).map_err(|error| error.to_string())?;
            client.insert((url.clone(), fresh))
        }
    };
    let mut request = http
        .post(url.clone())
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, "livepeer.studio");
    if let Some(secret) = &row.shared_secret {
        let signature = webhook::sign(secret, &body, timestamp);
        request = request.header(webhook::SIGNATURE_HEADER, signature);
    }
    let sent = request.body(body).send().await;
    // Without the address: it may carry a secret in its query.
    sent.map_err(|error| error.without_url().to_string())
}

#[cfg(test)]
#[path = "deliveries_tests.rs"]
mod tests;
