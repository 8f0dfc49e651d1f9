//! Step 1: what is this datagram, and whose is it? Nothing here makes state for a stranger.

use std::time::Instant;

use super::core::Core;
use super::dtls::{DtlsError, DtlsEvent};
use super::ice::Request;
use super::names::StreamEvent;
use super::outbox::Path;
use super::ring::Inserted;
use super::routes::RouteChange;
use super::rtcp::{self, Message};
use super::rtp::{self, Header};
use super::session::Leg;
use super::stream::SessionKey;
use super::viewer::Link;

impl Core {
    /// Takes one datagram. Nothing is sent on to viewers before [`flush`](Core::flush).
    pub(crate) fn handle_datagram(&mut self, now: Instant, path: Path, datagram: &[u8]) {
        // RFC 7983 section 7.
        let Some(kind) = datagram.first() else {
            self.drops.unknown_kind += 1;
            return;
        };
        if *kind < 4 {
            return self.handle_stun(now, path, datagram);
        }
        let Some(key) = self.by_address.get(&path.remote_end()).copied() else {
            self.drops.unknown_address += 1;
            return;
        };
        match kind {
            20..64 => self.handle_dtls(now, key, path, datagram),
            128..192 if rtcp::is_rtcp(datagram) => self.handle_rtcp(now, key, path, datagram),
            128..192 => self.handle_rtp(now, key, path, datagram),
            _ => self.drops.unknown_kind += 1,
        }
    }

    /// A TCP connection is closed. Its session has ten seconds to come back, unless it has another path.
    pub(crate) fn handle_disconnect(&mut self, now: Instant, path: Path) {
        let Some(key) = self.by_address.remove(&path.remote_end()) else {
            return;
        };
        self.route(RouteChange::Forgotten(path.remote_end()));
        if let Some(session) = self.sessions.get_mut(&key) {
            session.disconnected(now, path.remote_end());
        }
    }

    fn handle_stun(&mut self, now: Instant, path: Path, datagram: &[u8]) {
        let found = Request::parse(datagram).and_then(|request| {
            let key = *self.by_ufrag.get(&request.ufrag)?;
            Some((request, key))
        });
        let Some((mut request, key)) = found else {
            self.drops.stun_unknown += 1;
            return;
        };
        let holder = self.by_address.get(&path.remote_end());
        let holder = holder.filter(|holder| **holder != key);
        let taken = holder.and_then(|holder| self.sessions.get(holder));
        let taken = taken.is_some_and(|holder| holder.holds(now, path));
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        if !session.may_ask(now, path) {
            self.drops.stun_forged += 1;
            return;
        }
        let crypto = self.dtls.provider().crypto();
        let Some(pwd) = session.ice.pwd(&request.ufrag) else {
            return;
        };
        if !request.is_authentic(pwd, crypto) {
            self.drops.stun_integrity += 1;
            session.note_forgery();
            return;
        }
        if taken {
            // Its sender has made up another session's address.
            self.drops.stun_taken += 1;
            return;
        }
        let Some(response) = request.response(path.remote, pwd, crypto) else {
            return;
        };
        self.out.push(path, &response);
        if request.is_role_conflict() {
            return;
        }
        if let Some(over) = session.ice.note_use(&request.ufrag) {
            self.by_ufrag.remove(&over);
        }
        let forgotten = session.validate(now, path, request.uses_candidate());
        self.by_address.insert(path.remote_end(), key);
        self.route(RouteChange::Validated(path.remote_end(), now));
        if let Some(forgotten) = forgotten {
            self.leave(key, forgotten);
        }
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        if let Err(error) = session.start_dtls(now, &self.dtls, &mut self.out) {
            self.drop_failed(now, key, &error);
        }
    }

