#![allow(clippy::unwrap_used)]

use std::time::{Duration, UNIX_EPOCH};

use livepeer::studio::{PlaybackPolicy, SigningKey, Webhook};
use livepeer::token::{KeyPair, PlaybackSigner};
use serde_json::Map;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// A stream, the account that it is in, and a key of that account.
struct Scene {
    stream: Stream,
    tables: Tables,
    signer: PlaybackSigner,
    now: SystemTime,
}

fn scene(policy: Option<PlaybackPolicy>) -> Scene {
    let pair = KeyPair::generate().unwrap();
    let mut tables = Tables::new("key".into(), "user".into(), "project".into());
    tables.signing_keys.push(SigningKey {
        id: "key-1".into(),
        name: None,
        user_id: None,
        project_id: None,
        created_at: None,
        disabled: false,
        public_key: pair.public_key.clone(),
        private_key: None,
    });
    tables.webhooks.push(Arc::new(WebhookRow {
        webhook: Webhook {
            id: "hook-1".into(),
            name: "gate".into(),
            url: Url::parse("http://127.0.0.1:1/gate").unwrap(),
            events: vec!["playback.accessControl".into()],
            stream_id: None,
            project_id: None,
            created_at: None,
        },
        shared_secret: None,
    }));
    Scene {
        stream: Stream {
            playback_id: "abcd00000000plbk".into(),
            playback_policy: policy,
            ..Stream::default()
        },
        tables,
        signer: PlaybackSigner::new(&pair.public_key, &pair.private_key, "test").unwrap(),
        now: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
    }
}

impl Scene {
    fn token(&self, playback_id: &str, now: SystemTime, life: Duration) -> String {
        let token = self
            .signer
            .mint(playback_id, now, life, Map::new())
            .unwrap();
        token.expose().to_owned()
    }

    fn good_token(&self) -> String {
        self.token(&self.stream.playback_id, self.now, MINUTE)
    }

    fn decide(&self, viewer: &Viewer) -> Result<Verdict, Refusal> {
        decide(&self.stream, &self.tables, viewer, self.now)
    }
}

fn with_token(token: &str) -> Viewer {
    Viewer {
        token: Some(token.into()),
        ..Viewer::default()
    }
}

fn from_origin(origin: &str) -> Viewer {
    Viewer {
        origin: Some(origin.into()),
        ..Viewer::default()
    }
}

fn policy(kind: PolicyKind, origins: &[&str]) -> PlaybackPolicy {
    PlaybackPolicy {
        kind,
        webhook_id: Some("hook-1".into()),
        allowed_origins: Some(origins.iter().map(|&text| text.to_owned()).collect()),
        ..PlaybackPolicy::public()
    }
}

#[test]
fn a_public_stream_lets_everybody_in_until_it_is_suspended() {
    for open in [
        None,
        Some(PlaybackPolicy::public()),
        Some(policy(PolicyKind::Public, &[])),
    ] {
        let mut scene = scene(open);
        assert!(scene.decide(&Viewer::default()).is_ok());
        assert!(scene.decide(&with_token("nonsense")).is_ok());
        scene.stream.suspended = true;
        let refusal = scene.decide(&Viewer::default()).err().unwrap();
        assert_eq!(refusal.status(), StatusCode::NOT_FOUND);
    }
}

#[test]
fn a_jwt_stream_asks_for_a_token_of_a_registered_key_for_this_stream_and_this_time() {
    let scene = scene(Some(PlaybackPolicy::jwt()));
    let id = &scene.stream.playback_id;
    let refused = |viewer: &Viewer| scene.decide(viewer).err();

    assert!(scene.decide(&with_token(&scene.good_token())).is_ok());
    assert!(
        scene
            .decide(&with_token(&scene.token(
                &format!("video+{id}"),
                scene.now,
                MINUTE
            )))
            .is_ok()
    );

    assert_eq!(refused(&Viewer::default()), Some(Refusal::NoToken));
    let others = scene.token("ffff00000000plbk", scene.now, MINUTE);
    assert_eq!(
        refused(&with_token(&others)),
        Some(TokenError::OtherStream.into())
    );
    let old = scene.token(id, scene.now - 2 * MINUTE, MINUTE);
    assert_eq!(refused(&with_token(&old)), Some(TokenError::Expired.into()));
    let early = scene.token(id, scene.now + MINUTE, MINUTE);
    assert_eq!(
        refused(&with_token(&early)),
        Some(TokenError::NotYet.into())
    );
    let long = scene.token(id, scene.now + MINUTE, 7 * 24 * 60 * MINUTE);
    assert_eq!(
        refused(&with_token(&long)),
        Some(TokenError::TooLong.into())
    );

    let good = scene.good_token();
    let (signed, _) = good.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", "A".repeat(86));
    assert_eq!(
        refused(&with_token(&forged)),
        Some(TokenError::Signature.into())
    );
    assert!(matches!(
        refused(&with_token("a.b.c")),
        Some(Refusal::Token(_))
    ));
    assert!(matches!(refused(&with_token("")), Some(Refusal::Token(_))));
}

