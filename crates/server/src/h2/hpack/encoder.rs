//! Encodes the header blocks of responses (RFC 7541 §4.2, §5, §6).
//!
//! In: a status and fields, and the peer's table size. Out: octets of a header block. Owns the dynamic table
//! that the peer's decoder has too, and decides what goes into it. Never sees frames. Nothing is sent in
//! Huffman code: it costs more than it saves on the few fields that are not indexed.

use http::StatusCode;
use http::header::{self, HeaderName, HeaderValue};

use super::OVERHEAD;
use super::table::{self, Dynamic};

/// How large the table may be, in octets. It is searched from one end to the other, and 1024 octets hold
/// about 20 entries, 32 at most; the fields that a server repeats are fewer.
const TABLE: usize = 1024;
/// The longest value that goes into the table, in octets.
const LONGEST_VALUE: usize = 256;

/// The forms of RFC 7541 §6: the bits above the prefix, and the prefix's length.
#[derive(Clone, Copy)]
struct Form(u8, u32);

const INDEXED: Form = Form(0x80, 7);
const TO_KEEP: Form = Form(0x40, 6);
const SIZE_UPDATE: Form = Form(0x20, 5);
const NEVER_INDEXED: Form = Form(0x10, 4);
const PASSING: Form = Form(0x00, 4);
/// No form: the length of a string, not in Huffman code (RFC 7541 §5.2).
const STRING: Form = Form(0x00, 7);

/// The sending half of a connection's compression state.
pub(crate) struct Encoder {
    table: Dynamic<Sent>,
    /// What the table's limit is from the next block on: [`TABLE`], or less if the peer allows less.
    limit: usize,
    /// The lowest that `limit` was since the last block, if the next one must tell of a limit.
    lowest: Option<usize>,
    /// The room of a value that was evicted, for the next one.
    spare: Vec<u8>,
}

/// A field that the peer's table has.
struct Sent {
    /// None is `:status`.
    name: Option<HeaderName>,
    /// A copy: a value may be a piece of a large buffer.
    value: Vec<u8>,
}

/// Where the table has a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Whole(usize),
    Name(usize),
    Nothing,
}

impl Encoder {
    /// The peer's table has 4096 octets until it says otherwise (RFC 9113 §6.5.2). Ours is smaller, which the
    /// first block tells.
    pub(crate) fn new() -> Self {
        Self { table: Dynamic::new(TABLE), limit: TABLE, lowest: Some(TABLE), spare: Vec::new() }
    }

    /// Takes the peer's `SETTINGS_HEADER_TABLE_SIZE`, in octets; the next block begins with the size updates
    /// that RFC 7541 §4.2 wants. Our own table never grows over 1024 octets.
    pub(crate) fn set_peer_table(&mut self, most: u32) {
        self.limit = usize::try_from(most).map_or(TABLE, |most| most.min(TABLE));
        self.lowest = Some(self.lowest.map_or(self.limit, |lowest| lowest.min(self.limit)));
    }

    /// Begins a block: must be called before its first field.
    ///
    /// A limit that went down and up again is told twice, so that both sides evict (RFC 7541 §4.2).
    pub(crate) fn begin(&mut self, out: &mut Vec<u8>) {
        let Some(lowest) = self.lowest.take() else { return };
        if lowest < self.limit {
            self.table.resize(lowest);
            integer(lowest, SIZE_UPDATE, out);
        }
        self.table.resize(self.limit);
        integer(self.limit, SIZE_UPDATE, out);
    }

    /// Adds `:status`, which is the first field of a response (RFC 9113 §8.3).
    pub(crate) fn status(&mut self, status: StatusCode, out: &mut Vec<u8>) {
        if let Some(index) = table::index_of_status(status) {
            return integer(index, INDEXED, out);
        }
        let value = status.as_str().as_bytes();
        if let Found::Whole(index) = self.find(None, value) {
            return integer(index, INDEXED, out);
        }
        let size = ":status".len() + value.len() + OVERHEAD;
        let form = if self.table.fits(size) { TO_KEEP } else { PASSING };
        integer(table::STATUS, form, out);
        string(value, out);
        if self.table.fits(size) {
            self.keep(None, value, size);
        }
    }

