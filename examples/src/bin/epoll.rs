//! Level 1 in an event loop: one thread serves any number of sessions, and never waits for one of them.
//!
//! `cargo run -p netipc-examples --bin epoll` starts the server below and three clients, and prints what they say. The
//! service gives text back in capitals.

use std::collections::{HashMap, VecDeque};
use std::error::Error;
use std::os::fd::AsFd;
use std::time::Duration;

use netipc::endpoint::Endpoint;
use netipc::session::{Bytes, ClientConfig, Deadline, Listener, ServerConfig, ServerSession, Ticket};
use netipc::wire::Method;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

const SHOUT: Method = Method::new(1);
const LISTENER: u64 = 0;

/// A session, and the answers that found no room yet.
struct Client {
    session: ServerSession,
    answers: VecDeque<(Ticket, Bytes)>,
}

impl Client {
    /// Does all that can be done without waiting. What to wait for next; `None` when the client has gone.
    fn serve(&mut self) -> Result<Option<EventFlags>, netipc::session::Error> {
        loop {
            // First what has to go out. As long as something has, nothing more is taken in: a client that does not
            // read its answers fills its own socket, and not this process.
            if !self.session.try_flush()? {
                return Ok(Some(EventFlags::OUT));
            }
            if let Some((ticket, answer)) = self.answers.pop_front() {
                if !self.session.try_respond(ticket, answer.clone())? {
                    self.answers.push_front((ticket, answer));
                    return Ok(Some(EventFlags::OUT));
                }
                continue;
            }
            match self.session.try_receive() {
                Ok(Some(request)) => {
                    self.answers.push_back((request.ticket(), request.payload().to_ascii_uppercase().into()));
                }
                Ok(None) => return Ok(Some(EventFlags::IN)),
                Err(netipc::session::Error::Closed { .. }) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Serves until the listener is aborted.
fn serve(mut listener: Listener) -> Result<(), Box<dyn Error + Send + Sync>> {
    let queue = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&queue, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    let mut clients: HashMap<u64, Client> = HashMap::new();
    let mut events = Vec::with_capacity(64);
    loop {
        events.clear();
        match epoll::wait(&queue, spare_capacity(&mut events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in events.drain(..) {
            let id = event.data.u64();
            if id == LISTENER {
                loop {
                    match listener.try_accept() {
                        Ok(Some(session)) => {
                            let id = session.terms().session_id;
                            epoll::add(&queue, &session, EventData::new_u64(id), EventFlags::IN)?;
                            clients.insert(id, Client { session, answers: VecDeque::new() });
                        }
                        Ok(None) => break,
                        Err(netipc::session::Error::Aborted) => return Ok(()),
                        Err(error) => return Err(error.into()),
                    }
                }
            } else if let Some(client) = clients.get_mut(&id) {
                match client.serve() {
                    Ok(Some(wanted)) => {
                        epoll::modify(&queue, client.session.as_fd(), EventData::new_u64(id), wanted)?;
                    }
                    Ok(None) => drop(clients.remove(&id)),
                    // A client that breaks the rules loses its session; nobody else notices.
                    Err(error) => {
                        eprintln!("session {id}: {error}");
                        clients.remove(&id);
                    }
                }
            }
        }
    }
}

/// Sends a few requests at once, and takes the answers as they come.
fn call(endpoint: &Endpoint, name: &str) -> Result<Vec<String>, netipc::session::Error> {
    let deadline = Deadline::after(Duration::from_secs(5));
    let mut session = ClientConfig::new().connect(endpoint, deadline)?;
    let mut asked = HashMap::new();
    for word in ["hello", "from", name] {
        asked.insert(session.send(SHOUT, word.as_bytes(), deadline)?, word.to_owned());
    }
    let mut heard = Vec::new();
    while !asked.is_empty() {
        let answer = session.receive(deadline)?;
        if let Some(word) = asked.remove(&answer.ticket()) {
            heard.push(format!("{word} -> {}", String::from_utf8_lossy(answer.payload())));
        }
    }
    Ok(heard)
}

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let run_dir = std::env::temp_dir().join(format!("netipc-epoll-{}", std::process::id()));
    std::fs::create_dir_all(&run_dir)?;
    let endpoint = Endpoint::new(&run_dir, "shout")?;
    let listener = ServerConfig::new().listen(&endpoint)?;
    println!("serving at {endpoint}");

    let abort = listener.abort_handle();
    let server = std::thread::spawn(move || serve(listener));
    let clients: Vec<_> = ["Anna", "Boris", "Chloe"]
        .map(|name| {
            let endpoint = endpoint.clone();
            std::thread::spawn(move || (name, call(&endpoint, name)))
        })
        .into_iter()
        .collect();
    for client in clients {
        let (name, heard) = client.join().map_err(|_| "a client panicked")?;
        println!("{name}: {}", heard?.join(", "));
    }
    abort.abort();
    server.join().map_err(|_| "the server panicked")??;
    std::fs::remove_dir(&run_dir)?;
    Ok(())
}
