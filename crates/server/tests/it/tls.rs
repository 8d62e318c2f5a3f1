//! Certificates and keys: what is accepted, and how what is wrong is said.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use narae_server::{Limits, Tls, TlsVersion};
use rcgen::{
    CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256,
};

use crate::client::Client;
use crate::site::Site;

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// A certificate for localhost with a key of the given kind.
    fn pair(&self, algorithm: &'static rcgen::SignatureAlgorithm) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let certificate =
            CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        (self.write("cert.pem", &certificate.pem()), self.write("key.pem", &key.serialize_pem()))
    }

    fn dated(&self, from: SystemTime, until: SystemTime) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_before = from.into();
        params.not_after = until.into();
        let certificate = params.self_signed(&key).unwrap();
        (self.write("cert.pem", &certificate.pem()), self.write("key.pem", &key.serialize_pem()))
    }
}

#[track_caller]
fn check_error(tls: &Tls, want: &[&str]) {
    let error = tls.load().unwrap_err().to_string();
    for want in want {
        assert!(error.contains(want), "{error:?} lacks {want:?}");
    }
}

#[test]
fn keys_of_every_kind_are_read() {
    for algorithm in [&PKCS_RSA_SHA256, &PKCS_ECDSA_P256_SHA256, &PKCS_ECDSA_P384_SHA384, &PKCS_ED25519] {
        let files = Files::new();
        let (certificate, key) = files.pair(algorithm);
        Tls::pem(certificate, key).load().unwrap();
    }
}

#[test]
fn certificate_and_key_may_share_a_file() {
    let files = Files::new();
    let (certificate, key) = files.pair(&PKCS_ECDSA_P256_SHA256);
    let both = fs::read_to_string(key).unwrap() + &fs::read_to_string(certificate).unwrap();
    let both = files.write("both.pem", &both);
    Tls::pem(&both, &both).load().unwrap();
}

#[test]
fn a_missing_file_is_named() {
    check_error(&Tls::pem("/nowhere/cert.pem", "/nowhere/key.pem"), &["/nowhere/cert.pem: No such file"]);
}

#[test]
fn a_damaged_file_is_named_with_its_line() {
    let files = Files::new();
    let (certificate, key) = files.pair(&PKCS_ECDSA_P256_SHA256);
    let text = fs::read_to_string(&certificate).unwrap();
    let damaged = files.write("damaged.pem", &text.replacen("MII", "M#I", 1));
    check_error(&Tls::pem(damaged, &key), &["damaged.pem:2: '#' is not base64"]);
    let cut = files.write("cut.pem", &text[..200]);
    check_error(&Tls::pem(cut, key), &["cut.pem:1: CERTIFICATE has no END"]);
}

#[test]
fn files_that_are_swapped_are_named() {
    let files = Files::new();
    let (certificate, key) = files.pair(&PKCS_ECDSA_P256_SHA256);
    check_error(&Tls::pem(&key, &certificate), &["key.pem: holds no certificate (it holds PRIVATE KEY)"]);
    check_error(
        &Tls::pem(&certificate, &certificate),
        &["cert.pem: holds no private key (it holds CERTIFICATE)"],
    );
}

#[test]
fn a_key_of_another_certificate_is_named() {
    let (files, others) = (Files::new(), Files::new());
    let (certificate, _) = files.pair(&PKCS_ECDSA_P256_SHA256);
    let (_, key) = others.pair(&PKCS_ECDSA_P256_SHA256);
    check_error(&Tls::pem(certificate, key), &["key.pem: this key does not belong to", "cert.pem"]);
}

#[test]
fn an_expired_certificate_says_since_when() {
    let day = Duration::from_secs(86_400);
    let now = SystemTime::now();
    let files = Files::new();
    let (certificate, key) = files.dated(now - 10 * day, now - day);
    check_error(&Tls::pem(certificate, key), &["cert.pem: the certificate expired on "]);
    let (certificate, key) = files.dated(now + day, now + 10 * day);
    check_error(&Tls::pem(certificate, key), &["cert.pem: the certificate is not valid before "]);
}

