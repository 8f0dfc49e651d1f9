//! Who is in a session, on which connections, and what each of them has been told.
//!
//! What is told to a person is numbered and kept for a while, so that after a cut they get what they missed. The
//! numbers are good within one epoch: from when this person came until they left, or the server was restarted.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use session::{ParticipantId, Refusal, Seat, View};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::clock;
use crate::kind::Machine;
use crate::secret::random_text;

/// Messages kept for each person. Arbitrary; a person who missed more gets the View as it is.
const KEPT: usize = 256;
/// Messages that may wait for one connection: all that are kept, and some more. One that falls further behind is cut.
pub(crate) const WAITING: usize = KEPT + 64;

/// Epochs remembered of pages that were taken over. Arbitrary: more than anybody has asleep at once.
const RETIRED: usize = 8;
/// What a page is told that was taken over.
const TAKEN_OVER: &str = "You opened this page in another place, and it goes on there.";

/// What goes to a connection.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// A message, as JSON.
    Text(String),
    /// The last one: the same person has come by another connection.
    TakenOver(&'static str),
}

/// How far a connection had come before it was cut.
#[derive(Clone, Debug)]
pub(crate) struct Resume {
    pub(crate) epoch: String,
    pub(crate) after: u64,
}

/// What is told to a person, and numbered.
#[derive(Clone, Debug)]
enum Message {
    /// Their View, as JSON. All whose View reads the same share one copy.
    View(Arc<str>),
    Notice(String),
    Done(String),
    Refused(String, Refusal),
}

struct Line {
    number: u64,
    /// It was sent all messages after that one.
    after: u64,
    out: mpsc::Sender<Outgoing>,
}

struct Member {
    epoch: String,
    /// The epochs of pages that were taken over, the last few.
    retired: VecDeque<String>,
    /// The number of the last message.
    last: u64,
    kept: VecDeque<(u64, Message)>,
    /// As it was last told.
    view: Option<View>,
    lines: Vec<Line>,
    /// The line on which they last pressed a button.
    acting: Option<u64>,
    /// When they count as having left, unless they come back. Set while there is no line.
    leaves: Option<Instant>,
}

/// Everybody who has joined and not left.
pub(crate) struct Audience {
    members: BTreeMap<ParticipantId, Member>,
    /// How long somebody without a line stays a member.
    grace: Duration,
    lines: u64,
    /// Lines cut since `cut` was asked for.
    cut: u64,
}

impl Audience {
    /// Nobody.
    pub(crate) fn new(grace: Duration) -> Audience {
        Audience {
            members: BTreeMap::new(),
            grace,
            // Not from 0 again after a restart: a line of then must not be taken for one of now.
            lines: clock::now().0,
            cut: 0,
        }
    }

    /// Somebody who was there before a restart, and is given `grace` to come back.
    pub(crate) fn expect(&mut self, participant: ParticipantId, grace: Duration) {
        let member = Member::new(Instant::now() + grace);
        self.members.insert(participant, member);
    }

    /// Whether somebody is a member.
    pub(crate) fn has(&self, participant: &ParticipantId) -> bool {
        self.members.contains_key(participant)
    }

    /// Whether somebody has a line.
    pub(crate) fn reaches(&self, participant: &ParticipantId) -> bool {
        let member = self.members.get(participant);
        member.is_some_and(|member| !member.lines.is_empty())
    }

    /// Whether nobody is there.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// How many lines were cut since the last time this was asked.
    pub(crate) fn cut(&mut self) -> u64 {
        std::mem::take(&mut self.cut)
    }