    fn handle_dtls(&mut self, now: Instant, key: SessionKey, path: Path, datagram: &[u8]) {
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        let was_connected = session.is_connected();
        match session.handle_dtls(now, datagram, &self.dtls, &mut self.out) {
            Ok(None) if !was_connected && session.is_connected() => {
                let proof = session.note_proof(now, path);
                if let Some(proof) = proof {
                    self.route(proof);
                }
                self.connected(now, key);
            }
            Ok(Some(DtlsEvent::Closed)) => self.remove(now, key),
            Ok(_) => {}
            Err(error) if error.is_final() => self.drop_failed(now, key, &error),
            Err(_) => self.drops.dtls += 1,
        }
    }

    fn drop_failed(&mut self, now: Instant, key: SessionKey, error: &DtlsError) {
        self.drops.dtls += 1;
        if let Some(session) = self.sessions.get(&key) {
            tracing::debug!(session = ?session.id, %error, "DTLS failed");
        }
        self.remove(now, key);
    }

    /// The handshake of a session is done.
    fn connected(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.sessions.get(&key) else {
            return;
        };
        tracing::debug!(session = ?session.id, stream = %session.stream, "connected");
        let name = session.stream.clone();
        let Some(stream) = self.streams.get_mut(&name) else {
            return;
        };
        if matches!(session.leg, Leg::Viewer(_)) {
            let connected = stream.viewers.iter().filter(|viewer| {
                let session = self.sessions.get(viewer);
                session.is_some_and(|session| session.is_connected())
            });
            let alone = connected.count() == 1;
            let limit = self.config.replay_limit();
            if let Some(video) = stream.tracks[1].as_mut().filter(|v| !v.is_joinable(limit)) {
                video.rank(now);
                let best = video.best();
                match video.layers.get_mut(best) {
                    Some(layer) if alone => layer.want_keyframe_at_once(),
                    Some(layer) => layer.want_keyframe(),
                    None => {}
                }
            }
        }
        stream.dirty = true;
        self.dirty.push_back(name);
        self.next_upkeep = Some(now);
    }

    /// For fuzzing: the handshake is taken for done, with these keys.
    #[cfg(any(test, fuzzing))]
    pub(super) fn connect_without_handshake(
        &mut self,
        now: Instant,
        key: SessionKey,
        srtp: Box<super::srtp::Srtp>,
    ) {
        if let Some(session) = self.sessions.get_mut(&key) {
            session.connect_without_handshake(srtp);
            self.connected(now, key);
        }
    }

    fn handle_rtp(&mut self, now: Instant, key: SessionKey, path: Path, datagram: &[u8]) {
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        let name = session.stream.clone();
        let Some((srtp, _, Leg::Publisher(incoming))) = session.media() else {
            self.drops.early += 1;
            return;
        };
        // Before decryption: `rtc-srtp` keeps state for every SSRC that it is shown.
        let expected = rtp::clear_fields(datagram).and_then(|(_, payload_type, ssrc)| {
            incoming.iter_mut().position(|incoming| {
                let incoming = incoming.as_mut();
                incoming.is_some_and(|incoming| incoming.expects(payload_type, ssrc))
            })
        });
        let Some(slot) = expected else {
            self.drops.unexpected_rtp += 1;
            return;
        };
        let plain = srtp.open_rtp(datagram).ok();
        let Some((plain, header)) =
            plain.and_then(|plain| Header::parse(&plain).map(|header| (plain, header)))
        else {
            self.drops.srtp += 1;
            return;
        };
        let Some(stream) = self.streams.get_mut(&name) else {
            return;
        };
        let (Some(incoming), Some(track)) = (&mut incoming[slot], &mut stream.tracks[slot]) else {
            return;
        };
        let Some(receiver) = incoming.receiver(&plain, &header) else {
            self.drops.unexpected_rtp += 1;
            return;
        };
        let anchor = match receiver.is_placed() {
            true => None,
            false => track.anchor(now),
        };
        let Some(layer) = track.layers.get_mut(receiver.layer) else {
            return;
        };
        let payload = &plain[header.payload.clone()];
        let inserted = receiver.receive(now, &header, payload, layer, anchor);
        let news = receiver.take_findings();
        let findings = (!news.is_empty()).then(|| incoming.findings());
        session.media = now;
        let proof = session.note_proof(now, path);
        if let Some(proof) = proof.filter(|_| self.seat.of > 1) {
            self.routes.push(proof);
        }
        if let Some(advice) = &mut session.advice {
            advice.note(now, &plain);
        }
        if inserted == Inserted::Useless && news.is_empty() {
            return;
        }
        stream.counters.packets_in += 1;
        stream.counters.bytes_in += plain.len() as u64;
        if !stream.dirty {
            stream.dirty = true;
            self.dirty.push_back(name.clone());
        }
        if !stream.live {
            stream.live = true;
            stream.idle_since = None;
            tracing::info!(stream = %name, "stream is live");
            self.event(StreamEvent::Started {
                stream: name.clone(),
            });
        }
        for finding in news {
            tracing::warn!(stream = %name, "{finding}");
        }
        if let Some(findings) = findings {
            let stream = name;
            self.event(StreamEvent::Diagnosed { stream, findings });
        }
    }

