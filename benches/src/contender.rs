//! What a codec must be able to do to take part, for one message type `D`.

/// A codec that carries messages of type `D`.
///
/// Each contender keeps its buffers, arenas and the encoded message, as a program that calls in a loop would.
pub trait Contender<D>: Sized {
    /// The row's title.
    const NAME: &'static str;

    /// What decoding to a value of one's own gives; dropped inside the measurement.
    type Owned;

    /// Takes the message and encodes it once, so that there is something to decode and all buffers have grown.
    fn new(data: &D) -> Self;

    /// Encodes into the buffer of last time; returns the length.
    fn encode(&mut self) -> usize;

    /// Decodes as far as needed to trust every later access; returns something that depends on the outcome.
    fn prove(&mut self) -> u64;

    /// Decodes and reads every field; returns the checksum.
    fn touch(&mut self) -> u64;

    /// Encodes, and decodes to a value that borrows nothing.
    fn owned(&mut self) -> Self::Owned;

    /// The checksum of what `owned` returned.
    fn checksum(owned: &Self::Owned) -> u64;
}

/// The four operations, each a column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Encode,
    Prove,
    Touch,
    Owned,
}

impl Operation {
    /// All of them, in the table's order.
    pub const ALL: [Self; 4] = [Self::Encode, Self::Prove, Self::Touch, Self::Owned];

    /// The column's title.
    pub fn title(self) -> &'static str {
        match self {
            Self::Encode => "encode",
            Self::Prove => "decode and prove",
            Self::Touch => "decode and touch",
            Self::Owned => "owned round trip",
        }
    }
}
