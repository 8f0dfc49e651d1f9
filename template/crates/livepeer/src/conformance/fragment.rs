//! `application/trickle-ice-sdpfrag` (RFC 8840 section 9): what a PATCH carries.

use super::offer::Credentials;

/// The media type.
pub(super) const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// A candidate of a client at an address that nobody has (RFC 5737).
pub(super) const CANDIDATE: &str =
    "a=candidate:1387637174 1 udp 2122260223 192.0.2.77 61764 typ host";

/// A fragment as RFC 9725 shows it: credentials on the session level, and the bundle's first section with its mid.
pub(super) fn fragment(ice: &Credentials, lines: &[&str]) -> String {
    let Credentials { ufrag, pwd } = ice;
    let ufrag = format!("a=ice-ufrag:{ufrag}");
    let pwd = format!("a=ice-pwd:{pwd}");
    let mut all = vec![ufrag.as_str(), &pwd, "m=audio 9 RTP/AVP 0", "a=mid:0"];
    all.extend(lines);
    joined(&all, "\r\n")
}

/// Lines with their ends.
pub(super) fn joined(lines: &[&str], end: &str) -> String {
    lines.iter().flat_map(|line| [*line, end]).collect()
}
