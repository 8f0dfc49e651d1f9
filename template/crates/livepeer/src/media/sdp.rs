//! The little of SDP that is read here: which payload type is which codec, and candidates that the stack would choke on.

use std::collections::HashMap;
use std::net::IpAddr;

use super::codec::Codec;

/// The answer without candidates that cannot be used. The stack refuses a whole description over one candidate with a
/// host name or an unknown transport, where RFC 9725 (4.3.2) wants that candidate passed over.
pub(super) fn usable(answer: &str) -> String {
    let mut kept = String::with_capacity(answer.len() + 64);
    for line in answer
        .lines()
        .filter(|line| line.strip_prefix("a=candidate:").is_none_or(is_usable))
    {
        kept.push_str(line);
        kept.push_str("\r\n");
    }
    kept
}

/// `foundation component transport priority address port typ ...` (RFC 8839, 5.1).
fn is_usable(candidate: &str) -> bool {
    let fields: Vec<_> = candidate.split_ascii_whitespace().collect();
    matches!(fields.as_slice(), [_, _, transport, _, address, _, ..]
        if transport.eq_ignore_ascii_case("udp") && address.parse::<IpAddr>().is_ok())
}

/// Payload types by the codecs that they stand for; others are left out.
pub(super) fn payload_types(answer: &str) -> HashMap<u8, Codec> {
    let rtpmaps = answer
        .lines()
        .filter_map(|line| line.trim_end().strip_prefix("a=rtpmap:"));
    rtpmaps
        .filter_map(|rtpmap| {
            let (number, encoding) = rtpmap.split_once(' ')?;
            let name = encoding.split('/').next()?;
            Some((number.parse().ok()?, Codec::named(name)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_that_the_stack_refuses_are_taken_out() {
        let answer = "v=0\na=candidate:1 1 udp 1 127.0.0.1 7300 typ host\r\n\
            a=candidate:2 1 UDP 1 ::1 7300 typ host\r\n\
            a=candidate:3 1 udp 1 node.livepeer.example 7300 typ host\r\n\
            a=candidate:4 1 tcp 1 127.0.0.1 9 typ host tcptype active\r\n\
            a=candidate:5 1 quic 1 127.0.0.1 9 typ host\r\n\
            a=candidate:6\r\na=end-of-candidates";
        assert_eq!(
            usable(answer),
            "v=0\r\na=candidate:1 1 udp 1 127.0.0.1 7300 typ host\r\n\
            a=candidate:2 1 UDP 1 ::1 7300 typ host\r\na=end-of-candidates\r\n"
        );
    }

    #[test]
    fn payload_types_are_read_from_the_answer() {
        let answer = "a=rtpmap:102 H264/90000\r\na=rtpmap:103 rtx/90000\na=rtpmap:111 opus/48000/2\r\na=rtpmap:x";
        assert_eq!(
            payload_types(answer),
            HashMap::from([(102, Codec::H264), (111, Codec::Opus)])
        );
    }
}
