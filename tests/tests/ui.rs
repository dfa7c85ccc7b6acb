//! What a user is told about a message that cannot be: every mistake of an item at once, at its token, with its cure.
//!
//! One file for each group of mistakes. After a change of words, `TRYBUILD=overwrite` writes what is expected anew; read
//! the difference. What only types can tell comes with much that the compiler adds, in other words from release to release;
//! of that (`ui_types/`) our own line and its place are compared.

use std::fs;
use std::path::Path;
use std::process::Command;

use netipc_tests::processes::RunDir;

#[test]
fn mistakes_are_told_at_their_token_with_a_cure() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}

#[test]
fn mistakes_that_types_tell_are_told_at_their_token_in_our_words() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let project = RunDir::new();
    let manifest = format!(
        "[package]\nname = \"mistakes\"\nedition = \"2024\"\n[[bin]]\nname = \"mistakes\"\npath = {:?}\n\
         [dependencies]\nnetipc = {{ path = {:?} }}\n[workspace]\n",
        tests.join("tests/ui_types/snapshot_fields.rs"),
        tests.join("../netipc"),
    );
    fs::write(project.path().join("Cargo.toml"), manifest).unwrap();
    fs::copy(tests.join("../Cargo.lock"), project.path().join("Cargo.lock")).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["check", "--offline", "--quiet", "--message-format=short", "--target-dir"]);
    cargo.arg(tests.join("../target/tests/types")).current_dir(project.path());
    let output = cargo.output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    let errors = told.lines().filter_map(|line| line.split_once("snapshot_fields.rs:").map(|(_, told)| told));
    let mut errors: Vec<&str> = errors.filter(|told| told.contains(": error")).collect();
    errors.sort_unstable();
    let expected = fs::read_to_string(tests.join("tests/ui_types/snapshot_fields.expected")).unwrap();
    assert!(!output.status.success() && errors == expected.lines().collect::<Vec<_>>(), "{errors:#?}\n{told}");
}
