//! What the path of a cgroup tells of it.

use netipc_examples::Orchestrator::{self, Docker, K8s, Kvm, Lxc, Nspawn, Podman, Systemd, Unknown};
use netipc_examples::host::containers::identify;

/// What stands in the tables below for ids: of a container, of another one, of a pod, and the same as systemd has it.
const IDS: [(&str, &str); 4] = [
    ("<id>", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
    ("<other>", "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"),
    ("<uid>", "8a3f1c52-09d4-4e0b-9f51-5bb4b7ae62c1"),
    ("<u_id>", "8a3f1c52_09d4_4e0b_9f51_5bb4b7ae62c1"),
];
/// The name of a container: the beginning of `<id>`.
const SHORT: &str = "0123456789ab";

pub(crate) fn with_ids(text: &str) -> String {
    IDS.iter().fold(text.to_owned(), |text, (mark, id)| text.replace(mark, id))
}

/// Each case: a path, who runs it, its name, and its labels.
fn check(cases: &[(&str, Orchestrator, &str, &[&str])]) {
    for (path, orchestrator, name, labels) in cases {
        let identity = identify(with_ids(path).as_bytes());
        let told = identity.labels.iter().map(|label| [label.key.as_bytes(), label.value.as_bytes()].join(&b'='));
        let told: Vec<_> = told.map(|label| String::from_utf8(label).unwrap()).collect();
        let labels: Vec<_> = labels.iter().map(|label| with_ids(label)).collect();
        let actual = (identity.orchestrator, identity.name.to_str().unwrap(), told);
        assert_eq!(actual, (*orchestrator, with_ids(name).as_str(), labels), "{path}");
    }
}

#[test]
fn containers_of_docker_have_the_beginning_of_their_id_as_name() {
    check(&[
        ("/docker/<id>", Docker, SHORT, &["container_id=<id>"]),
        ("/docker/<id>/init.scope", Docker, SHORT, &["container_id=<id>", "inside=/init.scope"]),
        ("/docker/<id>/a.slice/b.service", Docker, SHORT, &["container_id=<id>", "inside=/a.slice/b.service"]),
        ("/system.slice/docker-<id>.scope", Docker, SHORT, &["container_id=<id>"]),
        ("/custom.slice/docker-<id>.scope/x", Docker, SHORT, &["container_id=<id>", "inside=/x"]),
        (
            "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-<id>.scope",
            Docker,
            SHORT,
            &["container_id=<id>"],
        ),
        ("/system.slice:docker:<id>", Docker, SHORT, &["container_id=<id>"]),
        ("/ecs/0123abcd/<id>", Docker, SHORT, &["container_id=<id>"]),
        // Of a process outside of the namespace.
        ("/../docker/<id>", Docker, SHORT, &["container_id=<id>"]),
        // The innermost one counts.
        ("/docker/<other>/docker/<id>", Docker, SHORT, &["container_id=<id>"]),
        ("/lxc.payload.box/docker/<id>", Docker, SHORT, &["container_id=<id>"]),
    ]);
}

#[test]
fn what_only_looks_like_a_container_is_something_else() {
    check(&[
        ("/docker", Unknown, "docker", &[]),
        ("/docker/0123456789ab", Unknown, "docker/0123456789ab", &[]),
        ("/docker/<id>0", Unknown, "docker/<id>0", &[]),
        ("/docker/x<id>", Unknown, "docker/x<id>", &[]),
        ("/system.slice/docker.service", Systemd, "docker.service", &["unit=docker.service", "slice=system.slice"]),
        ("/system.slice/docker-.scope", Systemd, "docker-.scope", &["unit=docker-.scope", "slice=system.slice"]),
        (
            "/system.slice/dockerx<id>.scope",
            Systemd,
            "dockerx<id>.scope",
            &["unit=dockerx<id>.scope", "slice=system.slice"],
        ),
        ("/a:docker:x<id>", Unknown, "a:docker:x<id>", &[]),
        ("/docker:<id>", Unknown, "docker:<id>", &[]),
        ("/mykubepods/pod<uid>", Unknown, "mykubepods/pod<uid>", &[]),
        ("/pod<uid>/<id>", Unknown, SHORT, &["container_id=<id>"]),
        ("/lxc", Unknown, "lxc", &[]),
        ("/lxc.payload.", Unknown, "lxc.payload.", &[]),
        ("/lxc.pivot", Unknown, "lxc.pivot", &[]),
        ("/a/b-c", Unknown, "a/b-c", &[]),
        ("/actions_job/<id>/x", Unknown, SHORT, &["container_id=<id>", "inside=/x"]),
        (
            "/system.slice/a.service/<id>",
            Systemd,
            "a.service",
            &["unit=a.service", "slice=system.slice", "inside=/<id>"],
        ),
        ("/", Unknown, "/", &[]),
        ("", Unknown, "/", &[]),
        ("/..", Unknown, "/", &[]),
        ("/docker/\0", Unknown, "", &[]),
    ]);
}

#[test]
fn kubernetes_tells_pods_and_containers_in_the_forms_of_both_drivers() {
    let guaranteed = &["pod_uid=<uid>", "qos_class=guaranteed"][..];
    let burstable = &["pod_uid=<uid>", "qos_class=burstable"][..];
    let in_containerd = &["container_id=<id>", "runtime=containerd", "pod_uid=<uid>", "qos_class=burstable"][..];
    check(&[
        ("/kubepods", K8s, "kubepods", &[]),
        ("/kubepods/besteffort", K8s, "kubepods-besteffort", &["qos_class=besteffort"]),
        ("/kubepods/pod<uid>", K8s, "<uid>", guaranteed),
        ("/kubepods/burstable/pod<uid>", K8s, "<uid>", burstable),
        (
            "/kubepods/burstable/pod<uid>/<id>",
            K8s,
            SHORT,
            &["container_id=<id>", "pod_uid=<uid>", "qos_class=burstable"],
        ),
        (
            "/kubepods/pod<uid>/crio-<id>/x",
            K8s,
            SHORT,
            &["container_id=<id>", "runtime=cri-o", "pod_uid=<uid>", "qos_class=guaranteed", "inside=/x"],
        ),
        ("/kubelet/kubepods/burstable/pod<uid>/cri-containerd-<id>", K8s, SHORT, in_containerd),
        ("/kubepods.slice", K8s, "kubepods", &[]),
        ("/kubepods.slice/kubepods-burstable.slice", K8s, "kubepods-burstable", &["qos_class=burstable"]),
        ("/kubepods.slice/kubepods-pod<u_id>.slice", K8s, "<uid>", guaranteed),
        ("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<u_id>.slice", K8s, "<uid>", burstable),
        (
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod<u_id>.slice/cri-containerd-<id>.scope",
            K8s,
            SHORT,
            in_containerd,
        ),
        (
            "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod<u_id>.slice/crio-<id>.scope/container",
            K8s,
            SHORT,
            &["container_id=<id>", "runtime=cri-o", "pod_uid=<uid>", "qos_class=besteffort", "inside=/container"],
        ),
        (
            "/kubepods.slice/kubepods-pod<u_id>.slice/crio-conmon-<id>.scope",
            K8s,
            SHORT,
            &["container_id=<id>", "role=monitor", "runtime=cri-o", "pod_uid=<uid>", "qos_class=guaranteed"],
        ),
        (
            "/kubepods.slice/kubepods-pod<u_id>.slice/docker-<id>.scope",
            K8s,
            SHORT,
            &["container_id=<id>", "runtime=docker", "pod_uid=<uid>", "qos_class=guaranteed"],
        ),
        // A node that is a container itself.
        (
            "/docker/<other>/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/\
             kubelet-kubepods-burstable-pod<u_id>.slice/cri-containerd-<id>.scope",
            K8s,
            SHORT,
            in_containerd,
        ),
        // Only the kubelet uses systemd.
        (
            "/system.slice/containerd.service/kubepods-burstable-pod<u_id>.slice:cri-containerd:<id>",
            K8s,
            SHORT,
            in_containerd,
        ),
        // A pod of the node itself.
        (
            "/kubepods/burstable/pod0c9d6a4b1f3e5d7c8b9a0f1e2d3c4b5a",
            K8s,
            "0c9d6a4b1f3e5d7c8b9a0f1e2d3c4b5a",
            &["pod_uid=0c9d6a4b1f3e5d7c8b9a0f1e2d3c4b5a", "qos_class=burstable"],
        ),
        (
            "/kubepods-pod<u_id>.slice:docker:<id>",
            K8s,
            SHORT,
            &["container_id=<id>", "runtime=docker", "pod_uid=<uid>", "qos_class=guaranteed"],
        ),
        // The runtime of a cluster, without a pod around it; and what a container runs by itself.
        ("/system.slice/cri-containerd-<id>.scope", K8s, SHORT, &["container_id=<id>", "runtime=containerd"]),
        ("/kubepods/pod<uid>/<other>/docker/<id>", Docker, SHORT, &["container_id=<id>"]),
        // Not what a kubelet makes: still below the pods, not one of them.
        ("/kubepods/other", K8s, "kubepods", &["inside=/other"]),
        ("/kubepods/burstable/besteffort", K8s, "kubepods-burstable", &["qos_class=burstable", "inside=/besteffort"]),
        ("/kubepods/pod<uid>/pod1", K8s, "<uid>", &["pod_uid=<uid>", "qos_class=guaranteed", "inside=/pod1"]),
        ("/kubepods-pod1-x.slice", Systemd, "kubepods-pod1-x.slice", &["unit=kubepods-pod1-x.slice"]),
        ("/kubepods-burstable-x.slice", Systemd, "kubepods-burstable-x.slice", &["unit=kubepods-burstable-x.slice"]),
    ]);
}

#[test]
fn virtual_machines_have_the_name_that_libvirt_knows_them_by() {
    check(&[
        (r"/machine.slice/machine-qemu\x2d1\x2dname.scope", Kvm, "name", &["machine=qemu-1-name"]),
        (
            r"/machine.slice/machine-qemu\x2d12\x2dmy\x2dweb\x2d1.scope/libvirt/vcpu0",
            Kvm,
            "my-web-1",
            &["machine=qemu-12-my-web-1", "inside=/libvirt/vcpu0"],
        ),
        (r"/machine.slice/machine-qemu\x2dname.scope", Kvm, "name", &["machine=qemu-name"]),
        ("/machine/name.libvirt-qemu/emulator", Kvm, "name", &["machine=name", "inside=/emulator"]),
        ("/machine/qemu-3-name.libvirt-qemu", Kvm, "name", &["machine=qemu-3-name"]),
        ("/qemu.slice/100.scope", Kvm, "100", &[]),
        ("/system.slice/systemd-vmspawn@vm.service", Kvm, "vm", &["machine=vm"]),
    ]);
}

#[test]
fn containers_of_lxc_have_their_name() {
    check(&[
        ("/lxc/name", Lxc, "name", &[]),
        ("/lxc/100/ns/system.slice/x.service", Lxc, "100", &["inside=/ns/system.slice/x.service"]),
        ("/lxc.payload.my-name", Lxc, "my-name", &[]),
        ("/lxc.payload.a.b/init.scope", Lxc, "a.b", &["inside=/init.scope"]),
        ("/lxc.payload/name", Lxc, "name", &[]),
        ("/lxc.monitor.name", Lxc, "name", &["role=monitor"]),
        ("/lxc.monitor/100", Lxc, "100", &["role=monitor"]),
        ("/lxc/outer/lxc/inner", Lxc, "inner", &[]),
        (r"/machine.slice/machine-lxc\x2d123\x2dname.scope", Lxc, "name", &["machine=lxc-123-name"]),
        ("/machine/name.libvirt-lxc", Lxc, "name", &["machine=name"]),
    ]);
}

#[test]
fn containers_of_podman_tell_their_pod_too() {
    check(&[
        ("/machine.slice/libpod-<id>.scope", Podman, SHORT, &["container_id=<id>"]),
        ("/machine.slice/libpod-conmon-<id>.scope", Podman, SHORT, &["container_id=<id>", "role=monitor"]),
        (
            "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-<id>.scope/container",
            Podman,
            SHORT,
            &["container_id=<id>", "inside=/container"],
        ),
        ("/machine.slice/machine-libpod_pod_<id>.slice", Podman, SHORT, &["pod_id=<id>"]),
        (
            "/machine.slice/machine-libpod_pod_<other>.slice/libpod-<id>.scope",
            Podman,
            SHORT,
            &["container_id=<id>", "pod_id=<other>"],
        ),
        ("/libpod_parent/libpod-<id>", Podman, SHORT, &["container_id=<id>"]),
        ("/libpod_parent/<id>", Podman, SHORT, &["pod_id=<id>"]),
        ("/libpod_parent/<other>/libpod-<id>", Podman, SHORT, &["container_id=<id>", "pod_id=<other>"]),
        ("/system.slice/web.service/libpod-payload-<id>", Podman, SHORT, &["container_id=<id>"]),
        ("/docker/<other>/libpod-<id>", Podman, SHORT, &["container_id=<id>"]),
    ]);
}

#[test]
fn machines_of_nspawn_have_their_name() {
    check(&[
        ("/machine.slice/systemd-nspawn@name.service", Nspawn, "name", &["machine=name"]),
        (
            r"/machine.slice/systemd-nspawn@my\x2dname.service/payload/init.scope",
            Nspawn,
            "my-name",
            &["machine=my-name", "inside=/payload/init.scope"],
        ),
        ("/machine.slice/machine-name.scope", Nspawn, "name", &["machine=name"]),
        (
            r"/machine.slice/machine-my\x2dname.scope/payload",
            Nspawn,
            "my-name",
            &["machine=my-name", "inside=/payload"],
        ),
        ("/machine.slice", Systemd, "machine.slice", &["unit=machine.slice"]),
    ]);
}

#[test]
fn units_of_systemd_are_told_where_there_is_no_container() {
    check(&[
        ("/init.scope", Systemd, "init.scope", &["unit=init.scope"]),
        ("/system.slice", Systemd, "system.slice", &["unit=system.slice"]),
        ("/system.slice/x.service", Systemd, "x.service", &["unit=x.service", "slice=system.slice"]),
        (
            "/system.slice/x.service/deleg/ated",
            Systemd,
            "x.service",
            &["unit=x.service", "slice=system.slice", "inside=/deleg/ated"],
        ),
        (
            r"/system.slice/systemd-fsck@dev-disk-by\x2duuid-01.service",
            Systemd,
            "systemd-fsck@dev-disk-by-uuid-01.service",
            &[
                r"unit=systemd-fsck@dev-disk-by\x2duuid-01.service",
                "slice=system.slice",
                "template=systemd-fsck@.service",
                "instance=dev-disk-by-uuid-01",
            ],
        ),
        (
            "/system.slice/system-getty.slice/getty@tty1.service",
            Systemd,
            "getty@tty1.service",
            &["unit=getty@tty1.service", "slice=system-getty.slice", "template=getty@.service", "instance=tty1"],
        ),
        (
            r"/system.slice/dev-hugepages.mount",
            Systemd,
            "dev-hugepages.mount",
            &["unit=dev-hugepages.mount", "slice=system.slice"],
        ),
        (
            "/user.slice/user-1000.slice",
            Systemd,
            "user-1000.slice",
            &["unit=user-1000.slice", "slice=user.slice", "uid=1000"],
        ),
        (
            "/user.slice/user-1000.slice/session-3.scope",
            Systemd,
            "session-3.scope",
            &["unit=session-3.scope", "slice=user-1000.slice", "uid=1000", "session=3"],
        ),
        (
            r"/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.gnome\x2dx-7.scope",
            Systemd,
            "app-org.gnome-x-7.scope",
            &[r"unit=app-org.gnome\x2dx-7.scope", "slice=app.slice", "uid=1000"],
        ),
        (
            "/user.slice/user-1000.slice/user@1000.service/init.scope",
            Systemd,
            "init.scope",
            &["unit=init.scope", "slice=user-1000.slice", "uid=1000"],
        ),
        // What the kernel could take for files of its own has an underscore in front.
        ("/_cpu.slice/_memory.service", Systemd, "memory.service", &["unit=memory.service", "slice=cpu.slice"]),
        ("/.service", Unknown, ".service", &[]),
        (
            "/system.slice/nerdctl-<id>.scope",
            Systemd,
            "nerdctl-<id>.scope",
            &["unit=nerdctl-<id>.scope", "slice=system.slice"],
        ),
    ]);
}

#[test]
fn names_need_not_be_text() {
    let identity = identify(b"/lxc/\xff\xfe");
    assert_eq!((identity.orchestrator, identity.name.as_bytes()), (Lxc, &b"\xff\xfe"[..]));
    let identity = identify(br"/machine.slice/machine-\xff.scope");
    assert_eq!((identity.orchestrator, identity.name.as_bytes()), (Nspawn, &b"\xff"[..]));
}
