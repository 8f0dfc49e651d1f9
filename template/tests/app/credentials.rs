//! The View is the permission.

use app::Kind;
use reqwest::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use session::{
    Architecture, Effect, Input, Opening, ParticipantId, Phase, Play, Players, Publish, Refusal,
    Renditions, Seat, Sending, Slot, Source, Stream, StreamSpec, Timestamp, View,
};

use crate::support::TestApp;

#[tokio::test]
async fn credentials_follow_the_view() {
    let app = TestApp::start().await;
    let ada = app.browser();
    let session = ada.create().await;
    let bob = app.browser();
    let mut host = ada.host(&session).await;
    let _viewer = bob.watch(&session).await;

    // Before there is a show, there is nothing to publish.
    let early = ada.credential(&session, "publish", "show.1", "host").await;
    assert_eq!(early.status, StatusCode::FORBIDDEN);
    assert!(early.json()["error"].is_string());

    let slot = host.go_live().await;
    let granted = ada.credential(&session, "publish", &slot, "host").await;
    assert_eq!(granted.status, StatusCode::OK);
    assert_eq!(granted.headers["cache-control"], "no-store");
    let address = granted.json()["url"].as_str().unwrap().to_owned();
    assert!(address.starts_with(app.url.join("livepeer/webrtc/").unwrap().as_str()));

    // A viewer publishes nothing, and plays nothing before the picture is on. A host's seat is not for the taking.
    for (what, seat) in [("publish", "guest"), ("play", "guest"), ("publish", "host")] {
        let refused = bob.credential(&session, what, &slot, seat).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{what} {seat}");
    }
    // A stranger is nobody's viewer.
    let refused = app
        .browser()
        .credential(&session, "play", &slot, "guest")
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);

    // When the show is over, so are its credentials.
    assert_eq!(host.press("end-show").await["type"], "done");
    let late = ada.credential(&session, "publish", &slot, "host").await;
    assert_eq!(late.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_page_whose_place_another_has_taken_is_given_nothing_to_publish_to() {
    let app = TestApp::start().await;
    let ada = app.browser();
    let session = ada.create().await;
    let mut deaf = ada.host(&session).await;
    let slot = deaf.go_live().await;
    // It may not have heard of the other, whatever is to be sent there by now.
    let there = ada.host(&session).await;
    for (line, status) in [
        (deaf.line, StatusCode::FORBIDDEN),
        (there.line, StatusCode::OK),
        (there.line + 1, StatusCode::FORBIDDEN),
    ] {
        let wanted = json!({"slot": slot, "seat": "host", "line": line});
        let answer = ada
            .post_json(&format!("/s/{session}/publish"), &wanted)
            .await;
        assert_eq!(answer.status, status, "{line}");
    }
}

#[tokio::test]
async fn what_is_no_request_for_a_credential_is_said_so() {
    let app = TestApp::start().await;
    let ada = app.browser();
    let session = ada.create().await;
    let unknown = ada.credential("nobody", "play", "show.1", "guest").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    for body in [
        json!({}),
        json!({"slot": "show", "seat": "host"}),
        json!({"slot": "show.1", "seat": "king"}),
    ] {
        let answer = ada.post_json(&format!("/s/{session}/play"), &body).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        assert!(answer.json()["error"].is_string());
    }
    // What a form of another site could send is not taken.
    let answer = ada
        .send(Method::POST, &format!("/s/{session}/play"), |r| {
            r.header("Content-Type", "text/plain")
                .body(r#"{"slot":"show.1","seat":"host"}"#)
        })
        .await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

/// An architecture that errs: its stream is the host's, for whoever joins first, and stands in everybody's View, both to
/// be published and to be played.
#[derive(Serialize, Deserialize)]
struct Erring {
    host: ParticipantId,
    stream: Option<Stream>,
}

static ERRING: &[Kind] = &[Kind::of::<Erring>()];

impl Architecture for Erring {
    const NAME: &'static str = "erring";
    const TITLE: &'static str = "Erring";
    const SUMMARY: &'static str = "For tests.";
    type Policy = ();

    fn open(opening: Opening, (): ()) -> Self {
        Erring {
            host: opening.host,
            stream: None,
        }
    }

    fn handle(&mut self, _: Timestamp, input: Input) -> Result<Vec<Effect>, Refusal> {
        match (input, &mut self.stream) {
            (Input::Joined { participant }, None) if participant.seat == Seat::Guest => {
                let spec = StreamSpec {
                    publisher: self.host.clone(),
                    players: Players::only(participant.id),
                    renditions: Renditions::Source,
                };
                let (stream, provision) = Stream::provision(Slot::new("private", 1), spec);
                self.stream = Some(stream);
                return Ok(vec![provision]);
            }
            (Input::Provisioned { slot }, Some(stream)) => {
                stream.provisioned(&slot);
            }
            _ => {}
        }
        Ok(vec![])
    }

    fn view(&self, _: &ParticipantId) -> View {
        let Some(stream) = self.stream.as_ref().filter(|stream| stream.exists()) else {
            return View::of(Phase::Waiting, "Nothing", "");
        };
        View {
            publishes: vec![Publish {
                slot: stream.slot.clone(),
                source: Source::Camera,
            }],
            plays: vec![Play {
                slot: stream.slot.clone(),
                label: String::new(),
                sending: Sending::default(),
            }],
            ..View::of(Phase::Live, "Everything", "")
        }
    }
}

#[tokio::test]
async fn what_is_for_one_person_is_given_to_nobody_else_even_if_a_view_errs() {
    let app = TestApp::start_as(ERRING, |_| {}).await;
    let [ada, bob, eve] = [app.browser(), app.browser(), app.browser()];
    let session = ada.create().await;
    let mut host = ada.host(&session).await;
    let _bobs = bob.watch(&session).await;
    let mut eves = eve.watch(&session).await;
    host.phase("live").await;
    eves.phase("live").await;
    assert_eq!(eves.view["plays"][0]["slot"], "private.1");

    for (who, seat, publishes, plays) in [
        (&ada, "host", StatusCode::OK, StatusCode::FORBIDDEN),
        (&bob, "guest", StatusCode::FORBIDDEN, StatusCode::OK),
        (&eve, "guest", StatusCode::FORBIDDEN, StatusCode::FORBIDDEN),
        // The host in another tab is somebody else, who has not even come in.
        (&ada, "guest", StatusCode::FORBIDDEN, StatusCode::FORBIDDEN),
    ] {
        for (what, wanted) in [("publish", publishes), ("play", plays)] {
            let answer = who.credential(&session, what, "private.1", seat).await;
            assert_eq!(answer.status, wanted, "{seat} {what}");
            assert_eq!(
                answer.json()["url"].is_string(),
                wanted == StatusCode::OK,
                "{}",
                answer.text
            );
        }
    }
    // And what they are given lasts for minutes.
    let play = bob.credential(&session, "play", "private.1", "guest").await;
    assert!((540..=600).contains(&play.life()), "{}", play.text);
}
