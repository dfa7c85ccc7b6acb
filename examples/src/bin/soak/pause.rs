//! Waiting for nothing but time, or for the end.

use core::time::Duration;
use std::io::{PipeReader, PipeWriter, pipe};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

pub(crate) const fn timespec(duration: Duration) -> Timespec {
    Timespec { tv_sec: duration.as_secs().cast_signed(), tv_nsec: duration.subsec_nanos() as _ }
}

/// Lets a time pass.
pub(crate) fn pause(duration: Duration) {
    // A signal that ends it early is as good.
    let _ = poll(&mut [], Some(&timespec(duration)));
}

/// What those who go on and on look at.
pub(crate) struct Stop(PipeReader);

/// Tells them to stop, when this is dropped.
pub(crate) struct Going(#[expect(dead_code, reason = "it is its end that counts")] PipeWriter);

impl Stop {
    pub(crate) fn new() -> std::io::Result<(Self, Going)> {
        let (stop, going) = pipe()?;
        Ok((Self(stop), Going(going)))
    }

    /// Waits for as long as this; false if it is time to stop.
    pub(crate) fn goes_on(&self, duration: Duration) -> bool {
        matches!(poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&timespec(duration))), Ok(0) | Err(Errno::INTR))
    }
}
