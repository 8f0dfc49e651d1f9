//! A whole show, in real browsers, against the app as a process of its own.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use kit::browser::{self, Browser, Page};
use kit::served::Served;
use serde_json::json;

/// Long enough for two busy cores; nothing waits longer than it must.
const LIMIT: Duration = Duration::from_secs(60);

/// What a viewer's one player has decoded so far.
const DECODED: &str = "(async () => {
    const player = [...window.livepeerStarter.page.players.values()][0];
    if (!player?.pc) return 0;
    for (const report of (await player.pc.getStats()).values())
      if (report.type === 'inbound-rtp' && report.kind === 'video') return report.framesDecoded ?? 0;
    return 0;
  })()";

/// A session with its host in a browser of their own.
struct Show {
    app: Served,
    browser: Browser,
    host: Page,
    /// The link for viewers.
    link: String,
    data: tempfile::TempDir,
}

impl Show {
    /// Fills in the home page's form as a person would.
    async fn open(host_switches: &[&str]) -> Show {
        let data = tempfile::tempdir().unwrap();
        let app = Served::start(data.path(), &[]).unwrap();
        let browser = Browser::start().await.unwrap();
        let host = browser.open_with(&app.url(), host_switches).await.unwrap();
        let fill = "document.querySelector('[name=title]').value = 'Friday in the studio';
            document.querySelector('[name=name]').value = 'Ada';
            document.querySelector('[data-action=create]').click();";
        host.run::<()>(fill, json!([])).await.unwrap();
        let link: String = host
            .until("document.querySelector('#link')?.value", LIMIT)
            .await
            .unwrap();
        Show {
            app,
            browser,
            host,
            link,
            data,
        }
    }

    async fn viewer(&self) -> Page {
        self.browser.open(&self.link).await.unwrap()
    }

    /// Presses Go live once the camera shows, and waits until the page says that it is so.
    async fn go_live(&self) {
        playing(&self.host, "preview").await;
        press(&self.host, "go-live").await;
        phase(&self.host, "live").await;
    }
}

/// Presses the control with that action as soon as it is there.
async fn press(page: &Page, action: &str) {
    let control = format!("document.querySelector('[data-action=\"{action}\"]:not([hidden])')");
    page.until::<serde_json::Value>(&format!("{control} && ({control}.click(), true)"), LIMIT)
        .await
        .unwrap();
}

async fn phase(page: &Page, phase: &str) {
    page.until::<bool>(&format!("document.body.dataset.phase === '{phase}'"), LIMIT)
        .await
        .unwrap();
}

async fn playing(page: &Page, slot: &str) {
    let video = format!(
        "document.querySelector('video[data-slot=\"{slot}\"]')?.dataset.state === 'playing'"
    );
    page.until::<bool>(&video, LIMIT).await.unwrap();
}

/// Waits until `page` has decoded `more` pictures from now on, over however many connections.
async fn decodes(page: &Page, more: u64) {
    let before: u64 = page
        .run(&format!("return {DECODED}"), json!([]))
        .await
        .unwrap();
    let wanted =
        format!("({DECODED}).then((now) => (now < {before} ? now : now - {before}) > {more})");
    page.until::<bool>(&wanted, LIMIT).await.unwrap();
}

