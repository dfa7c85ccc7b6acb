//! What may be said on the command line.
//!
//! Owns: commands, options, their help and examples, and what a word means as a token or a time. It refuses to do any of it.

use core::time::Duration;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use netipc::wire::{AuthToken, Profiles};

use crate::decode::Form;

const CODES: &str = "\
Exit codes:
  0  done
  1  the server failed, broke a rule or hung up; input means nothing; the machine lacks something
  2  the arguments mean nothing
  3  nobody serves there
  4  not let in: the token is wrong, or the file system says no
  5  nothing in common: version, profile, packet size, or no such method
  6  no answer in time";

const EXAMPLES: &str = "\
Examples:
  mkdir /tmp/host                         sockets get a directory, which has to be there
  netipc serve /tmp/host &                serve this machine's cgroups and processes
  netipc list /tmp/host                   who serves there, and whether they are alive
  netipc call apps /tmp/host $$           what is known of a process";

/// Looks at, asks, measures and decodes what netipc services say: services that talk Netdata's plugin IPC.
#[derive(Debug, Parser)]
#[command(name = "netipc", version, propagate_version = true)]
#[command(after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{CODES}"))]
pub(crate) struct Args {
    /// Whether to print in colour: `auto` does on terminals, unless `NO_COLOR` is set.
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    pub(crate) color: Colour,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Colour {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists the services of a directory: live or stale, and who serves.
    ///
    /// Connects to each socket and hangs up. A socket that nobody listens on is stale: the server died. Regions are files
    /// of shared memory, one a session.
    #[command(
        after_help = "Examples:\n  netipc list /run/netdata\n  netipc list /run/netdata --json | jq '.[] | select(.state != \"live\")'"
    )]
    List(List),
    /// Connects to a service and shakes hands.
    ///
    /// Tells how long that took and what was agreed on. The protocol has no message for this: each time is a session.
    #[command(
        after_help = "Examples:\n  netipc ping /run/netdata cgroups-lookup\n  NETIPC_TOKEN=0x1234 netipc ping /run/netdata cgroups-lookup --count 5"
    )]
    Ping(Ping),
    /// Calls a method of a service that Netdata has.
    #[command(subcommand)]
    Call(Call),
    /// Measures calls between two processes on this machine.
    ///
    /// This program is the client, and starts itself as the server. Rows come with the bare loops over the same transport,
    /// which show what is possible. Percentiles are of round trips; CPU is that of both processes per call; with batches,
    /// rate and CPU are of an item.
    #[command(
        after_help = "Examples:\n  netipc bench\n  netipc bench --only \"u64 call, 1 client\" --only \"two CPUs\"\n  netipc bench --rounds 1 --json"
    )]
    Bench(Bench),
    /// Decodes messages: hexadecimal digits, or a file.
    ///
    /// A packet says itself what it is: a header with a handshake, a request, a response or a batch of these, or what
    /// follows of a long one. A bare payload needs `--as`. Digits may have white space between them.
    #[command(
        after_help = "Examples:\n  netipc decode packet.bin\n  netipc decode --as increment 2a00000000000000\n  tail -c +33 packet.bin | netipc decode --as snapshot -"
    )]
    Decode(Decode),
    /// Serves this machine's cgroups and processes, until a signal or Ctrl-C.
    ///
    /// `cgroups-snapshot`, `cgroups-lookup` and `apps-lookup`, in Netdata's layouts, over sockets and shared memory. Answers
    /// what it has received before it ends, and removes its sockets. Needs neither root nor cgroups.
    #[command(
        after_help = "Examples:\n  netipc serve /tmp/host\n  netipc serve /tmp/host --echo\n  NETIPC_TOKEN=0x1234 netipc serve /tmp/host"
    )]
    Serve(Serve),
    /// Prints completions for a shell.
    #[command(
        after_help = "Examples:\n  netipc completions bash > ~/.local/share/bash-completion/completions/netipc\n  netipc completions zsh > ~/.zfunc/_netipc"
    )]
    Completions {
        /// The shell.
        shell: Shell,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// The directory that the sockets are in.
    pub(crate) dir: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// How to connect.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Connection {
    /// The token that the server wants: a number, decimal or with 0x.
    #[arg(long, env = "NETIPC_TOKEN", hide_env_values = true, default_value = "0", hide_default_value = true)]
    #[arg(value_parser = Secret)]
    pub(crate) token: AuthToken,
    /// How long all of it may take, in seconds; of `ping`, each time.
    #[arg(long, default_value = "5", value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Duration,
    /// What messages travel over.
    #[arg(long, value_enum, default_value_t = Transport::Auto)]
    pub(crate) transport: Transport,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    /// Shared memory if the server has it, or its socket
    Auto,
    /// The socket alone
    Socket,
    /// Shared memory, or not at all
    Shm,
}

