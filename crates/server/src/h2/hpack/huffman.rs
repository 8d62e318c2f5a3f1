//! Decodes strings in the Huffman code of RFC 7541 (§5.2, Appendix B).
//!
//! In: the octets of an encoded string. Out: its text, at most 8/5 as long. The code is canonical: codes of
//! one length are consecutive in the order of their symbols, and shorter codes come first. So the lengths
//! alone define it, and everything else is worked out from them when the crate is built. Never sees the rest
//! of a header block.

use super::Malformed;

/// The symbols: every octet, and `EOS`, which is the last.
const SYMBOLS: usize = 257;
/// Codes up to this many bits are found by one look at the next octet.
const SHORT: usize = 8;
/// The longest code, in bits.
const LONGEST: usize = 30;

/// The length of each symbol's code, in bits: 16 symbols a line, and `EOS`.
#[rustfmt::skip]
const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// Codes of one length that is more than [`SHORT`].
#[derive(Clone, Copy)]
struct Long {
    length: u32,
    /// The first code of this length, and what follows the last, both with their highest bit at bit 31.
    first: u64,
    end: u64,
    /// Where the first code's symbol is in `Code::symbols`.
    offset: usize,
}

struct Code {
    /// By the next octet: the symbol that it begins with, and the length of its code; 0 if that is a longer
    /// one.
    short: [(u8, u32); 1 << SHORT],
    long: [Long; LONGEST - SHORT],
    /// The octets in the order of their codes. `EOS` would be one after the last.
    symbols: [u8; SYMBOLS - 1],
}

static CODE: Code = Code::build();

impl Code {
    /// Runs when the crate is built: nothing in it depends on a peer.
    #[allow(clippy::cast_possible_truncation)] // a symbol is put down only below 256
    const fn build() -> Self {
        let mut code = Self {
            short: [(0, 0); 1 << SHORT],
            long: [Long { length: 0, first: 0, end: 0, offset: 0 }; LONGEST - SHORT],
            symbols: [0; SYMBOLS - 1],
        };
        // The next code, with its highest bit at bit 31.
        let mut next: u64 = 0;
        let mut placed = 0;
        let mut length = 1;
        while length <= LONGEST {
            let (first, offset) = (next, placed);
            let step = 1 << (32 - length);
            let mut symbol = 0;
            while symbol < SYMBOLS {
                if LENGTHS[symbol] as usize == length {
                    if symbol < SYMBOLS - 1 {
                        code.symbols[placed] = symbol as u8;
                    }
                    let mut octet = (next >> 24) as usize;
                    while length <= SHORT && octet < ((next + step) >> 24) as usize {
                        code.short[octet] = (symbol as u8, length as u32);
                        octet += 1;
                    }
                    placed += 1;
                    next += step;
                }
                symbol += 1;
            }
            if length > SHORT {
                code.long[length - SHORT - 1] = Long { length: length as u32, first, end: next, offset };
            }
            length += 1;
        }
        // The code is complete: every sequence of 30 bits begins with a symbol.
        assert!(placed == SYMBOLS && next == 1 << 32);
        code
    }
}

/// Puts the text of an encoded string behind what `out` has.
pub(super) fn decode(encoded: &[u8], out: &mut Vec<u8>) -> Result<(), Malformed> {
    out.reserve(encoded.len() / 5 * 8 + 8);
    let mut octets = encoded.iter();
    // The bits that were read and not used yet: `held` of them, from bit 63 down, and zeros below.
    let mut bits: u64 = 0;
    let mut held: u32 = 0;
    loop {
        while held <= 56 {
            let Some(octet) = octets.next() else { break };
            bits |= u64::from(*octet) << (56 - held);
            held += 8;
        }
        let [next, ..] = bits.to_be_bytes();
        let (symbol, length) = match CODE.short.get(usize::from(next)) {
            Some((symbol, length)) if *length > 0 => (Some(*symbol), *length),
            _ => long(bits >> 32),
        };
        if length > held {
            break;
        }
        // `EOS` in a string is an error.
        out.push(symbol.ok_or(Malformed)?);
        bits <<= length;
        held -= length;
    }
    // What is left is padding: less than an octet of the beginning of `EOS`, which is ones.
    if held < 8 && bits.leading_ones() == held { Ok(()) } else { Err(Malformed) }
}

/// The symbol that `window`, of 32 bits, begins with, and the length of its code. None is `EOS`.
fn long(window: u64) -> (Option<u8>, u32) {
    for codes in &CODE.long {
        if window < codes.end {
            let nth = window.saturating_sub(codes.first) >> (32 - codes.length);
            let place = usize::try_from(nth).map_or(usize::MAX, |nth| codes.offset + nth);
            return (CODE.symbols.get(place).copied(), codes.length);
        }
    }
    (None, u32::MAX)
}

