//! Where the two processes run.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The placements that every contender is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// Wherever the scheduler puts them.
    Unpinned,
    /// Both on the first CPU.
    OneCpu,
    /// The client on the first, the server on the second.
    TwoCpus,
}

impl Placement {
    /// All of them, in the order of the tables.
    pub const ALL: [Self; 3] = [Self::Unpinned, Self::OneCpu, Self::TwoCpus];

    /// What the tables call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Unpinned => "unpinned",
            Self::OneCpu => "one CPU",
            Self::TwoCpus => "two CPUs",
        }
    }

    fn client(self) -> Option<usize> {
        match self {
            Self::Unpinned => None,
            Self::OneCpu | Self::TwoCpus => Some(0),
        }
    }

    fn server(self) -> Option<usize> {
        match self {
            Self::Unpinned => None,
            Self::OneCpu => Some(0),
            Self::TwoCpus => Some(1),
        }
    }
}

/// The CPUs that this program may use.
#[derive(Debug, Clone)]
pub struct Cpus {
    mask: CpuSet,
    numbers: Vec<usize>,
}

impl Cpus {
    /// Those that the calling thread may use now, so to be asked before anything is placed.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn allowed() -> io::Result<Self> {
        let mask = sched_getaffinity(None)?;
        let numbers = (0..CpuSet::MAX_CPU).filter(|&cpu| mask.is_set(cpu)).collect();
        Ok(Self { mask, numbers })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.numbers.len()
    }

    /// Whether there are enough of them.
    pub fn allow(&self, placement: Placement) -> bool {
        placement.client().max(placement.server()).is_none_or(|index| index < self.count())
    }

    /// Places the calling thread, which is the client; programs that it starts inherit that.
    ///
    /// # Errors
    /// The kernel refuses, or there are too few CPUs.
    pub fn place_client(&self, placement: Placement) -> io::Result<()> {
        match placement.client() {
            None => Ok(sched_setaffinity(None, &self.mask)?),
            Some(index) => pin(self.number(index)?),
        }
    }

    /// The CPU that the server must run on, if any.
    ///
    /// # Errors
    /// There are too few CPUs.
    pub fn server(&self, placement: Placement) -> io::Result<Option<usize>> {
        placement.server().map(|index| self.number(index)).transpose()
    }

    fn number(&self, index: usize) -> io::Result<usize> {
        self.numbers.get(index).copied().ok_or_else(|| io::Error::other("too few CPUs"))
    }
}

/// Keeps the calling thread on one CPU.
///
/// # Errors
/// The kernel refuses.
pub fn pin(cpu: usize) -> io::Result<()> {
    let mut mask = CpuSet::new();
    mask.set(cpu);
    Ok(sched_setaffinity(None, &mask)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_placed_and_set_free_again() {
        let cpus = Cpus::allowed().unwrap();
        assert!(cpus.allow(Placement::OneCpu));
        assert_eq!(cpus.allow(Placement::TwoCpus), cpus.count() > 1);
        cpus.place_client(Placement::OneCpu).unwrap();
        assert_eq!(Cpus::allowed().unwrap().numbers, cpus.numbers[..1]);
        cpus.place_client(Placement::Unpinned).unwrap();
        assert_eq!(Cpus::allowed().unwrap().numbers, cpus.numbers);
    }
}