impl Transport {
    pub(crate) fn profiles(self) -> Profiles {
        match self {
            Self::Auto => Profiles::BASELINE | Profiles::SHM_HYBRID,
            Self::Socket => Profiles::BASELINE,
            Self::Shm => Profiles::SHM_HYBRID,
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Ping {
    /// The directory that the socket is in.
    pub(crate) dir: PathBuf,
    /// The service.
    pub(crate) service: String,
    /// How many times.
    #[arg(long, short = 'n', default_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) count: u32,
    /// How long to wait in between, in seconds.
    #[arg(long, default_value = "1", value_name = "SECONDS", value_parser = seconds)]
    pub(crate) interval: Duration,
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Call {
    /// Method 1: a number there, the next one back. Several numbers are one batch.
    #[command(
        after_help = "Examples:\n  netipc call increment /tmp/host 41\n  netipc call increment /tmp/host 1 2 3 --service my-own"
    )]
    Increment {
        #[command(flatten)]
        to: Named,
        /// The numbers.
        #[arg(required = true, value_name = "NUMBER")]
        numbers: Vec<u64>,
    },
    /// Method 3: a text there, its bytes in reverse order back.
    #[command(after_help = "Examples:\n  netipc call reverse /tmp/host stressed")]
    Reverse {
        #[command(flatten)]
        to: Named,
        /// The text.
        text: OsString,
    },
    /// Method 2 of `cgroups-snapshot`: all cgroups of the host.
    #[command(
        after_help = "Examples:\n  netipc call snapshot /run/netdata\n  netipc call snapshot /run/netdata --json | jq '.items[].name'"
    )]
    Snapshot(Whom),
    /// Method 4 of `cgroups-lookup`: what is known of cgroups, by path.
    #[command(
        after_help = "Examples:\n  netipc call cgroups /run/netdata /system.slice/cron.service\n  netipc call cgroups /run/netdata --all\n  cut -d: -f3- /proc/self/cgroup | netipc call cgroups /run/netdata -"
    )]
    Cgroups {
        #[command(flatten)]
        whom: Whom,
        /// Paths below where cgroups are mounted; `-` reads them from standard input, one a line.
        #[arg(required_unless_present = "all", value_name = "PATH")]
        paths: Vec<OsString>,
        /// All that there are on this machine.
        #[arg(long, conflicts_with = "paths")]
        all: bool,
    },
    /// Method 5 of `apps-lookup`: what is known of processes, by pid.
    #[command(
        after_help = "Examples:\n  netipc call apps /run/netdata $$\n  netipc call apps /run/netdata --all --json\n  pgrep nginx | netipc call apps /run/netdata -"
    )]
    Apps {
        #[command(flatten)]
        whom: Whom,
        /// Numbers of processes; `-` reads them from standard input, one a line.
        #[arg(required_unless_present = "all", value_name = "PID")]
        pids: Vec<OsString>,
        /// All that there are on this machine.
        #[arg(long, conflicts_with = "pids")]
        all: bool,
    },
}

/// Whom to call where any service may have the method.
#[derive(Debug, clap::Args)]
pub(crate) struct Named {
    #[command(flatten)]
    pub(crate) whom: Whom,
    /// The service, where it is not called `increment` or `string-reverse` as the method is.
    #[arg(long)]
    pub(crate) service: Option<String>,
}

