//! Decodes header blocks (RFC 7541 §3, §5, §6).
//!
//! In: whole header blocks, in the order in which they came. Out: a [`Field`] after the other with its size,
//! or [`Malformed`]. Owns the dynamic table that the peer's encoder fills. Never sees frames; how long a
//! block may be, and how much of it is kept, is for the caller.

use super::field::{Field, Name};
use super::table::{self, Dynamic};
use super::{DEFAULT_TABLE, Malformed, OVERHEAD, huffman};

/// How much room for Huffman strings is kept between blocks, in octets.
const SCRATCH: usize = 1024;
/// How many octets may follow the first of an integer: enough for 32 bits.
const CONTINUATIONS: usize = 5;

/// The receiving half of a connection's compression state.
pub(crate) struct Decoder {
    table: Dynamic<Entry>,
    /// What the peer may raise the table's limit to, in octets.
    most: usize,
    /// The text of the Huffman string that was read last.
    scratch: Vec<u8>,
}

/// The name is kept too: that of a field which is invalid for its value may be used again with another.
struct Entry {
    name: Name,
    field: Field,
}

impl Decoder {
    /// `most`: our `SETTINGS_HEADER_TABLE_SIZE` in octets. The table begins with 4096 whatever that is, as
    /// the peer's does (RFC 9113 §6.5.2); it is the peer that makes it smaller or larger then, by a size
    /// update.
    pub(crate) fn new(most: usize) -> Self {
        Self { table: Dynamic::new(DEFAULT_TABLE), most, scratch: Vec::new() }
    }

    /// Decodes a whole header block (all fragments together).
    ///
    /// Calls `take` for each field in order, with the field and its size as RFC 9113 §6.5.2 counts it
    /// (name + value + 32).
    ///
    /// # Errors
    ///
    /// Any error is a `COMPRESSION_ERROR` of the connection. The fields before it were taken already.
    pub(crate) fn decode(
        &mut self,
        block: &[u8],
        mut take: impl FnMut(Field, usize),
    ) -> Result<(), Malformed> {
        let mut input = block;
        // Size updates come before the first field (RFC 7541 §4.2).
        let mut may_resize = true;
        while let Some(first) = input.first().copied() {
            if first & 0xe0 == 0x20 {
                let limit = integer(&mut input, 5)?;
                if !may_resize || limit > self.most {
                    return Err(Malformed);
                }
                self.table.resize(limit);
                continue;
            }
            may_resize = false;
            let (field, size) = if first & 0x80 != 0 {
                self.indexed(integer(&mut input, 7)?)?
            } else if first & 0x40 != 0 {
                self.literal_to_keep(&mut input)?
            } else {
                let (_, field, size) = self.literal(&mut input, 4, first & 0x10 != 0)?;
                (field, size)
            };
            take(field, size);
        }
        self.scratch.clear();
        self.scratch.shrink_to(SCRATCH);
        Ok(())
    }

    /// A field of one of the tables (RFC 7541 §6.1). Index 0 is in neither.
    fn indexed(&self, index: usize) -> Result<(Field, usize), Malformed> {
        match self.table.at(index) {
            Some((entry, size)) => Ok((entry.field.clone(), *size)),
            None => table::static_field(index).ok_or(Malformed),
        }
    }

    /// A literal that goes into the table (RFC 7541 §6.2.1).
    fn literal_to_keep(&mut self, input: &mut &[u8]) -> Result<(Field, usize), Malformed> {
        let (name, field, size) = self.literal(input, 6, false)?;
        self.table.insert(Entry { name, field: field.clone() }, size);
        Ok((field, size))
    }