/// The code of a symbol, and its length.
#[cfg(test)]
fn code_of(symbol: usize) -> (u64, u32) {
    let shorter = |other: &usize| (LENGTHS[*other], *other) < (LENGTHS[symbol], symbol);
    let taken: u64 = (0..SYMBOLS).filter(shorter).map(|other| 1 << (32 - LENGTHS[other])).sum();
    (taken >> (32 - LENGTHS[symbol]), LENGTHS[symbol].into())
}

/// Encodes a text, with ones behind it to the end of the octet.
#[cfg(test)]
pub(super) fn encode(text: &[u8]) -> Vec<u8> {
    let mut digits = String::new();
    for octet in text {
        let (code, length) = code_of(usize::from(*octet));
        digits.push_str(&format!("{code:0width$b}", width = length as usize));
    }
    while !digits.len().is_multiple_of(8) {
        digits.push('1');
    }
    digits.as_bytes().chunks(8).map(|octet| octet.iter().fold(0, |sum, bit| sum << 1 | (bit & 1))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(encoded: &[u8]) -> Result<Vec<u8>, Malformed> {
        let mut out = Vec::new();
        decode(encoded, &mut out).map(|()| out)
    }

    #[test]
    fn codes_are_those_of_the_appendix() {
        for (symbol, code, length) in [
            (0, 0x1ff8, 13),
            (1, 0x7f_ffd8, 23),
            (10, 0x3fff_fffc, 30),
            (22, 0x3fff_fffe, 30),
            (b' '.into(), 0x14, 6),
            (b'0'.into(), 0x0, 5),
            (b'A'.into(), 0x21, 6),
            (b'Z'.into(), 0xfd, 8),
            (b'a'.into(), 0x3, 5),
            (b't'.into(), 0x9, 5),
            (b'~'.into(), 0x1ffd, 13),
            (128, 0xf_ffe6, 20),
            (195, 0x7_fff1, 19),
            (249, 0xfff_fffe, 28),
            (255, 0x3ff_ffee, 26),
            (256, 0x3fff_ffff, 30),
        ] {
            assert_eq!(code_of(symbol), (code, length), "symbol {symbol}");
        }
    }

    #[test]
    fn every_symbol_survives_alone_and_among_others() {
        for octet in 0..=u8::MAX {
            for text in [vec![octet], vec![b'a', octet], vec![octet, octet, b'0', octet]] {
                assert_eq!(decoded(&encode(&text)), Ok(text));
            }
        }
        let all: Vec<u8> = (0..=u8::MAX).chain((0..=u8::MAX).rev()).collect();
        assert_eq!(decoded(&encode(&all)), Ok(all));
        assert_eq!(decoded(b""), Ok(Vec::new()));
    }

    #[test]
    fn padding_of_eight_bits_and_more_is_an_error() {
        assert_eq!(decoded(&[0xff]), Err(Malformed));
        assert_eq!(decoded(&[0xff, 0xff]), Err(Malformed));
        // "a" is 00011, and three bits of padding; then eight bits more.
        assert_eq!(decoded(&[0b0001_1111]), Ok(b"a".to_vec()));
        assert_eq!(decoded(&[0b0001_1111, 0xff]), Err(Malformed));
        // "!" is 1111111000, and six bits of padding.
        assert_eq!(decoded(&[0xfe, 0b0011_1111]), Ok(b"!".to_vec()));
        // "&" is 11111000: no padding is needed.
        assert_eq!(decoded(&[0xf8]), Ok(b"&".to_vec()));
    }

    #[test]
    fn padding_that_is_not_all_ones_is_an_error() {
        for padding in 0..7 {
            assert_eq!(decoded(&[0b0001_1000 | padding]), Err(Malformed), "padding {padding:03b}");
        }
        assert_eq!(decoded(&[0xfe]), Err(Malformed));
    }

    #[test]
    fn the_end_symbol_in_a_string_is_an_error() {
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xff]), Err(Malformed));
        assert_eq!(decoded(&[0xff; 20]), Err(Malformed));
        assert_eq!(decoded(&[0b0001_1111, 0xff, 0xff, 0xff, 0xff]), Err(Malformed));
    }

    #[test]
    fn a_string_of_two_octets_is_decoded_only_if_it_is_what_its_text_encodes_to() {
        for number in 0..=u16::MAX {
            let octets = number.to_be_bytes();
            if let Ok(text) = decoded(&octets) {
                assert_eq!(encode(&text), octets);
            }
        }
    }
}
