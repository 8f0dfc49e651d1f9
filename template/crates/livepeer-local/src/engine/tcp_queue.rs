//! What waits to be written to one TCP connection. Bounded, and it throws away rather than waits: the core
//! never stands still for a peer that does not read, and what is old is of no use to anybody.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::framing::append_frame;

/// Room for the pictures of most of a second at 3 Mb/s.
const MAX_BYTES: usize = 256 * 1024;
/// Older datagrams are not sent any more: the peer asks for what it still wants.
const MAX_AGE: Duration = Duration::from_secs(1);
/// Written at a time, so that what is given to the system is not much older than what is taken out here.
const WRITE_BYTES: usize = 16 * 1024;

/// Datagrams in the order in which they were sent.
#[derive(Debug, Default)]
pub(crate) struct Backlog {
    datagrams: VecDeque<(Instant, Box<[u8]>)>,
    bytes: usize,
    dropped: u64,
}

impl Backlog {
    /// Queues a datagram; if there is no room, it is dropped.
    pub(crate) fn push(&mut self, now: Instant, datagram: &[u8]) {
        self.drop_old(now);
        if self.bytes + datagram.len() > MAX_BYTES {
            self.dropped += 1;
            return;
        }
        self.bytes += datagram.len();
        self.datagrams.push_back((now, datagram.into()));
    }

    /// Moves the next datagrams, framed, to the end of `out`: about 16 KB of them.
    pub(crate) fn fill(&mut self, now: Instant, out: &mut Vec<u8>) {
        self.drop_old(now);
        while out.len() < WRITE_BYTES
            && let Some((_, datagram)) = self.datagrams.pop_front()
        {
            self.bytes -= datagram.len();
            append_frame(out, &datagram);
        }
    }

    /// How many were dropped since the last call.
    pub(crate) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    fn drop_old(&mut self, now: Instant) {
        while let Some((at, datagram)) = self.datagrams.front()
            && now.saturating_duration_since(*at) > MAX_AGE
        {
            self.bytes -= datagram.len();
            self.dropped += 1;
            self.datagrams.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(backlog: &mut Backlog, now: Instant) -> usize {
        let mut out = Vec::new();
        backlog.fill(now, &mut out);
        out.len()
    }

    #[test]
    fn what_a_peer_does_not_take_is_dropped_and_counted_and_memory_stays_bounded() {
        let (mut backlog, now) = (Backlog::default(), Instant::now());
        for _ in 0..1000 {
            backlog.push(now, &[0x80; 1200]);
        }
        let room = MAX_BYTES / 1200;
        assert!(backlog.bytes <= MAX_BYTES);
        assert_eq!(backlog.datagrams.len(), room);
        assert_eq!(backlog.take_dropped(), 1000 - room as u64);
        assert_eq!(backlog.take_dropped(), 0, "counted once");
    }

    #[test]
    fn what_is_older_than_a_second_is_not_sent_and_makes_room() {
        let (mut backlog, start) = (Backlog::default(), Instant::now());
        backlog.push(start, &[0x80; 100]);
        backlog.push(start + Duration::from_millis(900), &[0x80; 200]);
        let later = start + Duration::from_millis(1001);
        backlog.push(later, &[0x80; 300]);
        assert_eq!(backlog.take_dropped(), 1);
        assert_eq!(filled(&mut backlog, later), 2 + 200 + 2 + 300);
        assert_eq!(backlog.bytes, 0);

        backlog.push(later, &[0x80; 100]);
        assert_eq!(filled(&mut backlog, later + Duration::from_secs(2)), 0);
        assert_eq!(backlog.take_dropped(), 1);
    }

    #[test]
    fn datagrams_leave_in_order_and_a_part_at_a_time() {
        let (mut backlog, now) = (Backlog::default(), Instant::now());
        for number in 0..40u8 {
            backlog.push(now, &[number; 1000]);
        }
        let (mut first, mut second) = (Vec::new(), Vec::new());
        backlog.fill(now, &mut first);
        backlog.fill(now, &mut second);
        assert!((WRITE_BYTES..WRITE_BYTES + 1002).contains(&first.len()));
        assert_eq!((first[2], usize::from(second[2])), (0, first.len() / 1002));
    }
}
