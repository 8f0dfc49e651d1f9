//! What pages say over their WebSockets, to a session of the richest architecture: one message a line, the first byte of
//! which says whose page it is, or what happens meanwhile.

use hybrid::Hybrid;
use session::{
    Architecture, Deadline, Effect, Input, Opening, Participant, ParticipantId, Seat, Slot,
    Timestamp,
};

use crate::said::{Said, is_act_id};

const PEOPLE: [&str; 4] = ["ada", "ben", "cleo", "zoe"];

fn id(number: usize) -> ParticipantId {
    ParticipantId::from(PEOPLE[number % PEOPLE.len()])
}

/// A refusal leaves the state as it was, every state has a View for everybody and survives being stored.
pub fn socket(input: &[u8]) {
    let opening = Opening {
        title: "A show".to_owned(),
        host: id(0),
        host_name: "Ada".to_owned(),
    };
    let mut session = Hybrid::open(opening, Default::default());
    let mut now = Timestamp(1_000_000);
    let (mut slots, mut deadlines): (Vec<Slot>, Vec<Deadline>) = Default::default();
    for line in input.split(|byte| *byte == b'\n').take(200) {
        let Some((first, rest)) = line.split_first() else {
            continue;
        };
        let who = usize::from(*first) % PEOPLE.len();
        let pick = usize::from(*rest.first().unwrap_or(&0));
        let slot = || slots.get(pick % slots.len().max(1)).cloned();
        let heard = match first / 4 % 8 {
            0 => Some(Input::Joined {
                participant: Participant {
                    id: id(who),
                    name: PEOPLE[who].to_owned(),
                    seat: if who == 0 { Seat::Host } else { Seat::Guest },
                },
            }),
            1 => Some(Input::Left {
                participant: id(who),
            }),
            2 => slot().map(|slot| Input::Provisioned { slot }),
            3 => slot().map(|slot| match who {
                0 => Input::Idle { slot },
                1 => Input::Ended { slot },
                _ => Input::Started { slot },
            }),
            4 => deadlines
                .get(pick % deadlines.len().max(1))
                .cloned()
                .map(|deadline| Input::DeadlinePassed { deadline }),
            _ => std::str::from_utf8(rest)
                .ok()
                .and_then(Said::read)
                .and_then(|said| match said {
                    Said::Act { id: act_id, act } if is_act_id(&act_id) => Some(Input::Acted {
                        participant: id(who),
                        action: act.into(),
                    }),
                    Said::Switched(sending) => Some(Input::Switched {
                        participant: id(who),
                        sending,
                    }),
                    _ => None,
                }),
        };
        let Some(heard) = heard else {
            continue;
        };
        now = Timestamp(now.0 + 400);
        let before = serde_json::to_string(&session).expect("a state can be stored");
        match session.handle(now, heard) {
            Ok(effects) => {
                for effect in effects {
                    match effect {
                        Effect::Provision { slot, .. } => slots.push(slot),
                        Effect::SetDeadline { deadline, .. } => deadlines.push(deadline),
                        _ => {}
                    }
                }
            }
            Err(refusal) => {
                assert!(!refusal.0.is_empty());
                let after = serde_json::to_string(&session).expect("a state can be stored");
                assert_eq!(before, after, "a refusal changed something");
            }
        }
        for person in 0..PEOPLE.len() {
            let _ = serde_json::to_string(&session.view(&id(person))).expect("a View can be sent");
        }
    }
    let state = serde_json::to_string(&session).expect("a state can be stored");
    let restored: Hybrid = serde_json::from_str(&state).expect("and restored");
    assert_eq!(state, serde_json::to_string(&restored).expect("again"));
}
