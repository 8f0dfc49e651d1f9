//! Reports: signed as Livepeer signs, and believed only then.
#![allow(missing_docs, clippy::unwrap_used)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use livepeer::SharedSecret;
use livepeer::webhook::{Event, WebhookError, sign, verify};

const BODY: &str = r#"{"id":"1","timestamp":1587667174999,"event":"stream.started"}"#;
const SIGNATURE: &str =
    "t=1587667174999,v1=cc133927f186c862e9915a1c9b0b34dd59ece686e7e4af8f14d388e9554f1f98";

fn secret() -> SharedSecret {
    SharedSecret::new("my-secret")
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_587_667_175_000)
}

fn refused(header: &str, body: &str) -> WebhookError {
    verify(&secret(), Some(header), body.as_bytes(), now()).unwrap_err()
}

#[test]
fn the_known_signature_comes_out_and_is_believed() {
    assert_eq!(
        sign(&secret(), BODY.as_bytes(), 1_587_667_174_999),
        SIGNATURE
    );
    let delivery = verify(&secret(), Some(SIGNATURE), BODY.as_bytes(), now()).unwrap();
    assert_eq!(
        (delivery.id.as_str(), delivery.event()),
        ("1", Event::StreamStarted)
    );
    // While the secret is being changed there are two; spaces are no matter.
    let two = SIGNATURE.replace("v1=", &format!("v0=x, v1={}, v1=", "0".repeat(64)));
    verify(&secret(), Some(&two), BODY.as_bytes(), now()).unwrap();
}

#[test]
fn the_stream_comes_along_without_its_key() {
    let body = r#"{"id":"2","webhookId":"w","createdAt":1587667174725,"timestamp":1587667174999,"event":"stream.idle",
        "stream":{"id":"s","name":"n","playbackId":"p","isActive":false},"payload":{}}"#;
    let header = sign(&secret(), body.as_bytes(), 1_587_667_174_999);
    let delivery = verify(&secret(), Some(&header), body.as_bytes(), now()).unwrap();
    assert_eq!(delivery.event(), Event::StreamIdle);
    let stream = delivery.stream.unwrap();
    assert_eq!(
        (stream.playback_id.as_str(), stream.stream_key),
        ("p", None)
    );
}

#[test]
fn an_event_that_is_not_known_keeps_its_name() {
    let body = BODY.replace("stream.started", "recording.ready");
    let header = sign(&secret(), body.as_bytes(), 1_587_667_174_999);
    let event = verify(&secret(), Some(&header), body.as_bytes(), now())
        .unwrap()
        .event();
    assert_eq!(
        event,
        Event::Other {
            name: "recording.ready".into()
        }
    );
    assert_eq!(event.name(), "recording.ready");
}

#[test]
fn another_body_secret_or_time_is_not_believed() {
    assert_eq!(
        refused(SIGNATURE, &BODY.replace('1', "2")),
        WebhookError::Signature
    );
    assert_eq!(
        verify(
            &SharedSecret::new("other"),
            Some(SIGNATURE),
            BODY.as_bytes(),
            now()
        ),
        Err(WebhookError::Signature)
    );
    // The header's time is not signed: changed, it no longer agrees with the body's.
    assert_eq!(
        refused(&SIGNATURE.replace("t=15", "t=16"), BODY),
        WebhookError::OtherTime
    );
}

#[test]
fn what_is_old_or_early_is_not_believed() {
    let at = |seconds: i64| {
        let millis = 1_587_667_174_999 + seconds * 1000;
        let now = UNIX_EPOCH + Duration::from_millis(millis.unsigned_abs());
        verify(&secret(), Some(SIGNATURE), BODY.as_bytes(), now).map(|_| ())
    };
    assert_eq!((at(300), at(-300)), (Ok(()), Ok(())));
    assert_eq!(
        (at(301), at(-301)),
        (Err(WebhookError::Stale(301)), Err(WebhookError::Stale(301)))
    );
}

#[test]
fn what_is_malformed_is_refused() {
    assert_eq!(
        verify(&secret(), None, BODY.as_bytes(), now()),
        Err(WebhookError::Header)
    );
    let short = &SIGNATURE[..SIGNATURE.len() - 1];
    let not_hex = SIGNATURE.replace("cc13", "zz13");
    let no_time = SIGNATURE.replace("t=", "x=");
    for header in [
        "",
        "t=1",
        "v1=",
        "t=x,v1=y",
        short,
        &not_hex,
        &no_time,
        "t=1587667174999,v1=éé",
    ] {
        assert_eq!(refused(header, BODY), WebhookError::Header, "{header}");
    }
    let header = sign(&secret(), b"[]", 1);
    assert_eq!(refused(&header, "[]"), WebhookError::Body);
}
