//! Lookups that deployed servers answer as well, and the slow, obvious twin of an answer within a budget.

use std::ffi::{CStr, CString};

use std::sync::Mutex;

use netipc::buf::Writer;
use netipc::server::Server;
use netipc::service::{Dispatch, Failure, MethodInfo, Service};
use netipc::wire::Method;
use netipc::{Answers, Call, EncodeError, HandlerResult, Keys};
use netipc_examples::{
    App, AppStatus, AppsLookup, CgroupInfo, CgroupOfApp, CgroupStatus, CgroupsLookup, CgroupsLookupClient,
    CgroupsLookupRequest, CgroupsLookupResponse, CgroupsLookupServer, Label, Orchestrator, Pid,
};

/// What the deployed servers of the vectors know.
#[derive(Debug, Clone, Copy, Default)]
pub struct Deployed;

fn c(text: String) -> CString {
    CString::new(text).expect("no NUL")
}

impl Deployed {
    /// What is known of the path that is asked for as number `index`.
    #[must_use]
    pub fn cgroup(index: usize, path: &CStr) -> CgroupInfo {
        let is_known = !path.to_bytes().starts_with(b"/u");
        let label = |j: usize| Label { key: c(format!("key{j}")), value: c(format!("value{index}")) };
        CgroupInfo {
            status: if is_known { CgroupStatus::Known } else { CgroupStatus::UnknownPermanent },
            orchestrator: if is_known { orchestrator(index) } else { Orchestrator::Unknown },
            path: path.into(),
            name: c(if is_known { "n".repeat(8 * index + 1) } else { String::new() }),
            labels: if is_known { (0..index % 3).map(label).collect() } else { Vec::new() },
        }
    }

    /// What is known of the process that is asked for as number `index`.
    #[must_use]
    pub fn app(index: usize, pid: u32) -> App {
        let blank = blank_app(pid, AppStatus::Unknown);
        if pid.is_multiple_of(4) {
            return blank;
        }
        let label = |j: u32| Label { key: c(format!("key{j}")), value: c(format!("value{index}")) };
        App {
            status: AppStatus::Known,
            orchestrator: orchestrator(pid as usize),
            ppid: 1,
            uid: 1000,
            starttime: u64::from(pid) * 10,
            comm: c(format!("c{pid}")),
            cgroup_path: c(format!("/p/{pid}")),
            cgroup_name: c("n".repeat(pid as usize % 40)),
            labels: (0..pid % 3).map(label).collect(),
            ..blank
        }
    }
}

/// A process of which nothing is said but why.
#[must_use]
pub fn blank_app(pid: u32, status: AppStatus) -> App {
    App {
        status,
        orchestrator: Orchestrator::Unknown,
        cgroup_status: CgroupOfApp::Known,
        pid,
        ppid: 0,
        uid: u32::MAX,
        starttime: 0,
        comm: CString::default(),
        cgroup_path: CString::default(),
        cgroup_name: CString::default(),
        labels: Vec::new(),
    }
}

fn orchestrator(number: usize) -> Orchestrator {
    match number % 8 {
        0 => Orchestrator::Unknown,
        1 => Orchestrator::Systemd,
        2 => Orchestrator::Docker,
        3 => Orchestrator::K8s,
        4 => Orchestrator::Kvm,
        5 => Orchestrator::Lxc,
        6 => Orchestrator::Podman,
        _ => Orchestrator::Nspawn,
    }
}

impl CgroupsLookup for Deployed {
    fn lookup(&self, paths: Keys<'_, CStr>, mut reply: Answers<'_, CgroupInfo>) -> HandlerResult {
        reply.generation(77);
        for (index, path) in paths.enumerate() {
            let known = Self::cgroup(index, path);
            reply.answer(|item| {
                item.status(known.status).orchestrator(known.orchestrator).name(&known.name);
                let mut labels = item.labels(known.labels.len());
                for label in &known.labels {
                    labels.push(|row| row.key(&label.key).value(&label.value));
                }
                item
            });
        }
        Ok(())
    }
}

