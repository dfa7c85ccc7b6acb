//! What holds of the paths of cgroups, whatever they are made of.

use netipc_examples::host::containers::identify;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::containers::with_ids;

/// What holds of any path.
fn check_any(path: &[u8]) -> Result<(), TestCaseError> {
    let identity = identify(path);
    prop_assert_eq!(identity.name.is_empty(), path.contains(&0), "a name where it is a path");
    for label in &identity.labels {
        prop_assert!(!label.key.is_empty() && !label.value.is_empty(), "{:?}", label);
        if label.key.as_c_str() == c"inside" {
            let plain: Vec<_> =
                path.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b"." | b"..")).collect();
            prop_assert!(plain.join(&b'/').ends_with(label.value.as_bytes()));
        }
    }
    let mut keys: Vec<_> = identity.labels.iter().map(|label| &label.key).collect();
    keys.sort();
    keys.dedup();
    prop_assert_eq!(keys.len(), identity.labels.len(), "each label once");
    Ok(())
}

/// Pieces that paths of containers are made of, whole and not.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let known = select(vec![
        "/",
        "/",
        "/",
        "docker",
        "docker-",
        "<id>",
        "<id>",
        "<other>",
        ".scope",
        ".slice",
        ".service",
        "kubepods",
        "kubepods-",
        "burstable",
        "-pod",
        "pod",
        "<uid>",
        "<u_id>",
        ":",
        "cri-containerd",
        "crio-conmon-",
        "libpod-",
        "libpod_pod_",
        "libpod_parent",
        "machine-",
        "qemu-",
        r"qemu\x2d",
        "1-",
        r"\x2d",
        r"\x",
        "lxc",
        "lxc.payload",
        ".",
        "systemd-nspawn@",
        "user-",
        "1000",
        "session-",
        "@",
        "_",
        "qemu.slice",
        "ecs",
        ".libvirt-qemu",
    ]);
    prop_oneof![8 => known.prop_map(|piece| with_ids(piece).into_bytes()), 1 => vec(any::<u8>(), 0..4)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_have_a_name(path in vec(any::<u8>(), 0..200)) {
        check_any(&path)?;
    }

    #[test]
    fn any_pieces_of_paths_have_a_name(pieces in vec(pieces(), 0..16)) {
        check_any(&pieces.concat())?;
    }
}
