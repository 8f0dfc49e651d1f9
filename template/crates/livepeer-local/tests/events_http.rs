//! What a player is told while it plays: server-sent events.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use livepeer::media::VideoCodec;
use livepeer::studio::NewStream;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use support::feed::{Feed, PATIENCE, play};
use support::{TestLocal, offer, studio};
use tokio::time::timeout;
use url::Url;

/// One subscription, read line by line.
struct Reader {
    response: Response,
    text: String,
}

impl Reader {
    async fn open(client: &Client, url: &Url) -> Reader {
        let response = client.get(url.clone()).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let kind = response.headers()["content-type"].to_str().unwrap();
        assert!(kind.starts_with("text/event-stream"), "{kind}");
        let text = String::new();
        Reader { response, text }
    }

    /// The next event: its name and its data. `None` when the server has ended it.
    async fn next(&mut self) -> Option<(String, Value)> {
        let reading = async {
            loop {
                if let Some((event, rest)) = self.text.split_once("\n\n") {
                    let field = |name: &str| {
                        let mut lines = event.lines();
                        lines
                            .find_map(|line| line.strip_prefix(name))
                            .map(str::trim)
                    };
                    let found = field("event:").zip(field("data:"));
                    let found = found.map(|(name, data)| {
                        (
                            name.to_owned(),
                            serde_json::from_str(data).expect("one line of JSON"),
                        )
                    });
                    self.text = rest.to_owned();
                    match found {
                        Some(event) => return Some(event),
                        None => continue,
                    }
                }
                let chunk = self.response.chunk().await.unwrap()?;
                self.text.push_str(std::str::from_utf8(&chunk).unwrap());
            }
        };
        timeout(PATIENCE, reading).await.expect("an event comes")
    }

