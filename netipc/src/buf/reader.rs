//! A checked cursor over bytes that arrived.

/// Reads front to back; every read is checked, and none panics.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from the first on.
    #[inline]
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, position: 0 }
    }

    /// How many bytes have been read.
    #[inline]
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }

    /// What has not been read yet.
    #[inline]
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `N` bytes, or `None` (and nothing read) where fewer are left.
    #[inline]
    pub const fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        match self.rest.split_first_chunk::<N>() {
            Some((bytes, rest)) => {
                self.rest = rest;
                self.position += N;
                Some(*bytes)
            }
            None => None,
        }
    }

    /// The next `n` bytes, or `None` (and nothing read) where fewer are left.
    #[inline]
    pub const fn bytes(&mut self, n: usize) -> Option<&'a [u8]> {
        match self.rest.split_at_checked(n) {
            Some((bytes, rest)) => {
                self.rest = rest;
                self.position += n;
                Some(bytes)
            }
            None => None,
        }
    }
}

macro_rules! integers {
    ($($name:ident: $type:ty),*) => {
        impl Reader<'_> {$(
            #[doc = concat!("The next [`", stringify!($type), "`] in host byte order, or `None` where too few bytes are left.")]
            #[inline]
            pub const fn $name(&mut self) -> Option<$type> {
                match self.array() {
                    Some(bytes) => Some(<$type>::from_ne_bytes(bytes)),
                    None => None,
                }
            }
        )*}
    };
}

integers!(u16: u16, u32: u32, u64: u64);

#[cfg(test)]
mod tests {
    use super::Reader;

    #[test]
    fn reads_until_the_end_and_not_beyond() {
        let mut bytes = Vec::new();
        bytes.extend(1_u16.to_ne_bytes());
        bytes.extend(2_u32.to_ne_bytes());
        bytes.extend(3_u64.to_ne_bytes());
        bytes.extend(b"abc");
        let mut reader = Reader::new(&bytes);
        assert_eq!((reader.u16(), reader.u32(), reader.u64()), (Some(1), Some(2), Some(3)));
        assert_eq!(reader.position(), 14);
        assert_eq!((reader.u32(), reader.position()), (None, 14));
        assert_eq!(reader.bytes(2), Some(&b"ab"[..]));
        assert_eq!((reader.bytes(2), reader.rest()), (None, &b"c"[..]));
        assert_eq!(reader.array::<1>(), Some(*b"c"));
        assert_eq!(reader.array::<1>(), None);
    }
}