    /// Adds a field.
    pub(crate) fn field(&mut self, name: &HeaderName, value: &HeaderValue, out: &mut Vec<u8>) {
        // No intermediary may put a secret into a table, where it could be guessed (RFC 7541 §7.1.3).
        let is_secret = value.is_sensitive() || *name == header::SET_COOKIE;
        let octets = value.as_bytes();
        let static_name = table::index_of_name(name);
        if let Some(index) = static_name
            && !is_secret
            && table::has_static_value(index, octets)
        {
            return integer(index, INDEXED, out);
        }

        let size = name.as_str().len() + octets.len() + OVERHEAD;
        let is_kept =
            !is_secret && octets.len() <= LONGEST_VALUE && self.table.fits(size) && !is_seldom_repeated(name);
        // What is not kept is not there either; but its name may be, if the static table does not have it.
        let found =
            if is_kept || static_name.is_none() { self.find(Some(name), octets) } else { Found::Nothing };
        let named = match found {
            Found::Whole(index) if is_kept => return integer(index, INDEXED, out),
            Found::Whole(index) | Found::Name(index) => static_name.or(Some(index)),
            Found::Nothing => static_name,
        };

        let form = match (is_secret, is_kept) {
            (true, _) => NEVER_INDEXED,
            (false, true) => TO_KEEP,
            (false, false) => PASSING,
        };
        integer(named.unwrap_or(0), form, out);
        if named.is_none() {
            string(name.as_str().as_bytes(), out);
        }
        string(octets, out);
        if is_kept {
            self.keep(Some(name), octets, size);
        }
    }

    /// Looks for a field, or else for its name, from the newest entry on.
    fn find(&self, name: Option<&HeaderName>, value: &[u8]) -> Found {
        let mut found = Found::Nothing;
        for (index, sent) in self.table.iter() {
            if sent.name.as_ref() == name {
                if sent.value == value {
                    return Found::Whole(index);
                }
                if found == Found::Nothing {
                    found = Found::Name(index);
                }
            }
        }
        found
    }

    /// Puts a field into the table, as the peer does now.
    fn keep(&mut self, name: Option<&HeaderName>, octets: &[u8], size: usize) {
        let mut value = std::mem::take(&mut self.spare);
        value.clear();
        value.extend_from_slice(octets);
        if let Some(evicted) = self.table.insert(Sent { name: name.cloned(), value }, size) {
            self.spare = evicted.value;
        }
    }
}

/// Whether values of this field differ from response to response: they would only drive others out of the
/// table.
fn is_seldom_repeated(name: &HeaderName) -> bool {
    matches!(
        *name,
        header::CONTENT_LENGTH
            | header::ETAG
            | header::LAST_MODIFIED
            | header::LOCATION
            | header::AGE
            | header::CONTENT_RANGE
    )
}

/// Writes an integer behind the bits of its form (RFC 7541 §5.1).
fn integer(value: usize, Form(above, bits): Form, out: &mut Vec<u8>) {
    let mask = (1_u8 << bits) - 1;
    match u8::try_from(value) {
        Ok(value) if value < mask => out.push(above | value),
        _ => {
            out.push(above | mask);
            let mut rest = value - usize::from(mask);
            while rest >= 0x80 {
                let [low, ..] = rest.to_le_bytes();
                out.push(low | 0x80);
                rest >>= 7;
            }
            let [low, ..] = rest.to_le_bytes();
            out.push(low);
        }
    }
}

/// Writes a string as it is (RFC 7541 §5.2).
fn string(octets: &[u8], out: &mut Vec<u8>) {
    integer(octets.len(), STRING, out);
    out.extend_from_slice(octets);
}

#[cfg(test)]
mod tests {
    use super::super::{Decoder, Field, Random};
    use super::*;

    /// An encoder whose first size update is out.
    fn begun() -> Encoder {
        let mut encoder = Encoder::new();
        encoder.begin(&mut Vec::new());
        encoder
    }

    fn field(encoder: &mut Encoder, name: &'static str, value: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let value = HeaderValue::from_str(value).unwrap();
        encoder.field(&HeaderName::from_static(name), &value, &mut out);
        out
    }

