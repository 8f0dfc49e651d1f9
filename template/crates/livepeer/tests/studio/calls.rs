//! What each call sends, and what it makes of the answer.

use insta::{assert_json_snapshot, assert_snapshot};
use livepeer::studio::{
    NewStream, NewWebhook, PlaybackPolicy, PlaybackSource, PolicyKind, Profile, StreamPatch,
    TagValue,
};
use livepeer::{PrivateKey, StreamKey};

use crate::server::Server;

/// As the service answers, not as its description says: unknown fields, `null`s, numbers of both kinds.
const STREAM: &str = r#"{"id":"de7818e7-610a-4057-8f6f-b785dc1e6f88","kind":"stream","name":"room-42-main",
 "creatorId":{"type":"unverified","value":"user-7"},"userId":"we78","projectId":"aac12556",
 "createdAt":1587667174725,"createdByTokenName":"ci","streamKey":"de78-ab12-cd34-ef56","playbackId":"de78nk06ts2d0mzb",
 "isActive":false,"lastSeen":0,"record":null,"suspended":false,"lastTerminatedAt":null,
 "sourceSegments":3,"transcodedSegments":0,"sourceSegmentsDuration":6.5,"transcodedSegmentsDuration":0,
 "sourceBytes":1024,"transcodedBytes":0,"ingestRate":12.5,"outgoingRate":0,"isHealthy":null,"issues":null,
 "profiles":[{"name":"720p","width":1280,"height":720,"bitrate":3000000,"fps":30,"gop":"1.0","profile":"H264ConstrainedHigh"}],
 "multistream":{"targets":[{"profile":"source","id":"09F8B46C"}]},"playbackPolicy":{"type":"jwt","refreshInterval":60},
 "userTags":{"session":"s-1","seats":2,"names":["a",1]},"renditions":{},"aFieldOfTomorrow":true}"#;

