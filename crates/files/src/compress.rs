//! Compresses a file's content once, to be kept (RFC 9110 §8.4.1).
//!
//! In: bytes and a coding. Out: the compressed bytes, or nothing if they would not be worth it. Takes its time:
//! never on an event loop. Must not know files or caches.

use std::io::{self, Write};

use crate::accept_encoding::Coding;

/// `None` when the result saves less than a twentieth, or the library failed.
pub(crate) fn compress(plain: &[u8], coding: Coding) -> Option<Vec<u8>> {
    let result = match coding {
        Coding::Brotli => brotli(plain),
        Coding::Zstd => zstd::bulk::compress(plain, ZSTD_LEVEL),
        Coding::Gzip => gzip(plain),
    };
    match result {
        Ok(mut small) if small.len() < plain.len() - plain.len() / 20 => {
            small.shrink_to_fit();
            Some(small)
        }
        Ok(_) => None,
        Err(error) => {
            tracing::error!("static files: cannot compress with {}: {error}", coding.name());
            None
        }
    }
}

fn brotli(plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut small = Vec::with_capacity(plain.len() / 2);
    let parameters = brotli::enc::BrotliEncoderParams {
        quality: BROTLI_QUALITY,
        size_hint: plain.len(),
        ..Default::default()
    };
    let mut writer = brotli::CompressorWriter::with_params(&mut small, 16 * 1024, &parameters);
    writer.write_all(plain)?;
    writer.flush()?;
    drop(writer);
    Ok(small)
}

fn gzip(plain: &[u8]) -> io::Result<Vec<u8>> {
    let small = Vec::with_capacity(plain.len() / 2);
    let mut encoder = flate2::write::GzEncoder::new(small, flate2::Compression::new(GZIP_LEVEL));
    encoder.write_all(plain)?;
    encoder.finish()
}

// Where each library begins to pay much time for little: a file is compressed once, but its first reader waits.
const BROTLI_QUALITY: i32 = 6;
const ZSTD_LEVEL: i32 = 9;
const GZIP_LEVEL: u32 = 6;

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn plain() -> Vec<u8> {
        (0..20_000).flat_map(|number: u32| format!("line {number} of a text\n").into_bytes()).collect()
    }

    fn decompress(small: &[u8], coding: Coding) -> Vec<u8> {
        let mut plain = Vec::new();
        match coding {
            Coding::Brotli => brotli::Decompressor::new(small, 4096).read_to_end(&mut plain).map(drop),
            Coding::Zstd => zstd::stream::copy_decode(small, &mut plain),
            Coding::Gzip => flate2::read::GzDecoder::new(small).read_to_end(&mut plain).map(drop),
        }
        .unwrap();
        plain
    }

    #[test]
    fn what_is_compressed_is_smaller_and_the_same() {
        let plain = plain();
        for coding in Coding::ALL {
            let small = compress(&plain, coding).unwrap();
            assert!(small.len() < plain.len() / 4, "{coding:?}: {}", small.len());
            assert_eq!(decompress(&small, coding), plain, "{coding:?}");
        }
    }

    #[test]
    fn the_same_bytes_give_the_same_result_so_that_all_workers_agree() {
        let plain = plain();
        for coding in Coding::ALL {
            assert_eq!(compress(&plain, coding), compress(&plain, coding), "{coding:?}");
        }
    }

    #[test]
    fn what_does_not_become_smaller_is_left_alone() {
        let mut state = 88_172_645_463_325_252_u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        })
        .take(1000)
        .flatten()
        .collect();
        for coding in Coding::ALL {
            assert_eq!(compress(&noise, coding), None, "{coding:?}");
            assert_eq!(compress(b"", coding), None, "{coding:?}");
        }
    }
}
