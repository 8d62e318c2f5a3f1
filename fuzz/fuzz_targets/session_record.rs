//! Random bytes as the binary form of a session: read without a panic, and what is read is written and read
//! as the same.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(record) = narae_session::decode_record(bytes) {
        let mut written = Vec::new();
        narae_session::encode_record(&record, &mut written);
        assert_eq!(narae_session::decode_record(&written), Ok(record));
        assert!(written.len() <= bytes.len());
    }
});
