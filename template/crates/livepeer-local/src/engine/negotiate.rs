//! From an offer to what will flow: one codec for each kind, or words that say why not.

use super::names::OfferError;
use super::sdp::{AnswerLine, Codec, Kind, Media, Offer, Outgoing, Payload, Simulcast};
use super::session::Tracks;

/// What a publisher will send.
#[derive(Debug)]
pub(crate) struct PublishPlan {
    pub(crate) lines: Vec<AnswerLine>,
    /// Audio, then video: the offer's section and the chosen payload.
    pub(crate) tracks: Tracks<(usize, Payload)>,
    /// The layers of the video, if it comes in some.
    pub(crate) simulcast: Option<Simulcast>,
}

/// What a viewer will be sent.
#[derive(Debug)]
pub(crate) struct PlayPlan {
    pub(crate) lines: Vec<AnswerLine>,
    pub(crate) tracks: Tracks<(Payload, Outgoing)>,
    pub(crate) cname: String,
}

const SUPPORTED: &str = "supported are H264 and VP8 video and opus audio";

/// Chooses, in each section, the publisher's own first preference that is supported.
///
/// # Errors
///
/// `WrongDirection` and `Unsupported`, in words.
pub(crate) fn publish(offer: &Offer) -> Result<PublishPlan, OfferError> {
    check_transport(offer)?;
    let mut tracks: Tracks<(usize, Payload)> = [None, None];
    let mut lines = Vec::new();
    let mut simulcast = None;
    let mut backwards = false;
    for (index, media) in offer.media.iter().enumerate() {
        let Some(slot) = slot(media) else {
            lines.push(AnswerLine::Rejected);
            continue;
        };
        if !media.direction.sends() {
            backwards |= media.direction.receives();
            lines.push(inactive(media));
            continue;
        }
        if tracks[slot].is_some() {
            return Err(twice(media));
        }
        let Some(payload) = media.payloads.first() else {
            return Err(no_codec(media, SUPPORTED));
        };
        let layers = media.simulcast.as_ref();
        let layers = layers.and_then(|offered| offered.accept(payload));
        lines.push(AnswerLine::Receive(payload.clone(), layers.clone()));
        simulcast = simulcast.or(layers);
        tracks[slot] = Some((index, payload.clone()));
    }
    match tracks.iter().any(Option::is_some) {
        true => Ok(PublishPlan {
            lines,
            tracks,
            simulcast,
        }),
        false if backwards => Err(OfferError::WrongDirection(
            "a publisher offers sendonly or sendrecv, and this offer only receives".into(),
        )),
        false => Err(OfferError::WrongDirection(
            "a publisher offers to send audio or video, and this offer sends neither".into(),
        )),
    }
}

/// Chooses, for each of the stream's tracks, the viewer's payload type that fits it best.
///
/// # Errors
///
/// `WrongDirection` and `Unsupported`, in words.
pub(crate) fn play(
    offer: &Offer,
    stream: Tracks<Codec>,
    mut ssrc: impl FnMut() -> u32,
    (cname, stream_id): (String, String),
) -> Result<PlayPlan, OfferError> {
    check_transport(offer)?;
    let mut tracks: Tracks<(Payload, Outgoing)> = [None, None];
    let mut lines = Vec::new();
    for media in &offer.media {
        let Some(slot) = slot(media) else {
            lines.push(AnswerLine::Rejected);
            continue;
        };
        let (true, Some(codec)) = (media.direction.receives(), stream[slot]) else {
            lines.push(inactive(media));
            continue;
        };
        if tracks[slot].is_some() {
            return Err(twice(media));
        }
        let fitting = media.payloads.iter();
        let Some((_, payload)) = fitting
            .filter_map(|payload| Some((payload.codec.distance(codec)?, payload)))
            .min_by_key(|(distance, _)| *distance)
        else {
            return Err(no_codec(media, &format!("this stream needs {codec}")));
        };
        let mut payload = payload.clone();
        // With GCM a packet that is sent again under its own SSRC must be the same bit for bit, and its
        // transport-wide number would not be.
        if payload.rtx.is_none() || !payload.codec.is_video() {
            payload.transport_cc = None;
        }
        let outgoing = Outgoing {
            ssrc: ssrc(),
            rtx_ssrc: payload.rtx.map(|_| ssrc()),
            cname: cname.clone(),
            stream_id: stream_id.clone(),
        };
        lines.push(AnswerLine::Send(payload.clone(), outgoing.clone()));
        tracks[slot] = Some((payload.clone(), outgoing));
    }
    if tracks.iter().any(Option::is_some) {
        return Ok(PlayPlan {
            lines,
            tracks,
            cname,
        });
    }
    check_receives(offer)?;
    Err(OfferError::Unsupported(
        "it offers to receive nothing that this stream has".into(),
    ))
}

/// A viewer's offer receives something; asked before anything else, since waiting for a publisher would not mend it.
///
/// # Errors
///
/// `WrongDirection`, in words.
pub(crate) fn check_receives(offer: &Offer) -> Result<(), OfferError> {
    let receives = |media: &Media| media.direction.receives() && slot(media).is_some();
    match offer.media.iter().any(receives) {
        true => Ok(()),
        false => Err(OfferError::WrongDirection(
            "a viewer offers recvonly or sendrecv, and this offer receives nothing".into(),
        )),
    }
}

/// 0 for audio, 1 for video; `None` for a section that the answer rejects.
fn slot(media: &Media) -> Option<usize> {
    match media.kind {
        _ if media.rejected => None,
        Kind::Audio => Some(0),
        Kind::Video => Some(1),
        Kind::Other => None,
    }
}

fn inactive(media: &Media) -> AnswerLine {
    match media.payloads.first() {
        Some(payload) => AnswerLine::Inactive(payload.clone()),
        None => AnswerLine::Rejected,
    }
}

fn check_transport(offer: &Offer) -> Result<(), OfferError> {
    let unsupported = |words: &str| Err(OfferError::Unsupported(words.into()));
    let used: Vec<&Media> = offer.media.iter().filter(|m| slot(m).is_some()).collect();
    if used.iter().any(|media| !media.rtcp_mux) {
        return unsupported("it does not multiplex RTCP (a=rtcp-mux)");
    }
    if used
        .iter()
        .any(|media| !media.protocol.ends_with("RTP/SAVPF"))
    {
        return unsupported("its media are not secured (UDP/TLS/RTP/SAVPF)");
    }
    if used.len() > 1 && used.iter().any(|media| !offer.bundle.contains(&media.mid)) {
        return unsupported("its tracks are not bundled on one transport (a=group:BUNDLE)");
    }
    Ok(())
}

fn twice(media: &Media) -> OfferError {
    OfferError::Unsupported(format!(
        "it has two {} tracks; a session carries one audio and one video track",
        media.kind.name()
    ))
}

fn no_codec(media: &Media, needed: &str) -> OfferError {
    let offered = match media.names.is_empty() {
        true => "no codec".to_owned(),
        false => media.names.join(", "),
    };
    // An offer may name the right codec in the wrong profile: then the exact ones help.
    let exact: Vec<String> = media.payloads.iter().map(|p| p.codec.to_string()).collect();
    let exact = match exact.is_empty() {
        true => String::new(),
        false => format!(" ({})", exact.join(", ")),
    };
    OfferError::Unsupported(format!(
        "its {} offers {offered}{exact}; {needed}",
        media.kind.name()
    ))
}
