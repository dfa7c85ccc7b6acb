//! `increment` and `reverse`: of any service, so by a session and not by a client that has one name.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStringExt;

use netipc::endpoint::Endpoint;
use netipc::session::{ClientSession, Deadline, Error, Message, Ticket};
use netipc::wire::{BATCH_ENTRY_LEN, Method, Status};
use netipc_examples::{Increment, StringReverse};
use serde_json::json;

use crate::args::{Named, Whom};
use crate::failure::{Code, Failure, of_status};
use crate::ping::config;
use crate::text::{Cell, printable, table};

/// The methods, and the services that have their names.
const INCREMENT: (Method, &str) = (Method::new(1), "increment");
const REVERSE: (Method, &str) = (Method::new(3), "string-reverse");

/// A number, and its entry in the directory of a batch.
const ITEM: usize = BATCH_ENTRY_LEN + size_of::<u64>();

/// Asks one thing, with room for requests and answers of `bytes` and `items`; `answer` looks at what comes.
fn ask<T>(
    to: &Named,
    (method, service): (Method, &str),
    bytes: usize,
    items: usize,
    send: impl FnOnce(&mut ClientSession, Method, Deadline) -> Result<Ticket, Error>,
    answer: impl FnOnce(&Message<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let Whom { dir, connection, .. } = &to.whom;
    let endpoint = Endpoint::new(dir, to.service.as_deref().unwrap_or(service))?;
    let deadline = Deadline::after(connection.timeout);
    let too_much = |_| Failure::new(Code::Usage, "more than a message can hold");
    let (bytes, items) = (u32::try_from(bytes).map_err(too_much)?, u32::try_from(items).map_err(too_much)?);
    let config = config(connection).max_request_payload(bytes).max_response_payload(bytes).max_request_items(items);
    let asked = || -> Result<T, Failure> {
        let mut session = config.connect(&endpoint, deadline)?;
        send(&mut session, method, deadline)?;
        let message = session.receive(deadline)?;
        match message.status() {
            Status::Ok => answer(&message),
            status => Err(of_status(status)),
        }
    };
    asked().map_err(|failure| failure.at_path(endpoint.socket_path()))
}

pub(crate) fn increment(to: &Named, numbers: &[u64], out: &mut impl Write) -> Result<(), Failure> {
    let payloads: Vec<_> = numbers.iter().map(|number| number.to_ne_bytes()).collect();
    let answers = match &*payloads {
        [one] => ask(
            to,
            INCREMENT,
            one.len(),
            1,
            |session, method, deadline| session.send(method, one, deadline),
            |message| Ok(vec![Increment::decode(message.payload())?.value()]),
        )?,
        all => ask(
            to,
            INCREMENT,
            all.len() * ITEM,
            all.len(),
            |session, method, deadline| session.send_batch(method, all, deadline),
            |message| {
                let batch = message.batch().filter(|batch| batch.len() == all.len());
                let batch = batch.ok_or_else(|| Failure::new(Code::Failed, "the answer is not one of each"))?;
                batch.iter().map(|item| Ok(Increment::decode(item)?.value())).collect()
            },
        )?,
    };
    let pairs = numbers.iter().zip(&answers);
    if to.whom.json {
        let pair = |(number, answer)| json!({ "number": number, "answer": answer });
        return crate::json(out, &pairs.map(pair).collect());
    }
    let rows: Vec<_> = pairs.map(|(number, answer)| vec![Cell::number(number), Cell::number(answer)]).collect();
    Ok(table(out, &["NUMBER", "ANSWER"], &rows)?)
}

pub(crate) fn reverse(to: &Named, text: OsString, out: &mut impl Write) -> Result<(), Failure> {
    let request = StringReverse { text: text.into_vec() };
    let payload = request.to_vec().map_err(|error| Failure::new(Code::Usage, error))?;
    let answer = ask(
        to,
        REVERSE,
        payload.len(),
        1,
        |session, method, deadline| session.send(method, &payload, deadline),
        |message| Ok(StringReverse::decode_owned(message.payload())?),
    )?;
    if to.whom.json {
        let [text, answer] = [&request.text, &answer.text].map(|text| String::from_utf8_lossy(text));
        return crate::json(out, &json!({ "text": text, "answer": answer }));
    }
    Ok(writeln!(out, "{}", printable(&answer.text))?)
}
