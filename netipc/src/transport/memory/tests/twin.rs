//! Random operations on a connection and on two plain queues.

use std::collections::VecDeque;

use super::{PACKET, READABLE, is_readable, linked, now, numbered, receive, send, try_receive, try_send, watched};
use crate::transport::LinkError;
use crate::transport::memory::Script;
use crate::transport::memory::lane::{CAPACITY, OVERHEAD};

/// One end's view of a connection, written down again without lock, bell or fault.
#[derive(Default)]
struct Model {
    queue: VecDeque<Vec<u8>>,
    used: usize,
    /// A packet was refused, and there was no attempt since.
    refused: Option<usize>,
}

impl Model {
    fn has_room(&self, len: usize) -> bool {
        self.queue.is_empty() || self.used + len + OVERHEAD <= CAPACITY
    }
}

#[test]
fn random_sends_and_receives_do_what_a_plain_queue_does() {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed >> 33).unwrap() % below
    };
    let (mut full, mut empty) = (0, 0);
    for _ in 0..50 {
        let (client, server) = linked(&Script::new());
        let queues = [watched(&client), watched(&server)];
        let mut links = [client, server];
        // By the end that they lead to.
        let mut models = [Model::default(), Model::default()];
        let lean = random(5) + 3;
        for step in 0..400 {
            let (at, other) = if random(2) == 0 { (0, 1) } else { (1, 0) };
            if random(10) < lean {
                let longest = if random(2) == 0 { 64 } else { PACKET as usize };
                let packet = vec![numbered(step); random(longest) + 1];
                let fits = models[other].has_room(packet.len());
                full += usize::from(!fits);
                if random(2) == 0 {
                    assert_eq!(try_send(&mut links[at], &packet), Ok(fits));
                    models[other].refused = (!fits).then_some(packet.len());
                } else {
                    let expected = if fits { Ok(()) } else { Err(LinkError::TimedOut) };
                    assert_eq!(send(&mut links[at], &packet, now()), expected);
                    models[other].refused = None;
                }
                if fits {
                    models[other].used += packet.len() + OVERHEAD;
                    models[other].queue.push_back(packet);
                }
            } else {
                let expected = models[at].queue.pop_front();
                empty += usize::from(expected.is_none());
                models[at].used -= expected.as_ref().map_or(0, |packet| packet.len() + OVERHEAD);
                let received = if random(2) == 0 {
                    try_receive(&mut links[at])
                } else {
                    match receive(&mut links[at], now()) {
                        Err(LinkError::TimedOut) => Ok(None),
                        other => other.map(Some),
                    }
                };
                assert_eq!(received, Ok(expected));
            }
            for (at, other) in [(0, 1), (1, 0)] {
                let has_packet = !models[at].queue.is_empty();
                let has_refused_room = models[other].refused.is_some_and(|len| models[other].has_room(len));
                assert_eq!(is_readable(&queues[at]), has_packet || has_refused_room);
                let expected = if has_packet { Ok(READABLE) } else { Err(LinkError::TimedOut) };
                assert_eq!(links[at].wire.wait(READABLE, now()), expected);
            }
        }
    }
    assert!(full > 100 && empty > 100, "{full} full, {empty} empty");
}
