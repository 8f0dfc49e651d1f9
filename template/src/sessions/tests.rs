//! Sessions without a browser and without a Livepeer.

#![allow(clippy::unwrap_used)]

use livepeer::ApiKey;
use session::{Action, Participant, Seat, Sending};
use tokio::time::timeout;
use url::Url;

use super::*;
use crate::config::{Policies, Renditions};
use crate::sessions::audience::{Outgoing, WAITING};
use crate::sessions::toy::Toy;

pub(super) static TOY: &[Kind] = &[Kind::of::<Toy>()];
const LEAVE: Duration = Duration::from_millis(50);

/// A session whose host is "ada", in a folder of its own. Livepeer is not asked anything.
pub(super) async fn session() -> (tempfile::TempDir, Sessions, String) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let nowhere = Url::parse("http://127.0.0.1:9/api").unwrap();
    let (key, metrics) = (ApiKey::new("key"), Metrics::new());
    let renditions = Renditions::default();
    let streams = Streams::new(
        nowhere,
        key,
        renditions,
        store.clone(),
        Arc::clone(&metrics),
    );
    let kinds = Kinds::new(TOY, &Policies::default()).unwrap();
    let sessions = Sessions::new(kinds, store, streams.await.unwrap(), metrics, LEAVE);
    let ada = ParticipantId::from("ada");
    let id = sessions
        .create(&TOY[0], "Friday".into(), ada, "Ada".into())
        .await;
    (folder, sessions, id.unwrap())
}

async fn connect(
    sessions: &Sessions,
    id: &str,
) -> (Result<u64, session::Refusal>, mpsc::Receiver<Outgoing>) {
    let (out, inbox) = mpsc::channel(WAITING);
    let participant = Participant {
        id: ParticipantId::from("ada"),
        name: "Ada".into(),
        seat: Seat::Host,
    };
    let connect = sessions.ask(id, |answer| Ask::Connect {
        participant: participant.clone(),
        resume: None,
        out: out.clone(),
        answer,
    });
    (connect.await.unwrap().0, inbox)
}

#[tokio::test]
async fn what_cannot_be_written_has_never_been() {
    let (_folder, sessions, id) = session().await;
    // Something that needs no writing, so that the actor is there.
    let news = News::Told {
        active: true,
        at: 0,
    };
    let nothing = Owned {
        session: id.clone(),
        slot: session::Slot::new("none", 1),
        stream_id: String::new(),
    };
    sessions.observe(&nothing, news).await.unwrap();
    sessions.shared.store.close().await;
    let (refused, _) = connect(&sessions, &id).await;
    assert!(refused.unwrap_err().0.contains("could not be saved"));
}

#[tokio::test]
async fn a_session_that_nobody_needs_leaves_memory_and_comes_back() {
    let (_folder, sessions, id) = session().await;
    let (line, inbox) = connect(&sessions, &id).await;
    assert_eq!(sessions.shared.metrics.sessions.get(), 1);
    let line = line.unwrap();
    let actor = sessions.actor(&id).await.unwrap();
    let gone = Ask::Disconnected {
        participant: ParticipantId::from("ada"),
        line,
    };
    actor.send(gone).await.unwrap();
    drop(inbox);
    // It ends when the grace period and a while of silence are over.
    actor.closed().await;
    assert!(sessions.shared.actors.lock().await.is_empty());
    assert!(connect(&sessions, &id).await.0.is_ok());
}

#[tokio::test]
async fn an_actor_ends_when_the_app_stops_and_none_is_started_then() {
    let (_folder, sessions, id) = session().await;
    let (line, mut inbox) = connect(&sessions, &id).await;
    assert!(line.is_ok());
    sessions.stop().await;
    while inbox.recv().await.is_some() {}
    let refused = sessions.actor(&id).await;
    assert!(matches!(refused, Err(Unavailable::Stopping)));
}

/// A session of the toy, as it was left, at work.
async fn toy(sessions: &Sessions, id: &str) -> mpsc::Sender<Ask> {
    let wanted = id.to_owned();
    let load = sessions.shared.store.run(move |c| store::load(c, &wanted));
    let saved = load.await.unwrap().unwrap();
    let machine = (TOY[0].restore)(&saved.state).unwrap();
    let (actor, inbox) = mpsc::channel(INBOX);
    let task = Actor::new(Arc::clone(&sessions.shared), &TOY[0], machine, saved, inbox);
    tokio::spawn(task.run());
    actor
}

/// Stores a toy that nothing has happened to yet.
async fn stored_toy(sessions: &Sessions) -> String {
    let record = Record {
        id: "toy".into(),
        kind: "toy".into(),
        title: "Toy".into(),
        host: "ada".into(),
        host_name: "Ada".into(),
    };
    let state = serde_json::to_string(&Toy::default()).unwrap();
    let store = &sessions.shared.store;
    let create = store.run(move |c| store::create(c, &record, clock::now(), &state));
    create.await.unwrap();
    "toy".into()
}