    /// Connects a line: greets it and tells what it missed, or how things stand. Returns the line's number.
    pub(crate) fn connect(
        &mut self,
        participant: &ParticipantId,
        seat: Seat,
        resume: Option<&Resume>,
        out: mpsc::Sender<Outgoing>,
        machine: &dyn Machine,
    ) -> u64 {
        self.lines += 1;
        let number = self.lines;
        let member = self
            .members
            .entry(participant.clone())
            .or_insert_with(|| Member::new(Instant::now()));
        let view = machine.view(participant);
        // A host's page steers the show, and a camera is sent from one place. Who only watches may do so twice.
        if seat == Seat::Host || !view.publishes.is_empty() {
            if resume.is_some_and(|resume| member.retired.contains(&resume.epoch)) {
                // It slept through another page's taking over. It is told now, and takes nothing back by itself.
                let _ = out.try_send(Outgoing::TakenOver(TAKEN_OVER));
                return number;
            }
            member.take_over();
            if resume.is_none() {
                member.begin_anew();
            }
        }
        member.leaves = None;
        let missed = resume.and_then(|resume| member.missed(resume));
        let after = match resume {
            Some(resume) if missed.is_some() => resume.after,
            _ => member.last,
        };
        let line = Line { number, after, out };
        let greeting = json!({
            "type": "hello",
            "epoch": member.epoch,
            "last": after,
            "line": number,
            "participant": participant,
        });
        // A line's queue is empty at first, and holds more than can be sent here.
        let _ = line.out.try_send(Outgoing::Text(greeting.to_string()));
        for (number, message) in missed.iter().flatten() {
            let _ = line.out.try_send(Outgoing::Text(message.numbered(*number)));
        }
        member.lines.push(line);
        if missed.is_none() || member.view.as_ref() != Some(&view) {
            let text = serde_json::to_string(&view).unwrap_or_default();
            self.cut += member.tell(Message::View(text.into()));
            member.view = Some(view);
        }
        number
    }

    /// A line is gone. Its person stays for the grace period.
    pub(crate) fn disconnected(&mut self, participant: &ParticipantId, number: u64) {
        if let Some(member) = self.members.get_mut(participant) {
            member.lines.retain(|line| line.number != number);
            member.grant(self.grace);
        }
    }

    /// Somebody has pressed a button on that line.
    pub(crate) fn acts(&mut self, participant: &ParticipantId, number: u64) {
        if let Some(member) = self.members.get_mut(participant) {
            member.acting = Some(number);
        }
    }

    /// Whether the line is still this person's: one that was taken over has no say.
    pub(crate) fn holds(&self, participant: &ParticipantId, number: u64) -> bool {
        let member = self.members.get(participant);
        member.is_some_and(|member| member.lines.iter().any(|line| line.number == number))
    }

    /// Forgets somebody.
    pub(crate) fn remove(&mut self, participant: &ParticipantId) {
        self.members.remove(participant);
    }

    /// Whose grace period is over.
    pub(crate) fn leaving(&self, now: Instant) -> Vec<ParticipantId> {
        let over = |member: &Member| member.leaves.is_some_and(|at| at <= now);
        self.members
            .iter()
            .filter(|(_, member)| over(member))
            .map(|(participant, _)| participant.clone())
            .collect()
    }

    /// When the next grace period is over.
    pub(crate) fn next_leaving(&self) -> Option<Instant> {
        self.members.values().filter_map(|m| m.leaves).min()
    }

    /// Whether an act of that id was answered on that line. A line that did not resume has not been sent what was
    /// answered before it, and waits for an answer of its own.
    pub(crate) fn answered(&self, participant: &ParticipantId, number: u64, act: &str) -> bool {
        let is = |message: &Message| match message {
            Message::Done(id) | Message::Refused(id, _) => id == act,
            _ => false,
        };
        let Some(member) = self.members.get(participant) else {
            return false;
        };
        let line = member.lines.iter().find(|line| line.number == number);
        line.is_some_and(|line| {
            let mut sent = member.kept.iter().filter(|(n, _)| *n > line.after);
            sent.any(|(_, message)| is(message))
        })
    }

    /// Answers an act.
    pub(crate) fn answer(
        &mut self,
        participant: &ParticipantId,
        act: String,
        outcome: Result<(), Refusal>,
    ) {
        let message = match outcome {
            Ok(()) => Message::Done(act),
            Err(refusal) => Message::Refused(act, refusal),
        };
        self.tell(participant, message);
    }

