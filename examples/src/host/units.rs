//! The units of systemd, as they stand in paths of cgroups.
//!
//! Owns: how their names are written, and what one tells. It refuses to know of containers: whether a scope is the scope of
//! one is asked before.

use super::containers::{Identity, Outcome};
use super::number;
use crate::Orchestrator;

/// The kinds of units that have cgroups.
const KINDS: [&[u8]; 6] = [b".service", b".scope", b".slice", b".mount", b".socket", b".swap"];

/// A unit's name in two: what stands before the dot, and its kind with the dot. None if it is the name of no unit.
fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    let split = KINDS.iter().find_map(|kind| Some((name.strip_suffix(*kind)?, *kind)));
    split.filter(|(stem, _)| !stem.is_empty())
}

/// The name of the unit that the directory `name` belongs to: systemd puts a `_` before names which the kernel could take
/// for its own, so `cpu.slice` stands there as `_cpu.slice`.
fn unit(name: &[u8]) -> Option<&[u8]> {
    let plain = name.strip_prefix(b"_").unwrap_or(name);
    split(plain).map(|_| plain)
}

/// The name with each `\x2d` as the byte that it stands for. What looks like it and isn't, stays; so does `\x00`, because
/// names hold no such byte.
pub(super) fn unescape(name: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((first, behind)) = rest.split_first() {
        let escaped = match *rest {
            [b'\\', b'x', high, low, ..] => digit(high).zip(digit(low)).map(|(high, low)| high * 16 + low),
            _ => None,
        };
        match escaped.and_then(|byte| u8::try_from(byte).ok()).filter(|byte| *byte != 0) {
            Some(byte) => {
                plain.push(byte);
                rest = rest.get(4..).unwrap_or_default();
            }
            None => {
                plain.push(*first);
                rest = behind;
            }
        }
    }
    plain
}

/// The user whose slice it is.
fn user(unit: &[u8]) -> Option<u32> {
    number(unit.strip_prefix(b"user-")?.strip_suffix(b".slice")?)
}

/// The innermost unit among the cgroups from the root to one, and where it stands.
pub(super) fn innermost(names: &[&[u8]]) -> Option<Outcome> {
    let (at, name) = names.iter().enumerate().rev().find_map(|(at, name)| Some((at, unit(name)?)))?;
    let (stem, kind) = split(name)?;
    let above = || names.iter().take(at).rev().filter_map(|name| unit(name));

    let mut identity = Identity::new(Orchestrator::Systemd, &unescape(name));
    identity.label(c"unit", name);
    if let Some(slice) = above().find(|unit| unit.ends_with(b".slice")) {
        identity.label(c"slice", slice);
    }
    if let Some(at) = stem.iter().position(|byte| *byte == b'@') {
        let (template, instance) = stem.split_at(at + 1);
        if !instance.is_empty() {
            identity.label(c"template", &[template, kind].concat());
            identity.label(c"instance", &unescape(instance));
        }
    }
    if let Some(uid) = core::iter::once(name).chain(above()).find_map(user) {
        identity.label(c"uid", uid.to_string().as_bytes());
    }
    if let Some(session) = stem.strip_prefix(b"session-").filter(|id| kind == b".scope" && !id.is_empty()) {
        identity.label(c"session", session);
    }
    Some(Outcome { at, identity })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_become_the_bytes_that_they_stand_for() {
        for (escaped, plain) in [
            (&br"a\x2db"[..], &b"a-b"[..]),
            (br"\x2d\x2D", b"--"),
            (br"\xff", b"\xff"),
            (br"\x5cx2d", br"\x2d"),
            (br"a\x00b", br"a\x00b"),
            (br"a\x2", br"a\x2"),
            (br"a\xg0", br"a\xg0"),
            (br"a\\x41", br"a\A"),
            (br"\", br"\"),
            (b"", b""),
        ] {
            assert_eq!(unescape(escaped), plain, "{:?}", escaped.escape_ascii().to_string());
        }
    }
}