#[tokio::test]
async fn a_stream_is_created() {
    let server = Server::start().await;
    server.answers(201, STREAM);
    let new = NewStream {
        name: "room-42-main".into(),
        creator_id: Some("user-7".into()),
        profiles: Some(vec![Profile::h264("720p", 1280, 720, 3_000_000)]),
        record: Some(false),
        playback_policy: Some(PlaybackPolicy::jwt().refreshed_every(60)),
        user_tags: [("session".to_owned(), TagValue::from("s-1"))].into(),
    };
    let stream = server.studio().create_stream(&new).await.unwrap();
    assert_snapshot!(server.requests(), @r#"POST /api/stream with the key {"creatorId":{"type":"unverified","value":"user-7"},"name":"room-42-main","playbackPolicy":{"refreshInterval":60,"type":"jwt"},"profiles":[{"bitrate":3000000,"fps":0,"gop":"1.0","height":720,"name":"720p","profile":"H264ConstrainedHigh","width":1280}],"record":false,"userTags":{"session":"s-1"}}"#);
    assert_eq!(
        stream.stream_key,
        Some(StreamKey::new("de78-ab12-cd34-ef56"))
    );
    assert_eq!(stream.creator_id, Some("user-7".into()));
    assert_eq!(
        stream.playback_policy.as_ref().map(|policy| policy.kind),
        Some(PolicyKind::Jwt)
    );
    assert!(!stream.record && !format!("{stream:?}").contains("ab12"));
    assert_json_snapshot!(stream, @r#"
    {
      "id": "de7818e7-610a-4057-8f6f-b785dc1e6f88",
      "kind": "stream",
      "name": "room-42-main",
      "creatorId": {
        "type": "unverified",
        "value": "user-7"
      },
      "userId": "we78",
      "projectId": "aac12556",
      "createdAt": 1587667174725,
      "createdByTokenName": "ci",
      "streamKey": "de78-ab12-cd34-ef56",
      "playbackId": "de78nk06ts2d0mzb",
      "isActive": false,
      "lastSeen": 0,
      "record": false,
      "suspended": false,
      "lastTerminatedAt": null,
      "sourceSegments": 3,
      "transcodedSegments": 0,
      "sourceSegmentsDuration": 6.5,
      "transcodedSegmentsDuration": 0.0,
      "sourceBytes": 1024,
      "transcodedBytes": 0,
      "ingestRate": 12.5,
      "outgoingRate": 0.0,
      "profiles": [
        {
          "name": "720p",
          "width": 1280,
          "height": 720,
          "bitrate": 3000000,
          "fps": 30,
          "gop": "1.0",
          "profile": "H264ConstrainedHigh"
        }
      ],
      "playbackPolicy": {
        "type": "jwt",
        "refreshInterval": 60
      },
      "userTags": {
        "names": [
          "a",
          1
        ],
        "seats": 2,
        "session": "s-1"
      }
    }
    "#);
}

#[tokio::test]
async fn the_smallest_stream_is_the_source_alone() {
    let server = Server::start().await;
    server.answers(200, STREAM);
    server
        .studio()
        .create_stream(&NewStream::source_only("x"))
        .await
        .unwrap();
    assert_snapshot!(server.requests(), @r#"POST /api/stream with the key {"name":"x","profiles":[]}"#);
}

#[tokio::test]
async fn a_stream_is_read_changed_suspended_terminated_deleted() {
    let server = Server::start().await;
    let studio = server.studio();
    server.answers(200, STREAM);
    assert_eq!(
        studio
            .get_stream("de7818e7")
            .await
            .unwrap()
            .source_segments_duration,
        6.5
    );
    for _ in 0..5 {
        server.answers(204, "");
    }
    let patch = StreamPatch {
        record: Some(true),
        profiles: Some(vec![]),
        ..StreamPatch::default()
    };
    studio.patch_stream("de7818e7", &patch).await.unwrap();
    studio.suspend_stream("de7818e7", true).await.unwrap();
    studio.suspend_stream("de7818e7", false).await.unwrap();
    studio.terminate_stream("de7818e7").await.unwrap();
    studio.delete_stream("de7818e7").await.unwrap();
    assert_snapshot!(server.requests(), @r#"
    GET /api/stream/de7818e7 with the key
    PATCH /api/stream/de7818e7 with the key {"profiles":[],"record":true}
    PATCH /api/stream/de7818e7/suspended with the key {"suspended":true}
    PATCH /api/stream/de7818e7/suspended with the key {"suspended":false}
    DELETE /api/stream/de7818e7/terminate with the key
    DELETE /api/stream/de7818e7 with the key
    "#);
}

#[tokio::test]
async fn an_id_cannot_lead_out_of_its_path() {
    let server = Server::start().await;
    server.answers(404, r#"{"errors":["not found"]}"#);
    server
        .studio()
        .get_stream("../user?x=1#")
        .await
        .unwrap_err();
    assert_snapshot!(server.requests(), @"GET /api/stream/..%2Fuser%3Fx=1%23 with the key");
}

#[tokio::test]
async fn where_to_publish() {
    let server = Server::start().await;
    let studio = server.studio();
    server.answers(200, STREAM);
    let stream = studio.get_stream("de7818e7").await.unwrap();
    server.requests();
    server.answers(
        200,
        r#"[{"ingest":"rtmp://rtmp.livepeer.com/live","ingests":{"srt":"srt://x"},"playback":"https://livepeercdn.studio/hls","base":"https://playback.livepeer.studio","origin":"https://origin"},
           {"ingest":"rtmp://b/live","playback":"https://b/hls","base":"https://b"}]"#,
    );
    let url = studio.whip_url(&stream).await.unwrap();
    assert_eq!(
        url.expose().as_str(),
        "https://playback.livepeer.studio/webrtc/de78-ab12-cd34-ef56"
    );
    assert_eq!(
        format!("{url:?}"),
        "SecretUrl(https://playback.livepeer.studio/redacted)"
    );
    assert_snapshot!(server.requests(), @"GET /api/ingest with the key");

    server.answers(200, "[]");
    let error = studio.whip_url(&stream).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "cannot read Livepeer's answer when asked to find the ingest: the list is empty"
    );
    let error = studio
        .whip_url(&livepeer::studio::Stream {
            stream_key: None,
            ..stream
        })
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "stream de7818e7-610a-4057-8f6f-b785dc1e6f88 comes without its key; read it with get_stream"
    );
}

#[tokio::test]
async fn the_ingest_base_may_have_a_path() {
    let server = Server::start().await;
    let base = server.url("/livepeer/");
    server.answers(
        200,
        &format!(r#"[{{"ingest":"","playback":"","base":"{base}"}}]"#),
    );
    let ingest = &server.studio().ingest().await.unwrap()[0];
    let url = ingest.whip_url(&StreamKey::new("k/../k")).unwrap();
    assert_eq!(
        url.expose().as_str(),
        server.url("/livepeer/webrtc/k%2F..%2Fk")
    );
}

#[tokio::test]
async fn where_to_play_with_webrtc_before_hls_and_without_the_key() {
    let server = Server::start().await;
    server.answers(
        200,
        r#"{"type":"live","meta":{"live":1,"playbackPolicy":{"type":"jwt"},"source":[
          {"hrn":"HLS (TS)","type":"html5/application/vnd.apple.mpegurl","url":"https://playback.livepeer.studio/hls/eaw4/index.m3u8"},
          {"hrn":"Thumbnail (JPEG)","type":"image/jpeg","url":"https://playback.livepeer.studio/latest.jpg"},
          {"hrn":"MP4","type":"html5/video/mp4","url":"https://playback.livepeer.studio/x.mp4","size":4,"width":2},
          {"hrn":"WebRTC (H264)","type":"html5/video/h264","url":"https://playback.livepeer.studio/webrtc/eaw4"}]}}"#,
    );
    let info = server.studio().playback("eaw4").await.unwrap();
    assert_snapshot!(server.requests(), @"GET /api/playback/eaw4");
    let names: Vec<_> = info
        .meta
        .source
        .iter()
        .map(|source| source.hrn.as_str())
        .collect();
    assert_eq!(
        names,
        ["WebRTC (H264)", "HLS (TS)", "MP4", "Thumbnail (JPEG)"]
    );
    assert_eq!(
        info.whep_url().unwrap().as_str(),
        "https://playback.livepeer.studio/webrtc/eaw4"
    );
    assert_eq!(
        info.hls_url().unwrap().as_str(),
        "https://playback.livepeer.studio/hls/eaw4/index.m3u8"
    );
    assert!(info.is_live());

    server.answers(200, r#"{"type":"live","meta":{"live":false,"source":[]}}"#);
    let info = server.studio().playback("eaw4").await.unwrap();
    assert_eq!((info.is_live(), info.whep_url()), (false, None));
}

#[test]
fn a_webrtc_source_is_written_as_livepeer_writes_it() {
    let source =
        PlaybackSource::webrtc(&"http://localhost:3000/livepeer/webrtc/abc".parse().unwrap());
    assert_json_snapshot!(source, @r#"
    {
      "hrn": "WebRTC (H264)",
      "type": "html5/video/h264",
      "url": "http://localhost:3000/livepeer/webrtc/abc"
    }
    "#);
}

#[tokio::test]
async fn signing_keys() {
    let server = Server::start().await;
    let studio = server.studio();
    // The description says 200 and knows no privateKey; the service answers 201 with one.
    server.answers(201, r#"{"id":"k1","name":"app","createdAt":1,"publicKey":"UFVC","projectId":"p","privateKey":"UFJJ"}"#);
    let key = studio.create_signing_key(Some("app")).await.unwrap();
    assert_eq!(key.private_key, Some(PrivateKey::new("UFJJ")));
    assert!(!format!("{key:?}").contains("UFJJ"));
    server.answers(200, r#"{"id":"k2","publicKey":"UFVC"}"#);
    studio.create_signing_key(None).await.unwrap();
    server.answers(200, r#"[{"id":"k1","publicKey":"UFVC","disabled":true}]"#);
    let keys = studio.list_signing_keys().await.unwrap();
    assert!(keys[0].disabled && keys[0].private_key.is_none());
    server.answers(204, "");
    studio.delete_signing_key("k1").await.unwrap();
    assert_snapshot!(server.requests(), @r#"
    POST /api/access-control/signing-key with the key {"name":"app"}
    POST /api/access-control/signing-key with the key {}
    GET /api/access-control/signing-key with the key
    DELETE /api/access-control/signing-key/k1 with the key
    "#);
}

#[tokio::test]
async fn webhooks() {
    let server = Server::start().await;
    let studio = server.studio();
    let hook = r#"{"id":"w1","kind":"webhook","name":"app","url":"https://app.example/hooks","events":["stream.started"],"createdAt":1,"status":{"lastTriggeredAt":0}}"#;
    server.answers(201, hook);
    let new = NewWebhook {
        name: "app".into(),
        url: "https://app.example/hooks".parse().unwrap(),
        events: vec!["stream.started".into(), "stream.idle".into()],
        shared_secret: Some("my-secret".into()),
        stream_id: None,
    };
    assert!(!format!("{new:?}").contains("my-secret"));
    assert_eq!(studio.create_webhook(&new).await.unwrap().id, "w1");
    server.answers(200, &format!("[{hook}]"));
    assert_eq!(studio.list_webhooks().await.unwrap().len(), 1);
    // 204 in the service, 200 with a body in its description.
    server.answers(200, hook);
    studio.delete_webhook("w1").await.unwrap();
    assert_snapshot!(server.requests(), @r#"
    POST /api/webhook with the key {"events":["stream.started","stream.idle"],"name":"app","sharedSecret":"my-secret","url":"https://app.example/hooks"}
    GET /api/webhook with the key
    DELETE /api/webhook/w1 with the key
    "#);
}