    /// Tells somebody something, once.
    pub(crate) fn notice(&mut self, participant: &ParticipantId, text: String) {
        self.tell(participant, Message::Notice(text));
    }

    fn tell(&mut self, participant: &ParticipantId, message: Message) {
        if let Some(member) = self.members.get_mut(participant) {
            self.cut += member.tell(message);
            member.grant(self.grace);
        }
    }

    /// Tells everybody whose View has changed how it reads now.
    pub(crate) fn publish(&mut self, machine: &dyn Machine) {
        let mut texts: HashMap<String, Arc<str>> = HashMap::new();
        for (participant, member) in &mut self.members {
            let view = machine.view(participant);
            if member.view.as_ref() == Some(&view) {
                continue;
            }
            let text = serde_json::to_string(&view).unwrap_or_default();
            let shared = match texts.get(&text) {
                Some(shared) => Arc::clone(shared),
                None => Arc::clone(texts.entry(text.clone()).or_insert_with(|| Arc::from(text))),
            };
            // Whoever begins to publish does so from one place.
            if !view.publishes.is_empty()
                && let Some(line) = member.take_stage()
            {
                member.take_over();
                member.lines.push(line);
            }
            self.cut += member.tell(Message::View(shared));
            member.grant(self.grace);
            member.view = Some(view);
        }
    }
}

impl Member {
    fn new(leaves: Instant) -> Member {
        Member {
            epoch: random_text::<9>(),
            retired: VecDeque::new(),
            last: 0,
            kept: VecDeque::new(),
            view: None,
            lines: Vec::new(),
            acting: None,
            leaves: Some(leaves),
        }
    }

    /// Starts the grace period if there is no line and it has not started.
    fn grant(&mut self, grace: Duration) {
        if self.lines.is_empty() && self.leaves.is_none() {
            self.leaves = Some(Instant::now() + grace);
        }
    }

    /// Takes out the line that is to publish: the one where they asked for it, or else where they came in last.
    fn take_stage(&mut self) -> Option<Line> {
        let acted = |line: &Line| Some(line.number) == self.acting;
        match self.lines.iter().position(acted) {
            Some(at) => Some(self.lines.remove(at)),
            None => self.lines.pop(),
        }
    }

    fn take_over(&mut self) {
        for line in self.lines.drain(..) {
            // A line that cannot even take this is dropped all the same.
            let _ = line.out.try_send(Outgoing::TakenOver(TAKEN_OVER));
        }
    }

    /// Another page goes on from here, in an epoch of its own: one that wakes up in an older epoch can be told apart.
    fn begin_anew(&mut self) {
        if self.retired.len() == RETIRED {
            self.retired.pop_front();
        }
        let epoch = std::mem::replace(&mut self.epoch, random_text::<9>());
        self.retired.push_back(epoch);
        self.last = 0;
        self.kept.clear();
        self.view = None;
    }

    /// What came after `resume`, if all of it is still here.
    fn missed(&self, resume: &Resume) -> Option<Vec<(u64, Message)>> {
        let oldest = self.kept.front().map_or(self.last + 1, |(n, _)| *n);
        let known =
            resume.epoch == self.epoch && resume.after <= self.last && resume.after + 1 >= oldest;
        known.then(|| {
            let later = self.kept.iter().filter(|(n, _)| *n > resume.after);
            later.cloned().collect()
        })
    }

    /// Numbers a message, keeps it, and sends it on every line. Returns how many lines were cut over it.
    fn tell(&mut self, message: Message) -> u64 {
        self.last += 1;
        let text = message.numbered(self.last);
        let before = self.lines.len();
        // A full queue is a page that does not keep up. Cutting it costs nothing: it resumes where it was.
        self.lines
            .retain(|line| line.out.try_send(Outgoing::Text(text.clone())).is_ok());
        self.kept.push_back((self.last, message));
        if self.kept.len() > KEPT {
            self.kept.pop_front();
        }
        (before - self.lines.len()) as u64
    }
}