impl AppsLookup for Deployed {
    fn lookup(&self, pids: Keys<'_, Pid>, mut reply: Answers<'_, App>) -> HandlerResult {
        reply.generation(78);
        for (index, key) in pids.enumerate() {
            let known = Self::app(index, key.pid());
            reply.answer(|item| {
                item.status(known.status).orchestrator(known.orchestrator).cgroup_status(known.cgroup_status);
                item.ppid(known.ppid).uid(known.uid).starttime(known.starttime).comm(&known.comm);
                item.cgroup_path(&known.cgroup_path).cgroup_name(&known.cgroup_name);
                let mut labels = item.labels(known.labels.len());
                for label in &known.labels {
                    labels.push(|row| row.key(&label.key).value(&label.value));
                }
                item
            });
        }
        Ok(())
    }
}

/// The answer to a request within `budget` bytes, and whether that is too little.
///
/// # Errors
/// [`EncodeError::Overflow`] where not even marks for all keys fit.
///
/// # Panics
/// Where the request is refused otherwise.
pub fn within(dispatch: &dyn Dispatch, code: u16, request: &[u8], budget: usize) -> Result<Vec<u8>, EncodeError> {
    let mut buffer = vec![0xa5; budget];
    let mut writer = Writer::new(&mut buffer);
    match dispatch.dispatch(&Call::local().of(Method::new(code)), request, &mut writer) {
        Ok(()) => {
            assert!(writer.fits());
            let len = writer.len();
            buffer.truncate(len);
            Ok(buffer)
        }
        Err(Failure::Unwritten(error @ EncodeError::Overflow { .. })) => Err(error),
        Err(failure) => panic!("{failure}"),
    }
}

/// A path of which only the status is said.
#[must_use]
pub fn marked_cgroup(path: &CStr, status: CgroupStatus) -> CgroupInfo {
    let (orchestrator, name, labels) = (Orchestrator::Unknown, CString::default(), Vec::new());
    CgroupInfo { status, orchestrator, path: path.into(), name, labels }
}

/// What an answer of limited size holds, the slow way: each item is tried with marks for all that follow, as a whole message.
/// None where not even the marks fit.
#[must_use]
pub fn twin(generation: u64, known: &[CgroupInfo], budget: usize) -> Option<CgroupsLookupResponse> {
    let fits = |items: Vec<CgroupInfo>| CgroupsLookupResponse { generation, items }.encoded_len() <= budget;
    let marks =
        |items: &[CgroupInfo], status| items.iter().map(move |it| marked_cgroup(&it.path, status)).collect::<Vec<_>>();
    if !fits(marks(known, CgroupStatus::PayloadExceeded)) {
        return None;
    }
    let mut items: Vec<CgroupInfo> = Vec::new();
    for (index, item) in known.iter().enumerate() {
        let mut all = items.clone();
        all.push(item.clone());
        all.extend(marks(&known[index + 1..], CgroupStatus::PayloadExceeded));
        if fits(all) {
            items.push(item.clone());
        } else if fits(vec![item.clone()]) {
            items.extend(marks(&known[index..], CgroupStatus::PayloadExceeded));
            break;
        } else {
            items.push(marked_cgroup(&item.path, CgroupStatus::OversizedItem));
        }
    }
    Some(CgroupsLookupResponse { generation, items })
}

/// The keys that the client of [`check_any`] looks up.
const KEYS: [&CStr; 5] = [c"/a", c"/u/unknown", c"/cgroup/three", c"/four", c"/u/5"];

/// Gives the bytes behind the first one to one end of a lookup: to a server, with a budget in front, as a request; or to a
/// client, each with its length in front, as answers.
///
/// # Panics
/// Where a server answers other than the slow twin, and where a client takes what is no answer to its keys.
pub fn check_any(input: &[u8]) {
    match input {
        [0, low, high, request @ ..] => check_server(u16::from_le_bytes([*low, *high]).into(), request),
        [_, answers @ ..] => check_client(answers),
        [] => {}
    }
}