#[test]
fn an_encrypted_key_says_how_to_decrypt_it() {
    let files = Files::new();
    let (certificate, _) = files.pair(&PKCS_ECDSA_P256_SHA256);
    let pkcs8 = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let key = files.write("locked.pem", pkcs8);
    check_error(&Tls::pem(&certificate, key), &["locked.pem:1: the key is encrypted", "openssl pkey -in"]);
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMIIB\n\
               -----END RSA PRIVATE KEY-----\n";
    let key = files.write("old.pem", old);
    check_error(&Tls::pem(&certificate, key), &["old.pem:1: the key is encrypted"]);
}

#[test]
fn der_instead_of_pem_is_guessed() {
    let files = Files::new();
    let (certificate, _) = files.pair(&PKCS_ECDSA_P256_SHA256);
    let der = files.folder.path().join("cert.der");
    fs::write(&der, [0x30, 0x82, 0x01, 0x00, 0xff]).unwrap();
    check_error(&Tls::pem(der, certificate), &["cert.der: holds no certificate", "is it DER?"]);
}

#[test]
fn alpn_chooses_h2_first_and_falls_back_to_h1() {
    let site = Site::new();
    assert_eq!(Client::tls(&site, &[b"http/1.1", b"h2"]).alpn(), Some(b"h2".to_vec()));
    assert_eq!(Client::tls(&site, &[b"http/1.1"]).alpn(), Some(b"http/1.1".to_vec()));
    let mut without = Client::tls(&site, &[]);
    without.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(without.reply().status, 200);
}

#[test]
fn a_peer_that_speaks_only_something_else_is_refused() {
    let site = Site::new();
    assert!(Client::tls_with(&site, &[b"spdy/3"]).is_err());
}

#[test]
fn plain_http_on_the_tls_port_is_told_so() {
    let site = Site::new();
    let mut socket = std::net::TcpStream::connect(site.tls).unwrap();
    std::io::Write::write_all(&mut socket, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut socket, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("this port speaks https"), "{answer}");
}

#[test]
fn an_older_version_than_the_minimum_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let tls = Tls::development_in(folder.path()).minimum_version(TlsVersion::V1_3).load().unwrap();
    let site = Site::serving(crate::site::routes(), Limits::default(), tls);
    assert!(Client::tls_versions(&site, &[&rustls::version::TLS12]).is_err());
    assert!(Client::tls_versions(&site, &[&rustls::version::TLS13]).is_ok());
}

/// Files with keys in the older forms, which tools still write.
fn kept(name: &str) -> PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/keys").join(name)
}

#[test]
fn keys_in_pkcs1_and_sec1_are_read_and_serve() {
    for name in ["rsa-pkcs1", "ec-sec1"] {
        let (certificate, key) = (kept(&format!("{name}.pem")), kept(&format!("{name}.key")));
        let text = fs::read_to_string(&key).unwrap();
        assert!(text.contains("BEGIN RSA PRIVATE KEY") || text.contains("BEGIN EC PRIVATE KEY"));
        let tls = Tls::pem(certificate, key).load().unwrap();
        let site = Site::serving(crate::site::routes(), Limits::default(), tls);
        let mut client = Client::tls(&site, &[b"http/1.1"]);
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.reply().body, "Hello, World!", "{name}");
    }
}

#[test]
fn the_chain_is_sent_from_one_file_or_from_two() {
    let files = Files::new();
    let (leaf, authority) = (kept("ec-sec1.pem"), kept("authority.pem"));
    let both = fs::read_to_string(&leaf).unwrap() + &fs::read_to_string(&authority).unwrap();
    let both = files.write("both.pem", &both);
    for tls in [Tls::pem(both, kept("ec-sec1.key")), Tls::pem(leaf, kept("ec-sec1.key")).chain(authority)] {
        let site = Site::serving(crate::site::routes(), Limits::default(), tls.load().unwrap());
        assert_eq!(Client::tls(&site, &[b"http/1.1"]).certificates(), 2);
    }
}
