//! Repeating calls: exponential backoff with full jitter, bounded in number and in time.

use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep};

use crate::Error;

/// How often and how long a failed call is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Calls in all, the first one counted; 1 never repeats.
    pub attempts: u32,
    /// The first pause is drawn between zero and this; each further one between zero and twice as much.
    pub base: Duration,
    /// No pause is drawn longer than this.
    pub cap: Duration,
    /// No pause is begun that would end later than this after the first call. A `Retry-After` beyond it is not waited
    /// for: the error says how long it is.
    pub total: Duration,
}

impl Default for RetryPolicy {
    /// Five calls within 30 seconds. (Terminating a stream twice within five seconds is refused with 429; four pauses
    /// of more than a second each outlast that.)
    fn default() -> Self {
        Self {
            attempts: 5,
            base: Duration::from_millis(500),
            cap: Duration::from_secs(8),
            total: Duration::from_secs(30),
        }
    }
}

impl RetryPolicy {
    /// Never repeat.
    pub const NEVER: Self = Self {
        attempts: 1,
        base: Duration::ZERO,
        cap: Duration::ZERO,
        total: Duration::ZERO,
    };
}

/// What may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Twice is the same as once: repeat after whatever may pass.
    Idempotent,
    /// Twice makes two: repeat only what was certainly not carried out.
    Creates,
}

/// The least pause after a 429 that does not say how long to wait: something that counts calls per second needs one.
const UNSPECIFIED_429: Duration = Duration::from_secs(1);

/// Makes the call until it succeeds, or may not or need not be repeated. `call` gets the number of calls before it.
pub(crate) async fn repeating<T, F>(
    policy: RetryPolicy,
    repeat: Repeat,
    mut call: impl FnMut(u32) -> F,
) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let deadline = Instant::now() + policy.total;
    let mut made = 0;
    loop {
        let error = match call(made).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        made += 1;
        let may_repeat = match repeat {
            Repeat::Idempotent => error.is_retryable(),
            Repeat::Creates => error.was_not_carried_out(),
        };
        let pause = pause(policy, made, &error);
        // Not `now + pause`: a server may ask for more time than a clock can hold.
        let left = deadline.saturating_duration_since(Instant::now());
        if !may_repeat || made >= policy.attempts || pause > left {
            return Err(error);
        }
        tracing::debug!(%error, ?pause, "repeating a call to Livepeer");
        sleep(pause).await;
    }
}

/// The pause after `made` calls: drawn, but never shorter than Livepeer asks for.
fn pause(policy: RetryPolicy, made: u32, error: &Error) -> Duration {
    let ceiling = policy
        .base
        .saturating_mul(1 << made.saturating_sub(1).min(16))
        .min(policy.cap);
    let drawn = ceiling.mul_f64(rand::random::<f64>());
    match error.retry_after() {
        // Everybody who was refused at once would come back at once: the draw comes on top.
        Some(asked) => asked.saturating_add(drawn.min(Duration::from_secs(1))),
        None if error.status() == Some(429) => UNSPECIFIED_429 + drawn,
        None => drawn,
    }
}

/// Reads a `Retry-After`: seconds, or an HTTP date (RFC 9110, 10.2.3). What is neither says nothing.
pub(crate) fn parse_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::cell::RefCell;

    use super::*;

    fn api(status: u16, retry_after: Option<u64>) -> Error {
        Error::Api {
            call: "test",
            status,
            messages: vec![],
            retry_after: retry_after.map(Duration::from_secs),
        }
    }

    fn connect() -> Error {
        Error::Connect {
            call: "test",
            reason: "refused".into(),
        }
    }

    fn no_answer() -> Error {
        Error::NoAnswer {
            call: "test",
            reason: "timed out".into(),
        }
    }

    /// Plays the errors one after the other, then succeeds. Answers with the outcome and the pauses between the calls.
    async fn play(repeat: Repeat, errors: Vec<Error>) -> (Result<u32, Error>, Vec<Duration>) {
        let errors = RefCell::new(errors.into_iter());
        let times = RefCell::new(Vec::new());
        let outcome = repeating(RetryPolicy::default(), repeat, |made| {
            times.borrow_mut().push(Instant::now());
            let next = errors.borrow_mut().next();
            async move { next.map_or(Ok(made), Err) }
        })
        .await;
        let pauses = times
            .borrow()
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .collect();
        (outcome, pauses)
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_safe_to_repeat_is_repeated_with_growing_bounds() {
        for _ in 0..50 {
            let (outcome, pauses) = play(
                Repeat::Idempotent,
                vec![no_answer(), api(500, None), api(502, None), connect()],
            )
            .await;
            assert_eq!(outcome, Ok(4));
            for (pause, most) in pauses.iter().zip([500, 1000, 2000, 4000]) {
                // The paused clock counts in whole milliseconds.
                assert!(
                    *pause <= Duration::from_millis(most + 1),
                    "{pause:?} of at most {most} ms"
                );
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_are_drawn() {
        let mut seen = std::collections::HashSet::new();
        for _ in 0..10 {
            seen.insert(play(Repeat::Idempotent, vec![connect()]).await.1);
        }
        assert!(seen.len() > 1, "ten draws from 500 ms are not all the same");
    }

    #[tokio::test(start_paused = true)]
    async fn a_creation_is_repeated_only_if_it_was_not_carried_out() {
        assert_eq!(
            play(
                Repeat::Creates,
                vec![connect(), api(503, None), api(429, None)]
            )
            .await
            .0,
            Ok(3)
        );
        for error in [no_answer(), api(500, None), api(502, None), api(504, None)] {
            assert_eq!(
                play(Repeat::Creates, vec![error.clone()]).await.0,
                Err(error)
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_wrong_is_not_repeated() {
        for status in [400, 401, 403, 404, 422, 501] {
            let (outcome, pauses) = play(Repeat::Idempotent, vec![api(status, None)]).await;
            assert_eq!((outcome, pauses.len()), (Err(api(status, None)), 0));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_gives_up_after_five_calls() {
        let (outcome, pauses) = play(Repeat::Idempotent, vec![connect(); 9]).await;
        assert_eq!((outcome, pauses.len()), (Err(connect()), 4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_429_is_waited_out() {
        let (outcome, pauses) =
            play(Repeat::Creates, vec![api(429, Some(7)), api(429, None)]).await;
        assert_eq!(outcome, Ok(2));
        assert!(
            (7.0..8.1).contains(&pauses[0].as_secs_f64()),
            "as long as asked: {pauses:?}"
        );
        assert!(
            (1.0..2.1).contains(&pauses[1].as_secs_f64()),
            "a second at least: {pauses:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_429_that_asks_for_too_long_is_told_instead() {
        for asked in [31, 3600, u64::MAX] {
            let (outcome, pauses) = play(Repeat::Idempotent, vec![api(429, Some(asked))]).await;
            assert_eq!((outcome, pauses.len()), (Err(api(429, Some(asked))), 0));
        }
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now = httpdate::parse_http_date("Sun, 22 Nov 2026 10:00:00 GMT").unwrap();
        let read = |value| parse_retry_after(value, now);
        assert_eq!(read(" 12 "), Some(Duration::from_secs(12)));
        assert_eq!(
            read("Sun, 22 Nov 2026 10:00:30 GMT"),
            Some(Duration::from_secs(30))
        );
        assert_eq!(read("Sun, 22 Nov 2026 09:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(read("soon"), None);
        assert_eq!(read("-1"), None);
    }
}
