//! Lookups that deployed servers answer as well, and the slow, obvious twin of an answer within a budget.

use std::ffi::{CStr, CString};

use netipc::buf::Writer;
use netipc::service::{Dispatch, Failure};
use netipc::wire::Method;
use netipc::{Answers, Call, EncodeError, HandlerResult, Keys};
use netipc_examples::{
    App, AppStatus, AppsLookup, CgroupInfo, CgroupOfApp, CgroupStatus, CgroupsLookup, CgroupsLookupResponse, Label,
    Orchestrator, Pid,
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
