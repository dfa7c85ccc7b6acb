//! What a cgroup's path tells of it: who runs it, how people call it, and more as labels.
//!
//! Owns: the forms of paths that container engines, virtual machines and systemd use. It refuses to ask anybody, so a
//! container is called by its id: its name stands in no path. Nor does it vouch for anything: whoever may make cgroups may
//! call them like somebody else's.
//!
//! Whatever is innermost counts: a container of Docker in a container of LXC is Docker's. Units of systemd count where
//! there is no container at all, because those inside of a container are its own business. What is below a container or a
//! unit belongs to it, with one label more.
//!
//! | label | of | what |
//! |---|---|---|
//! | `container_id` | Docker, Podman, Kubernetes, others | the whole id, of which the first 12 digits are the name |
//! | `role` | all | `monitor`: not the container itself but what looks after it |
//! | `runtime` | Kubernetes | `containerd`, `cri-o`, `docker` .. |
//! | `pod_uid`, `qos_class` | Kubernetes | the pod; `guaranteed`, `burstable` or `besteffort` |
//! | `pod_id` | Podman | the whole id of the pod |
//! | `machine` | virtual machines, nspawn, LXC by libvirt | what machined knows it by |
//! | `unit`, `slice` | systemd | the unit and the slice that it is in, as systemctl(1) writes them |
//! | `template`, `instance` | systemd | of `getty@tty1.service` |
//! | `uid`, `session` | systemd | whose slice it is in, and the session whose scope it is |
//! | `inside` | all | the path from there on, if it is not the end |

use core::ffi::CStr;
use std::ffi::CString;

use super::kube::Pods;
use super::units::{innermost, unescape};
use super::{components, number};
use crate::{Label, Orchestrator};

/// What a path tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Who runs the cgroup.
    pub orchestrator: Orchestrator,
    /// The name that people see. It need not be UTF-8.
    pub name: CString,
    /// What else is known, in a fixed order.
    pub labels: Vec<Label>,
}

/// The cgroup in a path that says whose it is.
pub(super) struct Outcome {
    /// Which one, from the root.
    pub(super) at: usize,
    pub(super) identity: Identity,
}

/// Neither paths nor what they are unescaped to hold a NUL, so nothing is lost.
fn text(bytes: &[u8]) -> CString {
    CString::new(bytes).unwrap_or_default()
}

impl Identity {
    pub(super) fn new(orchestrator: Orchestrator, name: &[u8]) -> Self {
        Self { orchestrator, name: text(name), labels: Vec::new() }
    }

    pub(super) fn label(&mut self, key: &CStr, value: &[u8]) {
        self.labels.push(Label { key: key.to_owned(), value: text(value) });
    }

    /// The same with one more label.
    fn with(mut self, key: &CStr, value: &[u8]) -> Self {
        self.label(key, value);
        self
    }
}

/// The id of a container, and what stands before it in the name of a cgroup.
#[derive(Clone, Copy)]
pub(super) struct ContainerId<'a> {
    /// Without the `-` between them; empty where there is only the id.
    pub(super) prefix: &'a [u8],
    id: &'a [u8],
}

impl<'a> ContainerId<'a> {
    /// 64 hexadecimal digits.
    pub(super) fn bare(id: &'a [u8]) -> Option<Self> {
        (id.len() == 64 && id.iter().all(u8::is_ascii_hexdigit)).then_some(Self { prefix: b"", id })
    }

    /// `<id>`, `<prefix>-<id>`, `<prefix>-<id>.scope`, or what runc takes for the last one if it is not told to ask systemd:
    /// `<slice>:<prefix>:<id>`.
    pub(super) fn of(name: &'a [u8]) -> Option<Self> {
        let mut parts = name.rsplitn(3, |byte| *byte == b':');
        if let (Some(id), Some(prefix), Some(_)) = (parts.next(), parts.next(), parts.next()) {
            return Self::bare(id).map(|id| id.with_prefix(prefix));
        }
        let stem = name.strip_suffix(b".scope").unwrap_or(name);
        let (prefix, id) = stem.split_at_checked(stem.len().checked_sub(64)?)?;
        let prefix = if prefix.is_empty() { prefix } else { prefix.strip_suffix(b"-")? };
        Self::bare(id).map(|id| id.with_prefix(prefix))
    }

