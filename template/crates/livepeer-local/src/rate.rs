//! How often somebody may offer, change and end sessions (RFC 9725 section 5 asks for a limit on POST, PATCH and DELETE):
//! a token bucket for each address that asks, and one for each stream key and each session.
//!
//! Who asks is whom the connection is from. Behind a proxy that is the proxy, unless the configuration says that
//! `X-Forwarded-For` can be believed: then it is the last address in it, the one that the proxy itself wrote. Anything
//! further to the front may be the sender's invention.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::auth;
use crate::problem::Problem;
use crate::state::Shared;

/// Addresses, and keys, that are remembered at a time. Those beyond share one bucket, so that a flood from everywhere
/// costs no memory; a bucket that has filled up again is forgotten.
const REMEMBERED: usize = 16_384;
/// How often those are looked for that can be forgotten, while there is no room.
const SWEEP: Duration = Duration::from_secs(1);
/// What an address pays for a request that named no stream or session: guessing is to take long.
const WRONG_GUESS: f64 = 10.0;

/// So many at once, and so many more each second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Requests that may come at once after a quiet time.
    pub burst: u32,
    /// Requests a second in the long run.
    pub per_second: f64,
}

/// How often somebody may ask. The defaults let an audience of four hundred behind one address come in at once.
#[derive(Clone, Copy, Debug)]
pub struct RateLimits {
    /// POST, PATCH and DELETE of one address; of IPv6, of one network of 64 bits.
    pub per_address: Rate,
    /// POST to one stream key, and PATCH and DELETE of one session.
    pub per_key: Rate,
    /// Whether requests from this machine are limited by address too. Off by default, for tests and load generators.
    /// Behind a proxy on this machine every request is one of those, unless `behind_proxy` is set.
    pub loopback: bool,
    /// Whether the last address of `X-Forwarded-For` is who asks: only if every request comes through a proxy that sets it.
    pub behind_proxy: bool,
}

impl Default for RateLimits {
    fn default() -> Self {
        RateLimits {
            per_address: Rate {
                burst: 1200,
                per_second: 20.0,
            },
            per_key: Rate {
                burst: 60,
                per_second: 2.0,
            },
            loopback: false,
            behind_proxy: false,
        }
    }
}

/// The buckets of a running local Livepeer.
pub(crate) struct RateLimiter {
    limits: RateLimits,
    addresses: Mutex<Buckets<IpAddr>>,
    keys: Mutex<Buckets<String>>,
}

impl RateLimiter {
    pub(crate) fn new(limits: RateLimits) -> Self {
        RateLimiter {
            limits,
            addresses: Mutex::new(Buckets::new(limits.per_address)),
            keys: Mutex::new(Buckets::new(limits.per_key)),
        }
    }

    /// Whose bucket a request is taken from; `None` if it is from this machine, or nobody told.
    fn asker(&self, request: &Request) -> Option<IpAddr> {
        let connection = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let connection = connection.map(|ConnectInfo(address)| address.ip().to_canonical());
        let forwarded = match self.limits.behind_proxy {
            true => last_forwarded(request.headers()),
            false => None,
        };
        let asker = forwarded.or(connection)?;
        (self.limits.loopback || !asker.is_loopback()).then(|| network(asker))
    }
}

/// The last address of the last `X-Forwarded-For`.
fn last_forwarded(headers: &HeaderMap) -> Option<IpAddr> {
    let value = headers.get_all("x-forwarded-for").iter().next_back()?;
    let last = value.to_str().ok()?.rsplit(',').next()?.trim();
    let address = last.parse().ok();
    // Some proxies write the port too.
    let address = address.or_else(|| last.parse::<SocketAddr>().ok().map(|full| full.ip()));
    address.map(|ip: IpAddr| ip.to_canonical())
}

/// One customer's IPv6 network is one asker: they have all of its addresses.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << 64)).into(),
    }
}

/// Whom a request is counted for, for the handlers after [`limit`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker(pub(crate) IpAddr);

