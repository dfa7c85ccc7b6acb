//! Holds the house to docs/architecture.md and docs/unsafe.md: who imports whom, where unsafe code stands, who knows of
//! platforms, clocks and atomics, and how long a file is.
//!
//! The tables of those two pages are read here, so a page that says something else than the code is a failing test.

#[path = "layering/source.rs"]
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use source::Source;

/// Rooms that do neither I/O nor look at a clock.
const PURE: [&str; 4] = ["buf", "codec", "wire", "proto"];
const LONGEST: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All Rust files below `folder`, in order.
fn sources(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap_or_else(|error| panic!("{folder}: {error}")) {
            let entry = entry.expect("an entry of a folder");
            let path = format!("{folder}/{}", entry.file_name().to_str().expect("a name in UTF-8"));
            if entry.file_type().expect("a type of entry").is_dir() {
                if !path.ends_with("/target") {
                    folders.push(path);
                }
            } else if path.ends_with(".rs") {
                found.push(Source::new(&path, &read(&path)));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "{folder} holds no source");
    found
}

/// The rows of the table under the heading `heading`: the words in backticks of each column.
fn table(page: &str, heading: &str) -> Vec<Vec<Vec<String>>> {
    let heading = format!("### {heading}");
    let rows: Vec<_> = page
        .lines()
        .skip_while(|line| *line != heading)
        .skip(1)
        .take_while(|line| !line.starts_with('#'))
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(ticked).collect())
        .collect();
    assert!(!rows.is_empty(), "no table under \"{heading}\"");
    rows
}

