//! `netipc ping`: whether a service lets somebody in, how fast, and on what terms.

use core::time::Duration;
use std::io::Write;
use std::time::Instant;

use netipc::endpoint::Endpoint;
use netipc::session::{ClientConfig, ClientSession, Deadline};
use netipc::wire::Profiles;
use rustix::event::{Timespec, poll};
use rustix::io::Errno;
use serde_json::{Value, json};

use crate::args::{Connection, Ping};
use crate::failure::{Code, Failure};

/// Connects as `connection` says.
pub(crate) fn config(connection: &Connection) -> ClientConfig {
    ClientConfig::new().auth_token(connection.token).profiles(connection.transport.profiles())
}

/// What a profile is called.
pub(crate) fn profile(profile: Profiles) -> String {
    match profile {
        Profiles::BASELINE => "socket".to_owned(),
        Profiles::SHM_HYBRID => "shared memory".to_owned(),
        other => format!("profile {:#x}", other.bits()),
    }
}

pub(crate) fn ping(args: &Ping, out: &mut impl Write) -> Result<(), Failure> {
    let endpoint = Endpoint::new(&args.dir, &args.service)?;
    let mut times = Vec::new();
    let mut replies = Vec::new();
    for number in 0..args.count {
        if number > 0 {
            wait(args.interval)?;
        }
        let start = Instant::now();
        let deadline = Deadline::after(args.connection.timeout);
        let session = config(&args.connection).connect(&endpoint, deadline);
        let took = start.elapsed();
        let session = session.map_err(|error| Failure::from(error).at_path(endpoint.socket_path()))?;
        times.push(took);
        if args.json {
            replies.push(reply(&session, took));
        } else {
            line(out, &session, took)?;
            // Whoever waits for the next one wants to see this one.
            out.flush()?;
        }
    }
    if args.json {
        return crate::json(out, &Value::Array(replies));
    }
    times.sort_unstable();
    if let ([least, .., most], Some(median)) = (&*times, times.get(times.len() / 2)) {
        let [least, median, most] = [*least, *median, *most].map(micros);
        writeln!(out, "{} times: {least:.0} us at least, {median:.0} us at median, {most:.0} us at most", times.len())?;
    }
    Ok(())
}

fn wait(time: Duration) -> Result<(), Failure> {
    let until = Instant::now() + time;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let time = Timespec::try_from(left).map_err(|error| Failure::new(Code::Failed, error))?;
        match poll(&mut [], Some(&time)) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(std::io::Error::from(error).into()),
        }
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn line(out: &mut impl Write, session: &ClientSession, took: Duration) -> Result<(), Failure> {
    let (terms, status) = (session.terms(), session.status());
    let pid = session.peer().pid.map_or_else(|| "an unknown process".to_owned(), |pid| format!("pid {pid}"));
    write!(out, "{pid}, session {}: {:.0} us, {}", terms.session_id, micros(took), profile(status.profile))?;
    writeln!(
        out,
        ", requests to {} bytes and {} items, answers to {} and {}, packets to {}",
        terms.request_payload, terms.request_items, terms.response_payload, terms.response_items, terms.packet_size
    )?;
    Ok(())
}

fn reply(session: &ClientSession, took: Duration) -> Value {
    let (terms, status, peer) = (session.terms(), session.status(), session.peer());
    json!({
        "microseconds": micros(took),
        "pid": peer.pid,
        "uid": peer.uid,
        "gid": peer.gid,
        "session": terms.session_id,
        "transport": profile(status.profile),
        "request_bytes": terms.request_payload,
        "request_items": terms.request_items,
        "response_bytes": terms.response_payload,
        "response_items": terms.response_items,
        "packet_bytes": terms.packet_size,
    })
}