async fn come(actor: &mpsc::Sender<Ask>, who: &str) -> (u64, mpsc::Receiver<Outgoing>) {
    let (out, inbox) = mpsc::channel(WAITING);
    let (answer, answered) = oneshot::channel();
    let participant = Participant {
        id: ParticipantId::from(who),
        name: who.into(),
        seat: Seat::Guest,
    };
    let connect = Ask::Connect {
        participant,
        resume: None,
        out,
        answer,
    };
    actor.send(connect).await.unwrap();
    (answered.await.unwrap().unwrap(), inbox)
}

async fn press(actor: &mpsc::Sender<Ask>, line: u64, button: &str, target: &str) {
    let act = Ask::Act {
        participant: ParticipantId::from("ada"),
        line,
        id: format!("{button} {target}"),
        action: Action {
            name: button.into(),
            target: Some(ParticipantId::from(target)),
        },
    };
    actor.send(act).await.unwrap();
}

/// Reads until something with that in it is told.
async fn hears(inbox: &mut mpsc::Receiver<Outgoing>, wanted: &str) {
    let hearing = async {
        while let Some(outgoing) = inbox.recv().await {
            if matches!(outgoing, Outgoing::Text(text) if text.contains(wanted)) {
                return;
            }
        }
        panic!("{wanted} was not told");
    };
    timeout(Duration::from_secs(10), hearing).await.unwrap();
}

#[tokio::test]
async fn a_deadline_passes_also_when_the_app_was_down_meanwhile() {
    let (_folder, sessions, _) = session().await;
    let id = stored_toy(&sessions).await;
    let actor = toy(&sessions, &id).await;
    let (line, mut ada) = come(&actor, "ada").await;
    press(&actor, line, "wait", "ada").await;
    hears(&mut ada, r#""done""#).await;
    // It was set and stored, and the actor is gone before it passes.
    drop(actor);
    while ada.recv().await.is_some() {}
    let actor = toy(&sessions, &id).await;
    let (_, mut ada) = come(&actor, "ada").await;
    hears(&mut ada, "toy.1").await;
}

#[tokio::test]
async fn a_notice_waits_for_who_is_there_and_not_for_who_has_left() {
    let (_folder, sessions, _) = session().await;
    let id = stored_toy(&sessions).await;
    let actor = toy(&sessions, &id).await;
    let (line, mut ada) = come(&actor, "ada").await;
    let (bobs, bob) = come(&actor, "bob").await;
    drop(bob);
    let gone = Ask::Disconnected {
        participant: ParticipantId::from("bob"),
        line: bobs,
    };
    actor.send(gone).await.unwrap();
    press(&actor, line, "tell", "bob").await;
    press(&actor, line, "tell", "eve").await;
    hears(&mut ada, "tell eve").await;
    let (_, mut bob) = come(&actor, "bob").await;
    hears(&mut bob, "Hello!").await;
    let left = async {
        let rows = |c: &mut rusqlite::Connection| {
            Ok(c.query_row("SELECT count(*) FROM outbox", [], |row| {
                row.get::<_, i64>(0)
            })?)
        };
        while sessions.shared.store.run(rows).await.unwrap() > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), left).await.unwrap();
}

/// What was last said of switches, and how many inputs the log holds.
async fn logged(sessions: &Sessions, id: &str) -> (String, u64) {
    let wanted = id.to_owned();
    let load = sessions.shared.store.run(move |c| store::load(c, &wanted));
    let saved = load.await.unwrap().unwrap();
    let state: serde_json::Value = serde_json::from_str(&saved.state).unwrap();
    (state["sending"].to_string(), saved.inputs)
}

#[tokio::test]
async fn switches_are_taken_from_who_is_there_and_logged_when_they_change_something() {
    let (_folder, sessions, _) = session().await;
    let id = stored_toy(&sessions).await;
    let actor = toy(&sessions, &id).await;
    let (line, mut ada) = come(&actor, "ada").await;
    let begun = logged(&sessions, &id).await.1;
    let switch = |line, camera| {
        let sending = Sending {
            camera,
            microphone: true,
        };
        actor.send(Ask::Switched {
            participant: ParticipantId::from("ada"),
            line,
            sending,
        })
    };
    // Both are on, as every page begins; and a line that is nobody's says nothing.
    switch(line, true).await.unwrap();
    switch(line + 1, false).await.unwrap();
    press(&actor, line, "tell", "eve").await;
    hears(&mut ada, "tell eve").await;
    let on = r#"{"camera":true,"microphone":true}"#;
    assert_eq!(logged(&sessions, &id).await, (on.to_owned(), begun + 1));

    for _ in 0..3 {
        switch(line, false).await.unwrap();
    }
    press(&actor, line, "tell", "bob").await;
    hears(&mut ada, "tell bob").await;
    let off = r#"{"camera":false,"microphone":true}"#;
    assert_eq!(logged(&sessions, &id).await, (off.to_owned(), begun + 3));

    // So is a name; this architecture has no use for one.
    let (answer, answered) = oneshot::channel();
    let participant = Participant {
        id: ParticipantId::from("ada"),
        name: "Ada".into(),
        seat: Seat::Guest,
    };
    let called = Ask::Called {
        participant,
        answer,
    };
    actor.send(called).await.unwrap();
    answered.await.unwrap();
    assert_eq!(logged(&sessions, &id).await, (off.to_owned(), begun + 3));
}
