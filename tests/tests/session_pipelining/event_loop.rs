//! Both sides as event loops over epoll(7), with no call that waits but the loop's own.

use core::ops::Range;
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};

use bytes::Bytes;
use netipc::endpoint::Endpoint;
use netipc::session::{ClientConfig, Error, Listener, Progress, ServerSession, Ticket};
use rustix::event::epoll::{self, Event, EventData, EventFlags};

use super::{Answers, METHOD, answer, request};

const LISTENER: u64 = u64::MAX;

fn queue() -> OwnedFd {
    epoll::create(epoll::CreateFlags::CLOEXEC).unwrap()
}

fn wait(queue: &OwnedFd) -> Vec<u64> {
    let mut events = [Event { flags: EventFlags::empty(), data: EventData::new_u64(0) }; 32];
    let found = epoll::wait(queue, &mut events[..], None).unwrap();
    events[..found].iter().map(|event| { event.data }.u64()).collect()
}

fn watch(queue: &OwnedFd, source: impl AsFd, number: u64) {
    epoll::add(queue, source, EventData::new_u64(number), EventFlags::IN).unwrap();
}

/// Watches for something to read, to write, or both.
fn watch_for(queue: &OwnedFd, source: impl AsFd, number: u64, read: bool, write: bool) {
    let mut interest = EventFlags::empty();
    interest.set(EventFlags::IN, read);
    interest.set(EventFlags::OUT, write);
    epoll::modify(queue, source, EventData::new_u64(number), interest).unwrap();
}

/// Asks requests of `len` bytes.
pub(super) fn ask(config: &ClientConfig, endpoint: &Endpoint, numbers: Range<usize>, len: usize) -> Answers {
    let queue = queue();
    let mut connecting = config.try_connect(endpoint).unwrap().expect("room in the queue");
    watch(&queue, &connecting, 0);
    let mut client = loop {
        wait(&queue);
        match connecting.try_finish().unwrap() {
            Progress::Done(client) => break client,
            Progress::Waiting(waiting) => connecting = waiting,
        }
    };
    let mut answers = Answers::default();
    let (mut numbers, total) = (numbers.clone().peekable(), numbers.len());
    while answers.answered < total {
        while let Some(number) = numbers.peek() {
            let Some(ticket) = client.try_send(METHOD, Bytes::from(request(*number, len))).unwrap() else { break };
            answers.asked.insert(ticket, *number);
            numbers.next();
        }
        assert_eq!(client.try_flush().unwrap(), !client.wants_write());
        while let Some(response) = client.try_receive().unwrap() {
            answers.take(response.ticket(), response.payload(), len);
        }
        if answers.answered < total {
            watch_for(&queue, &client, 0, true, client.wants_write() || numbers.peek().is_some());
            wait(&queue);
        }
    }
    assert_eq!((client.in_flight(), client.wants_write()), (0, false));
    answers
}

#[derive(Debug)]
struct Served {
    session: Box<ServerSession>,
    /// The answer that finds no room, before which no more requests are received.
    waiting: Option<(Ticket, Bytes)>,
}

impl Served {
    /// Does all that can be done without waiting; false when the client is gone.
    fn advance(&mut self) -> bool {
        loop {
            if let Some((ticket, answer)) = &self.waiting {
                if !self.session.try_respond(*ticket, answer.clone()).unwrap() {
                    return true;
                }
                self.waiting = None;
            }
            match self.session.try_receive() {
                Ok(Some(request)) => {
                    let answer = Bytes::from(answer(request.payload()));
                    self.waiting = Some((request.ticket(), answer));
                }
                Ok(None) => {
                    self.session.try_flush().unwrap();
                    return true;
                }
                Err(Error::Closed { mid_message: false }) => return false,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// Answers every request at once, until as many clients as that have come and gone.
pub(super) fn serve(mut listener: Listener, clients: usize) {
    let queue = queue();
    watch(&queue, &listener, LISTENER);
    let mut served = HashMap::new();
    let (mut come, mut gone) = (0, 0);
    while gone < clients {
        for event in wait(&queue) {
            if event == LISTENER {
                while let Some(session) = listener.try_accept().unwrap() {
                    watch(&queue, &session, come);
                    served.insert(come, Served { session: Box::new(session), waiting: None });
                    come += 1;
                }
                continue;
            }
            let client = served.get_mut(&event).unwrap();
            if client.advance() {
                let write = client.waiting.is_some() || client.session.wants_write();
                watch_for(&queue, &client.session, event, client.waiting.is_none(), write);
            } else {
                served.remove(&event);
                gone += 1;
            }
        }
    }
    assert_eq!(come as usize, clients);
}
