//! What a browser offers, cut to one video track, and what is read of the answer.

use std::net::SocketAddr;

use anyhow::{Context, ensure};

/// The payload type of VP8, and of its retransmissions.
pub(super) const VP8: u8 = 96;
pub(super) const RTX: u8 = 97;
/// The header extension that numbers packets for congestion control.
const TRANSPORT_WIDE: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// Our half of the ICE credentials.
pub(super) struct Credentials {
    pub(super) ufrag: String,
    pub(super) pwd: String,
}

impl Credentials {
    pub(super) fn random() -> Self {
        Credentials {
            ufrag: format!("{:08x}", rand::random::<u32>()),
            pwd: format!("{:032x}", rand::random::<u128>()),
        }
    }
}

/// An offer to send VP8, with these SSRCs for it and its retransmissions.
pub(super) fn publish(credentials: &Credentials, fingerprint: &str, ssrcs: [u32; 2]) -> String {
    let [ssrc, rtx] = ssrcs;
    offer(credentials, fingerprint, "sendonly")
        + &format!(
            "a=msid:load video\r\na=ssrc-group:FID {ssrc} {rtx}\r\n\
             a=ssrc:{ssrc} cname:load\r\na=ssrc:{rtx} cname:load\r\n"
        )
}

/// An offer to receive VP8.
pub(super) fn play(credentials: &Credentials, fingerprint: &str) -> String {
    offer(credentials, fingerprint, "recvonly")
}

fn offer(credentials: &Credentials, fingerprint: &str, direction: &str) -> String {
    let Credentials { ufrag, pwd } = credentials;
    let id: u32 = rand::random();
    [
        "v=0",
        &format!("o=- {id} 2 IN IP4 127.0.0.1"),
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "a=extmap-allow-mixed",
        "a=msid-semantic: WMS",
        &format!("m=video 9 UDP/TLS/RTP/SAVPF {VP8} {RTX}"),
        "c=IN IP4 0.0.0.0",
        "a=rtcp:9 IN IP4 0.0.0.0",
        &format!("a=ice-ufrag:{ufrag}"),
        &format!("a=ice-pwd:{pwd}"),
        "a=ice-options:trickle",
        &format!("a=fingerprint:sha-256 {fingerprint}"),
        "a=setup:actpass",
        "a=mid:0",
        &format!("a=extmap:3 {TRANSPORT_WIDE}"),
        &format!("a={direction}"),
        "a=rtcp-mux",
        "a=rtcp-mux-only",
        "a=rtcp-rsize",
        &format!("a=rtpmap:{VP8} VP8/90000"),
        &format!("a=rtcp-fb:{VP8} goog-remb"),
        &format!("a=rtcp-fb:{VP8} transport-cc"),
        &format!("a=rtcp-fb:{VP8} ccm fir"),
        &format!("a=rtcp-fb:{VP8} nack"),
        &format!("a=rtcp-fb:{VP8} nack pli"),
        &format!("a=rtpmap:{RTX} rtx/90000"),
        &format!("a=fmtp:{RTX} apt={VP8}"),
        "",
    ]
    .join("\r\n")
}

/// The server's half.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) ufrag: String,
    pub(super) pwd: String,
    pub(super) server: SocketAddr,
    /// The id of the transport-wide header extension, if it was agreed on.
    pub(super) transport_wide: Option<u8>,
}

impl Answer {
    /// # Errors
    ///
    /// If it lacks something, or agrees to another payload type than ours.
    pub(super) fn read(sdp: &str) -> anyhow::Result<Answer> {
        let value = |name: &str| {
            let value = sdp.lines().find_map(|line| line.strip_prefix(name));
            value.with_context(|| format!("the answer has no {name}"))
        };
        let formats = value("m=video ")?;
        let video = formats.split(' ').skip(2).any(|f| f == VP8.to_string());
        ensure!(video, "the answer refuses VP8: m=video {formats}");
        let setup = value("a=setup:")?.trim();
        ensure!(setup == "passive", "the answer wants to be {setup}");
        let server = sdp.lines().find_map(|line| {
            let candidate: Vec<&str> = line.strip_prefix("a=candidate:")?.split(' ').collect();
            let [_, "1", protocol, _, ip, port, "typ", "host", ..] = candidate[..] else {
                return None;
            };
            let address = SocketAddr::new(ip.parse().ok()?, port.parse().ok()?);
            (protocol.eq_ignore_ascii_case("udp") && address.is_ipv4()).then_some(address)
        });
        let transport_wide = sdp.lines().find_map(|line| {
            let (id, uri) = line.strip_prefix("a=extmap:")?.split_once(' ')?;
            let id = id.split('/').next()?;
            (uri.trim() == TRANSPORT_WIDE).then(|| id.parse().ok())?
        });
        Ok(Answer {
            ufrag: value("a=ice-ufrag:")?.trim().to_owned(),
            pwd: value("a=ice-pwd:")?.trim().to_owned(),
            server: server.context("the answer names no UDP address of IPv4")?,
            transport_wide,
        })
    }
}
