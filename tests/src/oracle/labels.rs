//! The label table at the end of lookup items (docs/protocol.md, section 5.2).
//!
//! Owns: the table's place, its entries, and the rule that an item ends with its last string's NUL. Refuses: any other
//! place, dirty padding in front, strings that are not packed in table order, empty keys, a NUL inside.

use super::bytes::{Range, Reason, Text, align8, all_zero, append_text, c_text, pad_to_8, slice};

const ENTRY: u64 = 16;

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label<'a> {
    /// What is said; never empty.
    pub key: Text<'a>,
    /// What is said about it.
    pub value: Text<'a>,
}

/// The labels of an item, whose other strings are at `strings`; proves that nothing is left over behind them.
pub(crate) fn decode<'a>(item: &'a [u8], count: u16, strings: &[Range]) -> Result<Vec<Label<'a>>, Reason> {
    let strings_end = strings.iter().map(|range| range.end).max().ok_or("an item without strings")?;
    if count == 0 {
        if strings_end != item.len() as u64 {
            return Err("the item does not end with its last string");
        }
        return Ok(Vec::new());
    }

    let table = align8(strings_end);
    if !all_zero(slice(item, strings_end, table - strings_end)?) {
        return Err("padding before the label table is not zero");
    }
    let table_length = u64::from(count) * ENTRY;
    slice(item, table, table_length)?;

    let mut labels = Vec::new();
    let mut expected = table + table_length;
    for i in 0..u64::from(count) {
        let entry = table + i * ENTRY;
        let (key, key_place) = c_text(item, entry, expected)?;
        if key_place.start != expected {
            return Err("a label's key is not where the string before it ends");
        }
        if key.is_empty() {
            return Err("a label's key is empty");
        }
        let (value, value_place) = c_text(item, entry + 8, key_place.end)?;
        if value_place.start != key_place.end {
            return Err("a label's value is not where its key ends");
        }
        expected = value_place.end;
        labels.push(Label { key: Text::Borrowed(key), value: Text::Borrowed(value) });
    }
    if expected != item.len() as u64 {
        return Err("the item does not end with its last label");
    }
    Ok(labels)
}

/// Puts the table and its strings behind the other strings of an item.
pub(crate) fn append(item: &mut Vec<u8>, labels: &[Label<'_>]) {
    if labels.is_empty() {
        return;
    }
    pad_to_8(item);
    let table = item.len();
    item.resize(table + labels.len() * ENTRY as usize, 0);
    for (i, label) in labels.iter().enumerate() {
        let entry = table + i * ENTRY as usize;
        append_text(item, entry, &label.key);
        append_text(item, entry + 8, &label.value);
    }
}