#[test]
fn a_token_of_a_key_that_is_unknown_or_disabled_is_refused() {
    let mut scene = scene(Some(PlaybackPolicy::jwt()));
    let token = scene.good_token();
    scene.tables.signing_keys[0].disabled = true;
    assert_eq!(
        scene.decide(&with_token(&token)).err(),
        Some(Refusal::DisabledKey)
    );
    scene.tables.signing_keys.clear();
    assert_eq!(
        scene.decide(&with_token(&token)).err(),
        Some(Refusal::UnknownKey)
    );
}

#[test]
fn allowed_origins_hold_for_every_policy_before_anything_else() {
    let app = "https://app.example";
    let table = [
        (&[app][..], Some(app), true),
        (&[app][..], Some("https://app.example:8443"), false),
        (&[app][..], Some("https://evil.example"), false),
        (&[app][..], None, false),
        (&["*"][..], None, true),
        (&["*"][..], Some("https://evil.example"), true),
        (&[][..], Some("https://evil.example"), true),
        (&["http://localhost:3000", app][..], Some(app), true),
    ];
    for (origins, origin, allowed) in table {
        let scene = scene(Some(policy(PolicyKind::Public, origins)));
        let viewer = origin.map_or_else(Viewer::default, from_origin);
        let refusal = scene.decide(&viewer).err();
        let expected = (!allowed).then_some(Refusal::Origin);
        assert_eq!(refusal, expected, "{origins:?} {origin:?}");
    }
    let scene = scene(Some(policy(PolicyKind::Jwt, &[app])));
    let viewer = with_token(&scene.good_token());
    assert_eq!(scene.decide(&viewer).err(), Some(Refusal::Origin));
}

#[test]
fn the_webhook_policy_asks_only_when_there_is_something_to_ask() {
    let mut scene = scene(Some(policy(PolicyKind::Webhook, &[])));
    assert_eq!(
        scene.decide(&Viewer::default()).err(),
        Some(Refusal::NoAccessKey)
    );
    let viewer = Viewer {
        access_key: Some("abc".into()),
        ..Viewer::default()
    };
    assert!(matches!(scene.decide(&viewer), Ok(Verdict::Ask(row)) if row.webhook.id == "hook-1"));
    scene.tables.webhooks.clear();
    assert_eq!(scene.decide(&viewer).err(), Some(Refusal::NoWebhook));
}

#[test]
fn the_query_wins_over_the_header_and_a_null_origin_is_replaced_by_the_page() {
    let mut headers = HeaderMap::new();
    headers.insert(TOKEN_HEADER, "from-header".parse().unwrap());
    headers.insert(ACCESS_KEY_HEADER, "key-header".parse().unwrap());
    headers.insert(header::ORIGIN, "null".parse().unwrap());
    headers.insert(
        header::REFERER,
        "https://app.example/watch?x=1".parse().unwrap(),
    );

    let viewer = Viewer::of(&headers, "jwt=from%2Equery&accessKey=key-query");
    assert_eq!(viewer.token.as_deref(), Some("from.query"));
    assert_eq!(viewer.access_key.as_deref(), Some("key-query"));
    assert_eq!(viewer.origin.as_deref(), Some("https://app.example"));

    let viewer = Viewer::of(&headers, "jwt=&constant=1");
    assert_eq!(viewer.token.as_deref(), Some("from-header"));
    assert_eq!(viewer.access_key.as_deref(), Some("key-header"));
    headers.insert(header::ORIGIN, "https://other.example".parse().unwrap());
    assert_eq!(
        Viewer::of(&headers, "").origin.as_deref(),
        Some("https://other.example")
    );
}

#[test]
fn no_refusal_repeats_the_token() {
    let scene = scene(Some(PlaybackPolicy::jwt()));
    for token in ["top-secret-token", "top.secret.token"] {
        let refusal = scene.decide(&with_token(token)).err().unwrap();
        assert!(!refusal.to_string().contains("secret"), "{refusal}");
    }
}
