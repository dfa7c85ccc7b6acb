//! One direction of a connection in memory: a queue of packets, bounded like a socket's.
//!
//! Owns: what has room, what has arrived, and what a fault does to a packet. It refuses to wait and to know of ends: it
//! lies under a lock, and whoever holds that knows who is to be told.

use std::collections::VecDeque;
use std::io::IoSlice;

use super::script::{Fault, Route};
use crate::transport::Deadline;

/// Bytes that may be under way before a sender has to wait: the kernel's default for a socket.
pub(super) const CAPACITY: usize = 212_992;
/// What each packet costs besides its bytes, so that packets without any are bounded too.
pub(super) const OVERHEAD: usize = 64;

/// What became of a packet that had room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passage {
    /// It went, for all that its sender knows.
    Gone,
    /// The connection ends instead of it.
    Cut,
}

#[derive(Debug)]
struct Packet {
    bytes: Vec<u8>,
    /// When it arrives; `None` if it has.
    due: Option<Deadline>,
}

impl Packet {
    fn has_arrived(&self) -> bool {
        self.due.is_none_or(Deadline::has_passed)
    }

    fn cost(&self) -> usize {
        cost(self.bytes.len())
    }
}

const fn cost(len: usize) -> usize {
    len.saturating_add(OVERHEAD)
}

/// Copies what there is room for, and gives back the rest.
fn fill<'a>(into: &mut [u8], from: &'a [u8]) -> &'a [u8] {
    let (now, later) = from.split_at(into.len().min(from.len()));
    for (byte, value) in into.iter_mut().zip(now) {
        *byte = *value;
    }
    later
}

/// A queue of packets.
#[derive(Debug)]
pub(super) struct Lane {
    packets: VecDeque<Packet>,
    /// The cost that all of them may have.
    capacity: usize,
    /// The cost of all of them.
    used: usize,
    /// The length of a packet that was refused since the last one that had room.
    refused: usize,
    route: Route,
    /// The number of the next packet.
    next: usize,
}

impl Lane {
    pub(super) fn new(route: Route, capacity: usize) -> Self {
        Self { packets: VecDeque::new(), capacity, used: 0, refused: 0, route, next: 0 }
    }

    fn has_room_for(&self, len: usize) -> bool {
        self.packets.is_empty() || self.used.saturating_add(cost(len)) <= self.capacity
    }

    /// Whether a packet has room: the one that was refused, if one was; otherwise at least an empty one.
    pub(super) fn has_room(&self) -> bool {
        self.has_room_for(self.refused)
    }

    /// Whether there is a packet to take.
    pub(super) fn has_packet(&self) -> bool {
        self.packets.front().is_some_and(Packet::has_arrived)
    }

    /// Whether nothing is there and nothing under way.
    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// When the next packet arrives, if it is under way.
    pub(super) fn arrival(&self) -> Option<Deadline> {
        self.packets.front().and_then(|packet| packet.due)
    }

