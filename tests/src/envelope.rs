//! The parsers of the envelope against any bytes at all (docs/protocol.md, sections 1 and 2).

use netipc::buf::Writer;
use netipc::proto::Splitter;
use netipc::wire::{
    Batch, BatchBuilder, ChunkHeader, HEADER_LEN, HELLO_ACK_LEN, HELLO_LEN, Header, Hello, HelloAck, WireError,
};

/// The structures that the first byte of a fuzzer's input chooses from, as the vectors call them.
pub const KINDS: [&str; 5] = ["outer_header", "chunk_header", "hello", "hello_ack", "batch_payload"];

/// Parses the bytes behind the first one, which tells as what; what is accepted encodes to the same bytes. A batch has its
/// item count in the four bytes behind the first.
///
/// # Panics
/// Where it does not.
pub fn check_any(input: &[u8]) {
    let Some((kind, bytes)) = input.split_first() else { return };
    match kind % 5 {
        0 => same(Header::parse(bytes).map(|header| header.encode()), bytes, HEADER_LEN),
        1 => same(ChunkHeader::parse(bytes).map(|header| header.encode()), bytes, HEADER_LEN),
        2 => same(Hello::parse(bytes).map(|hello| hello.encode()), bytes, HELLO_LEN),
        3 => same(HelloAck::parse(bytes).map(|ack| ack.encode()), bytes, HELLO_ACK_LEN),
        _ => {
            let Some((count, payload)) = bytes.split_first_chunk() else { return };
            batch(payload, u32::from_ne_bytes(*count));
        }
    }
}

/// Parses a header, and cuts its message into packets of the size in the four bytes behind it: it can be cut, or one of the
/// two is beyond what a packet or a header can hold. What was cut is put together again as far as two packets show it.
///
/// # Panics
/// Where that is not so, or as [`check_any`].
pub fn check_header(input: &[u8]) {
    same(Header::parse(input).map(|header| header.encode()), input, HEADER_LEN);
    let (Ok(header), Some(size)) = (Header::parse(input), input.get(HEADER_LEN..).and_then(<[u8]>::first_chunk)) else {
        return;
    };
    let packet_size = u32::from_ne_bytes(*size);
    let fits = packet_size > HEADER_LEN as u32 && header.message_len() <= u64::from(u32::MAX);
    let packets = match Splitter::new(header, packet_size) {
        Ok(packets) => packets,
        Err(error) => {
            assert!(!fits, "{error:?}");
            assert!(error.asked > error.allowed, "{error:?}");
            return;
        }
    };
    assert!(fits);
    let count = packets.len() as u64;
    let mut end = 0;
    for (index, packet) in packets.take(3).enumerate() {
        let len = HEADER_LEN + packet.body.len();
        assert_eq!(packet.body.start, end);
        assert!(len <= packet_size as usize && (len == packet_size as usize || index as u64 == count - 1));
        assert_eq!(index > 0, ChunkHeader::parse(&packet.head).is_ok());
        end = packet.body.end;
    }
    assert_eq!(end == header.payload_len() as usize, count <= 3);
    assert_eq!(count == 1, header.message_len() <= u64::from(packet_size));
}

/// Parses a continuation header.
///
/// # Panics
/// As [`check_any`].
pub fn check_chunk(input: &[u8]) {
    same(ChunkHeader::parse(input).map(|header| header.encode()), input, HEADER_LEN);
}

/// Parses the bytes behind the first one as a hello where that is even, else as a hello-ack.
///
/// # Panics
/// As [`check_any`].
pub fn check_hello(input: &[u8]) {
    match input.split_first() {
        Some((kind, bytes)) if kind % 2 == 0 => same(Hello::parse(bytes).map(|hello| hello.encode()), bytes, HELLO_LEN),
        Some((_, bytes)) => same(HelloAck::parse(bytes).map(|ack| ack.encode()), bytes, HELLO_ACK_LEN),
        None => {}
    }
}

fn same<const N: usize>(encoded: Result<[u8; N], WireError>, bytes: &[u8], len: usize) {
    assert_eq!(N, len);
    match encoded {
        Ok(encoded) => assert_eq!(encoded[..], bytes[..N]),
        Err(error) => refused(error, bytes.len()),
    }
}

fn refused(error: WireError, len: usize) {
    assert!(!error.field().is_empty(), "{error:?}");
    assert!(error.offset() <= len, "{error:?} in {len} bytes");
}

fn batch(payload: &[u8], count: u32) {
    let batch = match Batch::parse(payload, count) {
        Ok(batch) => batch,
        Err(error) => return refused(error, payload.len()),
    };
    assert_eq!(batch.len(), count as usize);
    let items: Vec<&[u8]> = batch.iter().collect();
    assert!((0..batch.len()).all(|index| batch.get(index) == Some(items[index])));
    assert_eq!(batch.get(batch.len()), None);
    // Items may overlap, so what is built again may be larger; a few are enough.
    if items.len() > 64 {
        return;
    }
    let room: usize = items.iter().map(|item| 16 + item.len()).sum();
    let mut buffer = vec![0xa5; room];
    let mut writer = Writer::new(&mut buffer);
    let mut builder = BatchBuilder::new(&mut writer, count);
    for item in &items {
        builder.push(item).expect("room for it");
    }
    assert_eq!(builder.finish(), Ok(count));
    let len = writer.len();
    let again = Batch::parse(&buffer[..len], count).expect("what was built");
    assert!(again.iter().eq(items.iter().copied()));
}
