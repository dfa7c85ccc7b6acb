//! The pods of Kubernetes, as they stand in paths of cgroups.
//!
//! Owns: the levels from `kubepods` down to a container, in the forms of both drivers of the kubelet. It refuses to ask
//! anybody else: how a pod or a container is called in the cluster stands in no path.
//!
//! - driver cgroupfs: `/kubepods/burstable/pod<uid>/<id>`
//! - driver systemd: `/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<uid>.slice/cri-containerd-<id>.scope`,
//!   where the uid has `_` for `-`, which separates slices
//! - only the kubelet on systemd: `kubepods-burstable-pod<uid>.slice:cri-containerd:<id>`, as one name

use super::containers::{ContainerId, Identity};
use crate::Orchestrator;

/// Where a path has come to, below the last `kubepods` of it.
#[derive(Debug, Default)]
pub(super) struct Pods {
    /// In a pod, or still above; none outside of `kubepods`, and below a container.
    place: Option<Pod>,
}

/// What is known of a pod.
#[derive(Debug, Default)]
struct Pod {
    /// Its class, unless it is the one that has no directory of its own.
    class: Option<&'static [u8]>,
    uid: Option<Vec<u8>>,
}

/// The classes of service that have a directory of their own.
fn class(name: &[u8]) -> Option<&'static [u8]> {
    let classes: [&'static [u8]; 2] = [b"burstable", b"besteffort"];
    classes.into_iter().find(|class| *class == name)
}

/// The uid behind `pod`; with the driver systemd, `_` stands for `-`. Pods of the node itself have digits alone.
fn uid(name: &[u8]) -> Option<Vec<u8>> {
    let uid = name.strip_prefix(b"pod").filter(|uid| !uid.is_empty())?;
    let is_uid = uid.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    is_uid.then(|| uid.iter().map(|byte| if *byte == b'_' { b'-' } else { *byte }).collect())
}

impl Pod {
    /// What a slice tells; it may stand below another one, as in `kubelet-kubepods-burstable.slice`.
    fn of_slice(name: &[u8]) -> Option<Self> {
        let stem = name.strip_suffix(b".slice")?;
        let mut parts = stem.split(|byte| *byte == b'-').skip_while(|part| *part != b"kubepods").skip(1).peekable();
        if !stem.split(|byte| *byte == b'-').any(|part| part == b"kubepods") {
            return None;
        }
        let class = parts.peek().and_then(|part| class(part));
        if class.is_some() {
            parts.next();
        }
        let uid = match parts.next() {
            None => None,
            Some(pod) => Some(uid(pod).filter(|_| parts.next().is_none())?),
        };
        Some(Self { class, uid })
    }

    /// What a directory below `kubepods` adds to what is known.
    fn go_down(&mut self, name: &[u8]) -> Option<()> {
        if self.uid.is_some() {
            return None;
        }
        if let Some(class) = class(name).filter(|_| self.class.is_none()) {
            self.class = Some(class);
        } else {
            self.uid = Some(uid(name)?);
        }
        Some(())
    }

    fn identity(&self) -> Identity {
        let name = match (&self.uid, self.class) {
            (Some(uid), _) => uid.clone(),
            (None, Some(class)) => [b"kubepods-", class].concat(),
            (None, None) => b"kubepods".to_vec(),
        };
        let mut identity = Identity::new(Orchestrator::K8s, &name);
        self.label(&mut identity);
        identity
    }

    fn label(&self, identity: &mut Identity) {
        if let Some(uid) = &self.uid {
            identity.label(c"pod_uid", uid);
        }
        if self.uid.is_some() || self.class.is_some() {
            identity.label(c"qos_class", self.class.unwrap_or(b"guaranteed"));
        }
    }
}

fn container(id: ContainerId<'_>, pod: Option<&Pod>) -> Identity {
    let mut identity = id.identity(Orchestrator::K8s);
    let runtime: &[u8] = match id.prefix {
        b"cri-containerd" => b"containerd",
        b"crio" | b"crio-conmon" => b"cri-o",
        other => other,
    };
    if !runtime.is_empty() {
        identity.label(c"runtime", runtime);
    }
    if let Some(pod) = pod {
        pod.label(&mut identity);
    }
    identity
}

impl Pods {
    /// Goes down into the directory `name`; tells what it is, if it is Kubernetes'.
    pub(super) fn go_down(&mut self, name: &[u8]) -> Option<Identity> {
        let id = ContainerId::of(name);
        let slice = name.split(|byte| *byte == b':').next().filter(|slice| slice.len() < name.len());
        if let (Some(id), Some(pod)) = (id, slice.and_then(Pod::of_slice)) {
            self.place = None;
            return Some(container(id, Some(&pod)));
        }
        if name == b"kubepods" {
            self.place = Some(Pod::default());
            return self.place.as_ref().map(Pod::identity);
        }
        if let Some(pod) = Pod::of_slice(name) {
            return Some(self.place.insert(pod).identity());
        }
        match (&mut self.place, id) {
            (Some(pod), Some(id)) if pod.uid.is_some() => {
                let identity = container(id, Some(pod));
                self.place = None;
                Some(identity)
            }
            // The runtimes of Kubernetes call containers so wherever they are.
            (_, Some(id)) if matches!(id.prefix, b"cri-containerd" | b"crio" | b"crio-conmon") => {
                Some(container(id, None))
            }
            (Some(pod), None) => pod.go_down(name).map(|()| pod.identity()),
            _ => None,
        }
    }
}
