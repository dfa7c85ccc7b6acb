//! What is shown to people: whatever is printed for a developer says what it is, and neither a token nor what is in a
//! message; bytes that should be text are printed as far as they are.
#![cfg(target_os = "linux")]

use core::ffi::CStr;
use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use netipc::client::Stub as _;
use netipc::codec::ByteStr;
use netipc::session::{ClientConfig, ServerConfig};
use netipc::wire::{AuthToken, Profiles};
use netipc::{Answers, Call, HandlerResult, Keys, Reply, WireMessage};
use netipc_examples::{
    CgroupInfo, CgroupStatus, CgroupsLookup, CgroupsLookupClient, CgroupsLookupLookupCache, CgroupsLookupServer,
    CgroupsSnapshot, CgroupsSnapshotCache, CgroupsSnapshotServer, Snapshot, SnapshotRequest,
};
use netipc_tests::processes::RunDir;

const TOKEN: u64 = 0x5ec2_e75e_c2e7;
const SECRET: &str = "hunter2";

/// What a service was given, as its handlers printed it.
type Printed = Arc<Mutex<Vec<String>>>;

struct Host(Printed);

impl CgroupsSnapshot for Host {
    fn snapshot(&self, _: netipc::View<'_, SnapshotRequest>, mut reply: Reply<'_, Snapshot>) -> HandlerResult {
        reply.generation(1);
        reply.items(1).push(|item| item.name(SECRET.as_bytes()).path(SECRET.as_bytes()));
        self.0.lock().unwrap().push(format!("{reply:?}"));
        Ok(())
    }
}

impl CgroupsLookup for Host {
    fn lookup(&self, paths: Keys<'_, CStr>, mut reply: Answers<'_, CgroupInfo>) -> HandlerResult {
        let mut printed = self.0.lock().unwrap();
        for path in paths {
            reply.answer(|item| item.status(CgroupStatus::Known).name(path));
            printed.push(format!("{reply:?}"));
        }
        Ok(())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, WireMessage)]
struct Said {
    text: String,
}

