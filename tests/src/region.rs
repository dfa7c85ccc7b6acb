//! A region of shared memory, by hand: as deployed peers use it, and in every other way too.
//!
//! Owns: the file, the mapping, and bare access to each of its words and bytes (docs/protocol.md, section 4). It knows
//! nothing of what our own peers add, and refuses to wait for ever: who hears nothing for a minute panics.
#![expect(unsafe_code, reason = "words and areas lie in a mapping that other processes have too")]

use core::ffi::c_void;
use core::hint::spin_loop;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use core::time::Duration;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::Instant;

use rustix::event::Timespec;
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use rustix::thread::futex;

/// Bytes of the header.
pub const HEADER: usize = 64;
/// What a header begins with: the magic, then version 3 and a length of 64.
const BEGINNING: [u32; 2] = [0x4e53_484d, 0x0040_0003];
/// Looks before the first sleep, as deployed peers do.
const LOOKS: u32 = 128;
/// How long nothing may happen before a test has failed.
const SOON: Duration = Duration::from_secs(60);

/// Where one direction has its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    /// Messages so far.
    pub seq: usize,
    /// The length of the last one.
    pub len: usize,
    /// What the receiver sleeps on.
    pub signal: usize,
}

/// The words of requests.
pub const REQUEST: Words = Words { seq: 32, len: 48, signal: 56 };
/// The words of responses.
pub const RESPONSE: Words = Words { seq: 40, len: 52, signal: 60 };

/// Where the messages of one direction stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    /// Its first byte.
    pub offset: u32,
    /// How many there are.
    pub capacity: u32,
}

/// Where everything is in a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Where requests stand.
    pub request: Area,
    /// Where responses stand.
    pub response: Area,
    /// Bytes of the file.
    pub file: u32,
}

impl Layout {
    /// The layout that deployed servers choose for payloads of these lengths.
    #[must_use]
    pub const fn of(request_payload: u32, response_payload: u32) -> Self {
        let request = Area { offset: 64, capacity: (request_payload + 32).next_multiple_of(64) };
        let offset = request.offset + request.capacity;
        let response = Area { offset, capacity: (response_payload + 32).next_multiple_of(64) };
        Self { request, response, file: offset + response.capacity }
    }

    /// The first bytes of a region that `pid` has made.
    #[must_use]
    pub fn header(&self, pid: u32, generation: u32) -> [u8; HEADER] {
        let Self { request, response, .. } = self;
        let [magic, version] = BEGINNING;
        let areas = [request.offset, request.capacity, response.offset, response.capacity];
        let words = [magic, version, pid, generation].into_iter().chain(areas);
        let mut header = [0; HEADER];
        for (bytes, word) in header.chunks_exact_mut(4).zip(words) {
            bytes.copy_from_slice(&word.to_ne_bytes());
        }
        header
    }

    fn parse(header: &[u8]) -> Option<Self> {
        let word = |at: usize| u32::from_ne_bytes(header[at..at + 4].try_into().expect("4 bytes"));
        let area = |at| Area { offset: word(at), capacity: word(at + 4) };
        let (request, response) = (area(16), area(24));
        let end = |area: Area| area.offset.checked_add(area.capacity);
        let file = end(request)?.max(end(response)?);
        ([word(0), word(4)] == BEGINNING).then_some(Self { request, response, file })
    }
}

/// A region in memory, from one side.
///
/// # Invariants
/// 1. The `len` bytes from `base` on are one mapping, readable and writable, until this is dropped.
/// 2. Nobody has a reference to any of them but to aligned words, as atomics, no longer than this lives.
#[derive(Debug)]
pub struct RawRegion {
    base: NonNull<u8>,
    len: usize,
    layout: Layout,
    /// The words and the area of what this side sends, and of what it receives.
    outgoing: (Words, Area),
    incoming: (Words, Area),
    /// What the sequence number of the last message received was.
    received: u64,
}

// SAFETY: memory is not bound to a thread, and nothing but an address and numbers is held here (invariant 1).
unsafe impl Send for RawRegion {}

