//! What RFC 9725 section 4.4 and WHEP forbid in an offer, and a kind server lets pass: asked under
//! [`EngineConfig::strict`](super::EngineConfig::strict) only.

use super::names::OfferError;
use super::sdp::{Kind, Media, Offer};

/// Looks at the offer as a whole; what cannot be served at all is for `negotiate` to say.
///
/// # Errors
///
/// `Unsupported`, in words.
pub(crate) fn check(offer: &Offer) -> Result<(), OfferError> {
    let unsupported = |words: String| Err(OfferError::Unsupported(words));
    // The answer would have to reject these one by one, and should not.
    for media in offer.media.iter().filter(|media| !media.rejected) {
        if media.kind == Kind::Other {
            let word = &media.word;
            return unsupported(format!("it has {word} beside audio and video"));
        }
        if media.payloads.is_empty() {
            let kind = media.kind.name();
            return unsupported(format!("none of its {kind} codecs is supported"));
        }
    }
    for kind in [Kind::Audio, Kind::Video] {
        let same = |media: &&Media| media.kind == kind && !media.rejected;
        if offer.media.iter().filter(same).count() > 1 {
            let kind = kind.name();
            return unsupported(format!("it has more than one {kind} track"));
        }
    }
    let mut streams = offer.media.iter().filter(|media| media.direction.sends());
    let first = streams.next().map(|media| &media.stream_id);
    if streams.any(|media| Some(&media.stream_id) != first) {
        return unsupported("its tracks are not of one MediaStream (a=msid)".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    const PUBLISH: &str = include_str!("offers/chromium-publish.sdp");
    const PLAY: &str = include_str!("offers/chromium-play.sdp");

    fn refusal(offer: &str) -> String {
        check(&Offer::parse(offer).unwrap())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn browsers_offers_are_to_the_letter() {
        for offer in [PUBLISH, PLAY] {
            check(&Offer::parse(offer).unwrap()).unwrap();
        }
    }

    #[test]
    fn what_a_kind_server_would_let_pass_is_refused() {
        let (head, last) = PUBLISH.rsplit_once("a=msid:").unwrap();
        let others = format!("{head}a=msid:another{last}");
        assert!(refusal(&others).contains("one MediaStream"));

        let data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\na=mid:9\n";
        assert!(refusal(&format!("{PLAY}{data}")).contains("application"));

        let third = "m=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:9\na=inactive\na=rtpmap:96 VP8/90000\n";
        assert!(refusal(&format!("{PLAY}{third}")).contains("more than one video"));

        let no_opus = PLAY.replace("opus/48000/2", "speex/48000/2");
        assert!(refusal(&no_opus).contains("audio codecs"));
    }
}