/// Refuses whoever asks too often: 429 with `Retry-After`, before the stream is looked up or a body read.
pub(crate) async fn limit(
    State(shared): State<Shared>,
    mut request: Request,
    next: Next,
) -> Response {
    if ![Method::POST, Method::PATCH, Method::DELETE].contains(request.method()) {
        return next.run(request).await;
    }
    let limiter = shared.rate();
    let asker = limiter.asker(&request);
    let key = key(&shared, &request);
    let now = Instant::now();
    if let Some(asker) = asker {
        if let Err(wait) = lock(&limiter.addresses).take(now, asker, 1.0) {
            return refused("too many requests from this address", wait);
        }
        request.extensions_mut().insert(Asker(asker));
    }
    if let Some(key) = &key
        && let Err(wait) = lock(&limiter.keys).peek(now, key)
    {
        return refused("too many requests for this stream key or session", wait);
    }
    let response = next.run(request).await;
    // Paid only for what there is, so that made-up names cost no memory.
    let unknown = [StatusCode::NOT_FOUND, StatusCode::UNAUTHORIZED].contains(&response.status());
    if unknown && let Some(asker) = asker {
        lock(&limiter.addresses).charge(now, asker, WRONG_GUESS - 1.0);
    } else if let Some(key) = key.filter(|_| !unknown) {
        lock(&limiter.keys).charge(now, key, 1.0);
    }
    response
}

/// The session, or else the stream whose key it is. A playback id is everybody's: the number of its viewers is what is
/// limited.
fn key(shared: &Shared, request: &Request) -> Option<String> {
    let path = request.uri().path().strip_prefix("/webrtc/")?;
    let (name, rest) = path.split_once('/').unwrap_or((path, ""));
    if !rest.is_empty() {
        return rest.split('/').next().map(str::to_owned);
    }
    let name = match name {
        "whip" => auth::bearer(request.headers())?,
        name => name,
    };
    let tables = shared.tables();
    tables.stream_by_key(name).map(|row| row.stream.id.clone())
}

fn refused(words: &str, wait: Duration) -> Response {
    let seconds = wait.as_secs_f64().ceil().clamp(1.0, 3600.0) as u16;
    Problem::new(StatusCode::TOO_MANY_REQUESTS, words)
        .retry_after(seconds)
        .into_response()
}

/// A panic in here leaves numbers behind, and those are good.
fn lock<K>(buckets: &Mutex<Buckets<K>>) -> std::sync::MutexGuard<'_, Buckets<K>> {
    buckets.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Token buckets by name.
struct Buckets<K> {
    rate: Rate,
    known: HashMap<K, Bucket>,
    /// Of those for whom there was no room.
    others: Option<Bucket>,
    /// When those that had filled up were last forgotten.
    swept: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Bucket {
    /// Below zero for whoever has been charged more than there was.
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn at(self, now: Instant, rate: Rate) -> Bucket {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        Bucket {
            tokens: (self.tokens + elapsed * rate.per_second).min(f64::from(rate.burst)),
            at: self.at.max(now),
        }
    }
}

impl<K: Eq + Hash> Buckets<K> {
    fn new(rate: Rate) -> Self {
        Buckets {
            rate,
            known: HashMap::new(),
            others: None,
            swept: None,
        }
    }

    /// Pays, or says how long until it could be paid.
    fn take(&mut self, now: Instant, name: K, price: f64) -> Result<(), Duration> {
        let bucket = self.bucket(now, name);
        let missing = price - bucket.tokens;
        if missing > 0.0 {
            return Err(self.wait(missing));
        }
        bucket.tokens -= price;
        Ok(())
    }

    /// Whether one could be paid, without paying.
    fn peek(&self, now: Instant, name: &K) -> Result<(), Duration> {
        let bucket = self.known.get(name).map(|bucket| bucket.at(now, self.rate));
        match bucket {
            Some(bucket) if bucket.tokens < 1.0 => Err(self.wait(1.0 - bucket.tokens)),
            _ => Ok(()),
        }
    }

    /// Takes, whether it is there or not.
    fn charge(&mut self, now: Instant, name: K, price: f64) {
        self.bucket(now, name).tokens -= price;
    }

    fn wait(&self, missing: f64) -> Duration {
        Duration::try_from_secs_f64(missing / self.rate.per_second).unwrap_or(Duration::MAX)
    }

