//! Random values of the declared messages, and odd payloads that say the same (docs/protocol.md, section 5).
//!
//! Owns: which values there are, and every freedom that the page gives to whoever lays them out. Refuses nothing: all that
//! is made here is to be accepted, but for what `spoil` has been at.

use crate::oracle::bytes::{append_text, length};
use crate::oracle::labels;
use crate::oracle::lookup;
use crate::oracle::{
    AppsLookupItem, AppsLookupRequest, AppsLookupResponse, CgroupsLookupItem, CgroupsLookupRequest,
    CgroupsLookupResponse, Increment, Label, Message, Payload, Snapshot, SnapshotItem, SnapshotRequest, StringReverse,
    Text,
};
use crate::random::Random;

/// A value of `message`.
#[must_use]
pub fn value(message: Message, random: &mut Random) -> Payload<'static> {
    match message {
        Message::Increment => Payload::Increment(Increment { value: number(random) }),
        Message::StringReverse => Payload::StringReverse(StringReverse { text: text(random, 0, 40, true) }),
        Message::SnapshotRequest => Payload::SnapshotRequest(SnapshotRequest),
        Message::Snapshot => Payload::Snapshot(Snapshot {
            systemd_enabled: number(random) as u32,
            generation: number(random),
            items: items(random, snapshot_item),
        }),
        Message::CgroupsLookupRequest => Payload::CgroupsLookupRequest(CgroupsLookupRequest {
            paths: items(random, |random| text(random, 1, 40, false)),
        }),
        Message::CgroupsLookupResponse => Payload::CgroupsLookupResponse(CgroupsLookupResponse {
            generation: number(random),
            items: items(random, cgroups_item),
        }),
        Message::AppsLookupRequest => {
            Payload::AppsLookupRequest(AppsLookupRequest { pids: items(random, |random| number(random) as u32) })
        }
        Message::AppsLookupResponse => Payload::AppsLookupResponse(AppsLookupResponse {
            generation: number(random),
            items: items(random, apps_item),
        }),
    }
}

fn snapshot_item(random: &mut Random) -> SnapshotItem<'static> {
    SnapshotItem {
        hash: number(random) as u32,
        options: number(random) as u32,
        enabled: number(random) as u32,
        name: text(random, 0, 24, true),
        path: text(random, 0, 40, true),
    }
}

fn cgroups_item(random: &mut Random) -> CgroupsLookupItem<'static> {
    let path = text(random, 1, 40, false);
    if random.one_in(3) {
        let status = random.pick(&[1, 2, 3, 4]);
        return CgroupsLookupItem { status, orchestrator: 0, path, name: Text::default(), labels: Vec::new() };
    }
    CgroupsLookupItem {
        status: 0,
        orchestrator: orchestrator(random),
        path,
        name: text(random, 0, 24, false),
        labels: labels(random),
    }
}

fn apps_item(random: &mut Random) -> AppsLookupItem<'static> {
    let mut item = AppsLookupItem {
        status: random.pick(&[1, 2, 3]),
        orchestrator: 0,
        cgroup_status: 0,
        pid: number(random) as u32,
        ppid: 0,
        uid: u32::MAX,
        starttime: 0,
        comm: Text::default(),
        cgroup_path: Text::default(),
        cgroup_name: Text::default(),
        labels: Vec::new(),
    };
    if random.one_in(4) {
        return item;
    }
    item.status = 0;
    item.cgroup_status = random.pick(&[0, 0, 0, 1, 2, 3]);
    item.ppid = number(random) as u32;
    item.uid = number(random) as u32;
    item.starttime = number(random);
    item.comm = text(random, 1, 15, false);
    match item.cgroup_status {
        0 => {
            item.orchestrator = orchestrator(random);
            item.cgroup_path = text(random, 1, 40, false);
            item.cgroup_name = text(random, 0, 24, false);
            item.labels = labels(random);
        }
        1 => item.cgroup_path = text(random, 0, 40, false),
        2 => item.cgroup_path = text(random, 1, 40, false),
        _ => {}
    }
    item
}

