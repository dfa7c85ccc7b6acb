//! A region of shared memory, laid out as docs/protocol.md, section 4, has it.
//!
//! Owns: the file, its mapping, and all unsafe code of the driver. Who waits how is not its business, nor is a hostile
//! peer: the other side is this program too, so words are believed, and checked only to find mistakes.

#![expect(
    unsafe_code,
    reason = "no reference may exist to bytes that another process maps, so they are copied by pointer"
)]

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};

use rustix::fs::{FallocateFlags, fallocate};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

const MAGIC: u32 = 0x4e53_484d;
const VERSION: u16 = 3;
const ALIGNMENT: usize = 64;

/// The direction of a message; its number is its place in the pairs of the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Request,
    Response,
}

impl Way {
    /// The other one.
    pub fn back(self) -> Self {
        match self {
            Self::Request => Self::Response,
            Self::Response => Self::Request,
        }
    }
}

/// The head of a region, each pair for requests first and responses second.
#[repr(C)]
#[derive(Debug)]
struct Head {
    magic: AtomicU32,
    version: AtomicU16,
    len_of_head: AtomicU16,
    owner_pid: AtomicU32,
    owner_generation: AtomicU32,
    /// Offset and capacity.
    areas: [[AtomicU32; 2]; 2],
    seq: [AtomicU64; 2],
    len: [AtomicU32; 2],
    signal: [AtomicU32; 2],
}

const HEAD: usize = size_of::<Head>();
const _: () = assert!(HEAD == 64);

/// A mapped region; dropping it unmaps it.
///
/// Invariants:
///
/// 1. `base` is where all `len` bytes of a file are mapped to be read and written, until this is dropped. The file has had
///    room for them since before it was mapped, and nobody makes it shorter.
/// 2. Both processes use the first `HEAD` bytes as a `Head` alone, whose fields are all atomics.
/// 3. `areas` lie in the mapping, behind the head, and apart. No reference to their bytes exists.
#[derive(Debug)]
pub struct Region {
    base: NonNull<u8>,
    len: usize,
    areas: [Range<usize>; 2],
}

impl Region {
    /// Makes the file at `path`, with areas for messages of these lengths: of a request, of a response.
    ///
    /// # Errors
    /// There is such a file, or no room for it.
    pub fn create(path: &Path, messages: [usize; 2]) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        let (areas, len) = layout(messages);
        fallocate(&file, FallocateFlags::empty(), 0, len as u64)?;
        let region = Self::map(&file, areas, len)?;
        let head = region.head();
        for (field, value) in head.areas.as_flattened().iter().zip(region.fields()) {
            // Relaxed, like the rest: who opens the file was told to, after this.
            field.store(value, Ordering::Relaxed);
        }
        head.owner_pid.store(std::process::id(), Ordering::Relaxed);
        head.owner_generation.store(1, Ordering::Relaxed);
        head.len_of_head.store(HEAD as u16, Ordering::Relaxed);
        head.version.store(VERSION, Ordering::Relaxed);
        head.magic.store(MAGIC, Ordering::Relaxed);
        Ok(region)
    }

    /// Maps what [`Region::create`] made for the same messages.
    ///
    /// # Errors
    /// It is not there, or something else is.
    pub fn open(path: &Path, messages: [usize; 2]) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let (areas, len) = layout(messages);
        if file.metadata()?.len() != len as u64 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let region = Self::map(&file, areas, len)?;
        let head = region.head();
        let known = head.magic.load(Ordering::Relaxed) == MAGIC
            && head.version.load(Ordering::Relaxed) == VERSION
            && usize::from(head.len_of_head.load(Ordering::Relaxed)) == HEAD;
        let found = head.areas.as_flattened().iter().map(|field| field.load(Ordering::Relaxed));
        if known && found.eq(region.fields()) { Ok(region) } else { Err(io::ErrorKind::InvalidData.into()) }
    }

    /// `len` is that of the file, and `areas` are as [`layout`] gives them.
    fn map(file: &File, areas: [Range<usize>; 2], len: usize) -> io::Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel finds a place that nothing else is mapped at; (1) and (2) are what both callers have seen to.
        let base = unsafe { mmap(ptr::null_mut(), len, protection, MapFlags::SHARED, file, 0) }?;
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { base, len, areas })
    }

    /// Counts the messages of this direction.
    pub fn seq(&self, way: Way) -> &AtomicU64 {
        &self.head().seq[way as usize]
    }

    /// The length of the latest message.
    pub fn len(&self, way: Way) -> &AtomicU32 {
        &self.head().len[way as usize]
    }

    /// The futex of this direction.
    pub fn signal(&self, way: Way) -> &AtomicU32 {
        &self.head().signal[way as usize]
    }

    /// The most bytes of a message.
    pub fn capacity(&self, way: Way) -> usize {
        self.areas[way as usize].len()
    }

    /// Copies `bytes` into the area, from byte `at` of it. Only the side that sends this way may do that.
    ///
    /// # Panics
    /// When they do not fit.
    #[inline]
    pub fn write(&self, way: Way, at: usize, bytes: &[u8]) {
        assert!(at <= self.capacity(way) && bytes.len() <= self.capacity(way) - at, "a message too long for its area");
        let target = self.base.as_ptr().wrapping_add(self.areas[way as usize].start + at);
        // SAFETY: (3), and what was asserted: the range lies in the area, and by (1) it is mapped; a reference's bytes are
        // elsewhere.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), target, bytes.len()) };
    }

    /// Fills `bytes` from the start of the area, which the side that sends this way leaves alone meanwhile.
    ///
    /// # Panics
    /// When there are not as many.
    #[inline]
    pub fn read(&self, way: Way, bytes: &mut [u8]) {
        assert!(bytes.len() <= self.capacity(way), "a message longer than its area");
        let source = self.base.as_ptr().wrapping_add(self.areas[way as usize].start);
        // SAFETY: (3), and what was asserted: the range lies in the area, and by (1) it is mapped; a reference's bytes are
        // elsewhere.
        unsafe { ptr::copy_nonoverlapping(source, bytes.as_mut_ptr(), bytes.len()) };
    }

    #[inline]
    fn head(&self) -> &Head {
        // SAFETY: (1): mapped, longer than a head, and at the start of a page; (2): all bytes are values of integers, and
        // atomics may change under a shared reference, by whomever.
        unsafe { self.base.cast::<Head>().as_ref() }
    }

    /// Offset and capacity of the areas, as they stand in the head.
    fn fields(&self) -> impl Iterator<Item = u32> {
        self.areas.iter().flat_map(|area| [area.start as u32, area.len() as u32])
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: (1): that is what was mapped; all references to the head borrow this.
        let unmapped = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
        debug_assert!(unmapped.is_ok(), "{unmapped:?}");
    }
}