    fn status(encoder: &mut Encoder, code: u16) -> Vec<u8> {
        let mut out = Vec::new();
        encoder.status(StatusCode::from_u16(code).unwrap(), &mut out);
        out
    }

    fn beginning(encoder: &mut Encoder) -> Vec<u8> {
        let mut out = Vec::new();
        encoder.begin(&mut out);
        out
    }

    #[test]
    fn integers_are_those_of_the_examples() {
        for (value, form, expected) in [
            (10, Form(0, 5), &[0x0a][..]),
            (1337, Form(0, 5), &[0x1f, 0x9a, 0x0a]),
            (42, Form(0x80, 7), &[0xaa]),
            (126, STRING, &[0x7e]),
            (127, STRING, &[0x7f, 0x00]),
            (255, STRING, &[0x7f, 0x80, 0x01]),
            (65_536, STRING, &[0x7f, 0x81, 0xff, 0x03]),
        ] {
            let mut out = Vec::new();
            integer(value, form, &mut out);
            assert_eq!(out, expected, "{value}");
        }
    }

    #[test]
    fn statuses_of_the_static_table_are_one_octet() {
        let codes = [200, 204, 206, 304, 400, 404, 500];
        for (code, octet) in codes.into_iter().zip(0x88..) {
            assert_eq!(status(&mut begun(), code), [octet]);
        }
    }

    #[test]
    fn other_statuses_are_one_octet_the_second_time() {
        let mut encoder = begun();
        assert_eq!(status(&mut encoder, 302), b"\x48\x03302");
        assert_eq!(status(&mut encoder, 302), [0xbe]);
        assert_eq!(status(&mut encoder, 503), b"\x48\x03503");
        assert_eq!(status(&mut encoder, 302), [0xbf]);
    }

    #[test]
    fn a_field_is_an_index_the_second_time() {
        let mut encoder = begun();
        assert_eq!(field(&mut encoder, "server", "narae"), b"\x76\x05narae");
        assert_eq!(field(&mut encoder, "x-a", "1"), b"\x40\x03x-a\x011");
        assert_eq!(field(&mut encoder, "server", "narae"), [0xbf]);
        assert_eq!(field(&mut encoder, "x-a", "1"), [0xbe]);
        assert_eq!(field(&mut encoder, "x-a", "2"), b"\x7e\x012");
        assert_eq!(field(&mut encoder, "x-a", "1"), [0xbf]);
    }

    #[test]
    fn a_field_that_the_static_table_has_whole_is_an_index() {
        assert_eq!(field(&mut begun(), "accept-encoding", "gzip, deflate"), [0x90]);
        assert_eq!(field(&mut begun(), "vary", ""), [0xbb]);
        assert_eq!(field(&mut begun(), "accept-encoding", ""), b"\x50\x00");
    }

    #[test]
    fn fields_that_seldom_repeat_and_long_values_are_not_kept() {
        let mut encoder = begun();
        for name in ["content-length", "etag", "last-modified", "location", "age", "content-range"] {
            let first = field(&mut encoder, name, "1");
            assert_eq!(first[0] & 0xf0, 0x00, "{name}");
            assert_eq!(field(&mut encoder, name, "1"), first);
        }
        assert_eq!(field(&mut encoder, "x-a", &"v".repeat(257))[0], 0x00);
        assert_eq!(field(&mut encoder, "x-a", &"v".repeat(256))[0], 0x40);
        assert_eq!(field(&mut encoder, "x-a", &"v".repeat(257))[..2], [0x0f, 0x2f]);
    }

    #[test]
    fn secrets_are_never_indexed() {
        let mut encoder = begun();
        for _ in 0..2 {
            assert_eq!(field(&mut encoder, "set-cookie", "a=b"), b"\x1f\x28\x03a=b");
            assert_eq!(field(&mut encoder, "set-cookie", ""), b"\x1f\x28\x00");
        }
        let mut value = HeaderValue::from_static("v");
        field(&mut encoder, "x-token", "v");
        value.set_sensitive(true);
        let mut out = Vec::new();
        encoder.field(&HeaderName::from_static("x-token"), &value, &mut out);
        encoder.field(&HeaderName::from_static("x-other"), &value, &mut out);
        assert_eq!(out, b"\x1f\x2f\x01v\x10\x07x-other\x01v");
    }

