//! When an actor wakes.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::sessions::store;
use crate::sessions::tests::session;

const HOUR: Duration = Duration::from_secs(3600);

/// The deadline of an hour ago, on a computer whose clock was put back by a day meanwhile.
fn overtaken() -> Due {
    Due {
        at: clock::now().after(HOUR * 23),
        steady: Instant::now(),
    }
}

#[tokio::test]
async fn a_setback_ends_when_it_is_over_whatever_else_is_waited_for() {
    let (_folder, sessions, id) = session().await;
    let wanted = id.clone();
    let load = sessions.shared.store.run(move |c| store::load(c, &wanted));
    let saved = load.await.unwrap().unwrap();
    let kind = &crate::sessions::tests::TOY[0];
    let machine = (kind.restore)(&saved.state).unwrap();
    let (_ask, inbox) = mpsc::channel(1);
    let mut actor = Actor::new(Arc::clone(&sessions.shared), kind, machine, saved, inbox);
    let until = Instant::now() + SETBACK;
    actor.setback = Some(until);
    assert_eq!(actor.wake(), until);
    let later = Due::at(clock::now().after(HOUR));
    actor.deadlines.insert("later".into(), later);
    assert_eq!(actor.wake(), until);
    actor.deadlines.insert("now".into(), overtaken());
    assert_eq!(actor.wake(), until);
}

#[test]
fn a_clock_that_is_put_back_holds_up_no_deadline() {
    let due = overtaken();
    assert!(due.passed());
    assert!(due.next_look() <= Instant::now());
    assert!(!Due::at(clock::now().after(HOUR)).passed());
}
