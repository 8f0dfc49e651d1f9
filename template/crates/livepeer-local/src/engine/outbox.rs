//! What the core wants sent: datagrams side by side in one buffer, so that a run of equal ones to
//! one peer can leave in a single system call.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

/// Where a datagram goes, and from which of our addresses, so that it leaves by the address that
/// the peer knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Path {
    pub(crate) remote: SocketAddr,
    /// `None` where the system does not tell which address a datagram came to.
    pub(crate) local: Option<IpAddr>,
    pub(crate) carrier: Carrier,
}

/// What brings a datagram to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Carrier {
    /// The one UDP socket.
    Udp,
    /// A TCP connection that the peer opened (RFC 6544), by a number that is never used again.
    Tcp(u64),
}

/// A peer's end of a [`Path`] (RFC 8445 section 4: "transport address"). The same IP address and port
/// on another carrier is another end, and has to prove itself anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TransportAddress {
    address: SocketAddr,
    carrier: Carrier,
}

impl Path {
    /// A path over the UDP socket.
    pub(crate) fn udp(remote: SocketAddr, local: Option<IpAddr>) -> Self {
        Path {
            remote,
            local,
            carrier: Carrier::Udp,
        }
    }

    /// The peer's end, under which a validated address is kept.
    pub(crate) fn remote_end(&self) -> TransportAddress {
        TransportAddress {
            address: self.remote,
            carrier: self.carrier,
        }
    }
}

/// One datagram: a range of [`Outbox::bytes`].
#[derive(Clone, Debug)]
pub(crate) struct Datagram {
    pub(crate) path: Path,
    pub(crate) range: Range<usize>,
}

/// What is sealed is sent before so much more is sealed that it would have left the processor's cache meanwhile, in bytes.
const FULL: usize = 128 * 1024;

/// A queue of datagrams, emptied by the socket loop after each call of the core.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    datagrams: Vec<Datagram>,
}

impl Outbox {
    /// Whether to send what there is before more is queued. More can be queued all the same.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= FULL
    }

    /// Queues one datagram. Those that follow each other here are contiguous in memory.
    pub(crate) fn push(&mut self, path: Path, datagram: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(datagram);
        self.datagrams.push(Datagram {
            path,
            range: start..self.bytes.len(),
        });
    }

    /// Queues one datagram that `make` writes behind the others, so that it need not be made elsewhere first.
    ///
    /// # Errors
    ///
    /// Those of `make`: then nothing is queued.
    pub(crate) fn push_made<E>(
        &mut self,
        path: Path,
        make: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = self.bytes.len();
        if let Err(error) = make(&mut self.bytes) {
            self.bytes.truncate(start);
            return Err(error);
        }
        self.datagrams.push(Datagram {
            path,
            range: start..self.bytes.len(),
        });
        Ok(())
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.datagrams.clear();
    }

    /// The queued datagrams in order, joined into runs for UDP segmentation offload: same path, all
    /// of one size but the last, which may be smaller; at most `max_segments` and 60 KB.
    pub(crate) fn runs(&self, max_segments: usize) -> impl Iterator<Item = Run<'_>> {
        const MAX_RUN_BYTES: usize = 60_000;
        let mut rest = self.datagrams.as_slice();
        std::iter::from_fn(move || {
            let first = rest.first()?;
            let size = first.range.len();
            let mut count = 1;
            while count < max_segments.max(1) {
                let Some(next) = rest.get(count) else { break };
                let last_is_full = rest[count - 1].range.len() == size;
                let fits = next.range.end - first.range.start <= MAX_RUN_BYTES;
                if next.path != first.path || !last_is_full || next.range.len() > size || !fits {
                    break;
                }
                count += 1;
            }
            let run = Run {
                path: first.path,
                contents: &self.bytes[first.range.start..rest[count - 1].range.end],
                segment: size,
                datagrams: count,
            };
            rest = &rest[count..];
            Some(run)
        })
    }
}

/// Datagrams that may be sent together.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run<'a> {
    pub(crate) path: Path,
    pub(crate) contents: &'a [u8],
    /// The size of each but the last.
    pub(crate) segment: usize,
    pub(crate) datagrams: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(port: u16) -> Path {
        Path::udp(SocketAddr::from(([127, 0, 0, 1], port)), None)
    }

    fn shape(outbox: &Outbox, max_segments: usize) -> Vec<(u16, usize, usize)> {
        let runs = outbox.runs(max_segments);
        runs.map(|run| (run.path.remote.port(), run.datagrams, run.contents.len()))
            .collect()
    }

    #[test]
    fn equal_datagrams_to_one_peer_leave_together_and_a_smaller_one_closes_the_run() {
        let mut outbox = Outbox::default();
        for (port, size) in [(1, 100), (1, 100), (1, 40), (1, 100), (2, 100), (2, 120)] {
            outbox.push(path(port), &vec![0; size]);
        }
        assert_eq!(
            shape(&outbox, 64),
            [(1, 3, 240), (1, 1, 100), (2, 1, 100), (2, 1, 120)]
        );
    }

    #[test]
    fn what_could_not_be_made_is_not_sent() {
        let mut outbox = Outbox::default();
        let make = |bytes: &mut Vec<u8>, good: bool| {
            bytes.extend_from_slice(&[7; 10]);
            if good { Ok(()) } else { Err("half made") }
        };
        assert_eq!(outbox.push_made(path(1), |b| make(b, true)), Ok(()));
        let failed = outbox.push_made(path(1), |b| make(b, false));
        assert_eq!(failed, Err("half made"));
        outbox.push(path(1), &[8; 10]);
        let runs: Vec<_> = outbox.runs(64).collect();
        assert_eq!(runs.len(), 1);
        assert_eq!(runs[0].contents, [[7; 10], [8; 10]].concat());
    }

    #[test]
    fn a_run_has_no_more_segments_than_the_system_takes() {
        let mut outbox = Outbox::default();
        for _ in 0..5 {
            outbox.push(path(1), &[0; 10]);
        }
        assert_eq!(shape(&outbox, 2), [(1, 2, 20), (1, 2, 20), (1, 1, 10)]);
        assert_eq!(shape(&outbox, 1).len(), 5);
    }

    #[test]
    fn a_run_stays_below_the_largest_datagram() {
        let mut outbox = Outbox::default();
        for _ in 0..60 {
            outbox.push(path(1), &[0; 1200]);
        }
        assert!(outbox.runs(64).all(|run| run.contents.len() <= 60_000));
    }
}