#[netipc::service(name = "talk")]
trait Talk {
    fn say(&self, cx: &Call<'_>, text: &str) -> Said;
}

struct Talker(Printed);

impl Talk for Talker {
    fn say(&self, cx: &Call<'_>, text: &str) -> Said {
        self.0.lock().unwrap().push(format!("{cx:?}"));
        Said { text: text.to_owned() }
    }
}

/// Holds that `text` begins with the name of what it shows, and gives nothing away.
fn is_discreet(text: &str, name: &str) {
    assert!(text.starts_with(name), "{name}: {text}");
    for secret in [SECRET.to_owned(), TOKEN.to_string(), format!("{TOKEN:x}"), format!("{:?}", SECRET.as_bytes())] {
        assert!(!text.contains(&secret), "{secret} in {text}");
    }
}

fn printed(shown: &impl Debug, name: &str) {
    is_discreet(&format!("{shown:?}"), name);
    // With line breaks it is no other text.
    is_discreet(&format!("{shown:#?}"), name.split_once(' ').map_or(name, |(word, _)| word));
}

#[test]
fn whatever_is_printed_says_what_it_is_and_gives_neither_tokens_nor_messages_away() {
    let token = AuthToken::new(TOKEN);
    for profiles in [Profiles::BASELINE, Profiles::SHM_HYBRID] {
        let (run_dir, told) = (RunDir::new(), Printed::default());
        let server = CgroupsLookupServer::new(Host(Arc::clone(&told))).auth_token(token).profiles(profiles);
        printed(&server, "Server");
        let bound = server.bind(run_dir.path()).unwrap();
        printed(&bound, "Bound");
        let running = bound.spawn().unwrap();
        printed(&running, "Running");
        printed(&running.stop_handle(), "Stop");
        assert!(format!("{:?}", running.endpoint()).contains("cgroups-lookup"));

        let config = CgroupsLookupClient::config().auth_token(token).profiles(profiles);
        printed(&config, "Config");
        let mut client = config.clone().connect(run_dir.path()).unwrap();
        printed(&client, "CgroupsLookupClient");
        let path = format!("/{SECRET}");
        let path = std::ffi::CString::new(path).unwrap();
        let answer = client.lookup([path.as_c_str()]).unwrap();
        printed(&answer, "Answer { message: \"CgroupInfo\", len: 1, ");
        printed(&answer.iter(), "Iter { left: 1 }");
        let mut cache = CgroupsLookupLookupCache::over(config.build(run_dir.path()));
        printed(&cache.look_up([path.as_c_str()]).unwrap(), "Looked { len: 1, asked: 1, ");
        printed(&cache, "Cache");
        drop((client, cache));
        running.shutdown(Duration::from_secs(60)).unwrap();
        let told = told.lock().unwrap();
        assert_eq!(told.len(), 2);
        told.iter().for_each(|text| is_discreet(text, "Answers { message: \"CgroupInfo\", asked: 1, answered: 1, "));
    }
    printed(&ClientConfig::new().auth_token(token), "ClientConfig");
    printed(&ServerConfig::new().auth_token(token), "ServerConfig");
}

#[test]
fn a_snapshot_is_printed_without_its_items() {
    let told = Printed::default();
    let server = netipc::server::InProcess::new(CgroupsSnapshotServer::new(Host(Arc::clone(&told))));
    printed(&server, "InProcess");
    let cache = CgroupsSnapshotCache::over(server.client());
    cache.refresh().unwrap();
    printed(&cache, "Cache");
    let reading = cache.read();
    assert_eq!((reading.len(), reading.iter().len()), (1, 1));
    printed(&reading, "Reading");
    told.lock().unwrap().iter().for_each(|text| is_discreet(text, "Reply { message: \"Snapshot\""));
    assert_eq!(told.lock().unwrap().len(), 1);
}

#[test]
fn a_call_and_its_ticket_are_printed_by_the_method() {
    let told = Printed::default();
    let mut client = TalkServer::new(Talker(Arc::clone(&told))).in_process();
    assert_eq!(client.say(SECRET).unwrap().text(), SECRET);
    let mut line = client.pipeline();
    printed(&line, "TalkPipeline");
    let ticket = line.say(SECRET).unwrap();
    printed(&ticket, "Ticket { method: \"say\", ");
    assert_eq!(line.take(ticket).unwrap().text(), SECRET);
    printed(&client.into_client(), "Client");
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 2);
    told.iter().for_each(|text| is_discreet(text, "Call { peer: "));
}

#[test]
fn bytes_are_compared_with_bytes_and_text_and_printed_as_far_as_they_are_text() {
    let text = ByteStr(b"caf\xc3\xa9 \"1\"");
    assert_eq!(text, "café \"1\"");
    assert_eq!(text, *"café \"1\"");
    assert_eq!((text.to_str(), text.to_string()), (Ok("café \"1\""), "café \"1\"".to_owned()));
    assert_eq!(format!("{text:?}"), "\"café \\\"1\\\"\"");

    let broken = ByteStr(b"a\xffb\xc3");
    assert_eq!(broken, b"a\xffb\xc3");
    assert_eq!(broken, b"a\xffb\xc3".as_slice());
    assert_eq!(broken, *b"a\xffb\xc3".as_slice());
    assert_eq!(broken.to_str().unwrap_err().valid_up_to(), 1);
    assert_eq!(broken.to_string(), "a\u{fffd}b\u{fffd}");
    assert_eq!(format!("{broken:?}"), "\"a\\xffb\\xc3\"");
    assert_eq!(broken.as_ref(), broken.as_bytes());
    assert!(broken != "a" && broken != b"a" && text != broken && text > broken);
    assert!(HashSet::from([text, broken]).contains(&ByteStr(b"a\xffb\xc3")));
}
