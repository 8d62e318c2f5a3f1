//! Header compression for HTTP/2 (RFC 7541): header blocks to fields, and fields to header blocks.
//!
//! In: whole header blocks of requests, from the engine, and the fields of responses. Out: [`Field`]s, and
//! octets of header blocks. Owns both compression contexts of a connection. Never sees frames, streams or
//! sockets, and does not judge a message: which fields it needs, and in which order, is the engine's to
//! check.

mod decoder;
mod encoder;
mod field;
mod huffman;
mod table;

pub(crate) use decoder::Decoder;
pub(crate) use encoder::Encoder;
pub(crate) use field::Field;

/// The size of both dynamic tables before anybody says otherwise, in octets (RFC 9113 §6.5.2).
const DEFAULT_TABLE: usize = 4096;
/// What an entry counts beside its name and value, in octets (RFC 7541 §4.1, RFC 9113 §6.5.2).
const OVERHEAD: usize = 32;

/// A header block that cannot be decoded. The tables of both sides differ from here on, so the connection
/// ends with `COMPRESSION_ERROR` (RFC 9113 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Numbers that look random and are the same in each run (xorshift).
#[cfg(test)]
struct Random(u64);

#[cfg(test)]
impl Random {
    fn below(&mut self, end: u32) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 11) % u64::from(end)).unwrap()
    }

    fn octet(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }
}
