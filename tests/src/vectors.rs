//! The byte vectors of deployed peers, read from `vectors/*.json`.
//!
//! Owns: JSON and hex. It refuses anything odd by panicking: a vector that is skipped in silence proves nothing.

use std::path::Path;

use netipc::wire::Header;
use serde_json::Value;

/// One vector.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its name, unique within its file.
    pub name: String,
    /// The structure it is one of.
    pub kind: String,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// `golden.json`: the values that these bytes stand for; null elsewhere.
    pub input: Value,
    /// `accept.json`: what deployed decoders make of the bytes; null elsewhere.
    pub decoded: Value,
    /// `reject.json`, `accept.json`: what is odd about the bytes; empty elsewhere.
    pub why: String,
    /// All that stands in the file, for what only some kinds have.
    pub all: Value,
}

/// All vectors of `vectors/{name}.json`, in the file's order.
///
/// # Panics
/// Where the file is missing, or an entry has no name, kind or bytes.
#[must_use]
pub fn load(name: &str) -> Vec<Entry> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name).with_extension("json");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let entries: Vec<Value> = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(!entries.is_empty(), "{} is empty", path.display());
    entries.into_iter().map(entry).collect()
}

/// All vectors of `vectors/{name}.json` that are of this kind.
///
/// # Panics
/// As [`load`], and where there is none.
#[must_use]
pub fn load_kind(name: &str, kind: &str) -> Vec<Entry> {
    let entries: Vec<Entry> = load(name).into_iter().filter(|entry| entry.kind == kind).collect();
    assert!(!entries.is_empty(), "{name}.json has no {kind}");
    entries
}

fn entry(all: Value) -> Entry {
    Entry {
        name: text(&all, "name").to_owned(),
        kind: text(&all, "kind").to_owned(),
        bytes: unhex(text(&all, "hex")),
        input: all["input"].clone(),
        decoded: all["decoded"].clone(),
        why: all["why"].as_str().unwrap_or_default().to_owned(),
        all,
    }
}

/// The text field `key` of `value`.
///
/// # Panics
/// Where there is no such field, or no text in it.
#[must_use]
pub fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no text {key} in {value}"))
}

/// The number field `key` of `value`, in the type asked for.
///
/// # Panics
/// Where there is no such field, or no number in it that the type can hold.
#[must_use]
pub fn number<T: TryFrom<u64>>(value: &Value, key: &str) -> T {
    let number = value[key].as_u64().and_then(|number| T::try_from(number).ok());
    number.unwrap_or_else(|| panic!("no number {key} of this width in {value}"))
}

/// The bytes of a list of hex strings in field `key` of `value`.
///
/// # Panics
/// Where there is no such field, or anything else in it.
#[must_use]
pub fn hex_list(value: &Value, key: &str) -> Vec<Vec<u8>> {
    let list = value[key].as_array().unwrap_or_else(|| panic!("no list {key} in {value}"));
    list.iter().map(|item| unhex(item.as_str().unwrap_or_else(|| panic!("no hex: {item}")))).collect()
}

/// The bytes that `hex` spells.
///
/// # Panics
/// On an odd number of digits, or anything else but digits.
#[must_use]
pub fn unhex(hex: &str) -> Vec<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|nibble| u8::try_from(nibble).ok());
    let pair = |pair: &[u8]| match *pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    hex.as_bytes().chunks(2).map(|bytes| pair(bytes).unwrap_or_else(|| panic!("no hex: {hex}"))).collect()
}

/// The item count of a batch vector, wherever it states it.
///
/// # Panics
/// Where it states none.
#[must_use]
pub fn item_count(entry: &Entry) -> u32 {
    match &entry.all["item_count"] {
        Value::Null => u32::try_from(hex_list(&entry.input, "items").len()).expect("few items"),
        _ => number(&entry.all, "item_count"),
    }
}

/// A message as the recordings of sessions describe it; `fnv` is the FNV-1a of its payload, in 32 bits.
#[must_use]
pub fn described(header: &Header, payload: &[u8]) -> String {
    let fnv = payload.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    format!(
        "kind={} flags={} code={} status={} items={} id={} len={} fnv={fnv:08x}",
        header.kind().raw(),
        header.flags(),
        header.code(),
        header.status().raw(),
        header.item_count(),
        header.message_id(),
        payload.len(),
    )
}

#[cfg(test)]
mod tests {
    use super::{load, number, unhex};

    #[test]
    fn hex_is_read_in_both_cases_and_refused_when_odd() {
        assert_eq!(unhex("00fFa1"), [0, 0xff, 0xa1]);
        assert_eq!(unhex(""), [0_u8; 0]);
        for odd in ["0", "0g", "+1"] {
            assert!(std::panic::catch_unwind(|| unhex(odd)).is_err(), "{odd}");
        }
    }

    #[test]
    fn the_files_hold_all_their_vectors() {
        assert_eq!(["golden", "reject", "accept"].map(|name| load(name).len()), [193, 376, 67]);
    }

    #[test]
    fn numbers_keep_all_64_bits() {
        let value = serde_json::json!({ "n": u64::MAX });
        assert_eq!(number::<u64>(&value, "n"), u64::MAX);
        assert!(std::panic::catch_unwind(|| number::<u32>(&value, "n")).is_err());
    }
}