    async fn until(&mut self, name: &str, data: Value) {
        while let Some(event) = self.next().await {
            if event == (name.to_owned(), data.clone()) {
                return;
            }
        }
        panic!("it ended without {name} {data}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_hears_who_watches_and_when_the_publisher_goes_and_comes_back() {
    let (local, server) = TestLocal::serving().await;
    let studio = studio(&server);
    let stream = NewStream::source_only("show");
    let stream = studio.create_stream(&stream).await.unwrap();
    let feed = Feed::start(&studio, &stream, VideoCodec::Vp8)
        .await
        .unwrap();
    let first = play(&studio, &stream, None).await.unwrap();

    let client = livepeer::http_client(&server, 3 * PATIENCE).unwrap();
    let session = first.session().unwrap().expose().clone();
    let events = Url::parse(&format!("{session}/events")).unwrap();

    let subscribe = |body: Value| client.post(events.clone()).json(&body).send();
    for wrong in [
        json!([]),
        json!(["scte35"]),
        json!({"events": ["active"]}),
        json!("active"),
    ] {
        let refused = subscribe(wrong.clone()).await.unwrap();
        assert_eq!(refused.status(), 400, "{wrong}");
    }
    let plain = client.post(events.clone()).body("[\"active\"]");
    assert_eq!(plain.send().await.unwrap().status(), 415);

    let created = subscribe(json!(["active", "inactive", "viewercount", "layers"]))
        .await
        .unwrap();
    assert_eq!(created.status(), 201);
    let location = created.headers()["location"].to_str().unwrap();
    let url = events.join(location).unwrap();
    let mut reader = Reader::open(&client, &url).await;
    assert_eq!(
        reader.next().await.unwrap(),
        ("active".to_owned(), json!({}))
    );
    // The publisher sends one encoding: there is nothing to choose from.
    let (name, layers) = reader.next().await.unwrap();
    assert_eq!(name, "viewercount");
    assert_eq!(layers, json!({"viewercount": 1}));
    let (name, layers) = reader.next().await.unwrap();
    assert_eq!(name, "layers");
    let layers: Vec<_> = layers.as_object().unwrap().values().collect();
    assert_eq!(layers, [&json!([])]);
    let third = play(&studio, &stream, None).await.unwrap();
    reader.until("viewercount", json!({"viewercount": 2})).await;
    third.close().await;
    reader.until("viewercount", json!({"viewercount": 1})).await;
    feed.stop().await;
    reader.until("inactive", json!({})).await;

    // Whoever begins while nothing flows is not told so.
    let created = subscribe(json!(["active", "inactive"])).await.unwrap();
    let location = created.headers()["location"].to_str().unwrap();
    let mut late = Reader::open(&client, &events.join(location).unwrap()).await;
    let feed = Feed::start(&studio, &stream, VideoCodec::Vp8)
        .await
        .unwrap();
    assert_eq!(late.next().await.unwrap(), ("active".to_owned(), json!({})));
    reader.until("active", json!({})).await;

    // Over: by DELETE, and with the session.
    assert_eq!(
        client.delete(url.clone()).send().await.unwrap().status(),
        200
    );
    while reader.next().await.is_some() {}
    for again in [client.get(url.clone()), client.delete(url.clone())] {
        assert_eq!(again.send().await.unwrap().status(), 404);
    }
    first.close().await;
    while late.next().await.is_some() {}
    assert_eq!(subscribe(json!(["active"])).await.unwrap().status(), 404);
    feed.stop().await;
    drop(local);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_player_is_told_where_its_events_are_and_a_publisher_has_none() {
    let (local, server) = TestLocal::serving().await;
    let studio = studio(&server);
    let stream = NewStream::source_only("show");
    let stream = studio.create_stream(&stream).await.unwrap();
    let feed = Feed::start(&studio, &stream, VideoCodec::Vp8)
        .await
        .unwrap();
    play(&studio, &stream, None).await.unwrap().close().await;

    let sdp = [("content-type", "application/sdp")];
    let offer = offer("recvonly");
    let answer = local
        .webrtc("POST", &stream.playback_id, &sdp, &offer)
        .await;
    assert_eq!(answer.status.as_u16(), 201, "{}", answer.text);
    let session = answer.header("location").unwrap();
    let link = answer.header("link").unwrap();
    let target =
        format!("<{session}/events>; rel=\"urn:ietf:params:whep:ext:core:server-sent-events\"");
    assert!(link.starts_with(&target), "{link}");
    assert!(link.contains("events=\"active,inactive,"), "{link}");

    // Its video stands in the one m-line that there is, and comes in one encoding only.
    let layer = format!("{session}/layer");
    let links: Vec<_> = answer.headers.get_all("link").iter().collect();
    let told = format!("<{layer}>; rel=\"urn:ietf:params:whep:ext:core:layer\"");
    assert_eq!(links[1], told.as_str());
    let json = [("content-type", "application/json")];
    for (wish, status) in [
        ("{}", 200),
        ("{\"mediaId\":\"0\"}", 200),
        ("{\"mediaId\":0,\"spatialLayerId\":0}", 200),
        ("{\"mediaId\":\"1\"}", 422),
        ("{\"mediaId\":\"0\",\"rid\":\"h\"}", 422),
        (
            "{\"spatialLayerId\":4294967295,\"temporalLayerId\":4294967295}",
            422,
        ),
        ("{\"rid\":7}", 400),
        ("[]", 400),
        ("no JSON", 400),
    ] {
        let chosen = local.webrtc("POST", &layer, &json, wish).await;
        assert_eq!(chosen.status.as_u16(), status, "{wish}: {}", chosen.text);
    }
    let left = local.webrtc("DELETE", &layer, &[], "").await;
    assert_eq!(left.status.as_u16(), 200);

    let publishing = feed.publisher.session().unwrap().expose().path();
    let publishing = publishing.split_once("/webrtc/").unwrap().1;
    for (what, body) in [("events", "[\"active\"]"), ("layer", "{}")] {
        let path = format!("{publishing}/{what}");
        let refused = local.webrtc("POST", &path, &json, body).await;
        assert_eq!(refused.status.as_u16(), 404, "{what}");
    }
    feed.stop().await;
}
