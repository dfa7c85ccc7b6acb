//! What a user is told about a message that cannot be: every mistake of an item at once, at its token, with its cure.
//!
//! One file for each group of mistakes. After a change of words, `TRYBUILD=overwrite` writes what is expected anew; read
//! the difference.

#[test]
fn mistakes_are_told_at_their_token_with_a_cure() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
