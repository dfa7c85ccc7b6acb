//! Who made a region, and whether it still lives.
//!
//! Owns: the generation by which a process is told from others that get its id later, and the proof that an owner is dead.
//! It refuses to take anything but a proof for one: what can't be found out is alive. Three proofs there are:
//!
//! - nobody has the id, or whoever has it has ended and is not yet buried;
//! - the header names nobody: an id or a generation of zero;
//! - somebody else has the id: its generation is not the header's, it began after the file was last written to, and it
//!   does not have the file mapped. Each by itself proves nothing. Deployed peers make generations otherwise, a clock
//!   that was set makes a process seem to begin late, and a region in the making is not mapped.
//!
//! Ids are looked up in the pid namespace of this process. An owner in another one, such as another container, is found
//! dead, so servers in different pid namespaces can't share a run directory.

use core::time::Duration;

use super::header::Owner;
use crate::sys::FileFacts;
use crate::sys::process::{Life, is_nobodys, may_have_mapped};

/// Where /proc tells nothing, so that there is a generation at all.
const UNKNOWN: u32 = 1;
/// How much later than the file a process must have begun: more than the clocks of files and processes can be apart.
const MARGIN: Duration = Duration::from_secs(2);

impl Owner {
    /// This process; another one in a child that was forked off, so it is found out anew each time.
    pub(super) fn this_process() -> Self {
        let pid = i32::try_from(std::process::id()).unwrap_or(0);
        Self { pid, generation: Life::of_this_process().map_or(UNKNOWN, |life| generation(&life)) }
    }

    /// Whether the owner of the region in `file` is certainly gone.
    pub(super) fn is_dead(&self, file: &FileFacts) -> bool {
        if self.generation == 0 || is_nobodys(self.pid) {
            return true;
        }
        let Ok(life) = Life::of(self.pid) else { return false };
        if life.is_over() {
            return true;
        }
        if life.is_headless() {
            return false;
        }
        if generation(&life) == self.generation || life.start() <= file.modified.later(MARGIN) {
            return false;
        }
        match may_have_mapped(self.pid, file.id) {
            Ok(may) => !may,
            // A process that this user has no business with is hardly one that made this user's files.
            Err(error) => error.is_refusal(),
        }
    }
}

/// Never 0, and the same whenever it is asked for.
fn generation(life: &Life) -> u32 {
    // The machine would have to run for 500 days before two processes could have the same for this reason.
    u32::try_from(life.start_ticks() & u64::from(u32::MAX)).unwrap_or(UNKNOWN).max(1)
}

#[cfg(test)]
mod tests {
    use core::time::Duration;
    use std::path::Path;

    use rustix::process::{Pid, WaitId, WaitIdOptions};

    use super::{MARGIN, Owner, generation};
    use crate::sys::ground::{Cat, RunDir, again, finish, told};
    use crate::sys::process::Life;
    use crate::sys::{File, FileFacts};

    /// What is known of a file that nobody has mapped, last written to when `pid` began, and `later`.
    fn file(room: &Path, pid: i32, later: Duration) -> FileFacts {
        let path = room.join("file");
        std::fs::write(&path, "").unwrap();
        let mut facts = File::look(&path).unwrap().facts().unwrap();
        facts.modified = Life::of(pid).unwrap().start().later(later);
        facts
    }

    fn other_generation(owner: Owner) -> Owner {
        Owner { generation: owner.generation ^ 0x55, ..owner }
    }

    #[test]
    fn this_process_is_alive_and_always_the_same() {
        let room = RunDir::new();
        let this = Owner::this_process();
        assert_eq!((this, u32::try_from(this.pid)), (Owner::this_process(), Ok(std::process::id())));
        assert_ne!(this.generation, 0);
        assert!(!this.is_dead(&file(room.path(), this.pid, Duration::MAX)));
        assert!(!this.is_dead(&file(room.path(), this.pid, Duration::ZERO)));
    }

    #[test]
    fn a_child_has_a_generation_that_others_find_too() {
        if let Some(out) = told() {
            let this = Owner::this_process();
            std::fs::write(out, format!("{} {}", this.pid, this.generation)).unwrap();
            // The id may not go to others before it was compared.
            return std::io::stdin().lines().for_each(drop);
        }
        let room = RunDir::new();
        let out = room.path().join("out");
        let mut command = again(module_path!(), "a_child_has_a_generation_that_others_find_too", &out);
        let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let seen = generation(&Life::of(pid).unwrap());
        drop(child.stdin.take());
        finish(child);
        assert_eq!(std::fs::read_to_string(out).unwrap(), format!("{pid} {seen}"));
    }

    #[test]
    fn nobody_is_dead() {
        let room = RunDir::new();
        let this = Owner::this_process();
        let fresh = file(room.path(), this.pid, Duration::MAX);
        for (pid, generation) in [(0, 1), (-1, 1), (i32::MIN, 9), (i32::MAX, 9), (this.pid, 0), (1, 0), (0, 0)] {
            assert!(Owner { pid, generation }.is_dead(&fresh), "{pid} {generation}");
        }
    }

    #[test]
    fn a_process_that_has_ended_is_dead_before_and_after_its_parent_hears_of_it() {
        let room = RunDir::new();
        let mut cat = Cat::new();
        let owner = Owner { pid: cat.pid(), generation: generation(&Life::of(cat.pid()).unwrap()) };
        let fresh = file(room.path(), owner.pid, Duration::MAX);
        assert!(!owner.is_dead(&fresh) && !other_generation(owner).is_dead(&fresh));
        cat.hang_up();
        let pid = WaitId::Pid(Pid::from_raw(owner.pid).unwrap());
        rustix::process::waitid(pid, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
        assert!(owner.is_dead(&fresh));
        drop(cat);
        assert!(owner.is_dead(&fresh));
    }

    #[test]
    fn who_has_the_id_of_an_owner_is_another_when_it_began_later_and_is_of_another_generation() {
        let room = RunDir::new();
        let cat = Cat::new();
        let old = |facts: FileFacts| FileFacts { modified: crate::sys::WallTime::EPOCH, ..facts };
        for pid in [cat.pid(), Owner::this_process().pid] {
            let owner = Owner { pid, generation: generation(&Life::of(pid).unwrap()) };
            let facts = file(room.path(), pid, Duration::ZERO);
            assert!(!owner.is_dead(&facts) && !owner.is_dead(&old(facts)));
            assert!(!other_generation(owner).is_dead(&facts));
            assert!(other_generation(owner).is_dead(&old(facts)));
        }
    }

    #[test]
    fn it_must_have_begun_later_by_more_than_the_clocks_may_differ() {
        let room = RunDir::new();
        let owner = other_generation(Owner::this_process());
        let mut facts = file(room.path(), owner.pid, Duration::ZERO);
        let began = facts.modified;
        // Two looks at two clocks come to somewhat different times; a second is more than they differ by.
        facts.modified = began.earlier(MARGIN - Duration::from_secs(1));
        assert!(!owner.is_dead(&facts));
        facts.modified = began.earlier(MARGIN + Duration::from_secs(1));
        assert!(owner.is_dead(&facts));
    }

    #[test]
    fn who_has_the_region_mapped_is_its_owner_whatever_the_clocks_say() {
        // As after a clock was set forward by decades: the file is old, its maker seems to have begun just now.
        let program = std::fs::canonicalize("/proc/self/exe").unwrap();
        let mut facts = File::look(&program).unwrap().facts().unwrap();
        facts.modified = crate::sys::WallTime::EPOCH;
        assert!(!other_generation(Owner::this_process()).is_dead(&facts));
    }
}