    fn bucket(&mut self, now: Instant, name: K) -> &mut Bucket {
        let rate = self.rate;
        let burst = f64::from(rate.burst);
        let full = Bucket {
            tokens: burst,
            at: now,
        };
        let swept = self.swept.is_some_and(|at| now < at + SWEEP);
        if self.known.len() >= REMEMBERED && !swept {
            self.swept = Some(now);
            self.known
                .retain(|_, bucket| bucket.at(now, rate).tokens < burst);
        }
        let room = self.known.len() < REMEMBERED;
        let bucket = match self.known.entry(name) {
            Entry::Occupied(bucket) => bucket.into_mut(),
            Entry::Vacant(place) if room => place.insert(full),
            Entry::Vacant(_) => self.others.get_or_insert(full),
        };
        *bucket = bucket.at(now, rate);
        bucket
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    const RATE: Rate = Rate {
        burst: 3,
        per_second: 2.0,
    };

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let (mut buckets, start) = (Buckets::new(RATE), Instant::now());
        for _ in 0..3 {
            assert_eq!(buckets.take(start, "us", 1.0), Ok(()));
        }
        let wait = buckets.take(start, "us", 1.0).unwrap_err();
        assert_eq!(wait, Duration::from_millis(500));
        assert_eq!(buckets.take(start, "others", 1.0), Ok(()), "each its own");
        assert!(buckets.take(start + wait / 2, "us", 1.0).is_err());
        assert_eq!(buckets.take(start + wait, "us", 1.0), Ok(()));
        let later = start + Duration::from_secs(3600);
        for _ in 0..3 {
            assert_eq!(
                buckets.take(later, "us", 1.0),
                Ok(()),
                "no more than the burst"
            );
        }
        assert!(buckets.take(later, "us", 1.0).is_err());
    }

    #[test]
    fn what_was_charged_must_fill_up_again() {
        let (mut buckets, start) = (Buckets::new(RATE), Instant::now());
        assert_eq!(buckets.peek(start, &"us"), Ok(()));
        assert!(buckets.known.is_empty(), "asking costs nothing");
        buckets.charge(start, "us", 10.0);
        assert_eq!(buckets.peek(start, &"us"), Err(Duration::from_secs(4)));
        let later = start + Duration::from_secs(4);
        assert_eq!(buckets.peek(later, &"us"), Ok(()));
    }

    #[test]
    fn a_flood_from_everywhere_costs_no_memory_and_shuts_nobody_out_who_is_known() {
        let (mut buckets, start) = (Buckets::new(RATE), Instant::now());
        assert_eq!(buckets.take(start, 0, 1.0), Ok(()));
        let passed = (1..3 * REMEMBERED).filter(|name| buckets.take(start, *name, 1.0).is_ok());
        assert_eq!(passed.count(), REMEMBERED - 1 + RATE.burst as usize);
        assert_eq!(buckets.known.len(), REMEMBERED);
        assert_eq!(buckets.take(start, 0, 1.0), Ok(()));
        let later = start + Duration::from_secs(3600);
        assert_eq!(buckets.take(later, usize::MAX, 1.0), Ok(()));
        assert_eq!(buckets.known.len(), 1, "who has been quiet is forgotten");
    }

    #[test]
    fn who_asks_is_the_connection_or_what_the_proxy_wrote_last() {
        let ask = |limits: RateLimits, from: &str, forwarded: &[&str]| {
            let mut request = Request::new(axum::body::Body::empty());
            let from: SocketAddr = from.parse().unwrap();
            request.extensions_mut().insert(ConnectInfo(from));
            for value in forwarded {
                let value = value.parse().unwrap();
                request.headers_mut().append("x-forwarded-for", value);
            }
            let asker = RateLimiter::new(limits).asker(&request);
            asker.map(|ip| ip.to_string())
        };
        let plain = RateLimits::default();
        let proxied = RateLimits {
            behind_proxy: true,
            ..plain
        };
        let some = |text: &str| Some(text.to_owned());
        let spoof = ["198.51.100.7"];
        assert_eq!(ask(plain, "203.0.113.9:1", &spoof), some("203.0.113.9"));
        assert_eq!(ask(plain, "127.0.0.1:1", &spoof), None, "this machine");
        assert_eq!(
            ask(plain, "[::ffff:203.0.113.9]:1", &[]),
            some("203.0.113.9")
        );
        assert_eq!(ask(plain, "[2001:db8::a:b]:1", &[]), some("2001:db8::"));
        let chain = ["10.0.0.1", "1.2.3.4, 203.0.113.9"];
        assert_eq!(ask(proxied, "127.0.0.1:1", &chain), some("203.0.113.9"));
        assert_eq!(
            ask(proxied, "127.0.0.1:1", &["203.0.113.9:555"]),
            some("203.0.113.9")
        );
        assert_eq!(
            ask(proxied, "203.0.113.9:1", &["junk"]),
            some("203.0.113.9")
        );
        let all = RateLimits {
            loopback: true,
            ..plain
        };
        assert_eq!(ask(all, "127.0.0.1:1", &[]), some("127.0.0.1"));
        let untold = Request::new(axum::body::Body::empty());
        assert_eq!(RateLimiter::new(plain).asker(&untold), None);
    }
}
