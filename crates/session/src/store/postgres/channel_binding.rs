//! [`server_end_point`]: what ties a login to the TLS connection that it goes through (RFC 5929 §4).
//!
//! In: the server's certificate. Out: its hash, with the hash function of its signature. Knows of DER only
//! where that function's name is.

use aws_lc_rs::digest::{Algorithm, SHA224, SHA256, SHA384, SHA512, digest};

/// The data of `tls-server-end-point`. `None`: no hash function belongs to the signature (Ed25519), or which
/// one does not stand in its name (RSASSA-PSS).
pub(super) fn server_end_point(certificate: &[u8]) -> Option<Vec<u8>> {
    let algorithm = hash_of(signature_algorithm(certificate)?)?;
    Some(digest(algorithm, certificate).as_ref().to_vec())
}

/// The signature's object identifier: `SEQUENCE { contents, SEQUENCE { identifier, … }, … }` (RFC 5280 §4.1).
fn signature_algorithm(certificate: &[u8]) -> Option<&[u8]> {
    let (certificate, _) = element(SEQUENCE, certificate)?;
    let (_contents, rest) = element(SEQUENCE, certificate)?;
    let (algorithm, _) = element(SEQUENCE, rest)?;
    element(OBJECT_IDENTIFIER, algorithm).map(|(identifier, _)| identifier)
}

/// The content of the element that `der` begins with, and what follows it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[found, first], rest) = der.split_first_chunk()?;
    let (length, rest) = match first {
        ..=0x7f => (usize::from(first), rest),
        // So many bytes of length follow; no certificate needs more.
        0x81..=0x83 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    (found == tag).then(|| rest.split_at_checked(length))?
}

/// MD5 and SHA-1 are replaced by SHA-256 (RFC 5929 §4.1).
fn hash_of(signature: &[u8]) -> Option<&'static Algorithm> {
    let found = HASHES.iter().find(|(identifier, _)| *identifier == signature);
    found.map(|(_, algorithm)| *algorithm)
}

const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;

/// `1.2.840.113549.1.1.*` (RSA) and `1.2.840.10045.4.*` (ECDSA).
const HASHES: [(&[u8], &Algorithm); 11] = [
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04", &SHA256),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05", &SHA256),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0e", &SHA224),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", &SHA256),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c", &SHA384),
    (b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d", &SHA512),
    (b"\x2a\x86\x48\xce\x3d\x04\x01", &SHA256),
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x01", &SHA224),
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x02", &SHA256),
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x03", &SHA384),
    (b"\x2a\x86\x48\xce\x3d\x04\x03\x04", &SHA512),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_signature() {
        for (signature, algorithm) in
            [(&rcgen::PKCS_ECDSA_P256_SHA256, &SHA256), (&rcgen::PKCS_ECDSA_P384_SHA384, &SHA384)]
        {
            let key = rcgen::KeyPair::generate_for(signature).expect("a key");
            let parameters = rcgen::CertificateParams::new(["x".to_owned()]).expect("parameters");
            let certificate = parameters.self_signed(&key).expect("a certificate");
            let expected = digest(algorithm, certificate.der()).as_ref().to_vec();
            assert_eq!(server_end_point(certificate.der()), Some(expected));
        }
    }

    #[test]
    fn what_is_no_certificate_or_has_no_hash_gives_nothing() {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
        let parameters = rcgen::CertificateParams::new(["x".to_owned()]).expect("parameters");
        let certificate = parameters.self_signed(&key).expect("a certificate");
        assert_eq!(server_end_point(certificate.der()), None);
        for end in 0..certificate.der().len() {
            assert_eq!(server_end_point(&certificate.der()[..end]), None);
        }
    }
}
