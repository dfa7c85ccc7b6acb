//! A client of all services, which compares what it is told with what is true.
//!
//! Owns: one round of questions of every kind. What it compares with was known before a question and is so still after the
//! answer; of what came or went meanwhile nothing is asked but that it is no error.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use netipc::CallError;
use netipc::client::{Config, LookupError, Stub};
use netipc::wire::Profiles;
use netipc_examples::{
    App, AppStatus, AppsLookupClient, AppsLookupLookupCache, Cgroup, CgroupInfo, CgroupsLookupClient,
    CgroupsLookupLookupCache, CgroupsSnapshotCache, CgroupsSnapshotClient, Pid, SnapshotRequest,
};

use crate::groups::{Before, Group, Groups, walk};
use crate::herd::{Census, Member, starttime};
use crate::tally::{Tally, add};
use crate::truth::{
    Presence, about_a_cgroup, about_a_stranger, about_all_cgroups, about_nobody, about_the_dead, about_the_living,
};

const TIMEOUT: Duration = Duration::from_secs(30);
const CEILING: u32 = 64 << 20;
/// Of the clients whose lookups take many requests, in bytes.
const NARROW: u32 = 2048;
/// After how many rounds all sessions are made anew.
const ROUNDS: u64 = 16;
/// Numbers that no process of Linux has.
const IMPOSSIBLE: [u32; 3] = [0, 1 << 22, u32::MAX];
/// How often a lookup is made again before that is an error.
const TRIES: usize = 50;

/// The stubs and caches of one client.
struct Stubs {
    apps: [AppsLookupClient; 2],
    kept_apps: AppsLookupLookupCache,
    cgroups: [CgroupsLookupClient; 2],
    kept_cgroups: CgroupsLookupLookupCache,
    snapshot: CgroupsSnapshotClient,
    kept_snapshot: CgroupsSnapshotCache,
}

/// The same limits for clients of any service.
fn limits<S: Stub>(config: Config<S>, profile: Profiles, ceiling: u32) -> Config<S> {
    let config = config.profiles(profile).timeout(TIMEOUT).request_ceiling(ceiling).response_ceiling(ceiling);
    if ceiling == NARROW { config.max_request_payload(ceiling).max_response_payload(ceiling) } else { config }
}

impl Stubs {
    fn connect(run_dir: &Path, profile: Profiles) -> Result<Self, CallError> {
        let apps = |ceiling| limits(AppsLookupClient::config(), profile, ceiling).connect(run_dir);
        let cgroups = |ceiling| limits(CgroupsLookupClient::config(), profile, ceiling).connect(run_dir);
        let snapshot = || limits(CgroupsSnapshotClient::config(), profile, CEILING).connect(run_dir);
        Ok(Self {
            apps: [apps(CEILING)?, apps(NARROW)?],
            kept_apps: AppsLookupLookupCache::over(apps(CEILING)?),
            cgroups: [cgroups(CEILING)?, cgroups(NARROW)?],
            kept_cgroups: CgroupsLookupLookupCache::over(cgroups(CEILING)?),
            snapshot: snapshot()?,
            kept_snapshot: CgroupsSnapshotCache::over(snapshot()?),
        })
    }

    /// Whether all of them have the sessions that were wanted.
    fn have(&self, profile: Profiles) -> bool {
        let profiles = self
            .apps
            .iter()
            .map(|stub| stub.status().session)
            .chain(self.cgroups.iter().map(|stub| stub.status().session));
        profiles.chain([self.snapshot.status().session]).all(|session| session.is_some_and(|it| it.profile == profile))
    }
}

/// One client.
pub(crate) struct Asker<'a> {
    run_dir: PathBuf,
    profile: Profiles,
    census: &'a Census,
    groups: &'a Groups,
    tally: &'a Tally,
    stubs: Option<Stubs>,
    rounds: u64,
    /// Whom the cache of processes was asked for the last time.
    before: Vec<Arc<Member>>,
}

/// Whom a lookup of processes asks for, and what is known of them.
struct Pids {
    alive: Vec<Arc<Member>>,
    dead: Vec<Arc<Member>>,
    /// The others of the machine, and when they started.
    strangers: BTreeMap<u32, Option<u64>>,
    keys: Vec<Pid>,
}

