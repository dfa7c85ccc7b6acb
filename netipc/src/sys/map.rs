//! Files in memory.
//!
//! Owns: a mapping of a file that other processes have too, and its end. It refuses to hand out references to what is in
//! it: any process that has the file may write there at any time.
#![expect(unsafe_code, reason = "mapping a file, and unmapping it")]

use core::ffi::c_void;
use core::ptr::{self, NonNull};
use std::os::fd::AsFd;

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::{During, SystemError};

/// Up to here all pages are entered at once: each would cost a fault later.
const ENTERED_AT_ONCE: usize = 4 << 20;

/// A file in memory, shared with all others that map it.
///
/// # Invariants
/// 1. The `len` bytes from `base` on are one mapping, readable and writable, until this is dropped. Touching a page that
///    its file does not have (any more) raises SIGBUS: see docs/unsafe.md.
/// 2. Nobody but this unmaps it.
#[derive(Debug)]
pub(crate) struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: memory is not bound to a thread, and nothing but an address and a length is held here (invariant 1).
unsafe impl Send for Mapping {}

// SAFETY: the same; through a shared reference these two can only be read.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// The first `len` bytes of `file`, which is to have as many.
    pub(crate) fn new(file: impl AsFd, len: usize) -> Result<Self, SystemError> {
        let mut flags = MapFlags::SHARED;
        if len <= ENTERED_AT_ONCE {
            flags |= MapFlags::POPULATE;
        }
        // SAFETY: without an address the kernel chooses one where nothing is.
        let base = unsafe { mmap(ptr::null_mut(), len, ProtFlags::READ | ProtFlags::WRITE, flags, file, 0) };
        // The kernel gives nobody the address 0.
        let base = NonNull::new(base.during("mmap")?.cast::<u8>()).ok_or(SystemError::out_of_memory())?;
        Ok(Self { base, len })
    }

    /// Its first byte. A multiple of the size of a page.
    pub(crate) const fn base(&self) -> NonNull<u8> {
        self.base
    }

    /// How many bytes there are.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: it is mapped, by this alone (invariants 1 and 2), and nothing borrowed from this outlives it.
        let _ = unsafe { munmap(self.base.as_ptr().cast::<c_void>(), self.len) };
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::Mapping;
    use crate::sys::ground::RunDir;

    #[test]
    fn what_is_written_through_a_mapping_is_in_the_file_and_the_other_way_round() {
        let room = RunDir::new();
        let path = room.path().join("file");
        fs::write(&path, [1; 5000]).unwrap();
        let file = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let mapping = Mapping::new(&file, 5000).unwrap();
        assert_eq!((mapping.len(), mapping.base().as_ptr() as usize % 4096), (5000, 0));
        let last = mapping.base().as_ptr().wrapping_add(4999);
        // SAFETY: the last of the 5,000 bytes of the mapping.
        unsafe { last.write_volatile(9) };
        assert_eq!(fs::read(&path).unwrap()[4998..], [1, 9]);
        (&file).write_all(&[7]).unwrap();
        // SAFETY: the first byte of the mapping.
        assert_eq!(unsafe { mapping.base().as_ptr().read_volatile() }, 7);
    }

    #[test]
    fn nothing_of_a_file_cannot_be_mapped() {
        let file = fs::File::open("/dev/null").unwrap();
        assert_eq!(Mapping::new(&file, 0).unwrap_err().call(), "mmap");
    }
}
