//! Admission: an offer becomes a session, or is refused.

use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::RngExt as _;

use super::advice::Advice;
use super::bandwidth::Bandwidth;
use super::conformity;
use super::core::Core;
use super::incoming::{self, Incoming};
use super::names::{Answer, OfferError, StreamEvent, StreamName};
use super::negotiate;
use super::sdp::{AnswerLine, Offer, Setup, Transport, tagged_section, write_answer};
use super::session::{Leg, NewSession, Session, Tracks, Viewer};
use super::stream::{SessionKey, Stream};
use super::viewer::Sender;

impl Core {
    /// Answers a publisher's offer; see [`Engine::publish`](super::Engine::publish).
    pub(crate) fn publish(
        &mut self,
        now: Instant,
        name: &StreamName,
        offer: &Offer,
    ) -> Result<Answer, OfferError> {
        self.check_conformity(offer)?;
        let plan = negotiate::publish(offer)?;
        let replaced = self.streams.get(name).and_then(|stream| stream.publisher);
        if replaced.is_none() {
            self.check_room()?;
        }
        let tracks = plan.tracks.iter().flatten();
        let transport_cc = tracks.filter_map(|(_, p)| p.transport_cc).next();
        let payloads = plan.tracks.each_ref();
        let payloads = payloads.map(|track| track.as_ref().map(|(_, payload)| payload.clone()));
        self.next_key += 1;
        let key = self.next_key;
        self.come_home(name);
        let stream = self.streams.entry(name.clone()).or_insert_with(Stream::new);
        let continues = stream.take_tracks(payloads);
        let mut incoming: Tracks<Incoming> = [None, None];
        for (slot, negotiated) in plan.tracks.iter().enumerate() {
            if let (Some((section, payload)), Some(track)) = (negotiated, &mut stream.tracks[slot])
            {
                let simulcast = plan.simulcast.as_ref().filter(|_| payload.codec.is_video());
                let layers = track.assign(&incoming::rids(simulcast));
                let media = &offer.media[*section];
                incoming[slot] = Some(Incoming::new(media, payload, simulcast, layers));
            }
        }
        // First of all, so that the stream is never empty while the older sessions go.
        stream.publisher = Some(key);
        let orphans = match continues {
            true => Vec::new(),
            false => stream.viewers.clone(),
        };
        if let Some(older) = replaced {
            stream.counters.takeovers += 1;
            let amiss = !self.findings(older).is_empty();
            self.remove(now, older);
            if amiss {
                self.event(StreamEvent::Diagnosed {
                    stream: name.clone(),
                    findings: Vec::new(),
                });
            }
        }
        for viewer in orphans {
            self.remove(now, viewer);
        }
        let our_ssrc = self.random_ssrc();
        let new = NewSession {
            stream: name.clone(),
            leg: Leg::Publisher(incoming),
            advice: Some(Box::new(Advice::new(now, transport_cc))),
            repeats_changed: transport_cc.is_some(),
            our_ssrc,
            reduced_size: reduced_size(offer),
            fingerprints: offer.fingerprints.clone(),
            ice: offer.ice.clone(),
            section: tagged_section(offer, &plan.lines),
            calls: offer.setup == Setup::Passive,
        };
        Ok(self.insert(now, key, offer, &plan.lines, new))
    }

    /// Answers a viewer's offer; see [`Engine::play`](super::Engine::play).
    pub(crate) fn play(
        &mut self,
        now: Instant,
        name: &StreamName,
        offer: &Offer,
    ) -> Result<Answer, OfferError> {
        negotiate::check_receives(offer)?;
        self.check_conformity(offer)?;
        let stream = self.streams.get(name).filter(|stream| stream.live);
        let stream = stream.ok_or(OfferError::NotLive)?;
        if stream.viewers.len() >= self.config.max_viewers_per_stream {
            return Err(OfferError::Busy);
        }
        self.check_room()?;
        let codecs = stream
            .tracks
            .each_ref()
            .map(|track| track.as_ref().map(|track| track.codec()));
        let names = (random_name(), random_name());
        let plan = negotiate::play(offer, codecs, || self.random_ssrc(), names)?;
        let tracks: Tracks<Sender> = plan
            .tracks
            .map(|track| track.map(|(payload, outgoing)| Sender::new(&payload, &outgoing)));
        let numbered = tracks.iter().flatten().any(Sender::is_numbered);
        let our_ssrc = tracks.iter().flatten().map(Sender::ssrc).next();
        let our_ssrc = our_ssrc.unwrap_or_else(|| self.random_ssrc());
        self.next_key += 1;
        let key = self.next_key;
        if let Some(stream) = self.streams.get_mut(name) {
            stream.viewers.push(key);
        }
        let new = NewSession {
            stream: name.clone(),
            leg: Leg::Viewer(Box::new(Viewer {
                tracks,
                cname: plan.cname,
                bandwidth: Bandwidth::new(now, numbered),
            })),
            advice: None,
            repeats_changed: false,
            our_ssrc,
            reduced_size: reduced_size(offer),
            fingerprints: offer.fingerprints.clone(),
            ice: offer.ice.clone(),
            section: tagged_section(offer, &plan.lines),
            calls: offer.setup == Setup::Passive,
        };
        Ok(self.insert(now, key, offer, &plan.lines, new))
    }

    fn check_conformity(&self, offer: &Offer) -> Result<(), OfferError> {
        match self.config.strict {
            true => conformity::check(offer),
            false => Ok(()),
        }
    }

    fn check_room(&self) -> Result<(), OfferError> {
        match self.sessions.len() < self.config.max_sessions {
            true => Ok(()),
            false => Err(OfferError::Busy),
        }
    }

    fn insert(
        &mut self,
        now: Instant,
        key: SessionKey,
        offer: &Offer,
        lines: &[AnswerLine],
        new: NewSession,
    ) -> Answer {
        let session = Session::new(now, self.seat, new);
        let ours = session.ice.newest();
        let sdp = write_answer(
            offer,
            &Transport {
                ice_ufrag: &ours.ufrag,
                ice_pwd: &ours.pwd,
                fingerprint: &self.dtls.fingerprint,
                candidates: &self.candidates,
                trickle: self.config.trickle,
                // Fits a signed number, as RFC 9429 section 5.2.1 wants it.
                session: rand::random::<u64>() >> 2,
            },
            lines,
        );
        let answer = Answer {
            session: session.id.clone(),
            sdp,
            tag: session.ice.tag().to_owned(),
        };
        self.by_id.insert(session.id.clone(), key);
        self.by_ufrag.insert(ours.ufrag.clone(), key);
        self.sessions.insert(key, session);
        self.next_upkeep.get_or_insert(now);
        answer
    }

    fn random_ssrc(&self) -> u32 {
        // Zero is what some take for "not known".
        rand::rng().random_range(1..=u32::MAX)
    }
}

fn reduced_size(offer: &Offer) -> bool {
    let mut used = offer
        .media
        .iter()
        .filter(|media| !media.payloads.is_empty());
    used.all(|media| media.rtcp_reduced_size)
}

/// A CNAME or MediaStream id: 96 random bits, as RFC 7022 section 4.2 advises.
fn random_name() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 12]>())
}