impl Pids {
    fn new(census: &Census) -> Self {
        let (alive, dead) = census.take();
        let mut strangers: BTreeMap<u32, Option<u64>> = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .map(|pid| (pid, None))
            .collect();
        for member in alive.iter().chain(&dead) {
            strangers.remove(&member.facts.pid);
        }
        for (pid, started) in &mut strangers {
            *started = starttime(*pid).ok();
        }
        let own = alive.iter().chain(&dead).map(|member| member.facts.pid);
        let keys = own.chain(IMPOSSIBLE).chain(strangers.keys().copied()).map(|pid| Pid { pid }).collect();
        Self { alive, dead, strangers, keys }
    }

    fn compare(&self, told: &[App], tally: &Tally) {
        if told.len() != self.keys.len() {
            tally.compare(Err(format!("{} items for {} processes", told.len(), self.keys.len())));
            return;
        }
        let mut told = told.iter();
        for (member, app) in self.alive.iter().zip(&mut told) {
            if member.is_alive() {
                tally.compare(about_the_living(app, &member.facts));
            }
        }
        for (member, app) in self.dead.iter().zip(&mut told) {
            tally.compare(about_the_dead(app, &member.facts));
        }
        for (pid, app) in IMPOSSIBLE.into_iter().zip(&mut told) {
            tally.compare(about_nobody(app, pid));
        }
        for ((pid, started), app) in self.strangers.iter().zip(told) {
            let stayed = started.filter(|started| starttime(*pid).is_ok_and(|now| now == *started));
            tally.compare(about_a_stranger(app, *pid, stayed));
        }
    }
}

/// Which cgroups a lookup asks for, and what is known of them.
struct Paths {
    before: Before,
    keys: Vec<CString>,
}

impl Paths {
    fn new(groups: &Groups, round: u64) -> Self {
        let before = groups.before();
        let own = before.there.iter().chain(&before.gone).map(|group| group.path());
        let others = before.walk.iter().map(|(path, _)| path.as_slice());
        let unknown = format!("/no such cgroup/{round}");
        let keys = own.chain(others).chain([unknown.as_bytes(), b"/"]);
        let keys = keys.filter_map(|path| CString::new(path).ok()).collect();
        Self { before, keys }
    }

    fn compare(&self, told: &[CgroupInfo], tally: &Tally) {
        if told.len() != self.keys.len() {
            tally.compare(Err(format!("{} items for {} cgroups", told.len(), self.keys.len())));
            return;
        }
        let now = walk();
        let there =
            self.before.there.iter().map(|group| if group.is_there() { Presence::There } else { Presence::Either });
        let gone = self.before.gone.iter().map(|_| Presence::Gone);
        let others =
            self.before.walk.iter().map(|place| if now.contains(place) { Presence::There } else { Presence::Either });
        let presences = there.chain(gone).chain(others).chain([Presence::Gone, Presence::Never]);
        for ((told, path), presence) in told.iter().zip(&self.keys).zip(presences) {
            tally.compare(about_a_cgroup(told, path, presence));
        }
    }
}

/// Compares a snapshot with what was known before it was asked for.
fn compare_snapshot(told: &[Cgroup], before: &Before, tally: &Tally) {
    let now = walk();
    let own = before.there.iter().filter(|group| group.is_there()).map(|group| group.path());
    let there = own.chain(before.walk.iter().filter(|place| now.contains(place)).map(|(path, _)| path.as_slice()));
    tally.compare(about_all_cgroups(told, there, before.gone.iter().map(|group: &Arc<Group>| group.path())));
}

impl<'a> Asker<'a> {
    pub(crate) fn new(
        run_dir: &Path,
        profile: Profiles,
        census: &'a Census,
        groups: &'a Groups,
        tally: &'a Tally,
    ) -> Self {
        let run_dir = run_dir.to_owned();
        Self { run_dir, profile, census, groups, tally, stubs: None, rounds: 0, before: Vec::new() }
    }

    /// Asks for everything in every way, once.
    pub(crate) fn round(&mut self) {
        self.rounds += 1;
        if self.rounds.is_multiple_of(ROUNDS) && self.stubs.take().is_some() {
            add(&self.tally.sessions, 1);
        }
        // The caches are of the sessions, so nobody is known to them at first.
        if self.stubs.is_none() {
            self.before.clear();
            match Stubs::connect(&self.run_dir, self.profile) {
                Ok(stubs) if stubs.have(self.profile) => self.stubs = Some(stubs),
                Ok(_) => return self.tally.failed("connecting", "another profile than the one that was wanted"),
                Err(error) => return self.tally.failed("connecting", error),
            }
        }
        let Some(mut stubs) = self.stubs.take() else { return };
        match self.ask(&mut stubs) {
            Ok(()) => self.stubs = Some(stubs),
            Err((what, error)) => self.tally.failed(what, error),
        }
    }