// SAFETY: the same; all access is by atomics or copies, of which nothing is decided.
unsafe impl Sync for RawRegion {}

impl RawRegion {
    /// Makes a region file, as a deployed server does.
    ///
    /// # Panics
    /// Where it can't be made.
    #[must_use]
    pub fn create(path: &Path, layout: Layout) -> Self {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path);
        let mut file = file.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        file.set_len(layout.file.into()).expect("room for a region");
        file.write_all(&layout.header(std::process::id(), 1)).expect("room for a region");
        let region = (layout.response, layout.request);
        Self::map(&file, layout, (RESPONSE, region.0), (REQUEST, region.1))
    }

    /// Maps the region file of a server, as a client.
    ///
    /// # Panics
    /// Where there is none.
    #[must_use]
    pub fn attach(path: &Path) -> Self {
        Self::try_attach(path).unwrap_or_else(|| panic!("no region: {}", path.display()))
    }

    /// The same; `None` where there is no region, or none any more.
    #[must_use]
    pub fn try_attach(path: &Path) -> Option<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path).ok()?;
        let mut header = [0; HEADER];
        file.read_exact_at(&mut header, 0).ok()?;
        let layout = Layout::parse(&header)
            .filter(|layout| file.metadata().is_ok_and(|file| file.len() >= layout.file.into()))?;
        Some(Self::map(&file, layout, (REQUEST, layout.request), (RESPONSE, layout.response)))
    }

    fn map(file: &File, layout: Layout, outgoing: (Words, Area), incoming: (Words, Area)) -> Self {
        let len = layout.file as usize;
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: without an address the kernel chooses one where nothing is.
        let base = unsafe { mmap(ptr::null_mut(), len, protection, MapFlags::SHARED, file, 0) };
        let base = NonNull::new(base.expect("a region can be mapped").cast::<u8>()).expect("an address");
        let mut region = Self { base, len, layout, outgoing, incoming, received: 0 };
        region.received = region.word64(region.incoming.0.seq).load(Ordering::Acquire);
        region
    }

    /// Where everything is.
    #[must_use]
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    /// The words of what this side sends.
    #[must_use]
    pub const fn outgoing(&self) -> Words {
        self.outgoing.0
    }

    /// The words of what this side receives.
    #[must_use]
    pub const fn incoming(&self) -> Words {
        self.incoming.0
    }

    /// The area that this side writes.
    #[must_use]
    pub const fn outbox(&self) -> Area {
        self.outgoing.1
    }

    fn at(&self, offset: usize, len: usize) -> *mut u8 {
        assert!(offset <= self.len && len <= self.len - offset, "{len} bytes at {offset} of {}", self.len);
        self.base.as_ptr().wrapping_add(offset)
    }

    /// The word at byte `offset`.
    ///
    /// # Panics
    /// Where there is none.
    #[must_use]
    pub fn word32(&self, offset: usize) -> &AtomicU32 {
        assert_eq!(offset % 4, 0, "words are aligned");
        // SAFETY: `at` has seen that it lies in the mapping, which begins at a page (invariants 1 and 2).
        unsafe { AtomicU32::from_ptr(self.at(offset, 4).cast()) }
    }

    /// The double word at byte `offset`.
    ///
    /// # Panics
    /// Where there is none.
    #[must_use]
    pub fn word64(&self, offset: usize) -> &AtomicU64 {
        assert_eq!(offset % 8, 0, "words are aligned");
        // SAFETY: as above.
        unsafe { AtomicU64::from_ptr(self.at(offset, 8).cast()) }
    }

    /// Writes bytes anywhere.
    ///
    /// # Panics
    /// Beyond the end.
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        let to = self.at(offset, bytes.len());
        // SAFETY: `at` has seen that they lie in the mapping (invariant 1), where no slice is (invariant 2).
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
    }

    /// Copies bytes from anywhere.
    ///
    /// # Panics
    /// Beyond the end.
    #[must_use]
    pub fn read(&self, offset: usize, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let from = self.at(offset, len);
        // SAFETY: as above.
        unsafe { ptr::copy_nonoverlapping(from, bytes.as_mut_ptr(), len) };
        bytes
    }

    /// Takes what has been sent so far for received.
    pub fn look_again(&mut self) {
        self.received = self.word64(self.incoming.0.seq).load(Ordering::Acquire);
    }

    /// The 64 bytes of the header, as they are now.
    #[must_use]
    pub fn header(&self) -> Vec<u8> {
        self.read(0, HEADER)
    }

    /// Writes a message where this side's messages stand, and says nothing of it.
    pub fn write_message(&self, message: &[u8]) {
        assert!(message.len() <= self.outbox().capacity as usize, "{} bytes", message.len());
        self.write(self.outbox().offset as usize, message);
    }

    /// Says that there is one message more, of `len` bytes.
    pub fn announce(&self, len: u32) {
        let Words { seq, len: len_at, signal } = self.outgoing();
        self.word32(len_at).store(len, Ordering::Release);
        self.word64(seq).fetch_add(1, Ordering::Release);
        self.word32(signal).fetch_add(1, Ordering::Release);
        self.wake(signal);
    }

    /// Publishes a message, as deployed peers do.
    ///
    /// # Panics
    /// For one that is too long.
    pub fn publish(&self, message: &[u8]) {
        self.write_message(message);
        self.announce(u32::try_from(message.len()).expect("a short message"));
    }

    /// Wakes one who sleeps on the word at byte `offset`.
    pub fn wake(&self, offset: usize) {
        futex::wake(self.word32(offset), futex::Flags::empty(), 1).expect("a word");
    }

    /// Receives a message, as deployed peers do: whose length is wrong is given up.
    ///
    /// # Panics
    /// Where none comes.
    pub fn receive(&mut self) -> Vec<u8> {
        assert!(self.await_message(SOON), "nothing came");
        let (words, area) = self.incoming;
        let len = self.word32(words.len).load(Ordering::Acquire);
        assert!((1..=area.capacity).contains(&len), "a deployed peer would end the session: {len:#x}");
        self.read(area.offset as usize, len as usize)
    }

    /// The same, or `None` where none comes within this time, or a wrong one does.
    pub fn try_receive(&mut self, patience: Duration) -> Option<Vec<u8>> {
        if !self.await_message(patience) {
            return None;
        }
        let (words, area) = self.incoming;
        let len = self.word32(words.len).load(Ordering::Acquire) & !(3 << 30);
        (1..=area.capacity).contains(&len).then(|| self.read(area.offset as usize, len as usize))
    }

    /// Waits for the next message; whether it came.
    fn await_message(&mut self, patience: Duration) -> bool {
        let Words { seq, signal, .. } = self.incoming.0;
        let next = self.received.wrapping_add(1);
        let has_come = |region: &Self| region.word64(seq).load(Ordering::Acquire).wrapping_sub(next) < 1 << 63;
        let mut is_there = false;
        for _ in 0..LOOKS {
            is_there = has_come(self);
            if is_there {
                break;
            }
            spin_loop();
        }
        let end = Instant::now() + patience;
        while !is_there {
            let expected = self.word32(signal).load(Ordering::Acquire);
            is_there = has_come(self);
            if !is_there {
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return false;
                }
                let left = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: left.subsec_nanos().into() };
                match futex::wait(self.word32(signal), futex::Flags::empty(), expected, Some(&left)) {
                    Ok(()) | Err(Errno::AGAIN | Errno::INTR | Errno::TIMEDOUT) => {}
                    Err(errno) => panic!("futex: {errno}"),
                }
            }
        }
        self.received = next;
        true
    }
}

impl Drop for RawRegion {
    fn drop(&mut self) {
        // SAFETY: it is mapped by this alone (invariant 1), and nothing borrowed from this outlives it (invariant 2).
        let _ = unsafe { munmap(self.base.as_ptr().cast::<c_void>(), self.len) };
    }
}
