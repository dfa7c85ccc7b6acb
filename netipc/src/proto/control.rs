//! Control messages as packets.
//!
//! Owns: a hello, or an ack, behind its header. It refuses to know when they are sent.

use crate::buf::Writer;
use crate::wire::{Control, HEADER_LEN, HELLO_ACK_LEN, HELLO_LEN, Header, Hello, HelloAck, Status};

/// [`HELLO_LEN`] as it stands in a header.
pub(super) const HELLO: u32 = 44;
/// [`HELLO_ACK_LEN`] as it stands in a header.
pub(super) const HELLO_ACK: u32 = 48;

pub(super) fn hello(hello: &Hello) -> [u8; HEADER_LEN + HELLO_LEN] {
    join(&Header::control(Control::Hello, HELLO), &hello.encode())
}

pub(super) fn hello_ack(status: Status, ack: &HelloAck) -> [u8; HEADER_LEN + HELLO_ACK_LEN] {
    join(&Header::control(Control::HelloAck, HELLO_ACK).with_status(status), &ack.encode())
}

fn join<const N: usize>(header: &Header, payload: &[u8]) -> [u8; N] {
    let mut packet = [0; N];
    let mut writer = Writer::new(&mut packet);
    writer.append(&header.encode());
    writer.append(payload);
    packet
}