    pub(super) const fn with_prefix(self, prefix: &'a [u8]) -> Self {
        Self { prefix, ..self }
    }

    /// As much of it as engines show.
    fn short(self) -> &'a [u8] {
        self.id.get(..12).unwrap_or(self.id)
    }

    /// What it is if `orchestrator` runs it.
    pub(super) fn identity(self, orchestrator: Orchestrator) -> Identity {
        let mut identity = Identity::new(orchestrator, self.short()).with(c"container_id", self.id);
        if self.prefix.ends_with(b"-conmon") {
            identity.label(c"role", b"monitor");
        }
        identity
    }
}

/// What the path of a cgroup tells of it.
///
/// Of a path that tells nothing, the path itself is the name, without the `/` at its beginning; the root is `/`. A path with
/// a NUL is none, and has no name.
#[must_use]
pub fn identify(path: &[u8]) -> Identity {
    if path.contains(&0) {
        return Identity::new(Orchestrator::Unknown, b"");
    }
    let names: Vec<&[u8]> = components(path).collect();
    let Some(Outcome { at, mut identity }) =
        container(&names).or_else(|| innermost(&names)).or_else(|| anonymous(&names))
    else {
        let name = if names.is_empty() { b"/".to_vec() } else { names.join(&b'/') };
        return Identity::new(Orchestrator::Unknown, &name);
    };
    if let Some(inside) = names.get(at + 1..).filter(|inside| !inside.is_empty()) {
        identity.label(c"inside", &[b"/", inside.join(&b'/').as_slice()].concat());
    }
    identity
}

/// The innermost container or virtual machine.
fn container(names: &[&[u8]]) -> Option<Outcome> {
    let mut pods = Pods::default();
    let mut found = None;
    let (mut parent, mut grandparent): (&[u8], &[u8]) = (b"", b"");
    for (at, name) in names.iter().enumerate() {
        let engine = || docker(name, parent, grandparent).or_else(|| podman(name, parent, grandparent));
        let machine =
            || libvirt(name).or_else(|| machined(name)).or_else(|| lxc(name, parent)).or_else(|| proxmox(name, parent));
        if let Some(identity) = pods.go_down(name).or_else(engine).or_else(machine) {
            found = Some(Outcome { at, identity });
        }
        (parent, grandparent) = (name, parent);
    }
    found
}

/// The id of a container that somebody runs of whom the path tells nothing.
fn anonymous(names: &[&[u8]]) -> Option<Outcome> {
    let ids = names.iter().enumerate().rev();
    let (at, id) = ids.filter_map(|(at, name)| Some((at, ContainerId::of(name)?))).next()?;
    Some(Outcome { at, identity: id.identity(Orchestrator::Unknown) })
}

/// `docker/<id>`, `docker-<id>.scope`, `system.slice:docker:<id>`, and what the agent of Amazon's ECS has Docker make: `ecs/<task>/<id>`.
fn docker(name: &[u8], parent: &[u8], grandparent: &[u8]) -> Option<Identity> {
    let id = ContainerId::of(name)?;
    let is_docker = match id.prefix {
        b"docker" => true,
        b"" => parent == b"docker" || grandparent == b"ecs",
        _ => false,
    };
    is_docker.then(|| id.identity(Orchestrator::Docker))
}

/// `libpod-<id>.scope`, `libpod-conmon-<id>.scope`, `libpod-payload-<id>`; pods are `machine-libpod_pod_<id>.slice`, or
/// `libpod_parent/<id>`.
fn podman(name: &[u8], parent: &[u8], grandparent: &[u8]) -> Option<Identity> {
    let pod = |name, parent: &[u8]| {
        slice_of_pod(name).or_else(|| ContainerId::bare(name).filter(|_| parent == b"libpod_parent"))
    };
    if let Some(pod) = pod(name, parent) {
        return Some(Identity::new(Orchestrator::Podman, pod.short()).with(c"pod_id", pod.id));
    }
    let id = ContainerId::of(name)?;
    if !matches!(id.prefix, b"libpod" | b"libpod-conmon" | b"libpod-payload") {
        return None;
    }
    let mut identity = id.identity(Orchestrator::Podman);
    if let Some(pod) = pod(parent, grandparent) {
        identity.label(c"pod_id", pod.id);
    }
    Some(identity)
}

