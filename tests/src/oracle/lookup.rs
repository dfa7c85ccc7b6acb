//! What the two lookups have in common (docs/protocol.md, section 5.2).
//!
//! Owns: the headers of request and response, and the items' places. Refuses: a bad prefix or reserved word, a directory
//! or item out of bounds, items that overlap or descend. Tolerates any bytes between the items, and behind them.

use super::bytes::{Reason, ascending, directory, length, prefix, put_u16, put_u32, put_u64, slice, u32_at, u64_at};

const HEADER: u64 = 16;

/// The keys of a request, each as its directory entry bounds it.
pub(crate) fn keys(payload: &[u8]) -> Result<Vec<&[u8]>, Reason> {
    slice(payload, 0, HEADER)?;
    prefix(payload)?;
    if u32_at(payload, 8)? != 0 || u32_at(payload, 12)? != 0 {
        return Err("a reserved word of the header is not 0");
    }
    items(payload)
}

/// The generation of a response, and its items, each as its directory entry bounds it.
pub(crate) fn answers(payload: &[u8]) -> Result<(u64, Vec<&[u8]>), Reason> {
    slice(payload, 0, HEADER)?;
    prefix(payload)?;
    Ok((u64_at(payload, 8)?, items(payload)?))
}

fn items(payload: &[u8]) -> Result<Vec<&[u8]>, Reason> {
    let (places, area) = directory(payload, HEADER, u32_at(payload, 4)?)?;
    ascending(&places)?;
    places.iter().map(|place| slice(area, place.start, place.end - place.start)).collect()
}

/// The header of a request (whose reserved words are generation 0) or a response.
pub(crate) fn head(count: usize, generation: u64) -> Vec<u8> {
    let mut head = vec![0; HEADER as usize];
    put_u16(&mut head, 0, 1);
    put_u32(&mut head, 4, length(count));
    put_u64(&mut head, 8, generation);
    head
}