    /// A literal whose name's index has a prefix of `bits` bits (RFC 7541 §6.2): its name, itself, its size.
    fn literal(
        &mut self,
        input: &mut &[u8],
        bits: u32,
        is_sensitive: bool,
    ) -> Result<(Name, Field, usize), Malformed> {
        let name = match integer(input, bits)? {
            0 => Name::parse(string(input, &mut self.scratch)?),
            index => match self.table.at(index) {
                Some((entry, _)) => entry.name.clone(),
                None => table::static_name(index).ok_or(Malformed)?,
            },
        };
        let value = string(input, &mut self.scratch)?;
        let size = name.len() + value.len() + OVERHEAD;
        let field = name.with(value, is_sensitive);
        Ok((name, field, size))
    }
}

/// Reads an integer with a prefix of `bits` bits, 1 to 7, in the first octet (RFC 7541 §5.1).
///
/// One above 32 bits or in more octets than 32 bits can need is an error, even if what is above is zeros.
fn integer(input: &mut &[u8], bits: u32) -> Result<usize, Malformed> {
    let (first, mut rest) = input.split_first().ok_or(Malformed)?;
    let mask = (1_u64 << bits) - 1;
    let mut value = u64::from(*first) & mask;
    let mut is_whole = value < mask;
    for nth in 0..CONTINUATIONS {
        if is_whole {
            break;
        }
        let (octet, after) = rest.split_first().ok_or(Malformed)?;
        rest = after;
        value += u64::from(octet & 0x7f) << (7 * nth);
        is_whole = octet & 0x80 == 0;
    }
    if !is_whole {
        return Err(Malformed);
    }
    *input = rest;
    let value = u32::try_from(value).map_err(|_| Malformed)?;
    usize::try_from(value).map_err(|_| Malformed)
}

