//! A PATCH of a session (RFC 9725 section 4.3): trickled candidates or an ICE restart, told apart by the peer's ufrag.

use super::core::Core;
use super::handle::SessionCommand;
use super::ice::Credentials;
use super::names::{Owner, SessionId, StreamName};
use super::sdp::{Fragment, IceParameters, write_fragment};
use super::session::Leg;

/// What a request demands of the ICE session before it is done: `If-Match` (RFC 9110 section 13.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// No such header. Enough for candidates, too little for a restart.
    Absent,
    /// `*`: whichever there is.
    Any,
    /// One of these entity-tags, without their quotes.
    OneOf(Vec<String>),
}

/// What came of a PATCH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Patched {
    /// The candidates are noted. HTTP 204.
    Trickled,
    /// A new ICE session. The old one goes on until the peer uses the new credentials first. HTTP 200.
    Restarted {
        /// The entity-tag of the new ICE session, without its quotes.
        tag: String,
        /// `application/trickle-ice-sdpfrag`: our new credentials and every candidate.
        fragment: String,
    },
}

/// Why a PATCH was refused. The session goes on as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// No such session (any more). HTTP 404.
    #[error("this session is over, or never was")]
    Unknown,
    /// Not a fragment that can be understood. HTTP 400.
    #[error("the SDP fragment cannot be read: {0}")]
    Malformed(String),
    /// A restart must say that it means the present ICE session. HTTP 428.
    #[error("an ICE restart needs If-Match: * or the entity-tag of the ICE session")]
    ConditionNeeded,
    /// The entity-tag is of an ICE session that is over. HTTP 412.
    #[error("the ICE session that If-Match names is over; restart with If-Match: *")]
    Outdated,
    /// The engine is stopping or has stopped. HTTP 503.
    #[error("the media engine is shutting down")]
    ShuttingDown,
}

/// What a session is, for whoever wants to change it.
#[derive(Clone, Debug)]
pub struct SessionInfo {
    /// What it publishes or plays.
    pub stream: StreamName,
    /// Whether it publishes.
    pub publishes: bool,
    /// The index of the m-section in which it is sent pictures.
    pub video: Option<usize>,
    /// The entity-tag of its ICE session, without the quotes.
    pub tag: String,
    /// How many usable candidates its peer has trickled; no more than 32 are kept.
    pub candidates: usize,
    /// See [`Engine::set_owner`](super::Engine::set_owner).
    pub owner: Option<Owner>,
}

impl Core {
    /// See [`Engine::patch`](super::Engine::patch).
    pub(crate) fn patch(
        &mut self,
        id: &SessionId,
        fragment: &Fragment,
        condition: &Condition,
    ) -> Result<Patched, PatchError> {
        let key = *self.by_id.get(id).ok_or(PatchError::Unknown)?;
        let session = self.sessions.get_mut(&key).ok_or(PatchError::Unknown)?;
        let ice = &mut session.ice;
        if let Condition::OneOf(tags) = condition
            && !tags.iter().any(|tag| tag == ice.tag())
        {
            return Err(PatchError::Outdated);
        }
        let remote = ice.remote();
        let restart = match (&fragment.ice_ufrag, &fragment.ice_pwd) {
            (Some(ufrag), pwd) if *ufrag == remote.ufrag => {
                if pwd.as_ref().is_some_and(|pwd| *pwd != remote.pwd) {
                    let words = "its ice-pwd is not that of its ice-ufrag";
                    return Err(PatchError::Malformed(words.into()));
                }
                None
            }
            (Some(ufrag), Some(pwd)) => Some(IceParameters {
                ufrag: ufrag.clone(),
                pwd: pwd.clone(),
            }),
            (Some(_), None) => {
                let words = "its ice-ufrag is new, and the ice-pwd is missing";
                return Err(PatchError::Malformed(words.into()));
            }
            // Taken to speak of the present ICE session.
            (None, _) => None,
        };
        let Some(remote) = restart else {
            ice.add_candidates(&fragment.candidates);
            return Ok(Patched::Trickled);
        };
        if *condition == Condition::Absent {
            return Err(PatchError::ConditionNeeded);
        }
        let given_up = ice.restart(Credentials::random(self.seat), remote);
        ice.add_candidates(&fragment.candidates);
        let ours = ice.newest();
        let patched = Patched::Restarted {
            tag: ice.tag().to_owned(),
            fragment: write_fragment(ice.section(), ours, &self.candidates),
        };
        if let Some(ufrag) = given_up {
            self.by_ufrag.remove(&ufrag);
        }
        self.by_ufrag.insert(ours.ufrag.clone(), key);
        tracing::debug!(session = ?id, stream = %session.stream, "ICE restart");
        Ok(patched)
    }

    /// See [`Engine::session`](super::Engine::session).
    pub(crate) fn session_info(&self, id: &SessionId) -> Option<SessionInfo> {
        let session = self.sessions.get(self.by_id.get(id)?)?;
        Some(SessionInfo {
            stream: session.stream.clone(),
            publishes: matches!(session.leg, Leg::Publisher(_)),
            video: session.ice.section().video,
            tag: session.ice.tag().to_owned(),
            candidates: session.ice.candidates(),
            owner: session.owner.clone(),
        })
    }

    /// See [`Engine::set_owner`](super::Engine::set_owner).
    pub(crate) fn set_owner(&mut self, id: &SessionId, owner: Owner) {
        let key = self.by_id.get(id);
        if let Some(session) = key.and_then(|key| self.sessions.get_mut(key)) {
            session.owner = Some(owner);
        }
    }

    /// Carries out one of [`SessionCommand`].
    pub(crate) fn handle_session(&mut self, id: &SessionId, command: SessionCommand) {
        // A caller that no longer waits for the reply has lost nothing but the reply.
        match command {
            SessionCommand::Info(reply) => {
                let _ = reply.send(self.session_info(id));
            }
            SessionCommand::SetOwner(owner, reply) => {
                self.set_owner(id, owner);
                let _ = reply.send(());
            }
            SessionCommand::Patch(fragment, condition, reply) => {
                let _ = reply.send(self.patch(id, &fragment, &condition));
            }
        }
    }
}