fn labels(random: &mut Random) -> Vec<Label<'static>> {
    let count = random.pick(&[0, 0, 1, 1, 2, 3, 5]);
    (0..count).map(|_| Label { key: text(random, 1, 12, false), value: text(random, 0, 16, false) }).collect()
}

fn orchestrator(random: &mut Random) -> u16 {
    if random.one_in(8) { random.next() as u16 } else { random.below(8) as u16 }
}

/// Up to 20, some of them twice.
fn items<T: Clone>(random: &mut Random, mut item: impl FnMut(&mut Random) -> T) -> Vec<T> {
    let count = random.pick(&[0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 8, 13, 20]);
    let mut items: Vec<T> = Vec::new();
    for _ in 0..count {
        let again = items.get(random.below(8)).cloned();
        let next = again.filter(|_| random.one_in(8)).unwrap_or_else(|| item(random));
        items.push(next);
    }
    items
}

fn number(random: &mut Random) -> u64 {
    match random.below(4) {
        0 => random.pick(&[0, 1, 7, 8, 0x7fff_ffff, 0xffff_ffff, 0x1_0000_0000, u64::MAX]),
        1 => random.next() & 0xffff,
        _ => random.next(),
    }
}

fn text(random: &mut Random, least: usize, most: usize, nul: bool) -> Text<'static> {
    let chosen = if random.one_in(2) { random.pick(&[0, 1, 2, 7, 8, 14, 15]) } else { random.below(most + 1) };
    let length = chosen.clamp(least, most);
    let mut bytes = Vec::with_capacity(length);
    for _ in 0..length {
        let byte = match random.below(16) {
            0 => b'/',
            1 => random.next() as u8,
            2 if nul => 0,
            _ => b'a' + random.below(26) as u8,
        };
        bytes.push(if byte == 0 && !nul { b'-' } else { byte });
    }
    Text::Owned(bytes)
}

/// Changes `value`, mostly so that it breaks a rule which only one who reads the values can see.
pub fn spoil(value: &mut Payload<'_>, random: &mut Random) {
    match value {
        Payload::CgroupsLookupRequest(request) => {
            if let Some(path) = any(&mut request.paths, random) {
                spoil_text(path, random);
            }
        }
        Payload::CgroupsLookupResponse(response) => {
            if let Some(item) = any(&mut response.items, random) {
                match random.below(5) {
                    0 => item.status = random.below(6) as u16,
                    1 => item.orchestrator = orchestrator(random),
                    2 => spoil_text(&mut item.path, random),
                    3 => spoil_text(&mut item.name, random),
                    _ => spoil_labels(&mut item.labels, random),
                }
            }
        }
        Payload::AppsLookupResponse(response) => {
            if let Some(item) = any(&mut response.items, random) {
                match random.below(10) {
                    0 => item.status = random.below(5) as u16,
                    1 => item.cgroup_status = random.below(5) as u16,
                    2 => item.orchestrator = orchestrator(random),
                    3 => item.ppid = number(random) as u32,
                    4 => item.uid = number(random) as u32,
                    5 => item.starttime = number(random),
                    6 => item.comm = text(random, 0, 17, false),
                    7 => spoil_text(&mut item.cgroup_path, random),
                    8 => spoil_text(&mut item.cgroup_name, random),
                    _ => spoil_labels(&mut item.labels, random),
                }
            }
        }
        // Whatever these say is allowed.
        Payload::Increment(_)
        | Payload::StringReverse(_)
        | Payload::SnapshotRequest(_)
        | Payload::Snapshot(_)
        | Payload::AppsLookupRequest(_) => {}
    }
}

fn any<'a, T>(list: &'a mut [T], random: &mut Random) -> Option<&'a mut T> {
    let at = random.below(list.len());
    list.get_mut(at)
}

fn spoil_text(spoiled: &mut Text<'_>, random: &mut Random) {
    *spoiled = if random.one_in(2) { Text::default() } else { text(random, 0, 24, true) };
}

fn spoil_labels(labels: &mut Vec<Label<'_>>, random: &mut Random) {
    match any(labels, random) {
        Some(label) if random.one_in(2) => spoil_text(&mut label.key, random),
        Some(label) => spoil_text(&mut label.value, random),
        None => labels.push(Label { key: text(random, 1, 12, false), value: text(random, 0, 16, false) }),
    }
}