    /// Puts a packet of `len` bytes in, if it has room.
    pub(super) fn put(&mut self, parts: &[IoSlice<'_>], len: usize) -> Option<Passage> {
        if !self.has_room_for(len) {
            self.refused = len;
            return None;
        }
        self.refused = 0;
        let mut bytes = Vec::with_capacity(len);
        for part in parts {
            bytes.extend_from_slice(part);
        }
        let nth = self.next;
        self.next += 1;
        self.route.count();
        let (mut times, mut due) = (1, None);
        for fault in self.route.faults_of(nth) {
            match fault {
                Fault::Cut => return Some(Passage::Cut),
                Fault::Drop => times = 0,
                Fault::Delay(by) => due = Some(Deadline::after(by)),
                Fault::Corrupt { offset, flip } => {
                    let at = offset.checked_rem(bytes.len());
                    if let Some(byte) = at.and_then(|at| bytes.get_mut(at)) {
                        *byte ^= flip;
                    }
                }
                Fault::Truncate(len) => bytes.truncate(len),
                Fault::Repeat if times > 0 => times += 1,
                Fault::Repeat => {}
            }
        }
        for _ in 1..times {
            self.push(Packet { bytes: bytes.clone(), due });
        }
        if times > 0 {
            self.push(Packet { bytes, due });
        }
        Some(Passage::Gone)
    }

    fn push(&mut self, packet: Packet) {
        self.used += packet.cost();
        self.packets.push_back(packet);
    }

    /// Takes the next packet, if it has arrived, into `head` and what that has no room for into `body`. Its length.
    pub(super) fn take(&mut self, head: &mut [u8], body: &mut [u8]) -> Option<usize> {
        if !self.has_packet() {
            return None;
        }
        let packet = self.packets.pop_front()?;
        self.used -= packet.cost();
        fill(body, fill(head, &packet.bytes));
        Some(packet.bytes.len())
    }

    /// Drops what has not arrived.
    pub(super) fn lose_what_is_under_way(&mut self) {
        let arrived = self.packets.iter().take_while(|packet| packet.has_arrived()).count();
        self.packets.truncate(arrived);
        self.used = self.packets.iter().map(Packet::cost).sum();
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        self.packets = VecDeque::new();
        self.used = 0;
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::io::IoSlice;

    use super::{CAPACITY, Lane, OVERHEAD, Passage};
    use crate::transport::{Fault, Script};

    type Faults<'a> = &'a [(usize, Fault)];

    const HOUR: Duration = Duration::from_secs(3600);

    fn lane(faults: Faults<'_>) -> (Lane, Script) {
        let script = faults.iter().fold(Script::new(), |script, &(nth, fault)| script.to_client(nth, fault));
        (Lane::new(script.to_client.clone(), CAPACITY), script)
    }

    fn put(lane: &mut Lane, bytes: &[u8]) -> Option<Passage> {
        lane.put(&[IoSlice::new(bytes)], bytes.len())
    }

    fn taken(lane: &mut Lane) -> Vec<Vec<u8>> {
        let mut room = [0; 64];
        core::iter::from_fn(|| lane.take(&mut room, &mut []).map(|len| room[..len].to_vec())).collect()
    }

    /// What arrives of "zero", "one" and "two".
    fn arriving(faults: Faults<'_>) -> Vec<Vec<u8>> {
        let (mut lane, script) = lane(faults);
        for packet in [b"zero".as_slice(), b"one", b"two"] {
            assert_eq!(put(&mut lane, packet), Some(Passage::Gone));
        }
        assert_eq!(script.counts(), (0, 3));
        taken(&mut lane)
    }

    #[test]
    fn each_fault_does_to_its_packet_what_it_says_and_nothing_to_others() {
        let corrupt = |offset, flip| Fault::Corrupt { offset, flip };
        let cases: [(Faults<'_>, &[&str]); 13] = [
            (&[], &["zero", "one", "two"]),
            (&[(3, Fault::Drop)], &["zero", "one", "two"]),
            (&[(1, Fault::Drop)], &["zero", "two"]),
            (&[(1, corrupt(0, 0x20))], &["zero", "One", "two"]),
            (&[(1, corrupt(5, 0x20))], &["zero", "onE", "two"]),
            (&[(1, corrupt(1, 0))], &["zero", "one", "two"]),
            (&[(0, Fault::Truncate(1))], &["z", "one", "two"]),
            (&[(0, Fault::Truncate(5))], &["zero", "one", "two"]),
            (&[(2, Fault::Truncate(0)), (2, corrupt(7, 1))], &["zero", "one", ""]),
            (&[(2, Fault::Repeat)], &["zero", "one", "two", "two"]),
            (&[(0, Fault::Repeat), (0, Fault::Repeat)], &["zero", "zero", "zero", "one", "two"]),
            (&[(0, Fault::Repeat), (0, Fault::Drop), (0, Fault::Repeat)], &["one", "two"]),
            (&[(1, Fault::Delay(HOUR))], &["zero"]),
        ];
        for (faults, expected) in cases {
            let expected: Vec<_> = expected.iter().map(|packet| packet.as_bytes().to_vec()).collect();
            assert_eq!(arriving(faults), expected, "{faults:?}");
        }
    }

    #[test]
    fn a_packet_that_is_cut_off_counts_and_does_not_go() {
        let (mut lane, script) = lane(&[(1, Fault::Cut)]);
        assert_eq!(put(&mut lane, b"zero"), Some(Passage::Gone));
        assert_eq!(put(&mut lane, b"one"), Some(Passage::Cut));
        assert_eq!((taken(&mut lane), script.counts()), (vec![b"zero".to_vec()], (0, 2)));
    }

    #[test]
    fn a_packet_that_is_late_holds_up_what_is_behind_it() {
        let (mut lane, _) = lane(&[(1, Fault::Delay(HOUR)), (3, Fault::Delay(Duration::ZERO))]);
        for packet in [b"0", b"1", b"2", b"3"] {
            put(&mut lane, packet);
        }
        assert_eq!((lane.has_packet(), lane.arrival()), (true, None));
        assert_eq!(taken(&mut lane), [b"0"]);
        assert_eq!((lane.has_packet(), lane.is_empty(), lane.arrival().is_some()), (false, false, true));
        lane.lose_what_is_under_way();
        assert_eq!((lane.is_empty(), lane.used), (true, 0));
    }

    #[test]
    fn what_has_arrived_is_kept_when_what_is_under_way_is_lost() {
        let (mut lane, _) = lane(&[(1, Fault::Delay(HOUR))]);
        for packet in [b"0", b"1", b"2"] {
            put(&mut lane, packet);
        }
        lane.lose_what_is_under_way();
        assert_eq!((lane.used, taken(&mut lane)), (OVERHEAD + 1, vec![b"0".to_vec()]));
    }

    #[test]
    fn a_packet_is_gathered_and_scattered_and_its_true_length_told() {
        let (mut lane, _) = lane(&[]);
        let parts = [IoSlice::new(b"he"), IoSlice::new(b""), IoSlice::new(b"adbody")];
        for (head_room, body_room, head, body) in [
            (4, 4, "head", "body"),
            (4, 2, "head", "bo"),
            (3, 0, "hea", ""),
            (0, 3, "", "hea"),
            (9, 1, "headbody.", "."),
        ] {
            lane.put(&parts, 8);
            let (mut into_head, mut into_body) = (vec![b'.'; head_room], vec![b'.'; body_room]);
            assert_eq!(lane.take(&mut into_head, &mut into_body), Some(8));
            assert_eq!((into_head.as_slice(), into_body.as_slice()), (head.as_bytes(), body.as_bytes()));
        }
    }

    #[test]
    fn packets_have_room_to_the_last_byte_and_an_empty_lane_takes_any() {
        let (mut lane, script) = lane(&[]);
        let half = CAPACITY / 2 - OVERHEAD;
        assert_eq!(put(&mut lane, &vec![1; half]), Some(Passage::Gone));
        assert_eq!(put(&mut lane, &vec![2; half + 1]), None);
        assert!(!lane.has_room());
        assert_eq!(put(&mut lane, &vec![3; half]), Some(Passage::Gone));
        assert_eq!(put(&mut lane, b""), None);
        assert_eq!((lane.has_room(), script.counts()), (false, (0, 2)));
        assert_eq!(lane.take(&mut [], &mut []), Some(half));
        assert!(lane.has_room());
        assert_eq!(lane.take(&mut [], &mut []), Some(half));
        assert_eq!(put(&mut lane, &vec![4; 2 * CAPACITY]), Some(Passage::Gone));
        assert_eq!(put(&mut lane, b""), None);
        lane.clear();
        assert_eq!((lane.used, lane.is_empty(), lane.has_room()), (0, true, true));
    }

    #[test]
    fn packets_without_a_byte_are_bounded_too() {
        let (mut lane, _) = lane(&[]);
        let sent = core::iter::from_fn(|| put(&mut lane, b"")).count();
        assert_eq!(sent, CAPACITY / OVERHEAD);
    }
}
