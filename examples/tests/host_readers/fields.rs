//! The texts of `/proc`.

use netipc_examples::host::cgroups::Mounted;
use netipc_examples::host::texts::{Stat, Status, cgroup_path};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Fields 5 to 21, which nobody reads: some are negative.
const BETWEEN: &str = "1 1 0 -1 4194560 0 0 0 0 1 2 0 0 20 0 1 0";

fn stat(pid: &str, comm: &[u8], ppid: &str, starttime: &str) -> Vec<u8> {
    let rest = format!(") S {ppid} {BETWEEN} {starttime} 3133440 393 18446744073709551615 0\n");
    [pid.as_bytes(), b" (", comm, rest.as_bytes()].concat()
}

#[test]
fn a_name_may_hold_anything() {
    for comm in [
        &b"cat"[..],
        b"",
        b" ",
        b")",
        b"(",
        b") S 1 (",
        b"a) R 2 3 4 5 6",
        b"\n",
        b"two words",
        b"\xff\xfe\x01",
        b"exactly 15 long",
        b"()()()()()()()(",
    ] {
        let text = stat("42", comm, "7", "1234567");
        let expected = Stat { pid: 42, comm, ppid: 7, starttime: 1_234_567 };
        assert_eq!(Stat::parse(&text), Some(expected), "{}", comm.escape_ascii());
    }
    let text = stat("42", b"kworker/u8:2-events_unbound", "2", "1");
    assert_eq!(Stat::parse(&text).unwrap().comm, b"kworker/u8:2-ev");
}

#[test]
fn numbers_may_be_as_large_as_their_fields() {
    let most = Stat { pid: u32::MAX, comm: b"x", ppid: u32::MAX, starttime: u64::MAX };
    assert_eq!(Stat::parse(&stat("4294967295", b"x", "4294967295", "18446744073709551615")), Some(most));
    for (pid, ppid, starttime) in [
        ("4294967296", "1", "1"),
        ("1", "4294967296", "1"),
        ("1", "1", "18446744073709551616"),
        ("1", "1", "99999999999999999999999999999999"),
        ("-1", "1", "1"),
        ("1", "-1", "1"),
        ("1", "1", "-1"),
        ("+1", "1", "1"),
        ("1", "1", "+1"),
        ("1", "1", "0x1"),
        ("1", "1", "1.5"),
        ("", "1", "1"),
        ("1", "", "1"),
        ("1", "1", ""),
        ("one", "1", "1"),
        ("1", "1", "one"),
        (" 1", "1", "1"),
    ] {
        assert_eq!(Stat::parse(&stat(pid, b"x", ppid, starttime)), None, "{pid:?} {ppid:?} {starttime:?}");
    }
}

#[test]
fn a_stat_of_another_form_is_none() {
    for text in [
        &b""[..],
        b"\n",
        b"(",
        b")",
        b")(",
        b"1 (x)",
        b"1 (x) ",
        b"1 (x) S",
        b"1 (x) S 1",
        b"1 (x) S 1 2 3\n",
        b"1 x S 1 1 1 0 -1 4194560 0 0 0 0 1 2 0 0 20 0 1 0 5 6 7",
        b"1(x) S 1 1 1 0 -1 4194560 0 0 0 0 1 2 0 0 20 0 1 0 5 6 7",
        b"1 (x)S 1 1 1 0 -1 4194560 0 0 0 0 1 2 0 0 20 0 1 0 5 6 7",
        b"1 (x)  1 1 1 0 -1 4194560 0 0 0 0 1 2 0 0 20 0 1 0 5 6 7",
        b"1 (x) SS 1 1 1 0 -1 4194560 0 0 0 0 1 2 0 0 20 0 1 0 5 6 7",
        b"1 (x\0y) S 1 1 1 0 -1 4194560 0 0 0 0 1 2 0 0 20 0 1 0 5 6 7",
        // It might go on.
        b"1 (x) S 1 1 1 0 -1 4194560 0 0 0 0 1 2 0 0 20 0 1 0 5",
    ] {
        assert_eq!(Stat::parse(text), None, "{}", text.escape_ascii());
    }
}

#[test]
fn the_effective_user_is_the_user() {
    let status = |tgid, uid| Some(Status { tgid, uid });
    for (text, expected) in [
        (&b"Name:\tcat\nTgid:\t7\nPid:\t7\nUid:\t1\t2\t3\t4\nGid:\t5\t5\t5\t5\n"[..], status(Some(7), 2)),
        (b"Name:\tcat\nUid:\t0\t0\t0\t0\n", status(None, 0)),
        (b"Uid:\t1\t4294967295\t1\t1\n", status(None, u32::MAX)),
        (b"Uid: 1 2 3 4\n", status(None, 2)),
        // The name has its line feeds escaped.
        (b"Name:\ta\\nUid:\t9\t9\t9\t9\nTgid:\t7\nUid:\t1\t2\t3\t4\n", status(Some(7), 2)),
        // Cut off, at the very end and before.
        (b"Name:\tcat\nUid:\t1\t2\t3\t4", None),
        (b"Name:\tcat\nUid:\t1\t2", None),
        (b"Name:\tcat\nUi", None),
        (b"Name:\tcat\nGid:\t1\t2\t3\t4\n", None),
        (b"Uid:\t1\n", None),
        (b"Uid:\n", None),
        (b"Uid:\t1\t4294967296\t1\t1\n", None),
        (b"Uid:\t1\t-2\t1\t1\n", None),
        (b"Uid:\t1\ttwo\t1\t1\n", None),
        (b"Tgid:\tx\nUid:\t1\t2\t3\t4\n", None),
        (b"Tgid:\nUid:\t1\t2\t3\t4\n", None),
        (b"", None),
    ] {
        assert_eq!(Status::parse(text), expected, "{}", text.escape_ascii());
    }
}

