//! What the tests stand on: directories, the program, and servers that serve well or badly.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use netipc::endpoint::Endpoint;
use netipc::session::{Abort, Deadline, ServerConfig, ServerSession};
use netipc::wire::Profiles;
use serde_json::Value;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_netipc");

/// A directory of its own for one test.
pub(crate) struct Dir(PathBuf);

impl Dir {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Relaxed: the numbers differ, and nothing else hangs on them.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("netipc-cli-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn str(&self) -> &str {
        self.0.to_str().unwrap()
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn endpoint(&self, service: &str) -> Endpoint {
        Endpoint::new(&self.0, service).unwrap()
    }

    pub(crate) fn is_empty(&self) -> bool {
        fs::read_dir(&self.0).unwrap().next().is_none()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a run of the program came to.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The program, with nothing around it that would change what it prints.
pub(crate) fn command(words: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    for name in ["NETIPC_TOKEN", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS"] {
        command.env_remove(name);
    }
    command.args(words).stdin(Stdio::null());
    command
}

pub(crate) fn ran(command: &mut Command) -> Run {
    Run::new(command.output().unwrap())
}

/// The program with this on its standard input.
pub(crate) fn piped(words: &[&str], input: &[u8]) -> Run {
    let mut command = command(words);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    Run::new(child.wait_with_output().unwrap())
}

pub(crate) fn netipc(words: &[&str]) -> Run {
    ran(&mut command(words))
}

impl Run {
    fn new(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// What was printed, where all went well and nobody was told of anything.
    #[track_caller]
    pub(crate) fn good(self) -> String {
        assert!(self.code == 0 && self.err.is_empty(), "{self:#?}");
        self.out
    }

    #[track_caller]
    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.good()).unwrap()
    }

    /// The one line that says why, behind the program's name; nothing else was printed.
    #[track_caller]
    pub(crate) fn bad(self, code: i32) -> String {
        assert!(self.code == code && self.out.is_empty(), "{code}: {self:#?}");
        assert!(!self.err.contains("panicked"), "{self:#?}");
        let why = self.err.strip_prefix("netipc: ").unwrap_or_else(|| panic!("{self:#?}"));
        why.strip_suffix('\n').unwrap_or_else(|| panic!("{self:#?}")).to_owned()
    }
}

/// `netipc serve --echo`, killed if the test ends before it does.
pub(crate) struct Serving {
    pub(crate) child: Child,
    pub(crate) dir: Dir,
}

impl Serving {
    /// Once this returns, clients can connect.
    pub(crate) fn start(more: &[&str]) -> Self {
        let dir = Dir::new();
        let words = [&["serve", dir.str(), "--echo", "--until-input-ends"], more].concat();
        let mut child =
            command(&words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, format!("serving {}\n", dir.str()));
        Self { child, dir }
    }

    pub(crate) fn dir(&self) -> &str {
        self.dir.str()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that does as the test says in each session, and ends with it.
pub(crate) struct Scripted {
    abort: Abort,
    thread: Option<JoinHandle<()>>,
}

impl Scripted {
    pub(crate) fn start(dir: &Dir, service: &str, mut session: impl FnMut(ServerSession) + Send + 'static) -> Self {
        let config = ServerConfig::new().profiles(Profiles::BASELINE).max_response_payload(1 << 20);
        let mut listener = config.listen(&dir.endpoint(service)).unwrap();
        let abort = listener.abort_handle();
        let thread = std::thread::spawn(move || {
            while let Ok(next) = listener.accept(Deadline::after(Duration::from_secs(600))) {
                session(next);
            }
        });
        Self { abort, thread: Some(thread) }
    }

    /// Answers each request with these bytes.
    pub(crate) fn answering(dir: &Dir, service: &str, payload: &[u8]) -> Self {
        let payload = payload.to_vec();
        Self::start(dir, service, move |mut session| {
            while let Ok(request) = session.receive(Deadline::after(Duration::from_secs(600))) {
                let ticket = request.ticket();
                if session.respond(ticket, &payload, Deadline::after(Duration::from_secs(600))).is_err() {
                    break;
                }
            }
        })
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.abort.abort();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}
