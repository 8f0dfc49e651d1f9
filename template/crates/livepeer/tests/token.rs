//! Playback tokens: made, verified, and refused.
#![allow(missing_docs, clippy::unwrap_used)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use livepeer::PrivateKey;
use livepeer::token::{Claims, KeyPair, LONGEST_LIFE, PlaybackSigner, TokenError, verify};
use serde_json::json;

const HOUR: Duration = Duration::from_secs(3600);

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_587_667_174)
}

fn signer() -> PlaybackSigner {
    let pair = KeyPair::generate().unwrap();
    PlaybackSigner::new(&pair.public_key, &pair.private_key, "https://app.example").unwrap()
}

fn claims(signer: &PlaybackSigner) -> Claims {
    Claims {
        action: None,
        iss: None,
        public_key: signer.public_key().to_owned(),
        sub: "abc".to_owned(),
        video: None,
        exp: Some(1_587_667_174 + 60),
        iat: None,
        nbf: None,
        custom: serde_json::Map::new(),
    }
}

#[test]
fn a_token_says_what_livepeer_reads() {
    let signer = signer();
    let custom = json!({ "userId": "u1" }).as_object().unwrap().clone();
    let token = signer.mint("abc", now(), HOUR, custom).unwrap();
    let parts: Vec<_> = token.expose().split('.').collect();
    let decode = |part: &str| -> serde_json::Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    assert_eq!(decode(parts[0]), json!({ "alg": "ES256", "typ": "JWT" }));
    assert_eq!(
        decode(parts[1]),
        json!({ "action": "pull", "iss": "https://app.example", "pub": signer.public_key(), "sub": "abc",
            "video": "none", "exp": 1_587_670_774, "iat": 1_587_667_144, "custom": { "userId": "u1" } })
    );
    // r and s, 32 bytes each.
    assert_eq!(URL_SAFE_NO_PAD.decode(parts[2]).unwrap().len(), 64);
    assert_eq!(
        format!("{token:?} {signer:?}").matches("redacted").count(),
        1
    );

    let verified = verify(token.expose(), "abc", now()).unwrap();
    assert_eq!(verified.public_key, signer.public_key());
    assert_eq!(verified.claims.custom["userId"], "u1");
    verify(token.expose(), "video+abc", now()).unwrap();
}

#[test]
fn another_stream_another_time() {
    let signer = signer();
    let token = signer.mint("abc", now(), HOUR, Default::default()).unwrap();
    let refused = |id: &str, at: SystemTime| verify(token.expose(), id, at).unwrap_err();
    assert_eq!(refused("abd", now()), TokenError::OtherStream);
    assert_eq!(refused("", now()), TokenError::OtherStream);
    assert_eq!(refused("abc", now() + HOUR), TokenError::Expired);
    assert_eq!(refused("abc", now() - HOUR), TokenError::NotYet);
    assert_eq!(refused("abc", UNIX_EPOCH), TokenError::TooLong);
    verify(token.expose(), "abc", now() + HOUR - Duration::from_secs(1)).unwrap();
}

#[test]
fn seven_days_and_no_second_more() {
    let signer = signer();
    let second = Duration::from_secs(1);
    assert_eq!(
        signer
            .mint("abc", now(), LONGEST_LIFE + second, Default::default())
            .unwrap_err(),
        TokenError::TooLong
    );
    let token = signer
        .mint("abc", now(), LONGEST_LIFE, Default::default())
        .unwrap();
    verify(token.expose(), "abc", now()).unwrap();
    for exp in [Some(1_587_667_174 + 604_801), None] {
        let token = signer
            .sign(&Claims {
                exp,
                ..claims(&signer)
            })
            .unwrap();
        assert_eq!(
            verify(token.expose(), "abc", now()).unwrap_err(),
            TokenError::TooLong
        );
    }
}

#[test]
fn nbf_counts_beside_iat() {
    let signer = signer();
    let token = signer
        .sign(&Claims {
            nbf: Some(1_587_667_175),
            ..claims(&signer)
        })
        .unwrap();
    assert_eq!(
        verify(token.expose(), "abc", now()).unwrap_err(),
        TokenError::NotYet
    );
    verify(token.expose(), "abc", now() + Duration::from_secs(1)).unwrap();
}

#[test]
fn whatever_is_changed_breaks_it() {
    let signer = signer();
    let token = signer.mint("abc", now(), HOUR, Default::default()).unwrap();
    let [header, body, signature]: [&str; 3] = token
        .expose()
        .split('.')
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    let refused = |token: String| verify(&token, "abc", now()).unwrap_err();

    // The other stream's claims with this stream's signature.
    let other = signer.mint("xyz", now(), HOUR, Default::default()).unwrap();
    let other = other.expose().split('.').nth(1).unwrap();
    let swapped = format!("{header}.{other}.{signature}");
    assert_eq!(
        verify(&swapped, "xyz", now()).unwrap_err(),
        TokenError::Signature
    );

    // Signed by one key, claiming another.
    let stranger = PlaybackSigner::new;
    let pair = KeyPair::generate().unwrap();
    let stranger = stranger(&pair.public_key, &pair.private_key, "x").unwrap();
    let forged = stranger
        .sign(&Claims {
            public_key: signer.public_key().to_owned(),
            ..claims(&signer)
        })
        .unwrap();
    assert_eq!(refused(forged.expose().to_owned()), TokenError::Signature);

    // Without a signature, in the two classic ways.
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    assert_eq!(refused(format!("{none}.{body}.")), TokenError::Algorithm);
    assert_eq!(refused(format!("{header}.{body}.")), TokenError::Signature);
    let hmac = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#);
    assert_eq!(
        refused(format!("{hmac}.{body}.{signature}")),
        TokenError::Algorithm
    );

    for nonsense in [
        "",
        "a",
        "a.b",
        "a.b.c",
        "..",
        &"x".repeat(10_000),
        &format!("{header}.{body}.!"),
    ] {
        assert!(
            matches!(refused(nonsense.to_owned()), TokenError::Malformed(_)),
            "{nonsense}"
        );
    }
    let keyless = signer
        .sign(&Claims {
            public_key: String::new(),
            ..claims(&signer)
        })
        .unwrap();
    assert!(matches!(
        refused(keyless.expose().to_owned()),
        TokenError::Key(_)
    ));
}

#[test]
fn times_with_a_fraction_are_read() {
    // Other issuers write numbers as they please.
    let signer = signer();
    let mut body = serde_json::to_value(claims(&signer)).unwrap();
    body["exp"] = json!(1_587_667_234.5);
    body["iat"] = json!(1_587_667_174.0);
    let claims: Claims = serde_json::from_value(body).unwrap();
    assert_eq!(
        (claims.exp, claims.iat),
        (Some(1_587_667_234), Some(1_587_667_174))
    );
}

#[test]
fn keys_that_do_not_fit_are_refused_with_words() {
    let (a, b) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let refused = |public: &str, private: &str| {
        PlaybackSigner::new(public, &PrivateKey::new(private), "x").unwrap_err()
    };
    assert_eq!(
        refused(&a.public_key, b.private_key.expose()),
        TokenError::KeyPair
    );
    assert!(matches!(
        refused("!", a.private_key.expose()),
        TokenError::Key(_)
    ));
    for private in ["!", "bm90IGEga2V5", a.public_key.as_str()] {
        let error = refused(&a.public_key, private);
        assert!(
            matches!(error, TokenError::Key(_)) && !error.to_string().contains(private),
            "{error}"
        );
    }
}
