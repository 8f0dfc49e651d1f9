//! The pages, without their scripts.

use reqwest::{Method, StatusCode};

use crate::support::TestApp;

#[tokio::test]
async fn a_show_is_started_from_the_home_page() {
    let app = TestApp::start().await;
    let ada = app.browser();
    let home = ada.get("/").await;
    assert_eq!(home.status, StatusCode::OK);
    assert!(home.text.contains(r#"action="/sessions""#));

    let session = ada.create().await;
    let page = ada.get(&format!("/s/{session}/host")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.text
            .contains(&format!(r#"data-session="{session}" data-seat="host""#))
    );
    assert!(
        page.text.contains(&format!("{}s/{session}", app.url)),
        "the link to share"
    );
    // Next time the form knows the name.
    assert!(ada.get("/").await.text.contains(r#"value="Ada""#));
}

#[tokio::test]
async fn a_form_that_lacks_something_comes_back_with_words_and_what_was_typed() {
    let app = TestApp::start().await;
    let ada = app.browser();
    let answer = ada
        .post_form("/sessions", &[("title", "Friday"), ("name", " ")])
        .await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.text.contains("Tell your name") && answer.text.contains("Friday"));
    for fields in [
        &[("title", "\u{7}"), ("name", "Ada")][..],
        &[("title", "Friday"), ("name", "Ada"), ("kind", "opera")],
        &[],
    ] {
        let answer = ada.post_form("/sessions", fields).await;
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{fields:?}"
        );
        assert!(answer.text.contains(r#"role="alert""#), "{fields:?}");
    }
}

#[tokio::test]
async fn what_somebody_typed_is_shown_and_not_run() {
    let app = TestApp::start().await;
    let ada = app.browser();
    let title = [("title", "<script>alert(1)</script>"), ("name", "\"><b>")];
    let answer = ada.post_form("/sessions", &title).await;
    let page = ada.get(answer.location()).await;
    assert!(!page.text.contains("<script>alert") && !page.text.contains("\"><b>"));
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("script-src 'self';"), "{policy}");
}

#[tokio::test]
async fn the_page_itself_does_not_say_what_the_session_is_called_or_whose_it_is() {
    let app = TestApp::start().await;
    let session = app.browser().create().await;
    let bob = app.browser();
    let page = bob.get(&format!("/s/{session}")).await.text;
    assert!(page.contains(&format!(r#"data-session="{session}""#)));
    assert!(!page.contains("Friday") && !page.contains("Ada"), "{page}");
    // It comes with the View, for those who are to know.
    assert_eq!(bob.watch(&session).await.view["title"], "Friday");
}

#[tokio::test]
async fn only_the_browser_that_created_a_session_hosts_it() {
    let app = TestApp::start().await;
    let session = app.browser().create().await;
    let bob = app.browser();
    let refused = bob.get(&format!("/s/{session}/host")).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text.contains("host&#39;s page") || refused.text.contains("host's page"));
    assert_eq!(
        bob.get(&format!("/s/{session}")).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_forged_cookie_is_a_stranger() {
    let app = TestApp::start().await;
    let ada = app.browser();
    let session = ada.create().await;
    let cookie = ada.cookie().unwrap();
    // The signature comes first; what follows says who it is.
    let forged = format!("who=AAAAAAAA{}", &cookie["who=AAAAAAAA".len()..]);
    let path = format!("/s/{session}/host");
    let refused = app
        .browser()
        .send(Method::GET, &path, |r| r.header("Cookie", forged))
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn joining_takes_a_link_or_a_code() {
    let app = TestApp::start().await;
    let session = app.browser().create().await;
    let bob = app.browser();
    for pasted in [
        session.clone(),
        format!("https://elsewhere.example/s/{session}/host"),
    ] {
        let answer = bob.get(&format!("/join?link={pasted}")).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{pasted}");
        assert_eq!(answer.location(), format!("/s/{session}"));
    }
    for pasted in ["nonsense", "https%3A%2F%2Fevil.example%2F", ""] {
        let answer = bob.get(&format!("/join?link={pasted}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{pasted}");
        assert!(answer.text.contains(r#"role="alert""#), "{pasted}");
    }
}

#[tokio::test]
async fn what_does_not_exist_is_said_in_words() {
    let app = TestApp::start().await;
    let bob = app.browser();
    for path in [
        "/nothing",
        "/s/nobody",
        "/s/nobody/host",
        "/static/nothing.js",
    ] {
        let page = bob.get(path).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
        assert!(page.text.contains("There is no such"), "{path}");
    }
    let script = bob.send(Method::GET, "/nothing", |r| r).await;
    assert!(script.json()["error"].is_string());
}

#[tokio::test]
async fn another_site_cannot_act_in_somebodys_name() {
    let app = TestApp::start().await;
    let ada = app.browser();
    let session = ada.create().await;
    for origin in ["https://evil.example", "null"] {
        for path in ["/sessions", &format!("/s/{session}/publish")] {
            let answer = ada
                .send(Method::POST, path, |r| r.header("Origin", origin))
                .await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{origin} {path}");
        }
    }
    let own = app.url.origin().ascii_serialization();
    let fields = "title=Friday&name=Ada";
    let answer = ada
        .send(Method::POST, "/sessions", |r| {
            let kind = "application/x-www-form-urlencoded";
            r.header("Origin", own)
                .header("Content-Type", kind)
                .body(fields)
        })
        .await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn files_are_sent_once() {
    let app = TestApp::start().await;
    let bob = app.browser();
    let first = bob.get("/static/page.js").await;
    assert_eq!(first.status, StatusCode::OK);
    assert_eq!(
        first.headers["content-type"],
        "text/javascript; charset=utf-8"
    );
    let tag = first.headers["etag"].clone();
    let again = bob
        .send(Method::GET, "/static/page.js", |r| {
            r.header("If-None-Match", tag)
        })
        .await;
    assert_eq!(again.status, StatusCode::NOT_MODIFIED);
    assert!(again.text.is_empty());
}