#[test]
fn the_cgroup_is_the_one_of_the_hierarchy_that_is_read() {
    use Mounted::{Hybrid, Nothing, V1, V2};
    let v1 = b"9:name=systemd:/system.slice/a.service\n8:pids:/system.slice/a.service\n4:memory:/\n3:cpuset:/x/y/z\n\
               2:cpu,cpuacct:/system.slice\n1:name=other:/x/y/z\n";
    let hybrid =
        b"5:memory:/docker/one\n1:name=systemd:/system.slice/daemon.service\n0::/system.slice/daemon.service\n";
    for (text, mounted, path) in [
        (&b"0::/user.slice/a b:c\n"[..], V2, Some(&b"/user.slice/a b:c"[..])),
        (b"0::/\n", V2, Some(b"/")),
        (b"0::/../other\n", V2, Some(b"/../other")),
        (b"0::/a\xff\n", V2, Some(b"/a\xff")),
        (b"0::/a (deleted)\n", V2, Some(b"/a")),
        (b"0::/ (deleted)\n", V2, Some(b"/")),
        (b"0::/a", V2, Some(b"/a")),
        (b"4:memory:/m\n0::/a\n", V2, Some(b"/a")),
        (b"4:memory:/m\n", V2, None),
        (b"4:memory:/m\n0::/a/b\n", V1, Some(b"/m")),
        (b"0::/a\n", V1, None),
        // The deepest one, the first kind of those that are as deep.
        (v1, V1, Some(b"/system.slice/a.service")),
        (v1, V2, None),
        (hybrid, Hybrid, Some(b"/docker/one")),
        (hybrid, V2, Some(b"/system.slice/daemon.service")),
        (b"2:pids:/p\n7:cpu,cpuacct:/c\n0::/u\n", Nothing, Some(b"/c")),
        (b"7:freezer:/f/g\n0::/u\n", Nothing, Some(b"/u")),
        (b"2:pids:/p//.\n3:memory:/m/../n\n", V1, Some(b"/m/../n")),
        // Lines that are none.
        (b"", V2, None),
        (b"\n\n", V2, None),
        (b"0\n0:\n0::\n0::a\n:/a\n::/a\nx::/a\n-1::/a\n99999999999::/a\n1::/a\n", Nothing, None),
        (b"0::/a\0b\n", V2, None),
        (b"rubbish\n0::/a\n", V2, Some(b"/a")),
    ] {
        assert_eq!(cgroup_path(text, mounted), path, "{mounted:?} {}", text.escape_ascii());
    }
}

fn any_mounted() -> impl Strategy<Value = Mounted> {
    select(vec![Mounted::Nothing, Mounted::V1, Mounted::V2, Mounted::Hybrid])
}

/// Bytes that look like what is read, more or less.
fn nearly() -> impl Strategy<Value = Vec<u8>> {
    let known = select(vec![
        "1 (",
        ") S ",
        " 1",
        " -1",
        " 18446744073709551615",
        "\n",
        ")",
        "(",
        " ",
        "Uid:",
        "Tgid:",
        "\t1",
        "\t4294967295",
        "0::/",
        "3:cpu,cpuacct:/",
        "1:name=systemd:/",
        ":",
        "/a",
        " (deleted)",
        "99999999999999999999",
    ]);
    let piece = prop_oneof![
        8 => known.prop_map(|piece| piece.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..5),
    ];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn check_any(text: &[u8], mounted: Mounted) -> Result<(), TestCaseError> {
    if let Some(stat) = Stat::parse(text) {
        prop_assert!(stat.comm.len() <= 15 && !stat.comm.contains(&0));
    }
    if let Some(status) = Status::parse(text) {
        prop_assert!(text.windows(4).any(|word| word == b"Uid:"), "{:?}", status);
    }
    if let Some(path) = cgroup_path(text, mounted) {
        prop_assert!(path.starts_with(b"/") && !path.contains(&0) && !path.contains(&b'\n'));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_not(text in vec(any::<u8>(), 0..300), mounted in any_mounted()) {
        check_any(&text, mounted)?;
    }

    #[test]
    fn what_nearly_is_right_is_read_or_not(text in nearly(), mounted in any_mounted()) {
        check_any(&text, mounted)?;
    }

    #[test]
    fn any_stat_of_a_kernel_is_read(pid: u32, comm in vec(1..=255_u8, 0..16), ppid: u32, starttime: u64) {
        let text = stat(&pid.to_string(), &comm, &ppid.to_string(), &starttime.to_string());
        prop_assume!(comm.len() <= 15);
        let stat = Stat { pid, comm: &comm, ppid, starttime };
        prop_assert_eq!(Stat::parse(&text), Some(stat));
        for end in 0..text.len() {
            // Cut off, it says the same or nothing.
            let cut = Stat::parse(&text[..end]);
            prop_assert!(cut.is_none() || cut == Some(stat), "{:?}", cut);
        }
    }
}