/// A payload that says `value` in a way that is tolerated though nobody writes it.
#[must_use]
pub fn odd(value: &Payload<'_>, random: &mut Random) -> Vec<u8> {
    let mut payload = match value {
        Payload::Increment(_) | Payload::StringReverse(_) | Payload::SnapshotRequest(_) => value.encode(),
        Payload::Snapshot(snapshot) => {
            let items: Vec<_> = snapshot.items.iter().map(|item| odd_snapshot_item(item, random)).collect();
            odd_list(snapshot.head(), &items, true, random)
        }
        Payload::CgroupsLookupRequest(request) => {
            let items: Vec<_> = request.paths.iter().map(|path| [path, &[0][..]].concat()).collect();
            odd_list(lookup::head(items.len(), 0), &items, false, random)
        }
        Payload::AppsLookupRequest(request) => {
            let items: Vec<_> = request.pids.iter().map(|pid| [pid.to_ne_bytes(), [0; 4]].concat()).collect();
            odd_list(lookup::head(items.len(), 0), &items, false, random)
        }
        Payload::CgroupsLookupResponse(response) => {
            let items: Vec<_> = response
                .items
                .iter()
                .map(|item| odd_lookup_item(item.head(), &mut item.texts(), &item.labels, random))
                .collect();
            odd_list(lookup::head(items.len(), response.generation), &items, false, random)
        }
        Payload::AppsLookupResponse(response) => {
            let items: Vec<_> = response
                .items
                .iter()
                .map(|item| odd_lookup_item(item.head(), &mut item.texts(), &item.labels, random))
                .collect();
            odd_list(lookup::head(items.len(), response.generation), &items, false, random)
        }
    };
    if random.one_in(2) {
        random.append_junk(&mut payload, 20);
    }
    payload
}

fn odd_snapshot_item(value: &SnapshotItem<'_>, random: &mut Random) -> Vec<u8> {
    let mut item = value.head();
    odd_texts(&mut item, &mut value.texts(), random);
    if random.one_in(3) {
        random.append_junk(&mut item, 20);
    }
    item
}

fn odd_lookup_item(
    mut item: Vec<u8>,
    texts: &mut [(usize, &[u8])],
    labels: &[Label<'_>],
    random: &mut Random,
) -> Vec<u8> {
    odd_texts(&mut item, texts, random);
    labels::append(&mut item, labels);
    item
}

/// Any order, and anything in front of each.
fn odd_texts(item: &mut Vec<u8>, texts: &mut [(usize, &[u8])], random: &mut Random) {
    random.shuffle(texts);
    for (field, text) in texts.iter() {
        if random.one_in(3) {
            random.append_junk(item, 12);
        }
        append_text(item, *field, text);
    }
}

/// Anything between the items; where they may come in `any_order` they do, and equal ones may lie over one another.
fn odd_list(mut header: Vec<u8>, items: &[Vec<u8>], any_order: bool, random: &mut Random) -> Vec<u8> {
    let mut order: Vec<usize> = (0..items.len()).collect();
    if any_order && random.one_in(2) {
        random.shuffle(&mut order);
    }
    let mut area = Vec::new();
    let mut offsets = vec![None; items.len()];
    for i in order {
        let twin = items.iter().zip(&offsets).find_map(|(item, offset)| offset.filter(|_| *item == items[i]));
        if any_order && twin.is_some() {
            offsets[i] = twin;
            continue;
        }
        if random.one_in(3) {
            random.append_junk(&mut area, 20);
        }
        while !area.len().is_multiple_of(8) {
            area.push(random.next() as u8);
        }
        offsets[i] = Some(area.len());
        area.extend_from_slice(&items[i]);
    }
    for (item, offset) in items.iter().zip(offsets) {
        header.extend_from_slice(&length(offset.unwrap_or(usize::MAX)).to_ne_bytes());
        header.extend_from_slice(&length(item.len()).to_ne_bytes());
    }
    header.extend_from_slice(&area);
    header
}