/// Whom to call.
#[derive(Debug, clap::Args)]
pub(crate) struct Whom {
    /// The directory that the socket is in.
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Print JSON. Bytes that are no UTF-8 become U+FFFD.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Bench {
    /// How many turns each contender has; cells are medians over them.
    #[arg(long, default_value = "3", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,
    /// How long one turn is, in seconds.
    #[arg(long, default_value = "0.3", value_parser = seconds)]
    pub(crate) seconds: Duration,
    /// Only rows in whose load, placement or contender these words are found; more than once: all of them.
    #[arg(long, value_name = "WORDS")]
    pub(crate) only: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Decode {
    /// What the payload is; a packet of the five methods of Netdata says so itself.
    #[arg(long = "as", value_enum, value_name = "MESSAGE")]
    pub(crate) form: Option<Form>,
    /// Print where each field stands, too.
    #[arg(long)]
    pub(crate) layout: bool,
    /// Print JSON.
    #[arg(long, conflicts_with = "layout")]
    pub(crate) json: bool,
    /// Hexadecimal digits, a file (one that looks like digits as ./FILE), or `-` for standard input.
    pub(crate) source: OsString,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Serve {
    /// The directory for the sockets, which has to be there.
    pub(crate) dir: PathBuf,
    /// The token that clients must have: a number, decimal or with 0x.
    #[arg(long, env = "NETIPC_TOKEN", hide_env_values = true, default_value = "0", hide_default_value = true)]
    #[arg(value_parser = Secret)]
    pub(crate) token: AuthToken,
    /// Serve `increment` and `string-reverse` as well, for a first call.
    #[arg(long)]
    pub(crate) echo: bool,
    /// End when standard input does, too.
    #[arg(long)]
    pub(crate) until_input_ends: bool,
}

/// Reads tokens, and repeats none in an error.
#[derive(Debug, Clone)]
struct Secret;

impl TypedValueParser for Secret {
    type Value = AuthToken;

    fn parse_ref(&self, command: &clap::Command, _: Option<&Arg>, word: &OsStr) -> Result<AuthToken, clap::Error> {
        word.to_str().and_then(token).ok_or_else(|| {
            let why = "the token is not a number of 64 bits, decimal or with 0x\n";
            clap::Error::raw(ErrorKind::ValueValidation, why).with_cmd(command)
        })
    }
}

fn token(word: &str) -> Option<AuthToken> {
    let hexadecimal = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"));
    let (digits, radix) = hexadecimal.map_or((word, 10), |digits| (digits, 16));
    // Whoever wrote a sign meant something else.
    let is_plain = digits.chars().all(|digit| digit.is_digit(radix));
    u64::from_str_radix(digits, radix).ok().filter(|_| is_plain).map(AuthToken::new)
}

fn seconds(word: &str) -> Result<Duration, String> {
    let seconds: f64 = word.parse().map_err(|_| "not a number of seconds")?;
    // A year, so that no sum of times overflows.
    let is_some = (1e-6..=31_536_000.0).contains(&seconds);
    is_some.then(|| Duration::from_secs_f64(seconds)).ok_or_else(|| "not from a microsecond to a year".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_command_has_examples() {
        let mut command = Args::command();
        command.build();
        let mut commands = vec![&command];
        while let Some(command) = commands.pop() {
            commands.extend(command.get_subcommands().filter(|command| command.get_name() != "help"));
            if !command.has_subcommands() {
                let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(examples.starts_with("Examples:\n  "), "{}", command.get_name());
            }
        }
    }

    #[test]
    fn tokens_are_decimal_or_hexadecimal() {
        let revealed = |word| token(word).map(AuthToken::reveal);
        assert_eq!([revealed("0"), revealed("18446744073709551615")], [Some(0), Some(u64::MAX)]);
        assert_eq!([revealed("0xFFffFFffFFffFFff"), revealed("0X10")], [Some(u64::MAX), Some(16)]);
        for bad in ["", "-1", "+1", "0x+5", "0x", "12three", "18446744073709551616", "0x1ffffffffffffffff"] {
            assert_eq!(revealed(bad), None, "{bad}");
        }
    }

    #[test]
    fn times_are_seconds_that_can_be_waited_for() {
        assert_eq!(seconds("0.25"), Ok(Duration::from_millis(250)));
        assert_eq!(seconds("31536000"), Ok(Duration::from_secs(31_536_000)));
        for bad in ["", "0", "-1", "1s", "nan", "inf", "1e300", "31536001"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
