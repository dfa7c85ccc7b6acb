//! A kernel that lacks a system call, as older ones do.
//!
//! Owns: a filter (seccomp(2)) over the calls of a test's process, which answers that call as such a kernel would.
#![expect(unsafe_code, reason = "libc alone can set a filter of system calls")]

use core::mem::offset_of;

use rustix::io::Errno;
use rustix::thread::futex::{WaitvFlags, waitv};
use rustix::time::ClockId;

/// Whether the kernel lets a thread sleep on several words.
#[must_use]
pub fn has_futex_waitv() -> bool {
    // No words are no reason to sleep, where the call is known.
    waitv(&[], WaitvFlags::empty(), None, ClockId::Monotonic) == Err(Errno::INVAL)
}

/// From now on this thread, and whatever it begins, has a kernel without `futex_waitv(2)`: one before Linux 5.16.
///
/// # Panics
/// Where this process may not have filters.
pub fn forget_futex_waitv() {
    let statement = |code: u32, to_true: u8, to_false: u8, value: u32| libc::sock_filter {
        code: u16::try_from(code).expect("16 bits"),
        jt: to_true,
        jf: to_false,
        k: value,
    };
    let number = u32::try_from(libc::SYS_futex_waitv).expect("a number of a call");
    let at = u32::try_from(offset_of!(libc::seccomp_data, nr)).expect("a small offset");
    let missing = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs();
    let mut filter = [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, at),
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, number),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, missing),
        statement(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let len = u16::try_from(filter.len()).expect("a short program");
    let program = libc::sock_fprog { len, filter: filter.as_mut_ptr() };
    // SAFETY: four integers behind the option; it takes rights away from this thread and nothing else.
    let done = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    // SAFETY: `program` and the statements that it points to live until the call is over, which copies them.
    let done = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
    assert!(!has_futex_waitv(), "it is still there");
}