async fn says(page: &Page, words: &str) {
    let found = format!("document.body.innerText.includes({})", json!(words));
    page.until::<bool>(&found, LIMIT).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_show_reaches_two_viewers_and_outlives_its_hosts_reload() {
    if !browser::available("a show in browsers") {
        return;
    }
    let show = Show::open(browser::CAMERA).await;
    let early = show.viewer().await;
    says(&early, "Ada is not live yet").await;
    show.go_live().await;
    let late = show.viewer().await;
    for viewer in [&early, &late] {
        playing(viewer, "show.1").await;
        decodes(viewer, 60).await;
    }
    says(&show.host, "2 watching").await;

    // The host's page goes and comes: the viewers touch nothing, and keep their very connections.
    for viewer in [&early, &late] {
        let mark = "window.connection = [...window.livepeerStarter.page.players.values()][0].pc;";
        viewer.run::<()>(mark, json!([])).await.unwrap();
    }
    show.host.refresh().await.unwrap();
    phase(&show.host, "live").await;
    for viewer in [&early, &late] {
        decodes(viewer, 60).await;
        playing(viewer, "show.1").await;
        let same =
            "return window.connection === [...window.livepeerStarter.page.players.values()][0].pc;";
        assert!(
            viewer.run::<bool>(same, json!([])).await.unwrap(),
            "a viewer had to connect again"
        );
    }

    // One viewer goes; the show ends for the other.
    late.close().unwrap();
    says(&show.host, "1 watching").await;
    press(&show.host, "end-show").await;
    press(&show.host, "confirm").await;
    phase(&show.host, "ended").await;
    phase(&early, "ended").await;
    let videos = "return document.querySelectorAll('video[data-slot^=show]').length";
    assert_eq!(early.run::<u64>(videos, json!([])).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_comes_back_with_the_show_and_everybody_reconnects() {
    if !browser::available("a killed server") {
        return;
    }
    let mut show = Show::open(browser::CAMERA).await;
    let viewer = show.viewer().await;
    show.go_live().await;
    playing(&viewer, "show.1").await;
    decodes(&viewer, 30).await;

    show.app.kill_and_start_again().unwrap();

    // The same stream, not another take; nobody touches anything.
    let connected = "document.body.dataset.connection === 'open'";
    for page in [&show.host, &viewer] {
        page.until::<bool>(connected, LIMIT).await.unwrap();
    }
    decodes(&viewer, 60).await;
    playing(&viewer, "show.1").await;
    phase(&show.host, "live").await;
    phase(&viewer, "live").await;
    assert!(show.data.path().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_says_what_is_wrong_and_what_to_do() {
    if !browser::available("what the page says") {
        return;
    }
    // A host who denies the camera, and one who has none.
    for (switches, words) in [
        (browser::CAMERA_DENIED, "amera"),
        (browser::NO_CAMERA, "amera"),
    ] {
        let show = Show::open(switches).await;
        let failed =
            "document.querySelector('video[data-slot=preview]')?.dataset.state === 'failed'
            && document.querySelector('#stage').innerText";
        let said: String = show.host.until(failed, LIMIT).await.unwrap();
        assert!(said.contains(words), "{said}");
        show.host.close().unwrap();
    }

    let show = Show::open(browser::CAMERA).await;
    show.go_live().await;

    // The same host in a second tab takes over; the first one says so and offers to take it back.
    let first = show.host.window().await.unwrap();
    let second = show.host.new_window(false).await.unwrap().handle;
    show.host.switch_to_window(second).await.unwrap();
    let host_page = format!("{}/host", show.link.trim_end_matches('/'));
    show.host.goto(&host_page).await.unwrap();
    phase(&show.host, "live").await;
    show.host.switch_to_window(first).await.unwrap();
    let back = "document.querySelector('[data-action=\"use-here\"]') !== null";
    show.host.until::<bool>(back, LIMIT).await.unwrap();

    // A stranger on the host's page, and a session that never was.
    let stranger = show.browser.open(&host_page).await.unwrap();
    assert!(
        !stranger
            .source()
            .await
            .unwrap()
            .contains("data-seat=\"host\"")
    );
    stranger
        .goto(&format!("{}/s/no-such-session", show.app.url()))
        .await
        .unwrap();
    let text: String = stranger
        .run("return document.body.innerText", json!([]))
        .await
        .unwrap();
    assert!(
        text.contains("404")
            || text.to_lowercase().contains("no such")
            || text.to_lowercase().contains("not"),
        "{text}"
    );
}
