//! The five declared services and their host, and what it answers by the oracle.

use std::ffi::CString;

use netipc::server::Server;
use netipc::wire::{AuthToken, Profiles};
use netipc::{HandlerResult, Reply, View};
use netipc_examples as say;
use netipc_tests::oracle::{self, Message};

use super::wire::TOKEN;

#[netipc::service(name = "increment")]
pub trait Increment {
    #[method(code = 1)]
    fn increment(&self, request: say::Increment) -> say::Increment;
}

#[netipc::service(name = "cgroups-snapshot")]
pub trait CgroupsSnapshot {
    #[method(code = 2)]
    fn snapshot(&self, request: View<'_, say::SnapshotRequest>, reply: Reply<'_, say::Snapshot>) -> HandlerResult;
}

#[netipc::service(name = "string-reverse")]
pub trait StringReverse {
    #[method(code = 3)]
    fn reverse(&self, request: View<'_, say::StringReverse>, reply: Reply<'_, say::StringReverse>) -> HandlerResult;
}

#[netipc::service(name = "cgroups-lookup")]
pub trait CgroupsLookup {
    #[method(code = 4)]
    fn lookup(&self, request: View<'_, say::CgroupsLookupRequest>) -> say::CgroupsLookupResponse;
}

#[netipc::service(name = "apps-lookup")]
pub trait AppsLookup {
    #[method(code = 5)]
    fn lookup(&self, request: say::AppsLookupRequest) -> say::AppsLookupResponse;
}

/// Serves all five.
#[derive(Clone, Copy)]
struct Host;

/// The cgroups of the host.
const CGROUPS: u32 = 300;

fn name(number: u32) -> Vec<u8> {
    format!("cgroup-{number}").into_bytes()
}

fn path(number: u32) -> Vec<u8> {
    format!("/system.slice/{number}").into_bytes()
}

impl Increment for Host {
    fn increment(&self, request: say::Increment) -> say::Increment {
        say::Increment { value: request.value.wrapping_add(1) }
    }
}

impl CgroupsSnapshot for Host {
    fn snapshot(&self, _: View<'_, say::SnapshotRequest>, mut reply: Reply<'_, say::Snapshot>) -> HandlerResult {
        let mut items = reply.items(CGROUPS as usize);
        for number in 0..CGROUPS {
            items.push(|item| {
                item.hash(number * 7).options(1).enabled(number % 2).name(&name(number)).path(&path(number))
            });
        }
        reply.systemd_enabled(1).generation(9);
        Ok(())
    }
}

impl StringReverse for Host {
    fn reverse(
        &self,
        request: View<'_, say::StringReverse>,
        mut reply: Reply<'_, say::StringReverse>,
    ) -> HandlerResult {
        let mut text = request.text().as_bytes().to_vec();
        text.reverse();
        reply.text(&text);
        reply.finish()
    }
}

impl CgroupsLookup for Host {
    fn lookup(&self, request: View<'_, say::CgroupsLookupRequest>) -> say::CgroupsLookupResponse {
        let item = |path: &std::ffi::CStr| {
            let is_known = path.to_bytes().len().is_multiple_of(2);
            let label = || say::Label {
                key: c"length".into(),
                value: CString::new(path.to_bytes().len().to_string()).unwrap(),
            };
            say::CgroupInfo {
                status: if is_known { say::CgroupStatus::Known } else { say::CgroupStatus::UnknownPermanent },
                orchestrator: if is_known { say::Orchestrator::Docker } else { say::Orchestrator::Unknown },
                path: path.into(),
                name: if is_known { c"name".into() } else { CString::default() },
                labels: if is_known { vec![label(), label()] } else { Vec::new() },
            }
        };
        say::CgroupsLookupResponse { generation: 5, items: request.paths().map(item).collect() }
    }
}

fn cgroups_answer(asked: &oracle::CgroupsLookupRequest<'_>) -> oracle::CgroupsLookupResponse<'static> {
    let item = |path: &oracle::Text<'_>| {
        let is_known = path.len().is_multiple_of(2);
        let label =
            || oracle::Label { key: b"length".to_vec().into(), value: path.len().to_string().into_bytes().into() };
        oracle::CgroupsLookupItem {
            status: if is_known { 0 } else { 2 },
            orchestrator: if is_known { 2 } else { 0 },
            path: path.to_vec().into(),
            name: if is_known { b"name".to_vec().into() } else { oracle::Text::default() },
            labels: if is_known { vec![label(), label()] } else { Vec::new() },
        }
    };
    oracle::CgroupsLookupResponse { generation: 5, items: asked.paths.iter().map(item).collect() }
}

impl AppsLookup for Host {
    fn lookup(&self, request: say::AppsLookupRequest) -> say::AppsLookupResponse {
        let item = |pid: &say::Pid| say::App {
            status: say::AppStatus::Known,
            orchestrator: say::Orchestrator::Unknown,
            cgroup_status: say::CgroupOfApp::HostRoot,
            pid: pid.pid,
            ppid: 1,
            uid: 0,
            starttime: 77,
            comm: c"comm".into(),
            cgroup_path: CString::default(),
            cgroup_name: CString::default(),
            labels: Vec::new(),
        };
        say::AppsLookupResponse { generation: 6, items: request.pids.iter().map(item).collect() }
    }
}

fn apps_answer(asked: &oracle::AppsLookupRequest) -> oracle::AppsLookupResponse<'static> {
    let item = |pid: &u32| oracle::AppsLookupItem {
        status: 0,
        orchestrator: 0,
        cgroup_status: 3,
        pid: *pid,
        ppid: 1,
        uid: 0,
        starttime: 77,
        comm: b"comm".to_vec().into(),
        cgroup_path: oracle::Text::default(),
        cgroup_name: oracle::Text::default(),
        labels: Vec::new(),
    };
    oracle::AppsLookupResponse { generation: 6, items: asked.pids.iter().map(item).collect() }
}

