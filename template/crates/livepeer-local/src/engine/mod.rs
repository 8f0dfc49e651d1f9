//! The WebRTC engine: a forwarding unit on one UDP socket, composed from the sans-I/O parts of the
//! `webrtc` family, without its PeerConnection. It never decodes.
//!
//! In reading order: the words and knobs (`names`, `config`, `stats`), the handle and the worker threads that
//! it talks to (`workers`, `socket_loop`, and what they share: `wire`, `routes`, `seat`, `placement`,
//! `announcer`), and each worker's core, which has neither socket nor clock. Several cores know of each
//! other only by the letters of `mirror` and `relay`. Below the core, the way of
//! a packet: `demux`, `ice`, `hello` and `dtls`, `srtp` and `sealer`, `incoming`, `publisher`, `track`, `encoding`, `ring`,
//! `layers`, `segment`, `viewer`, `outbox`; and of an offer: `sdp`, `negotiate`, `conformity`, `admission`, `session`,
//! `stream`; of what a peer adds to it later: `patch`, `ice_session`.

mod config;
mod handle;
mod names;
mod stats;

mod socket_loop;
mod workers;

mod announcer;
mod placement;
mod routes;
mod seat;
mod wire;

mod admission;
mod bind;
mod candidates;
mod core;
mod demux;
mod mirror;
mod relay;
mod tcp;
mod tcp_queue;
#[cfg(test)]
mod tcp_tests;
mod upkeep;
#[cfg(test)]
mod wire_tests;

#[cfg(test)]
mod core_tests;
#[cfg(any(test, fuzzing))]
mod fake_browser;
#[cfg(any(test, fuzzing))]
mod fake_net;
#[cfg(any(test, fuzzing))]
mod fake_peer;
#[cfg(any(test, fuzzing))]
mod fake_wire;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;

mod conformity;
mod negotiate;
#[cfg(test)]
mod negotiate_tests;
mod patch;
mod sdp;
mod session;
mod stream;

mod dtls;
mod framing;
mod hello;
mod ice;
mod ice_session;
mod outbox;
mod sealer;
mod srtp;

mod advice;
mod bandwidth;
#[cfg(test)]
mod bandwidth_tests;
mod delay;
mod diagnosis;
mod encoding;
mod incoming;
mod keyframe;
mod layers;
mod meter;
mod pacer;
mod publisher;
mod resends;
mod ring;
mod rtcp;
mod rtp;
mod segment;
mod sent;
mod sps;
mod track;
mod twcc;
mod viewer;
mod vp8;

pub use config::{EngineConfig, NotTcpMedia, StartError, TcpMedia};
pub use diagnosis::{Finding, FindingKind};
pub use handle::Engine;
pub use names::{
    Answer, Layer, NotASessionId, OfferError, Owner, SessionId, StreamEvent, StreamName,
};
pub use patch::{Condition, PatchError, Patched, SessionInfo};
pub use sdp::{MAX_FRAGMENT_BYTES, MAX_OFFER_BYTES};
pub use stats::{Counters, Drops, JoinTimes, Stats, StreamStats};