fn check_server(budget: usize, request: &[u8]) {
    let dispatch = CgroupsLookupServer::new(Deployed).into_dispatch();
    let mut buffer = vec![0xa5; budget];
    let mut writer = Writer::new(&mut buffer);
    let served = dispatch.dispatch(&Call::local().of(Method::new(4)), request, &mut writer);
    let (len, fits) = (writer.len(), writer.fits());
    let Ok(paths) = CgroupsLookupRequest::decode_owned(request).map(|request| request.paths) else {
        assert!(matches!(served, Err(Failure::Malformed(_))), "{served:?}");
        return;
    };
    let known: Vec<CgroupInfo> = paths.iter().enumerate().map(|(i, path)| Deployed::cgroup(i, path)).collect();
    match (served, twin(77, &known, budget)) {
        (Ok(()), Some(twin)) => {
            assert!(fits);
            assert_eq!(buffer[..len], twin.to_vec().expect("a value within bounds"));
        }
        (Err(Failure::Unwritten(EncodeError::Overflow { needed })), None) => assert!(needed > budget),
        other => panic!("{other:?} for {budget} bytes"),
    }
}

/// Answers with what it was given, one after the other.
struct Told(Mutex<Vec<Vec<u8>>>);

static SERVICE: Service = Service::new("cgroups-lookup", &[MethodInfo::new("lookup", 4)]);

impl Dispatch for Told {
    fn service(&self) -> &'static Service {
        &SERVICE
    }

    fn dispatch(&self, _: &Call<'_>, _: &[u8], reply: &mut Writer<'_>) -> Result<(), Failure> {
        match self.0.lock().expect("no panic").pop() {
            Some(answer) => reply.append(&answer),
            None => return Err(Failure::Handler("that was all".into())),
        }
        Ok(())
    }
}

fn check_client(mut input: &[u8]) {
    let mut answers = Vec::new();
    while let [low, high, rest @ ..] = input {
        let (answer, rest) = rest.split_at(usize::from(u16::from_le_bytes([*low, *high])).min(rest.len()));
        answers.push(answer.to_vec());
        input = rest;
    }
    answers.reverse();
    let count = answers.len();
    let server = Server::with_stub(Told(Mutex::new(answers))).max_response_payload(1 << 17);
    let mut client: CgroupsLookupClient = server.in_process();
    match client.lookup(KEYS) {
        Ok(answer) => {
            assert_eq!((answer.len(), answer.iter().count()), (KEYS.len(), KEYS.len()));
            assert!(answer.parts() <= count);
            for (item, key) in answer.iter().zip(KEYS) {
                assert_eq!(item.path(), key);
                assert_ne!(item.status(), CgroupStatus::PayloadExceeded);
            }
        }
        Err(error) => assert!(client.status().last_error == Some(error)),
    }
    assert!(client.ready() || client.refresh().is_ok());
}

/// Requests and answers to begin with, by name.
///
/// # Panics
/// Where one can't be encoded.
#[must_use]
pub fn inputs() -> Vec<(&'static str, Vec<u8>)> {
    let known: Vec<CgroupInfo> = KEYS.iter().enumerate().map(|(i, path)| Deployed::cgroup(i, path)).collect();
    let request = |count: usize| {
        let paths = KEYS[..count].iter().map(|path| (*path).into()).collect();
        CgroupsLookupRequest { paths }.to_vec().expect("a request")
    };
    let asked = |budget: u16, count| [&[0], &budget.to_le_bytes()[..], &request(count)].concat();
    let answers = |budgets: &[usize]| {
        let (mut input, mut from) = (vec![1], 0);
        for budget in budgets {
            let answer = twin(77, &known[from..], *budget).expect("room for marks");
            from += answer.items.iter().take_while(|item| item.status != CgroupStatus::PayloadExceeded).count();
            let answer = answer.to_vec().expect("an answer");
            input.extend(u16::try_from(answer.len()).expect("a short answer").to_le_bytes());
            input.extend(answer);
        }
        input
    };
    let oversized = {
        let items = KEYS.iter().map(|path| marked_cgroup(path, CgroupStatus::OversizedItem)).collect();
        let answer = CgroupsLookupResponse { generation: 1, items }.to_vec().expect("an answer");
        [&[1], &u16::try_from(answer.len()).expect("a short answer").to_le_bytes()[..], &answer].concat()
    };
    vec![
        ("asked-all", asked(1024, 5)),
        ("asked-some", asked(300, 5)),
        ("asked-marks", asked(250, 5)),
        ("asked-nothing", asked(16, 0)),
        ("asked-too-much", asked(100, 5)),
        ("answered-at-once", answers(&[4096])),
        ("answered-in-parts", answers(&[300, 200, 4096])),
        ("answered-oversized", oversized),
        ("answered-halfway", answers(&[300])),
    ]
}