/// What the host answers, by the oracle.
pub fn expected(request: &oracle::Payload<'_>) -> Vec<u8> {
    use oracle::Payload;
    match request {
        Payload::Increment(asked) => oracle::Increment { value: asked.value.wrapping_add(1) }.encode(),
        Payload::StringReverse(asked) => {
            let mut text = asked.text.to_vec();
            text.reverse();
            oracle::StringReverse { text: text.into() }.encode()
        }
        Payload::SnapshotRequest(_) => {
            let item = |number: u32| oracle::SnapshotItem {
                hash: number * 7,
                options: 1,
                enabled: number % 2,
                name: name(number).into(),
                path: path(number).into(),
            };
            oracle::Snapshot { systemd_enabled: 1, generation: 9, items: (0..CGROUPS).map(item).collect() }.encode()
        }
        Payload::CgroupsLookupRequest(asked) => cgroups_answer(asked).encode(),
        Payload::AppsLookupRequest(asked) => apps_answer(asked).encode(),
        other => panic!("{other:?} is no request"),
    }
}

/// The services: code, name, request, response.
pub const SERVICES: [(u16, &str, Message, Message); 5] = [
    (1, "increment", Message::Increment, Message::Increment),
    (2, "cgroups-snapshot", Message::SnapshotRequest, Message::Snapshot),
    (3, "string-reverse", Message::StringReverse, Message::StringReverse),
    (4, "cgroups-lookup", Message::CgroupsLookupRequest, Message::CgroupsLookupResponse),
    (5, "apps-lookup", Message::AppsLookupRequest, Message::AppsLookupResponse),
];

pub fn server_of(code: u16) -> Server {
    let server = match code {
        1 => IncrementServer::new(Host).erased(),
        2 => CgroupsSnapshotServer::new(Host).erased(),
        3 => StringReverseServer::new(Host).erased(),
        4 => CgroupsLookupServer::new(Host).erased(),
        5 => AppsLookupServer::new(Host).erased(),
        other => panic!("{other}"),
    };
    server.auth_token(AuthToken::new(TOKEN)).profiles(Profiles::BASELINE | Profiles::SHM_HYBRID)
}
