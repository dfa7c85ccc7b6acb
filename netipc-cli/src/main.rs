//! `netipc`: looks at, asks, measures and decodes what netipc services say.
//!
//! Each command is a module with one function, which prints to what it is given and returns why it could not. What users
//! read of errors, and what scripts see of them, is decided here and in [`failure`].

mod args;
mod bench;
mod call;
mod decode;
mod echo;
mod failure;
mod list;
mod ping;
mod serve;
mod shown;
mod text;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use anstream::ColorChoice;
use args::{Args, Colour, Command};
use clap::{CommandFactory, Parser};
use failure::{Code, Failure};
use text::BAD;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    // What `bench` starts: this program as the server.
    if let [_, first, rest @ ..] = words.as_slice()
        && first == bench::SERVE_AS
    {
        return told(bench::serve(rest));
    }
    let args = Args::parse_from(words);
    choose(args.color);
    let mut out = anstream::stdout().lock();
    let done = run(args.command, &mut out);
    // What could not be written is known only now.
    told(done.and_then(|()| Ok(out.flush()?)))
}

fn choose(colour: Colour) {
    match colour {
        Colour::Auto => {}
        Colour::Always => ColorChoice::Always.write_global(),
        Colour::Never => ColorChoice::Never.write_global(),
    }
}

fn run(command: Command, out: &mut impl Write) -> Result<(), Failure> {
    match command {
        Command::List(list) => list::list(&list, out),
        Command::Ping(ping) => ping::ping(&ping, out),
        Command::Call(call) => call::call(call, out),
        Command::Bench(bench) => bench::bench(&bench, out),
        Command::Decode(decode) => decode::decode(&decode, out),
        Command::Serve(serve) => serve::serve(&serve, out),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "netipc", &mut script);
            Ok(out.write_all(&script)?)
        }
    }
}

fn told(done: Result<(), Failure>) -> ExitCode {
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_silent() => ExitCode::SUCCESS,
        Err(Failure { code, message }) => {
            // Nobody is left to be told of it if this can't be written.
            let _ = tell(&message.unwrap_or_default());
            ExitCode::from(code as u8)
        }
    }
}

fn tell(message: &str) -> io::Result<()> {
    writeln!(anstream::stderr().lock(), "{BAD}netipc:{BAD:#} {message}")
}

/// JSON, one value, with a newline behind it.
fn json(out: &mut impl Write, value: &serde_json::Value) -> Result<(), Failure> {
    let json = serde_json::to_string_pretty(value).map_err(|error| Failure::from(io::Error::from(error)))?;
    Ok(writeln!(out, "{}", text::printable_json(&json))?)
}

const _: () = assert!(Code::TimedOut as u8 == 6, "the help tells them");
