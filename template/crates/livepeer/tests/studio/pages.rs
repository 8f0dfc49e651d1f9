//! Lists come whole, however many pages they are cut into.

use insta::assert_snapshot;
use livepeer::studio::StreamFilter;

use crate::server::Server;

fn page(names: &[&str]) -> String {
    let streams: Vec<_> = names
        .iter()
        .map(|name| serde_json::json!({ "id": name, "name": name, "playbackId": name }))
        .collect();
    serde_json::Value::from(streams).to_string()
}

#[tokio::test]
async fn every_page_is_fetched_with_the_same_filter() {
    let server = Server::start().await;
    // Behind a proxy the link has the wrong scheme and host. The key goes to neither.
    let next = r#"<http://studio.internal:8080/api/stream?limit=2&cursor=skip2>; rel="next""#;
    server
        .answers_with(
            200,
            &[("link", next), ("link", r#"</first>; rel="first""#)],
            &page(&["a", "b"]),
        )
        .answers_with(
            200,
            &[("link", r#"<?cursor=skip%204>; rel="next""#)],
            &page(&["c", "d"]),
        )
        .answers(200, &page(&["e"]));
    let filter = StreamFilter {
        is_active: Some(true),
        creator_id: Some("app & co".into()),
        page_size: Some(2),
    };
    let streams = server.studio().list_streams(&filter).await.unwrap();
    let names: String = streams.iter().map(|stream| stream.name.as_str()).collect();
    assert_eq!(names, "abcde");
    assert_snapshot!(server.requests(), @r#"
    GET /api/stream?limit=2&streamsonly=1&filters=%5B%7B%22id%22%3A%22isActive%22%2C%22value%22%3Atrue%7D%2C%7B%22id%22%3A%22creatorId%22%2C%22value%22%3A%22app+%26+co%22%7D%5D with the key
    GET /api/stream?limit=2&streamsonly=1&filters=%5B%7B%22id%22%3A%22isActive%22%2C%22value%22%3Atrue%7D%2C%7B%22id%22%3A%22creatorId%22%2C%22value%22%3A%22app+%26+co%22%7D%5D&cursor=skip2 with the key
    GET /api/stream?limit=2&streamsonly=1&filters=%5B%7B%22id%22%3A%22isActive%22%2C%22value%22%3Atrue%7D%2C%7B%22id%22%3A%22creatorId%22%2C%22value%22%3A%22app+%26+co%22%7D%5D&cursor=skip+4 with the key
    "#);
}

#[tokio::test]
async fn without_a_filter_all_streams_are_asked_for() {
    let server = Server::start().await;
    server.answers(200, "[]");
    assert!(
        server
            .studio()
            .list_streams(&StreamFilter::default())
            .await
            .unwrap()
            .is_empty()
    );
    assert_snapshot!(server.requests(), @"GET /api/stream?limit=100&streamsonly=1 with the key");
}

#[tokio::test]
async fn a_cursor_that_comes_again_ends_the_list() {
    let server = Server::start().await;
    let link = [("link", r#"<?cursor=skip1>; rel="next""#)];
    server
        .answers_with(200, &link, &page(&["a"]))
        .answers_with(200, &link, &page(&["b"]));
    assert_eq!(
        server
            .studio()
            .list_streams(&StreamFilter::default())
            .await
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn half_a_list_is_no_list() {
    let server = Server::start().await;
    let link = [("link", r#"<?cursor=skip1>; rel="next""#)];
    server
        .answers_with(200, &link, &page(&["a"]))
        .answers(403, r#"{"errors":["Forbidden"]}"#);
    assert!(
        server
            .studio()
            .list_streams(&StreamFilter::default())
            .await
            .unwrap_err()
            .is_unauthorized()
    );
}