/// The areas for messages of these lengths, and the length of the file.
fn layout(messages: [usize; 2]) -> ([Range<usize>; 2], usize) {
    let [request, response] = messages.map(|len| len.next_multiple_of(ALIGNMENT));
    let (middle, end) = (HEAD + request, HEAD + request + response);
    ([HEAD..middle, middle..end], end)
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;
    use crate::driver::process::RunDir;

    #[test]
    fn the_head_is_that_of_the_protocol() {
        assert_eq!(offset_of!(Head, magic), 0);
        assert_eq!(offset_of!(Head, version), 4);
        assert_eq!(offset_of!(Head, len_of_head), 6);
        assert_eq!(offset_of!(Head, owner_pid), 8);
        assert_eq!(offset_of!(Head, owner_generation), 12);
        assert_eq!(offset_of!(Head, areas), 16);
        assert_eq!(offset_of!(Head, seq), 32);
        assert_eq!(offset_of!(Head, len), 48);
        assert_eq!(offset_of!(Head, signal), 56);
    }

    #[test]
    fn bytes_come_out_of_the_other_mapping_and_out_of_no_other_area() {
        let run_dir = RunDir::new().unwrap();
        let path = run_dir.path().join("region");
        let created = Region::create(&path, [40, 65]).unwrap();
        assert_eq!([Way::Request, Way::Response].map(|way| created.capacity(way)), [64, 128]);
        let opened = Region::open(&path, [40, 65]).unwrap();
        opened.write(Way::Request, 0, &[1; 64]);
        created.write(Way::Response, 0, &[2; 100]);
        created.write(Way::Response, 100, &[3; 28]);
        opened.seq(Way::Response).store(7, Ordering::Relaxed);
        let (mut request, mut response) = ([0; 64], [0; 128]);
        created.read(Way::Request, &mut request);
        opened.read(Way::Response, &mut response);
        assert_eq!(request, [1; 64]);
        assert_eq!((&response[..100], &response[100..]), (&[2; 100][..], &[3; 28][..]));
        assert_eq!(created.seq(Way::Response).load(Ordering::Relaxed), 7);
        assert_eq!(created.seq(Way::Request).load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_region_for_other_messages_is_refused() {
        let run_dir = RunDir::new().unwrap();
        let path = run_dir.path().join("region");
        let region = Region::create(&path, [64, 128]).unwrap();
        assert!(Region::create(&path, [64, 128]).is_err());
        assert!(Region::open(&path, [128, 64]).is_err());
        assert!(Region::open(&path, [64, 64]).is_err());
        assert!(Region::open(&path, [64, 128]).is_ok());
        region.head().magic.store(MAGIC + 1, Ordering::Relaxed);
        assert!(Region::open(&path, [64, 128]).is_err());
    }

    #[test]
    #[should_panic(expected = "too long for its area")]
    fn a_message_that_does_not_fit_is_not_written() {
        let run_dir = RunDir::new().unwrap();
        let region = Region::create(&run_dir.path().join("region"), [64, 64]).unwrap();
        region.write(Way::Request, 32, &[0; 33]);
    }
}
