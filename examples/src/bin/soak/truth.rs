//! Whether an answer is right.
//!
//! Owns: the comparison of what was told with what is known without having asked. It refuses to know who asked, and when.

use std::collections::BTreeSet;
use std::ffi::CString;

use netipc_examples::host::containers::identify;
use netipc_examples::services::hash_of;
use netipc_examples::{App, AppStatus, Cgroup, CgroupInfo, CgroupOfApp, CgroupStatus, Orchestrator};

use crate::herd::Facts;

/// What is wrong with an answer.
pub(crate) type Wrong = String;

/// Of a process that was there all the time.
pub(crate) fn about_the_living(told: &App, facts: &Facts) -> Result<(), Wrong> {
    let App { status, cgroup_status, pid, ppid, uid, starttime, ref comm, ref cgroup_path, .. } = *told;
    let path = if cgroup_status == CgroupOfApp::HostRoot { b"/" } else { cgroup_path.to_bytes() };
    let has_cgroup = match cgroup_status {
        CgroupOfApp::Known | CgroupOfApp::HostRoot | CgroupOfApp::UnknownPermanent => {
            facts.cgroups.iter().any(|cgroup| cgroup == path)
        }
        CgroupOfApp::UnknownRetryLater => facts.cgroups.is_empty(),
    };
    let identity = identify(path);
    let is_named = cgroup_status != CgroupOfApp::Known
        || (told.orchestrator, &told.cgroup_name, &told.labels)
            == (identity.orchestrator, &identity.name, &identity.labels);
    let is_right = status == AppStatus::Known
        && (pid, ppid, uid, starttime, comm) == (facts.pid, facts.ppid, facts.uid, facts.starttime, &facts.comm);
    if is_right && has_cgroup && is_named { Ok(()) } else { Err(format!("{told:?} where {facts:?} is there")) }
}

/// Of a process that had been waited for before anybody asked: its number may be that of another one.
pub(crate) fn about_the_dead(told: &App, facts: &Facts) -> Result<(), Wrong> {
    let is_right = told.pid == facts.pid
        && match told.status {
            AppStatus::Unknown => true,
            AppStatus::Known => told.starttime >= facts.starttime && told.comm != facts.comm,
            AppStatus::PayloadExceeded | AppStatus::OversizedItem => false,
        };
    if is_right { Ok(()) } else { Err(format!("{told:?} where {facts:?} has gone")) }
}

/// Of a number that no process can have.
pub(crate) fn about_nobody(told: &App, pid: u32) -> Result<(), Wrong> {
    let is_right = told.pid == pid && told.status == AppStatus::Unknown;
    if is_right { Ok(()) } else { Err(format!("{told:?} where there is no {pid}")) }
}

/// Of a process of somebody else, which started then if it was there all the time.
pub(crate) fn about_a_stranger(told: &App, pid: u32, starttime: Option<u64>) -> Result<(), Wrong> {
    let is_right = told.pid == pid
        && match (told.status, starttime) {
            (AppStatus::Known, Some(starttime)) => told.starttime == starttime,
            (AppStatus::Known | AppStatus::Unknown, None) => true,
            _ => false,
        };
    if is_right { Ok(()) } else { Err(format!("{told:?} where {pid} started at {starttime:?}")) }
}

/// What is known of the presence of a cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// It was there all the time.
    There,
    /// It wasn't there at any time, but might be.
    Gone,
    /// It came or went.
    Either,
    /// There can be no such cgroup.
    Never,
}

/// Of a cgroup.
pub(crate) fn about_a_cgroup(told: &CgroupInfo, path: &CString, presence: Presence) -> Result<(), Wrong> {
    let is_known = told.status == CgroupStatus::Known;
    let has_status = match presence {
        Presence::There => is_known,
        Presence::Gone => told.status == CgroupStatus::UnknownRetryLater,
        Presence::Either => is_known || told.status == CgroupStatus::UnknownRetryLater,
        Presence::Never => told.status == CgroupStatus::UnknownPermanent,
    };
    let identity = identify(path.to_bytes());
    let is_named = if is_known {
        (told.orchestrator, &told.name, &told.labels) == (identity.orchestrator, &identity.name, &identity.labels)
    } else {
        told.orchestrator == Orchestrator::Unknown && told.name.is_empty() && told.labels.is_empty()
    };
    let is_right = has_status && is_named && told.path == *path;
    if is_right { Ok(()) } else { Err(format!("{told:?} where {path:?} is {presence:?}")) }
}