/// Reads a string (RFC 7541 §5.2). One in Huffman code replaces what `scratch` has.
fn string<'a, 'block: 'a>(input: &mut &'block [u8], scratch: &'a mut Vec<u8>) -> Result<&'a [u8], Malformed> {
    let is_huffman = input.first().ok_or(Malformed)? & 0x80 != 0;
    let length = integer(input, 7)?;
    let (octets, rest) = input.split_at_checked(length).ok_or(Malformed)?;
    *input = rest;
    if !is_huffman {
        return Ok(octets);
    }
    scratch.clear();
    huffman::decode(octets, scratch)?;
    Ok(scratch)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderName, HeaderValue, Method};

    use super::super::Random;
    use super::*;

    fn method(value: &'static str) -> Field {
        Field::Method(Method::from_bytes(value.as_bytes()).unwrap())
    }

    fn scheme(value: &'static str) -> Field {
        Field::Scheme(Bytes::from_static(value.as_bytes()))
    }

    fn authority(value: &'static str) -> Field {
        Field::Authority(Bytes::from_static(value.as_bytes()))
    }

    fn path(value: &'static str) -> Field {
        Field::Path(Bytes::from_static(value.as_bytes()))
    }

    fn header(name: &'static str, value: &'static str) -> Field {
        Field::Header(HeaderName::from_static(name), HeaderValue::from_static(value))
    }

    /// A block with a size update and all forms of fields, in Huffman code and not.
    const GOOD: &str = "3fe1 1f 8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff 5886 a8eb 1064 9cbf be 1008 7061 \
        7373 776f 7264 0673 6563 7265 74 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf 0f0d 0137";

    /// Octets from hexadecimal digits, with spaces between them.
    fn hex(digits: &str) -> Vec<u8> {
        let digits: Vec<u8> =
            digits.chars().filter_map(|c| c.to_digit(16)).map(|d| u8::try_from(d).unwrap()).collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    fn decoded(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<Field>, Malformed> {
        let mut fields = Vec::new();
        decoder.decode(block, |field, _| fields.push(field)).map(|()| fields)
    }

    /// Decodes a block with a new decoder that allows 4096 octets.
    fn once(block: &[u8]) -> Result<Vec<Field>, Malformed> {
        decoded(&mut Decoder::new(4096), block)
    }

    /// Decodes blocks one after the other: each must give its fields and leave so many octets in the table.
    fn check(decoder: &mut Decoder, blocks: &[(&str, Vec<Field>, usize)]) {
        for (block, fields, used) in blocks {
            assert_eq!(decoded(decoder, &hex(block)).as_ref(), Ok(fields), "{block}");
            assert_eq!(decoder.table.used(), *used, "{block}");
        }
    }

    mod appendix_c {
        use super::*;

        #[test]
        fn integers_are_decoded() {
            for (octets, bits, value) in [
                (&[0x0a][..], 5, 10),
                (&[0x1f, 0x9a, 0x0a], 5, 1337),
                (&[0xea], 5, 10),
                (&[0x2a], 7, 42),
                (&[0x7f, 0x00], 7, 127),
                (&[0x0f, 0xf0, 0xff, 0xff, 0xff, 0x0f], 4, u32::MAX as usize),
            ] {
                let mut input = octets;
                assert_eq!(integer(&mut input, bits), Ok(value));
                assert!(input.is_empty());
            }
        }

        #[test]
        fn single_fields_are_decoded() {
            let custom = "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572";
            for (block, field, used) in [
                (custom, header("custom-key", "custom-header"), 55),
                ("040c 2f73 616d 706c 652f 7061 7468", path("/sample/path"), 0),
                ("1008 7061 7373 776f 7264 0673 6563 7265 74", header("password", "secret"), 0),
                ("82", method("GET"), 0),
            ] {
                check(&mut Decoder::new(4096), &[(block, vec![field], used)]);
            }
        }

        fn requests() -> [Vec<Field>; 3] {
            let first = vec![method("GET"), scheme("http"), path("/"), authority("www.example.com")];
            let mut second = first.clone();
            second.push(header("cache-control", "no-cache"));
            let third = vec![
                method("GET"),
                scheme("https"),
                path("/index.html"),
                authority("www.example.com"),
                header("custom-key", "custom-value"),
            ];
            [first, second, third]
        }

        #[test]
        fn requests_without_huffman_are_decoded() {
            let [first, second, third] = requests();
            let blocks = [
                ("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", first, 57),
                ("8286 84be 5808 6e6f 2d63 6163 6865", second, 110),
                ("8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65", third, 164),
            ];
            check(&mut Decoder::new(4096), &blocks);
        }

        #[test]
        fn requests_with_huffman_are_decoded() {
            let [first, second, third] = requests();
            let blocks = [
                ("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", first, 57),
                ("8286 84be 5886 a8eb 1064 9cbf", second, 110),
                ("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf", third, 164),
            ];
            check(&mut Decoder::new(4096), &blocks);
        }

        fn responses() -> [Vec<Field>; 3] {
            let date = header("date", "Mon, 21 Oct 2013 20:13:21 GMT");
            let location = header("location", "https://www.example.com");
            let private = header("cache-control", "private");
            let cookie = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
            let first = vec![Field::UnknownPseudo, private.clone(), date, location.clone()];
            let third = vec![
                Field::UnknownPseudo,
                private,
                header("date", "Mon, 21 Oct 2013 20:13:22 GMT"),
                location,
                header("content-encoding", "gzip"),
                header("set-cookie", cookie),
            ];
            [first.clone(), first, third]
        }

        /// The examples have a table of 256 octets: an update to that comes first.
        #[test]
        fn responses_without_huffman_are_decoded_with_evictions() {
            let [first, second, third] = responses();
            let first_block = "3fe101 4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 \
                3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 \
                2e65 7861 6d70 6c65 2e63 6f6d";
            let third_block = "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 \
                474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 \
                454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 \
                6572 7369 6f6e 3d31";
            let blocks =
                [(first_block, first, 222), ("4803 3330 37c1 c0bf", second, 222), (third_block, third, 215)];
            check(&mut Decoder::new(4096), &blocks);
        }

        #[test]
        fn responses_with_huffman_are_decoded_with_evictions() {
            let [first, second, third] = responses();
            let first_block = "3fe101 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 \
                66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3";
            let third_block = "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b \
                d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 \
                0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07";
            let blocks =
                [(first_block, first, 222), ("4883 640e ffc1 c0bf", second, 222), (third_block, third, 215)];
            check(&mut Decoder::new(4096), &blocks);
        }
    }

    #[test]
    fn an_index_beyond_the_table_is_an_error() {
        assert_eq!(once(&[0xbd]), Ok(vec![header("www-authenticate", "")]));
        for block in [&[0xbe][..], &[0xff, 0x00], &[0xff, 0xff, 0xff, 0xff, 0xff, 0x0f], &[0x7e, 0x01, b'v']]
        {
            assert_eq!(once(block), Err(Malformed), "{block:x?}");
        }
        assert_eq!(once(&[0x0f, 0x2f, 0x01, b'v']), Err(Malformed));
        assert_eq!(once(&[0x0f, 0x2e, 0x01, b'v']), Ok(vec![header("www-authenticate", "v")]));
    }

    #[test]
    fn index_0_is_an_error() {
        assert_eq!(once(&[0x80]), Err(Malformed));
    }

    #[test]
    fn an_integer_above_32_bits_is_an_error() {
        for octets in [
            [0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
            [0xff, 0x81, 0xff, 0xff, 0xff, 0x0f, 0x00],
        ] {
            assert_eq!(integer(&mut octets.as_slice(), 7), Err(Malformed), "{octets:x?}");
        }
        assert_eq!(integer(&mut [0xff, 0x80, 0x80, 0x80, 0x80, 0x00].as_slice(), 7), Ok(127));
    }

    #[test]
    fn indexes_of_both_tables_give_their_fields_and_sizes() {
        let mut decoder = Decoder::new(4096);
        let mut taken = Vec::new();
        let block = hex("82 84 87 90 4101 61 be 4001 78 0179 be bf");
        decoder.decode(&block, |field, size| taken.push((field, size))).unwrap();
        let expected = [
            (method("GET"), 42),
            (path("/"), 38),
            (scheme("https"), 44),
            (header("accept-encoding", "gzip, deflate"), 60),
            (authority("a"), 43),
            (authority("a"), 43),
            (header("x", "y"), 34),
            (header("x", "y"), 34),
            (authority("a"), 43),
        ];
        assert_eq!(taken, expected);
    }

    #[test]
    fn a_name_may_come_from_the_entry_that_its_own_field_evicts() {
        let mut decoder = Decoder::new(4096);
        // A limit of 34 octets holds one entry of a name and a value of one octet each.
        assert_eq!(decoded(&mut decoder, &hex("3f03 4001 78 0179")), Ok(vec![header("x", "y")]));
        assert_eq!(decoded(&mut decoder, &hex("7e01 7a be")), Ok(vec![header("x", "z"), header("x", "z")]));
    }

    #[test]
    fn an_entry_larger_than_the_table_leaves_it_empty() {
        let mut decoder = Decoder::new(4096);
        let block = hex("3f03 4001 78 0179 4001 78 0279 79");
        assert_eq!(decoded(&mut decoder, &block), Ok(vec![header("x", "y"), header("x", "yy")]));
        assert_eq!(decoder.table.used(), 0);
        assert_eq!(decoded(&mut decoder, &[0xbe]), Err(Malformed));
    }

    #[test]
    fn a_size_update_up_to_our_limit_is_taken_before_the_first_field() {
        assert_eq!(once(&hex("20")), Ok(vec![]));
        assert_eq!(once(&hex("20 3fe1 1f 82")), Ok(vec![method("GET")]));
        assert_eq!(once(&hex("3fe2 1f 82")), Err(Malformed));
        assert_eq!(decoded(&mut Decoder::new(0), &hex("21")), Err(Malformed));
        assert_eq!(decoded(&mut Decoder::new(8192), &hex("3fe1 3f")), Ok(vec![]));
    }

    #[test]
    fn a_size_update_after_a_field_is_an_error() {
        assert_eq!(once(&hex("82 20")), Err(Malformed));
        assert_eq!(once(&hex("20 82 3fe1 1f")), Err(Malformed));
    }

    #[test]
    fn a_size_update_evicts_what_is_too_much() {
        let mut decoder = Decoder::new(4096);
        decoded(&mut decoder, &hex("4001 78 0179")).unwrap();
        assert_eq!(decoded(&mut decoder, &hex("3f02 be")), Err(Malformed));
    }

    #[test]
    fn a_never_indexed_value_is_sensitive_and_others_are_not() {
        for (block, expected) in [("1001 78 0179", true), ("0001 78 0179", false), ("4001 78 0179", false)] {
            let fields = once(&hex(block)).unwrap();
            let [Field::Header(_, value)] = fields.as_slice() else { panic!("{fields:?}") };
            assert_eq!(value.is_sensitive(), expected);
        }
    }

    #[test]
    fn an_invalid_field_is_kept_in_the_table_with_its_size() {
        let mut decoder = Decoder::new(4096);
        // "X: y", and its name again with another value; the message is malformed, the tables are not.
        let fields = decoded(&mut decoder, &hex("4001 58 0179 be 7e02 7a7a 82"));
        assert_eq!(fields, Ok(vec![Field::Invalid, Field::Invalid, Field::Invalid, method("GET")]));
        assert_eq!(decoder.table.used(), 34 + 35);
    }

    #[test]
    fn the_name_of_a_field_with_an_invalid_value_may_be_used_again() {
        let block = hex("4001 78 0100 7e01 79 4201 20 be 7e03 505554");
        let expected =
            vec![Field::Invalid, header("x", "y"), Field::UnknownPseudo, Field::UnknownPseudo, method("PUT")];
        assert_eq!(once(&block), Ok(expected));
    }

    #[test]
    fn a_bad_huffman_string_is_an_error() {
        // "x" with a value of padding only, of padding with a zero, and of the end symbol.
        for value in ["81ff", "8118", "84ffff ffff"] {
            assert_eq!(once(&hex(&format!("4001 78 {value}"))), Err(Malformed), "{value}");
        }
        assert_eq!(once(&hex("4001 78 80")), Ok(vec![header("x", "")]));
    }

    #[test]
    fn a_cut_block_is_an_error_or_a_shorter_list() {
        let block = hex(GOOD);
        let whole = once(&block).unwrap();
        assert_eq!(whole.len(), 9);
        for end in 0..block.len() {
            let mut fields = Vec::new();
            let outcome = Decoder::new(4096).decode(&block[..end], |field, _| fields.push(field));
            assert!(whole.starts_with(&fields), "cut at {end}");
            assert!(outcome.is_err() || fields.len() < whole.len());
        }
    }

    #[test]
    fn random_octets_never_panic() {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let good = hex(GOOD);
        let mut decoder = Decoder::new(4096);
        let mut taken = 0_u64;
        for _ in 0..20_000 {
            // Half of the blocks are random throughout, half are a good one with a few octets changed.
            let block: Vec<u8> = if random.below(2) == 0 {
                let length = random.below(96);
                let mask = [0xff, 0xcf][random.below(2)];
                (0..length).map(|_| random.octet() & mask).collect()
            } else {
                let mut block = good.clone();
                for _ in 0..random.below(6) {
                    let place = random.below(32);
                    block[place] = random.octet();
                }
                block
            };
            let outcome = decoder.decode(&block, |_, size| {
                assert!(size >= OVERHEAD);
                taken += 1;
            });
            assert!(decoder.table.used() <= 4096);
            if outcome.is_err() && random.below(4) == 0 {
                decoder = Decoder::new(4096);
            }
        }
        assert!(taken > 20_000, "{taken} fields");
    }
}
