//! Decodes payloads of the declared services and prints them: `decode`, `decode MESSAGE HEX`, `decode MESSAGE FILE`,
//! `decode MESSAGE -` (standard input).
//!
//! Without arguments it decodes three payloads as deployed encoders write them, and shows the layout that
//! each was declared by.
#![forbid(unsafe_code)]

use std::io::{self, IsTerminal, Read, Write};
use std::process::ExitCode;

use netipc::WireMessage;
use netipc_examples::{
    AppsLookupRequest, AppsLookupResponse, CgroupsLookupRequest, CgroupsLookupResponse, Increment, Snapshot,
    SnapshotRequest, StringReverse,
};

/// A message that can be decoded by name.
struct Known {
    name: &'static str,
    print: fn(&[u8], &mut dyn Write) -> io::Result<bool>,
}

const fn known<M: WireMessage>(name: &'static str) -> Known {
    Known { name, print: print::<M> }
}

const KNOWN: [Known; 8] = [
    known::<Increment>("increment"),
    known::<SnapshotRequest>("snapshot-request"),
    known::<Snapshot>("snapshot"),
    known::<StringReverse>("string-reverse"),
    known::<CgroupsLookupRequest>("cgroups-lookup-request"),
    known::<CgroupsLookupResponse>("cgroups-lookup"),
    known::<AppsLookupRequest>("apps-lookup-request"),
    known::<AppsLookupResponse>("apps-lookup"),
];

/// Payloads as Netdata's own encoders write it: what they are, and their bytes.
const SHOWN: [(&str, &str); 3] =
    [("snapshot", SNAPSHOT), ("cgroups-lookup", CGROUPS_LOOKUP), ("apps-lookup", APPS_LOOKUP)];

const SNAPSHOT: &str = "010000000300000001000000000000002a00000000000000000000004b0000005000000022000000780000002e000000\
     01000000e90300000000000001000000200000000d0000002e0000001c000000646f636b65722d616263313233002f73\
     79732f66732f6367726f75702f646f636b65722f61626331323300000000000001000000d20700000200000000000000\
     20000000000000002100000000000000000000000000000001000000ffffffffffffffffffffffff200000000c000000\
     2d0000000000000073797374656d642d757365720000";

const CGROUPS_LOOKUP: &str = "01000000010000006500000000000000000000007200000001000000030000001c000000150000003200000005000000\
     020000002f6b756265706f64732e736c6963652f706f642d6100706f642d610058000000090000006200000007000000\
     6a000000030000006e000000030000006e616d6573706163650064656661756c7400706f640077656200";

const APPS_LOOKUP: &str = "0100000001000000c90000000000000000000000a70000000100000002000000d204000001000000e803000000000000\
     40e20100000000003c0000000f0000004c0000000b000000580000000b00000002000000313233343536373839303132\
     333435002f646f636b65722f61626300636f6e7461696e65722d61000000000088000000050000008e0000000c000000\
     9b00000007000000a300000003000000696d616765006e67696e783a6c617465737400736572766963650077656200";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.as_slice() {
        [] => demonstrate(),
        [message, source] => one(message, source),
        _ => Err(Problem::Usage),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // Whoever read our output has seen enough.
        Err(Problem::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("decode: {problem}");
            ExitCode::from(2)
        }
    }
}

/// Why nothing was decoded.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("usage: decode [MESSAGE HEX|FILE|-], MESSAGE one of {}", names())]
    Usage,
    #[error("no message `{0}`; there are {names}", names = names())]
    Message(String),
    #[error("`{0}` is neither hexadecimal digits nor a file that can be read: {1}")]
    Source(String, io::Error),
    #[error(transparent)]
    Io(#[from] io::Error),
}

fn names() -> String {
    KNOWN.map(|known| known.name).join(", ")
}

fn find(message: &str) -> Result<&'static Known, Problem> {
    static MESSAGES: [Known; 8] = KNOWN;
    MESSAGES.iter().find(|known| known.name == message).ok_or_else(|| Problem::Message(message.into()))
}

fn demonstrate() -> Result<bool, Problem> {
    let mut out = io::stdout().lock();
    for (message, hex) in SHOWN {
        let payload = from_hex(hex).unwrap_or_default();
        writeln!(out, "{} bytes of `{message}`, as Netdata's own encoders write it:\n", payload.len())?;
        if !(find(message)?.print)(&payload, &mut out)? {
            return Ok(false);
        }
        writeln!(out)?;
    }
    if io::stdout().is_terminal() {
        writeln!(out, "Decode your own: decode MESSAGE HEX|FILE|-, MESSAGE one of {}", names())?;
    }
    Ok(true)
}

fn one(message: &str, source: &str) -> Result<bool, Problem> {
    let known = find(message)?;
    let payload = if source == "-" {
        let mut payload = Vec::new();
        io::stdin().lock().read_to_end(&mut payload)?;
        // Digits from a pipe are as welcome as the bytes themselves.
        std::str::from_utf8(&payload).ok().and_then(from_hex).unwrap_or(payload)
    } else if let Some(payload) = from_hex(source) {
        payload
    } else {
        std::fs::read(source).map_err(|error| Problem::Source(source.into(), error))?
    };
    Ok((known.print)(&payload, &mut io::stdout().lock())?)
}

/// Prints the message, or what is wrong with it; tells whether it was well formed.
fn print<M: WireMessage>(payload: &[u8], out: &mut dyn Write) -> io::Result<bool> {
    match M::decode(payload) {
        Ok(view) => {
            writeln!(out, "{}\n{view:#?}", M::LAYOUT)?;
            Ok(true)
        }
        Err(error) => {
            writeln!(out, "{}\nrefused: {error}", M::LAYOUT)?;
            Ok(false)
        }
    }
}

/// The bytes that hexadecimal digits stand for, white space between them left out; `None` for anything else.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|letter| !letter.is_whitespace())
        .map(|letter| letter.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let (pairs, []) = digits.split_at(digits.len() / 2 * 2) else { return None };
    Some(pairs.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}