    fn ask(&mut self, stubs: &mut Stubs) -> Result<(), (&'static str, String)> {
        let tally = self.tally;
        for (at, client) in stubs.apps.iter_mut().enumerate() {
            let pids = Pids::new(self.census);
            let answer = client.lookup(&pids.keys).map_err(|error| ("a lookup of processes", error.to_string()))?;
            add(&tally.calls, answer.parts());
            add(&tally.keys, answer.len());
            if at == 1 && answer.parts() < 2 {
                tally.compare(Err(format!("{} processes in one answer of {NARROW} bytes", answer.len())));
            }
            pids.compare(&answer.iter().map(|app| app.to_owned()).collect::<Vec<App>>(), tally);
        }
        self.ask_cache(&mut stubs.kept_apps)?;

        for client in &mut stubs.cgroups {
            let paths = Paths::new(self.groups, self.rounds);
            let (told, parts) = self.insist(|| {
                let answer = client.lookup(&paths.keys)?;
                Ok((answer.iter().map(|item| item.to_owned()).collect::<Vec<_>>(), answer.parts()))
            })?;
            add(&tally.calls, parts);
            add(&tally.keys, told.len());
            paths.compare(&told, tally);
        }
        let paths = Paths::new(self.groups, self.rounds);
        let told = self.insist(|| {
            let looked = stubs.kept_cgroups.look_up(&paths.keys)?;
            Ok(looked.iter().map(|item| item.to_owned()).collect::<Vec<_>>())
        })?;
        add(&tally.calls, 1);
        add(&tally.keys, told.len());
        paths.compare(&told, tally);

        let before = self.groups.before();
        let snapshot = stubs.snapshot.snapshot(&SnapshotRequest {});
        let told = snapshot.map_err(|error| ("a snapshot", error.to_string()))?.items().map(|item| item.to_owned());
        let told: Vec<Cgroup> = told.collect();
        compare_snapshot(&told, &before, tally);
        let before = self.groups.before();
        stubs.kept_snapshot.refresh().map_err(|error| ("a refresh", error.to_string()))?;
        let kept: Vec<Cgroup> = stubs.kept_snapshot.read().iter().map(|item| item.to_owned()).collect();
        compare_snapshot(&kept, &before, tally);
        add(&tally.calls, 2);
        add(&tally.keys, told.len() + kept.len());
        Ok(())
    }

    /// Asks the cache as whoever keeps items must: cleared once a process has gone that was asked for.
    fn ask_cache(&mut self, cache: &mut AppsLookupLookupCache) -> Result<(), (&'static str, String)> {
        let mut pids = Pids::new(self.census);
        if self.before.iter().any(|member| !member.is_alive()) {
            cache.clear();
        }
        self.before.clone_from(&pids.alive);
        // Of all others it would have to know when they go.
        pids.dead.clear();
        pids.strangers.clear();
        pids.keys.truncate(pids.alive.len());
        pids.keys.extend(IMPOSSIBLE.map(|pid| Pid { pid }));
        let mut unknown = usize::MAX;
        for _ in 0..2 {
            let looked = cache.look_up(&pids.keys).map_err(|error| ("a cache of processes", error.to_string()))?;
            let told: Vec<App> = looked.iter().map(|app| app.to_owned()).collect();
            if looked.asked() > unknown {
                self.tally.compare(Err(format!("{} were asked for again, of {unknown} unknown", looked.asked())));
            }
            unknown = told.iter().filter(|app| app.status != AppStatus::Known).count();
            add(&self.tally.calls, 1);
            add(&self.tally.keys, told.len());
            pids.compare(&told, self.tally);
        }
        Ok(())
    }

    /// Looks up cgroups, again where some have come or gone in the midst of it.
    fn insist<T>(&self, mut look_up: impl FnMut() -> Result<T, CallError>) -> Result<T, (&'static str, String)> {
        let mut tries = 0;
        loop {
            match look_up() {
                Err(CallError::Lookup(LookupError::GenerationChanged { .. })) if tries < TRIES => tries += 1,
                told => {
                    add(&self.tally.again, tries);
                    return told.map_err(|error| ("a lookup of cgroups", error.to_string()));
                }
            }
        }
    }
}