/// Of all cgroups at once: `there` were so all the time, `gone` at no time.
pub(crate) fn about_all_cgroups<'a>(
    told: &[Cgroup],
    there: impl IntoIterator<Item = &'a [u8]>,
    gone: impl IntoIterator<Item = &'a [u8]>,
) -> Result<(), Wrong> {
    let paths: BTreeSet<&[u8]> = told.iter().map(|cgroup| &*cgroup.path).collect();
    if paths.len() != told.len() {
        return Err(format!("{} cgroups of {} paths", told.len(), paths.len()));
    }
    if let Some(path) = there.into_iter().find(|path| !paths.contains(path)) {
        return Err(format!("{} is not in the snapshot, and was there", path.escape_ascii()));
    }
    if let Some(path) = gone.into_iter().find(|path| paths.contains(path)) {
        return Err(format!("{} is in the snapshot, and had gone", path.escape_ascii()));
    }
    let is_named = |cgroup: &&Cgroup| {
        cgroup.name == identify(&cgroup.path).name.to_bytes()
            && cgroup.hash == hash_of(&cgroup.name)
            && cgroup.enabled == 1
    };
    told.iter().find(|cgroup| !is_named(cgroup)).map_or(Ok(()), |cgroup| Err(format!("{cgroup:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        let cgroups = vec![b"/a/b".to_vec(), b"/".to_vec()];
        Facts { pid: 7, comm: c"soak-1".into(), ppid: 3, uid: 12, starttime: 500, cgroups }
    }

    fn right() -> App {
        App {
            status: AppStatus::Known,
            orchestrator: Orchestrator::Unknown,
            cgroup_status: CgroupOfApp::Known,
            pid: 7,
            ppid: 3,
            uid: 12,
            starttime: 500,
            comm: c"soak-1".into(),
            cgroup_path: c"/a/b".into(),
            cgroup_name: c"a/b".into(),
            labels: Vec::new(),
        }
    }

    #[test]
    fn an_answer_about_the_living_is_right_in_every_field_or_wrong() {
        assert_eq!(about_the_living(&right(), &facts()), Ok(()));
        let root =
            App { cgroup_status: CgroupOfApp::HostRoot, cgroup_path: c"".into(), cgroup_name: c"".into(), ..right() };
        assert_eq!(about_the_living(&root, &facts()), Ok(()));
        for wrong in [
            App { status: AppStatus::Unknown, ..right() },
            App { status: AppStatus::PayloadExceeded, ..right() },
            App { pid: 8, ..right() },
            App { ppid: 4, ..right() },
            App { uid: 0, ..right() },
            App { starttime: 501, ..right() },
            App { comm: c"soak-2".into(), ..right() },
            App { cgroup_path: c"/a".into(), cgroup_name: c"a".into(), ..right() },
            App { cgroup_name: c"b".into(), ..right() },
            App { orchestrator: Orchestrator::Docker, ..right() },
            App { cgroup_status: CgroupOfApp::UnknownRetryLater, cgroup_path: c"".into(), ..right() },
        ] {
            assert!(about_the_living(&wrong, &facts()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_dead_are_unknown_or_others() {
        let nobody = App { status: AppStatus::Unknown, comm: c"".into(), starttime: 0, ..right() };
        assert_eq!(about_the_dead(&nobody, &facts()), Ok(()));
        let next = App { comm: c"soak-2".into(), starttime: 501, ..right() };
        assert_eq!(about_the_dead(&next, &facts()), Ok(()));
        for wrong in
            [right(), App { pid: 8, ..nobody.clone() }, App { status: AppStatus::OversizedItem, ..nobody.clone() }]
        {
            assert!(about_the_dead(&wrong, &facts()).is_err(), "{wrong:?}");
        }
        assert_eq!(about_nobody(&nobody, 7), Ok(()));
        assert!(about_nobody(&right(), 7).is_err() && about_nobody(&nobody, 8).is_err());
    }

    #[test]
    fn strangers_are_known_if_they_were_there_all_the_time() {
        let nobody = App { status: AppStatus::Unknown, ..right() };
        assert_eq!(about_a_stranger(&right(), 7, Some(500)), Ok(()));
        assert_eq!((about_a_stranger(&right(), 7, None), about_a_stranger(&nobody, 7, None)), (Ok(()), Ok(())));
        assert!(about_a_stranger(&nobody, 7, Some(500)).is_err());
        assert!(about_a_stranger(&right(), 7, Some(501)).is_err());
        assert!(about_a_stranger(&right(), 8, None).is_err());
    }

    #[test]
    fn a_cgroup_is_told_as_it_is() {
        let path = CString::from(c"/a/b");
        let info = |status, name: &core::ffi::CStr| CgroupInfo {
            status,
            orchestrator: Orchestrator::Unknown,
            path: path.clone(),
            name: name.into(),
            labels: Vec::new(),
        };
        let known = info(CgroupStatus::Known, c"a/b");
        let later = info(CgroupStatus::UnknownRetryLater, c"");
        let never = info(CgroupStatus::UnknownPermanent, c"");
        for (told, presence, is_right) in [
            (&known, [Presence::There, Presence::Either].as_slice(), true),
            (&known, &[Presence::Gone, Presence::Never], false),
            (&later, &[Presence::Gone, Presence::Either], true),
            (&later, &[Presence::There, Presence::Never], false),
            (&never, &[Presence::Never], true),
            (&never, &[Presence::There, Presence::Gone, Presence::Either], false),
        ] {
            for presence in presence {
                assert_eq!(about_a_cgroup(told, &path, *presence).is_ok(), is_right, "{told:?} {presence:?}");
            }
        }
        assert!(about_a_cgroup(&info(CgroupStatus::Known, c"b"), &path, Presence::There).is_err());
        assert!(about_a_cgroup(&known, &c"/a".into(), Presence::There).is_err());
    }

    #[test]
    fn a_snapshot_has_each_cgroup_that_was_there_once_and_none_that_had_gone() {
        let cgroup = |path: &[u8], name: &[u8]| {
            let (hash, name, path) = (hash_of(name), name.to_vec(), path.to_vec());
            Cgroup { hash, options: 0, enabled: 1, name, path }
        };
        let told = [cgroup(b"/a", b"a"), cgroup(b"/b", b"b")];
        let paths = |paths: &'static [&'static [u8]]| paths.iter().copied();
        assert_eq!(about_all_cgroups(&told, paths(&[b"/a"]), paths(&[b"/c"])), Ok(()));
        assert!(about_all_cgroups(&told, paths(&[b"/c"]), paths(&[])).is_err());
        assert!(about_all_cgroups(&told, paths(&[]), paths(&[b"/b"])).is_err());
        for wrong in [cgroup(b"/a", b"a"), cgroup(b"/c", b"x"), Cgroup { hash: 1, ..cgroup(b"/c", b"c") }] {
            let told = [told.as_slice(), &[wrong]].concat();
            assert!(about_all_cgroups(&told, paths(&[]), paths(&[])).is_err());
        }
    }
}