    #[test]
    fn the_first_block_begins_with_our_table_size_and_the_second_with_none() {
        let mut encoder = Encoder::new();
        assert_eq!(beginning(&mut encoder), [0x3f, 0xe1, 0x07]);
        assert_eq!(beginning(&mut encoder), []);
    }

    #[test]
    fn a_peer_table_that_went_down_and_up_is_told_twice() {
        let mut encoder = begun();
        field(&mut encoder, "x-a", "1");
        for size in [4096, 64, 0, 64, 4096] {
            encoder.set_peer_table(size);
        }
        assert_eq!(beginning(&mut encoder), [0x20, 0x3f, 0xe1, 0x07]);
        assert_eq!(field(&mut encoder, "x-a", "1")[0], 0x40);
        encoder.set_peer_table(u32::MAX);
        assert_eq!(beginning(&mut encoder), [0x3f, 0xe1, 0x07]);
        encoder.set_peer_table(16);
        assert_eq!(beginning(&mut encoder), [0x30]);
    }

    #[test]
    fn nothing_is_kept_for_a_peer_without_a_table() {
        let mut encoder = Encoder::new();
        encoder.set_peer_table(0);
        assert_eq!(beginning(&mut encoder), [0x20]);
        for _ in 0..2 {
            assert_eq!(field(&mut encoder, "x-a", "1"), b"\x00\x03x-a\x011");
            assert_eq!(status(&mut encoder, 302), b"\x08\x03302");
        }
    }

    /// The field that an encoded one must be decoded to, and whether its value must be sensitive.
    fn expected(name: &HeaderName, value: &HeaderValue) -> (Field, bool) {
        let is_secret = value.is_sensitive() || *name == header::SET_COOKIE;
        (Field::Header(name.clone(), value.clone()), is_secret)
    }

    #[test]
    fn a_long_sequence_of_responses_is_decoded_to_the_same_fields() {
        let mut random = Random(0x2545_f491_4f6c_dd1d);
        let names = [
            "server",
            "date",
            "content-type",
            "content-length",
            "vary",
            "set-cookie",
            "etag",
            "x-request-id",
            "cache-control",
            "x-a",
            "x-b",
            "access-control-allow-origin",
            "alt-svc",
            "x-frame-options",
        ]
        .map(HeaderName::from_static);
        let codes = [200, 201, 204, 206, 302, 304, 400, 404, 418, 429, 500, 503];
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(4096));
        let (mut block, mut indexed, mut fields) = (Vec::new(), 0, 0);
        for _ in 0..20_000 {
            for _ in 0..random.below(40).saturating_sub(36) {
                encoder.set_peer_table([0, 64, 4096, 4096, 4096, 65_536][random.below(6)]);
            }
            block.clear();
            encoder.begin(&mut block);
            let code = codes[random.below(12)];
            encoder.status(StatusCode::from_u16(code).unwrap(), &mut block);
            let mut sent = vec![(Field::UnknownPseudo, false)];
            for _ in 0..random.below(12) {
                let name = &names[random.below(14)];
                // Every other value is the one that this field mostly has. Some are long or not ASCII.
                let length = [0, 0, 1, 1, 5, 256, 257, 600][random.below(8)];
                let octet = [b'a', b'b', b' ', 0xe9][random.below(4)];
                let mut value = match random.below(2) {
                    0 => HeaderValue::from_static("usual"),
                    _ => HeaderValue::from_bytes(&vec![octet; length]).unwrap(),
                };
                value.set_sensitive(random.below(10) == 0);
                let before = block.len();
                encoder.field(name, &value, &mut block);
                indexed += usize::from(block[before] & 0x80 != 0);
                sent.push(expected(name, &value));
            }
            fields += sent.len();
            let mut received = Vec::new();
            let outcome = decoder.decode(&block, |field, _| {
                let is_sensitive = matches!(&field, Field::Header(_, value) if value.is_sensitive());
                received.push((field, is_sensitive));
            });
            assert_eq!(outcome, Ok(()));
            assert_eq!(received, sent);
        }
        assert!(indexed > fields / 10, "{indexed} of {fields} fields were an index");
    }
}
