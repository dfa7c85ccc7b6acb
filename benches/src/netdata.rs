//! The snapshot in Netdata's layout (docs/protocol.md, section 5.2), written by the slow and obvious way: the bytes that
//! `memcpy` copies, and the oracle for every faster encoder.

use crate::data::{Cgroup, Reading, Snapshot};

/// The bytes of a snapshot.
pub fn encoded(data: &Snapshot) -> Vec<u8> {
    let mut directory = Vec::new();
    let mut items: Vec<u8> = Vec::new();
    for item in &data.items {
        items.resize(items.len().next_multiple_of(8), 0);
        let bytes = encoded_item(item);
        directory.extend((items.len() as u32).to_ne_bytes());
        directory.extend((bytes.len() as u32).to_ne_bytes());
        items.extend(bytes);
    }
    let mut all = Vec::new();
    all.extend([1u16.to_ne_bytes(), [0; 2]].concat());
    all.extend((data.items.len() as u32).to_ne_bytes());
    all.extend(data.systemd_enabled.to_ne_bytes());
    all.extend([0; 4]);
    all.extend(data.generation.to_ne_bytes());
    all.extend(directory);
    all.extend(items);
    all
}

fn encoded_item(item: &Cgroup) -> Vec<u8> {
    let (name, path) = (item.name.as_bytes(), item.path.as_bytes());
    let path_at = 32 + name.len() + 1;
    let mut bytes = [1u16.to_ne_bytes(), [0; 2]].concat();
    for word in [item.hash, item.options, item.enabled, 32, name.len() as u32, path_at as u32, path.len() as u32] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes.extend(name);
    bytes.push(0);
    bytes.extend(path);
    bytes.push(0);
    bytes
}

/// The bytes of a reading, fields in order at natural alignment, padding zero.
pub fn encoded_reading(data: &Reading) -> [u8; 40] {
    let mut bytes = [0; 40];
    bytes[..8].copy_from_slice(&data.id.to_ne_bytes());
    bytes[8..16].copy_from_slice(&data.at.to_ne_bytes());
    bytes[16..20].copy_from_slice(&data.sensor.to_ne_bytes());
    bytes[20..24].copy_from_slice(&data.sequence.to_ne_bytes());
    bytes[24..32].copy_from_slice(&data.value.to_ne_bytes());
    bytes[32] = u8::from(data.valid);
    bytes
}