fn ticked(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Which rooms a room may import.
struct Plan(Vec<(String, Vec<String>)>);

impl Plan {
    fn of(krate: &str) -> Self {
        let rows = table(&read("docs/architecture.md"), &format!("Imports in `{krate}`"));
        Self(rows.into_iter().map(|row| (row[0][0].clone(), row[1].clone())).collect())
    }

    fn breaches(&self, file: &Source) -> Vec<String> {
        // The front page, or entry points: they join the rooms. Tests of the derive quote the code of its users.
        let Some(room) = file.room().filter(|_| !file.path.ends_with("/tests.rs")) else { return Vec::new() };
        let Some((_, allowed)) = self.0.iter().find(|(known, _)| *known == room) else {
            return vec![format!("{}: docs/architecture.md has no row for the room `{room}`", file.path)];
        };
        let mut breaches = Vec::new();
        for named in file.paths() {
            let [first, other, ..] = named.segments.as_slice() else { continue };
            if first == "crate" && *other != room && !allowed.contains(other) {
                let path = named.segments.join("::");
                breaches.push(format!("{}:{}: `{room}` may not import `{path}`", file.path, named.line));
            }
        }
        breaches
    }
}

fn impurities(file: &Source) -> Vec<String> {
    if !file.room().is_some_and(|room| PURE.contains(&room.as_str())) {
        return Vec::new();
    }
    let mut breaches = Vec::new();
    for named in file.paths() {
        if let [first, second, ..] = named.segments.as_slice() {
            let outside = ["io", "os", "time", "net", "fs", "thread", "process", "env"];
            if ["std", "core"].contains(&first.as_str()) && outside.contains(&second.as_str()) {
                breaches.push(format!("{}:{}: names {first}::{second}", file.path, named.line));
            }
        }
    }
    let clocks = file.lines_with(|word| ["Instant", "SystemTime"].contains(&word));
    breaches.extend(clocks.into_iter().map(|line| format!("{}:{line}: names a clock", file.path)));
    breaches
}

fn unsafe_code(file: &Source, allowed: &[String]) -> Vec<String> {
    if allowed.contains(&file.path) {
        return Vec::new();
    }
    let lines = file.lines_with(|word| word == "unsafe");
    lines
        .into_iter()
        .map(|line| format!("{}:{line}: unsafe code that docs/unsafe.md does not list", file.path))
        .collect()
}

fn platforms(file: &Source) -> Vec<String> {
    if file.path == "netipc/src/lib.rs" {
        return Vec::new();
    }
    let asked = ["unix", "windows", "target_os", "target_family", "target_env", "target_vendor"];
    let words = file.conditions().into_iter().filter(|token| asked.contains(&token.text.as_str()));
    words.map(|token| format!("{}:{}: cfg({}) outside lib.rs", file.path, token.line, token.text)).collect()
}

/// Atomics and locks, which models replace.
fn atomics(file: &Source) -> Vec<String> {
    if file.path == "netipc/src/sync.rs" {
        return Vec::new();
    }
    let mut breaches = Vec::new();
    for named in file.paths() {
        let [first, second, ..] = named.segments.as_slice() else { continue };
        if ["std", "core"].contains(&first.as_str()) && second == "sync" {
            breaches.push(format!("{}:{}: `{}` outside sync.rs", file.path, named.line, named.segments.join("::")));
        }
    }
    breaches
}

fn length(file: &Source) -> Vec<String> {
    if file.lines <= LONGEST {
        return Vec::new();
    }
    vec![format!("{}: {} lines; which second subject has moved in?", file.path, file.lines)]
}

fn published() -> Vec<Source> {
    let mut files = sources("netipc/src");
    files.extend(sources("netipc-derive/src"));
    files
}

fn assert_none(breaches: Vec<String>) {
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
}

fn allowed_unsafe() -> Vec<String> {
    table(&read("docs/unsafe.md"), "Files with unsafe code").into_iter().map(|row| row[0][0].clone()).collect()
}

#[test]
fn rooms_import_only_what_the_architecture_page_allows() {
    for krate in ["netipc", "netipc-derive"] {
        let plan = Plan::of(krate);
        assert_none(sources(&format!("{krate}/src")).iter().flat_map(|file| plan.breaches(file)).collect());
    }
}

#[test]
fn the_architecture_page_names_no_room_that_is_not_there() {
    for krate in ["netipc", "netipc-derive"] {
        let rooms: Vec<_> = sources(&format!("{krate}/src")).iter().filter_map(Source::room).collect();
        for (room, allowed) in Plan::of(krate).0 {
            for name in std::iter::once(&room).chain(&allowed) {
                assert!(rooms.contains(name), "docs/architecture.md: {krate} has no room `{name}`");
            }
        }
    }
}

#[test]
fn bytes_are_turned_over_without_io_or_a_clock() {
    assert_none(sources("netipc/src").iter().flat_map(impurities).collect());
}

#[test]
fn unsafe_code_stands_only_where_the_unsafe_page_gives_its_reasons() {
    let allowed = allowed_unsafe();
    assert_none(published().iter().flat_map(|file| unsafe_code(file, &allowed)).collect());
    for path in &allowed {
        let file = Source::new(path, &read(path));
        assert!(!file.lines_with(|word| word == "unsafe").is_empty(), "docs/unsafe.md: {path} holds no unsafe code");
    }
}

#[test]
fn generated_code_holds_no_unsafe_code() {
    assert_none(sources("netipc-derive/src").iter().flat_map(|file| unsafe_code(file, &[])).collect());
}

#[test]
fn platforms_are_told_apart_on_the_front_page_alone() {
    assert_none(published().iter().flat_map(platforms).collect());
}

#[test]
fn atomics_come_from_sync_alone() {
    assert_none(sources("netipc/src").iter().flat_map(atomics).collect());
}

#[test]
fn no_file_is_so_long_that_it_must_hold_two_subjects() {
    let folders = ["netipc", "netipc-derive", "examples", "tests", "benches", "fuzz"];
    assert_none(folders.iter().flat_map(|folder| sources(folder)).flat_map(|file| length(&file)).collect());
}

#[test]
fn an_import_against_the_plan_is_caught_however_it_is_written() {
    let plan = Plan(vec![
        ("buf".to_owned(), vec![]),
        ("codec".to_owned(), vec!["buf".to_owned()]),
        ("wire".to_owned(), vec!["buf".to_owned()]),
    ]);
    let caught = [
        ("netipc/src/buf/raw.rs", "use crate::codec::Rule;"),
        ("netipc/src/buf/mod.rs", "use super::codec;"),
        ("netipc/src/codec/a/b.rs", "use super::super::super::wire::Header;"),
        ("netipc/src/codec/text.rs", "use crate::{buf::Reader, wire::{self, Header}};"),
        ("netipc/src/codec/text.rs", "fn f() -> crate::wire::Header { loop {} }"),
        ("netipc/src/codec/text.rs", "use ::netipc::wire::Header;"),
        ("netipc/src/codec/mod.rs", "mod tests { use super::super::wire::Header; }"),
        ("netipc/src/codec/text.rs", "use crate::DecodeError;"),
        ("netipc/src/cellar.rs", "const NOTHING: () = ();"),
    ];
    for (path, text) in caught {
        assert!(!plan.breaches(&Source::new(path, text)).is_empty(), "{path}: {text}");
    }
    let fine = [
        ("netipc/src/lib.rs", "pub use crate::wire::Header;"),
        ("netipc/src/codec/tests.rs", "parse_quote!(crate = crate::ipc)"),
        ("netipc/src/codec/text.rs", "use crate::buf::{Reader, Writer}; use super::wire;"),
        ("netipc/src/codec/text.rs", "// use crate::wire::Header;\n/* crate::wire /* */ crate::wire */"),
        ("netipc/src/codec/text.rs", "const A: &str = \"crate::wire\"; const B: &str = r#\" \" crate::wire\"#;"),
        ("netipc/src/codec/text.rs", "macro_rules! m { () => { $crate::wire::Header }; }"),
        (
            "netipc/src/codec/text.rs",
            "mod tests { use super::super::text; fn f<'a>(c: &'a char) -> bool { *c == '\"' } }",
        ),
        ("netipc/src/codec/text.rs", "use std::fmt as crate_wire;"),
    ];
    for (path, text) in fine {
        assert_none(plan.breaches(&Source::new(path, text)));
    }
}

#[test]
fn every_other_rule_catches_a_file_that_breaks_it() {
    let codec = |text: &str| Source::new("netipc/src/codec/text.rs", text);
    let sys = |text: &str| Source::new("netipc/src/sys/unix.rs", text);
    for text in ["use std::io::Read;", "use std::{fmt, time::Duration};", "use core::time;", "fn f(_: Instant) {}"] {
        assert_eq!(impurities(&codec(text)).len(), 1, "{text}");
        assert_none(impurities(&sys(text)));
    }
    assert_none(impurities(&codec("use std::ffi::CString; use core::fmt; // std::io")));

    // Put together, so that whoever looks for unsafe blocks without their reasons does not find this one.
    assert_eq!(unsafe_code(&codec(&["fn f() { unsafe", " { g() } }"].concat()), &[]).len(), 1);
    assert_eq!(unsafe_code(&codec("quote!(unsafe fn f() {})"), &[]).len(), 1);
    assert_none(unsafe_code(&codec("#![expect(unsafe_code)] // unsafe\nconst A: &str = \"unsafe\";"), &[]));
    assert_none(unsafe_code(&codec("unsafe fn f() {}"), &["netipc/src/codec/text.rs".to_owned()]));

    for text in
        ["#[cfg(unix)] mod a;", "#[cfg_attr(not(windows), path = \"b.rs\")] mod a;", "if cfg!(target_os = \"l\") {}"]
    {
        assert_eq!(platforms(&codec(text)).len(), 1, "{text}");
        assert_none(platforms(&Source::new("netipc/src/lib.rs", text)));
    }
    assert_none(platforms(&codec("#[cfg(test)] mod unix; if cfg!(target_endian = \"big\") { windows() }")));

    for text in ["use core::sync::atomic;", "struct A(std::sync::Mutex<u8>);", "use std::{fmt, sync::Arc};"] {
        assert_eq!(atomics(&codec(text)).len(), 1, "{text}");
    }
    assert_none(atomics(&codec("use crate::sync::AtomicU32; // std::sync")));
    assert_none(atomics(&Source::new("netipc/src/sync.rs", "pub use core::sync::atomic::AtomicU32;")));

    assert_eq!(length(&codec(&"\n".repeat(LONGEST + 1))).len(), 1);
    assert_none(length(&codec(&"\n".repeat(LONGEST))));
}