    fn handle_rtcp(&mut self, now: Instant, key: SessionKey, path: Path, datagram: &[u8]) {
        let Some(session) = self.sessions.get_mut(&key) else {
            return;
        };
        if !session.is_connected() {
            self.drops.early += 1;
            return;
        }
        let opened =
            rtcp::sender_ssrc(datagram).and_then(|sender| session.open_rtcp(sender, datagram));
        let Some(compound) = opened else {
            self.drops.srtp += 1;
            return;
        };
        let proof = session.note_proof(now, path);
        if let Some(proof) = proof.filter(|_| self.seat.of > 1) {
            self.routes.push(proof);
        }
        let Some(stream) = self.streams.get_mut(&session.stream) else {
            return;
        };
        for message in rtcp::parse(&compound) {
            let Some((srtp, path, leg)) = session.media() else {
                return;
            };
            match (message, leg) {
                (Message::SenderReport { ssrc, ntp, rtp }, Leg::Publisher(incoming)) => {
                    for (incoming, track) in incoming.iter_mut().zip(&mut stream.tracks) {
                        if let (Some(incoming), Some(track)) = (incoming, track)
                            && let Some(receiver) = incoming.by_ssrc(ssrc)
                            && let Some(layer) = track.layers.get_mut(receiver.layer)
                        {
                            receiver.note_report(now, ntp, rtp, layer);
                        }
                    }
                }
                (Message::Nack { ssrc, sequences }, Leg::Viewer(viewer)) => {
                    let mut link = Link {
                        srtp,
                        path,
                        out: &mut self.out,
                        counters: &mut stream.counters,
                        bandwidth: &mut viewer.bandwidth,
                    };
                    for (sender, track) in viewer.tracks.iter_mut().zip(&stream.tracks) {
                        if let (Some(sender), Some(track)) = (sender, track)
                            && sender.ssrc() == ssrc
                        {
                            sender.resend(now, &sequences, track, &mut link);
                        }
                    }
                }
                (Message::KeyframeRequest { ssrc }, Leg::Viewer(viewer)) => {
                    let [_, video] = &viewer.tracks;
                    if let Some(video) = video.as_ref().filter(|video| video.ssrc() == ssrc) {
                        stream.counters.plis_in += 1;
                        match viewer.bandwidth.is_limited() {
                            true => stream.want_keyframe_slowly(now, video.layer()),
                            false => stream.want_keyframe(video.layer()),
                        }
                        if !stream.dirty {
                            stream.dirty = true;
                            self.dirty.push_back(session.stream.clone());
                        }
                    }
                }
                (Message::TransportFeedback(feedback), Leg::Viewer(viewer)) => {
                    viewer.bandwidth.take_feedback(now, &feedback);
                }
                (
                    Message::Reception {
                        ssrc,
                        fraction_lost,
                        last_report,
                        held,
                    },
                    Leg::Viewer(viewer),
                ) => {
                    let [_, video] = &viewer.tracks;
                    if video.as_ref().is_some_and(|video| video.ssrc() == ssrc) {
                        let bandwidth = &mut viewer.bandwidth;
                        bandwidth.take_report(now, fraction_lost, last_report, held);
                    }
                }
                _ => {}
            }
        }
    }
}