fn slice_of_pod(name: &[u8]) -> Option<ContainerId<'_>> {
    let stem = name.strip_suffix(b".slice")?;
    let (before, id) = stem.split_at_checked(stem.len().checked_sub(64)?)?;
    ContainerId::bare(id).filter(|_| before.ends_with(b"libpod_pod_"))
}

/// libvirt before it knew of machined: `<name>.libvirt-qemu`, `qemu-1-<name>.libvirt-qemu`.
fn libvirt(name: &[u8]) -> Option<Identity> {
    let (orchestrator, driver, machine) = match name.strip_suffix(b".libvirt-qemu") {
        Some(machine) => (Orchestrator::Kvm, "qemu-", machine),
        None => (Orchestrator::Lxc, "lxc-", name.strip_suffix(b".libvirt-lxc")?),
    };
    let machine = unescape(machine);
    let domain = machine.strip_prefix(driver.as_bytes()).and_then(after_number).unwrap_or(&machine);
    (!domain.is_empty()).then(|| Identity::new(orchestrator, domain).with(c"machine", &machine))
}

/// What stands behind the number that libvirt gives to what runs: `7-name`.
fn after_number(name: &[u8]) -> Option<&[u8]> {
    let at = name.iter().position(|byte| *byte == b'-')?;
    let (id, domain) = name.split_at(at);
    number::<u64>(id)?;
    domain.strip_prefix(b"-").filter(|domain| !domain.is_empty())
}

/// What machined knows: `machine-<name>.scope`, where libvirt's names begin with its driver; and the services of
/// systemd-nspawn and systemd-vmspawn.
fn machined(name: &[u8]) -> Option<Identity> {
    let instance = |template: &[u8]| name.strip_prefix(template)?.strip_suffix(b".service").map(unescape);
    let scope = || name.strip_prefix(b"machine-")?.strip_suffix(b".scope").map(unescape);
    let (orchestrator, machine) = if let Some(machine) = instance(b"systemd-nspawn@") {
        (Orchestrator::Nspawn, machine)
    } else if let Some(machine) = instance(b"systemd-vmspawn@") {
        (Orchestrator::Kvm, machine)
    } else {
        let machine = scope()?;
        for (orchestrator, driver) in [(Orchestrator::Kvm, "qemu-"), (Orchestrator::Lxc, "lxc-")] {
            if let Some(domain) = machine.strip_prefix(driver.as_bytes()).filter(|domain| !domain.is_empty()) {
                let domain = after_number(domain).unwrap_or(domain);
                return Some(Identity::new(orchestrator, domain).with(c"machine", &machine));
            }
        }
        (Orchestrator::Nspawn, machine)
    };
    (!machine.is_empty()).then(|| Identity::new(orchestrator, &machine).with(c"machine", &machine))
}

/// `lxc/<name>`, `lxc.payload.<name>`, `lxc.payload/<name>`, and the same with `lxc.monitor`.
fn lxc(name: &[u8], parent: &[u8]) -> Option<Identity> {
    let behind = |start: &[u8]| name.strip_prefix(start).filter(|name| !name.is_empty());
    if let Some(name) = behind(b"lxc.monitor.").or_else(|| (parent == b"lxc.monitor").then_some(name)) {
        return Some(Identity::new(Orchestrator::Lxc, name).with(c"role", b"monitor"));
    }
    let is_below = matches!(parent, b"lxc" | b"lxc.payload");
    let name = behind(b"lxc.payload.").or_else(|| is_below.then_some(name))?;
    Some(Identity::new(Orchestrator::Lxc, name))
}

/// Virtual machines of Proxmox: `qemu.slice/100.scope`.
fn proxmox(name: &[u8], parent: &[u8]) -> Option<Identity> {
    let id = name.strip_suffix(b".scope").filter(|_| parent == b"qemu.slice")?;
    number::<u64>(id)?;
    Some(Identity::new(Orchestrator::Kvm, id))
}
