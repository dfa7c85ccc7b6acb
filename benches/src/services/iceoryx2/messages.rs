//! Messages as iceoryx2's users have them: plain structs with their strings inside, so with room for the longest.

use iceoryx2::prelude::ZeroCopySend;

use crate::data;
use crate::paths::{DOCKER, KNOWN, UNKNOWN};

/// A string of at most `N` bytes.
#[derive(Debug, Clone, Copy, ZeroCopySend)]
#[repr(C)]
pub(super) struct Text<const N: usize> {
    len: u32,
    bytes: [u8; N],
}

impl<const N: usize> Text<N> {
    /// This one, cut off where there is no room.
    #[inline]
    pub(super) fn of(text: &str) -> Self {
        let mut bytes = [0; N];
        let len = text.len().min(N);
        bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
        Self { len: len as u32, bytes }
    }

    /// Its bytes, as many as there can be.
    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len as usize).unwrap_or(&self.bytes)
    }

    /// The same, if it is a string.
    #[inline]
    pub(super) fn as_str(&self) -> Option<&str> {
        str::from_utf8(self.as_bytes()).ok()
    }

    fn to_owned(self) -> String {
        self.as_str().unwrap_or_default().to_owned()
    }
}

/// What a snapshot has once.
#[derive(Debug, Default, Clone, Copy, ZeroCopySend)]
#[repr(C)]
pub(super) struct Head {
    pub(super) generation: u64,
    pub(super) systemd_enabled: u32,
}

impl Head {
    pub(super) fn of(snapshot: &data::Snapshot) -> Self {
        Self { generation: snapshot.generation, systemd_enabled: snapshot.systemd_enabled }
    }
}

/// One entry of a snapshot.
#[derive(Debug, Clone, Copy, ZeroCopySend)]
#[repr(C)]
pub(super) struct Cgroup {
    hash: u32,
    options: u32,
    enabled: u32,
    name: Text<40>,
    path: Text<88>,
}

impl Cgroup {
    #[inline]
    pub(super) fn of(item: &data::Cgroup) -> Self {
        let (name, path) = (Text::of(&item.name), Text::of(&item.path));
        Self { hash: item.hash, options: item.options, enabled: item.enabled, name, path }
    }

    /// What [`data::digest`] gives for it.
    #[inline]
    pub(super) fn digest(&self) -> u64 {
        data::digest(self.hash, self.options, self.enabled, self.name.as_bytes(), self.path.as_bytes())
    }

    pub(super) fn as_owned(&self) -> data::Cgroup {
        let (name, path) = (self.name.to_owned(), self.path.to_owned());
        data::Cgroup { hash: self.hash, options: self.options, enabled: self.enabled, name, path }
    }
}

/// What is known of one path. Answers stand in the order of the keys, which they don't repeat.
#[derive(Debug, Clone, Copy, ZeroCopySend)]
#[repr(C)]
pub(super) struct Found {
    pub(super) status: u16,
    pub(super) orchestrator: u16,
    pub(super) name: Text<32>,
}

impl Found {
    #[inline]
    pub(super) fn of(name: Option<&String>) -> Self {
        match name {
            Some(name) => Self { status: KNOWN, orchestrator: DOCKER, name: Text::of(name) },
            None => Self { status: UNKNOWN, orchestrator: 0, name: Text::of("") },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_a_snapshot_and_of_an_answer_has_room() {
        let snapshot = data::Snapshot::sample(1_000);
        for item in &snapshot.items {
            let message = Cgroup::of(item);
            assert_eq!((message.as_owned(), message.digest()), (item.clone(), item.digest()));
        }
        for (path, name) in crate::paths::names(1_000) {
            assert_eq!(Text::<64>::of(&path).as_str(), Some(&*path));
            assert_eq!(Found::of(Some(&name)).name.as_bytes(), name.as_bytes());
        }
    }

    #[test]
    fn what_has_no_room_is_cut_off_and_a_length_that_is_none_is_not_believed() {
        let text = Text::<4>::of("abcdef");
        assert_eq!(text.as_bytes(), b"abcd");
        assert_eq!(Text { len: u32::MAX, ..text }.as_bytes(), b"abcd");
    }
}