impl Message {
    fn numbered(&self, n: u64) -> String {
        match self {
            // The View is JSON already. The time is that of sending, also when sent again: pages set their clocks by it.
            Message::View(view) => format!(
                r#"{{"n":{n},"type":"view","view":{view},"now":{}}}"#,
                clock::now().0
            ),
            Message::Notice(text) => json!({"n": n, "type": "notice", "text": text}).to_string(),
            Message::Done(id) => json!({"n": n, "type": "done", "id": id}).to_string(),
            Message::Refused(id, refusal) => {
                json!({"n": n, "type": "refused", "id": id, "reason": refusal.0}).to_string()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sessions::toy::Toy;

    fn id(name: &str) -> ParticipantId {
        ParticipantId(name.to_owned())
    }

    /// What a line was told, as JSON.
    fn told(inbox: &mut mpsc::Receiver<Outgoing>) -> Vec<serde_json::Value> {
        std::iter::from_fn(|| inbox.try_recv().ok())
            .map(|outgoing| match outgoing {
                Outgoing::Text(text) => serde_json::from_str(&text).unwrap(),
                Outgoing::TakenOver(_) => json!({"type": "taken-over"}),
            })
            .collect()
    }

    fn connect(
        audience: &mut Audience,
        who: &str,
        resume: Option<&Resume>,
        toy: &Toy,
    ) -> mpsc::Receiver<Outgoing> {
        let (out, inbox) = mpsc::channel(WAITING);
        audience.connect(&id(who), Seat::Guest, resume, out, toy);
        inbox
    }

    #[test]
    fn who_missed_too_much_is_told_how_things_stand() {
        let (mut audience, toy) = (Audience::new(Duration::ZERO), Toy::default());
        let mut first = connect(&mut audience, "bob", None, &toy);
        let hello = told(&mut first).remove(0);
        let epoch = hello["epoch"].as_str().unwrap().to_owned();
        for n in 0..KEPT {
            audience.notice(&id("bob"), n.to_string());
        }
        let after = |after| Resume {
            epoch: epoch.clone(),
            after,
        };
        // The View is number 1, so the kept ones begin with number 2.
        let mut missed_all = connect(&mut audience, "bob", Some(&after(1)), &toy);
        let told_all = told(&mut missed_all);
        assert_eq!(
            (told_all.len(), &told_all[0]["last"]),
            (1 + KEPT, &json!(1))
        );
        let mut missed_more = connect(&mut audience, "bob", Some(&after(0)), &toy);
        let told_anew = told(&mut missed_more);
        assert_eq!(
            (told_anew.len(), &told_anew[1]["type"]),
            (2, &json!("view"))
        );
    }

    #[test]
    fn an_answer_counts_on_the_lines_that_it_was_sent_on() {
        let (mut audience, toy) = (Audience::new(Duration::ZERO), Toy::default());
        let mut first = connect(&mut audience, "bob", None, &toy);
        let hello = told(&mut first).remove(0);
        let epoch = hello["epoch"].as_str().unwrap().to_owned();
        audience.answer(&id("bob"), "press".into(), Ok(()));
        // One that resumes is sent the answer again, one that begins anew is not.
        let resume = Resume { epoch, after: 1 };
        let mut resumed = connect(&mut audience, "bob", Some(&resume), &toy);
        let mut anew = connect(&mut audience, "bob", None, &toy);
        assert_eq!(told(&mut resumed)[1]["type"], "done");
        assert!(told(&mut anew).iter().all(|told| told["type"] != "done"));
        let line = hello["line"].as_u64().unwrap();
        let answered = [0, 1, 2].map(|n| audience.answered(&id("bob"), line + n, "press"));
        assert_eq!(answered, [true, true, false]);
    }

    #[test]
    fn a_page_that_does_not_keep_up_is_cut_and_resumes() {
        let (mut audience, toy) = (Audience::new(Duration::ZERO), Toy::default());
        let mut slow = connect(&mut audience, "bob", None, &toy);
        for n in 0..WAITING {
            audience.notice(&id("bob"), n.to_string());
        }
        assert_eq!(audience.cut(), 1);
        assert!(!audience.reaches(&id("bob")) && audience.has(&id("bob")));
        let heard = told(&mut slow);
        let last = heard.last().unwrap()["n"].as_u64().unwrap();
        let epoch = heard[0]["epoch"].as_str().unwrap().to_owned();
        let resume = Resume { epoch, after: last };
        let rest = told(&mut connect(&mut audience, "bob", Some(&resume), &toy));
        assert_eq!(rest[1]["n"], last + 1, "the first one that was missed");
    }

    #[test]
    fn who_begins_to_publish_does_so_from_the_newest_page() {
        let (mut audience, mut toy) = (Audience::new(Duration::ZERO), Toy::default());
        let mut old = connect(&mut audience, "bob", None, &toy);
        let mut new = connect(&mut audience, "bob", None, &toy);
        toy.publisher = Some(id("bob"));
        audience.publish(&toy);
        assert_eq!(told(&mut old).last().unwrap()["type"], "taken-over");
        assert_eq!(
            told(&mut new).last().unwrap()["view"]["publishes"][0]["slot"],
            "toy.1"
        );
        // And whoever comes later takes it over.
        connect(&mut audience, "bob", None, &toy);
        assert_eq!(told(&mut new).last().unwrap()["type"], "taken-over");
    }

    #[test]
    fn who_asked_for_it_in_one_of_two_pages_publishes_from_that_one() {
        let (mut audience, mut toy) = (Audience::new(Duration::ZERO), Toy::default());
        let mut asking = connect(&mut audience, "bob", None, &toy);
        let mut forgotten = connect(&mut audience, "bob", None, &toy);
        let line = told(&mut asking)[0]["line"].as_u64().unwrap();
        audience.acts(&id("bob"), line);
        toy.publisher = Some(id("bob"));
        audience.publish(&toy);
        assert_eq!(told(&mut forgotten).last().unwrap()["type"], "taken-over");
        let view = &told(&mut asking).pop().unwrap()["view"];
        assert_eq!(view["publishes"][0]["slot"], "toy.1");
    }

    #[test]
    fn a_page_that_slept_through_being_taken_over_takes_nothing_back() {
        let (mut audience, mut toy) = (Audience::new(Duration::ZERO), Toy::default());
        toy.publisher = Some(id("bob"));
        let mut asleep = connect(&mut audience, "bob", None, &toy);
        let epoch = told(&mut asleep)[0]["epoch"].as_str().unwrap().to_owned();
        // Its connection is cut before it could be told.
        drop(asleep);
        let mut awake = connect(&mut audience, "bob", None, &toy);
        told(&mut awake);

        let woken = Resume { epoch, after: 1 };
        let mut woken = connect(&mut audience, "bob", Some(&woken), &toy);
        assert_eq!(told(&mut woken), [json!({"type": "taken-over"})]);
        assert!(told(&mut awake).is_empty(), "the other page goes on");
        // "Use here" is a page that joins.
        let mut again = connect(&mut audience, "bob", None, &toy);
        assert_eq!(told(&mut again)[0]["type"], "hello");
        assert_eq!(told(&mut awake)[0]["type"], "taken-over");
    }

    #[test]
    fn only_who_sees_a_change_is_told() {
        let (mut audience, mut toy) = (Audience::new(Duration::ZERO), Toy::default());
        let mut bob = connect(&mut audience, "bob", None, &toy);
        let mut eve = connect(&mut audience, "eve", None, &toy);
        told(&mut bob);
        told(&mut eve);
        toy.publisher = Some(id("bob"));
        audience.publish(&toy);
        audience.publish(&toy);
        assert_eq!((told(&mut bob).len(), told(&mut eve).len()), (1, 0));
    }
}
