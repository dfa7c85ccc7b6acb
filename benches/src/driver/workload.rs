//! What is asked and answered, the same for all contenders.
//!
//! Owns: sizes, depth and pace of each workload, and the bytes. A request begins with its number, which the answer
//! repeats; the rest are two patterns. Lengths and numbers are checked at every call, all bytes at the first few, on both
//! sides: a contender that loses or mixes up bytes ends the run.

use std::io;
use std::time::Duration;

/// How many calls are checked byte by byte: few enough to be over before the timed ones begin.
const READ_THROUGH: u64 = 16;
const NUMBER: usize = size_of::<u64>();
const SMALL: usize = 32;
const MIB: usize = 1 << 20;
/// Of [`Snapshot::sample`](crate::data::Snapshot::sample) with 1,000 cgroups, in Netdata's layout.
const SNAPSHOT: usize = 145_276;
const SLICE: Duration = Duration::from_millis(300);

/// One kind of load.
#[derive(Debug)]
pub struct Workload {
    /// The table's title, and what the child is told to answer.
    pub name: &'static str,
    /// Payload bytes of a request, 8 at least.
    pub request_len: usize,
    /// Payload bytes of an answer, 8 at least.
    pub response_len: usize,
    /// Calls that wait for their answers at the same time.
    pub in_flight: usize,
    /// From the start of a call to the start of the next; `None`: as soon as the last is answered.
    pub pace: Option<Duration>,
    /// How long one contender runs before the next has its turn.
    pub slice: Duration,
}

const ROUND_TRIP: Workload = Workload {
    name: "64-byte round trip",
    request_len: SMALL,
    response_len: SMALL,
    in_flight: 1,
    pace: None,
    slice: SLICE,
};

/// All of them, in the order of the tables. "64 bytes" are 32 of header and 32 of payload. Netdata asks for a snapshot
/// with 4 bytes; here it takes 8, the least that a request's number fits into.
pub const WORKLOADS: [Workload; 7] = [
    Workload { name: "u64 round trip", request_len: NUMBER, response_len: NUMBER, ..ROUND_TRIP },
    ROUND_TRIP,
    Workload { name: "64 bytes, 16 in flight", in_flight: 16, ..ROUND_TRIP },
    Workload { name: "snapshot of 1,000 cgroups", request_len: NUMBER, response_len: SNAPSHOT, ..ROUND_TRIP },
    Workload { name: "1 MiB answers", response_len: MIB, ..ROUND_TRIP },
    Workload { name: "1 MiB requests", request_len: MIB, ..ROUND_TRIP },
    Workload {
        name: "64-byte round trip, 1,000 calls a second",
        pace: Some(Duration::from_millis(1)),
        slice: Duration::from_secs(2),
        ..ROUND_TRIP
    },
];

/// The client's side: requests in turn, and what their answers must be.
#[derive(Debug)]
pub struct Requests {
    request: Vec<u8>,
    answer: Vec<u8>,
    sent: u64,
    answered: u64,
}

/// The server's side: what it must be asked, and the answers.
#[derive(Debug)]
pub struct Answers {
    request: Vec<u8>,
    answer: Vec<u8>,
    given: u64,
}

impl Requests {
    /// Request and answer of `workload`, the first numbered 0.
    pub fn new(workload: &Workload) -> Self {
        let (request, answer) = (asked(workload.request_len), told(workload.response_len));
        Self { request, answer, sent: 0, answered: 0 }
    }

    /// The payload of the next request.
    #[inline]
    pub fn next_request(&mut self) -> &[u8] {
        self.request[..NUMBER].copy_from_slice(&self.sent.to_ne_bytes());
        self.sent += 1;
        &self.request
    }

    /// Takes the payload of the next answer.
    ///
    /// # Errors
    /// It is not the answer to the oldest request that waits for one.
    #[inline]
    pub fn check(&mut self, answer: &[u8]) -> io::Result<()> {
        self.answer[..NUMBER].copy_from_slice(&self.answered.to_ne_bytes());
        same("answer", answer, &self.answer, self.answered)?;
        self.answered += 1;
        Ok(())
    }
}

impl Answers {
    /// The answers of `workload`.
    pub fn new(workload: &Workload) -> Self {
        Self { request: asked(workload.request_len), answer: told(workload.response_len), given: 0 }
    }

    /// The payload to answer `request` with.
    ///
    /// # Errors
    /// It is not the next request that [`Requests`] sends.
    #[inline]
    pub fn to(&mut self, request: &[u8]) -> io::Result<&[u8]> {
        let number = self.given.to_ne_bytes();
        self.request[..NUMBER].copy_from_slice(&number);
        same("request", request, &self.request, self.given)?;
        self.answer[..NUMBER].copy_from_slice(&number);
        self.given += 1;
        Ok(&self.answer)
    }
}

#[inline]
fn same(what: &str, found: &[u8], expected: &[u8], number: u64) -> io::Result<()> {
    let compared = if number < READ_THROUGH { expected.len() } else { NUMBER };
    if found.len() == expected.len() && found[..compared] == expected[..compared] {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "{what} {number}: {} bytes that begin with {:?} came instead of {} bytes that begin with {:?}, or differ later",
        found.len(),
        &found[..found.len().min(NUMBER)],
        expected.len(),
        &expected[..NUMBER],
    )))
}

// The period of 251 divides no packet's length, so packets that change places do not go unseen.
fn asked(len: usize) -> Vec<u8> {
    (0..251).cycle().take(len).collect()
}

fn told(len: usize) -> Vec<u8> {
    (0..251).rev().cycle().take(len).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Snapshot;
    use crate::netdata::encoded;

    #[test]
    fn a_snapshot_is_as_long_as_the_one_that_codecs_are_measured_with() {
        assert_eq!(encoded(&Snapshot::sample(1_000)).len(), SNAPSHOT);
    }

    #[test]
    fn answers_repeat_the_number_of_their_request() {
        let (mut requests, mut answers) = (Requests::new(&ROUND_TRIP), Answers::new(&ROUND_TRIP));
        for number in 0..2 * READ_THROUGH {
            let request = requests.next_request().to_vec();
            assert_eq!(request[..NUMBER], number.to_ne_bytes());
            requests.check(answers.to(&request).unwrap()).unwrap();
        }
    }

    #[test]
    fn an_answer_to_another_request_is_refused() {
        let (mut requests, mut answers) = (Requests::new(&ROUND_TRIP), Answers::new(&ROUND_TRIP));
        let first = requests.next_request().to_vec();
        let answer = answers.to(&first).unwrap().to_vec();
        requests.check(&answer).unwrap();
        assert!(requests.check(&answer).is_err());
        assert!(answers.to(&first).is_err());
    }

    #[test]
    fn a_changed_byte_and_a_wrong_length_are_refused_at_first() {
        let mut requests = Requests::new(&ROUND_TRIP);
        let mut answer = told(SMALL);
        answer[..NUMBER].copy_from_slice(&0_u64.to_ne_bytes());
        assert!(requests.check(&answer[..SMALL - 1]).is_err());
        answer[SMALL - 1] ^= 1;
        assert!(requests.check(&answer).is_err());
        answer[SMALL - 1] ^= 1;
        requests.check(&answer).unwrap();
    }
}
