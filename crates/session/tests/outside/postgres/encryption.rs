//! TLS with a private authority.

use narae_session::store::{Postgres, Store};
use narae_session::{Id, Timestamp};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::server::Server;
use super::{edits, value};

#[tokio::test]
async fn connections_are_encrypted_and_the_server_is_known() {
    let (root, certificate, key) = authority("127.0.0.1");
    let (_files, server) = encrypted(&certificate, &key);
    let store = Postgres::new(&server.url("postgres")).expect("an address").root_certificate(root);
    let id = Id::random();
    store.create(id.clone(), edits(&[("a", Some("1"))])).await.expect("a session");
    assert_eq!(value(&store, &id, "a").await.as_deref(), Some("1"));
    let client = server.connect("postgres").await;
    let sql = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE application_name = 'narae'";
    assert!(client.query_one(sql, &[]).await.expect("a row").get::<_, bool>(0));

    let (stranger, ..) = authority("127.0.0.1");
    let url = server.url("postgres");
    refused(Postgres::new(&url).expect("an address").root_certificate(stranger), "invalid peer certificate")
        .await;
    let by_system = format!("{url}?sslmode=require");
    refused(Postgres::new(&by_system).expect("an address"), "invalid peer certificate").await;
}

#[tokio::test]
async fn a_login_can_be_tied_to_the_connection() {
    let (root, certificate, key) = authority("127.0.0.1");
    let (_files, server) = encrypted(&certificate, &key);
    let url = format!("{}?channel_binding=require", server.url("postgres"));
    let store = Postgres::new(&url).expect("an address").root_certificate(root);
    let id = Id::random();
    store.create(id.clone(), edits(&[("a", Some("1"))])).await.expect("a session");
    assert_eq!(value(&store, &id, "a").await.as_deref(), Some("1"));
    let error = Postgres::new(&url).expect("an address").prepare(1).expect_err("refused").to_string();
    assert!(error.contains("channel_binding=require needs an encrypted connection"), "{error}");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let (root, certificate, key) = authority("elsewhere.example");
    let (_files, server) = encrypted(&certificate, &key);
    let store = Postgres::new(&server.url("postgres")).expect("an address").root_certificate(root);
    refused(store, "not valid for name").await;
}

#[tokio::test]
async fn a_server_without_tls_is_refused_where_tls_is_asked_for() {
    let server = Server::shared();
    let (root, ..) = authority("127.0.0.1");
    let store = Postgres::new(&server.url("postgres")).expect("an address").root_certificate(root);
    refused(store, "server does not support TLS").await;
}

#[test]
fn what_is_no_certificate_is_found_before_serving() {
    let store = Postgres::new("postgres://u@127.0.0.1/d").expect("an address");
    let error = store.root_certificate("no certificate").prepare(1).expect_err("refused").to_string();
    assert!(error.contains("the root certificate: it has no certificate to trust"), "{error}");
}

async fn refused(store: Postgres, why: &str) {
    let error = store.load(&Id::random(), Timestamp::now()).await.expect_err("refused").to_string();
    assert!(error.contains(why), "{error}");
}

/// A server with this certificate, and the folder with its files.
fn encrypted(certificate: &str, key: &str) -> (tempfile::TempDir, Server) {
    let files = Server::folder();
    let certificate = Server::keep(files.path(), "server.crt", certificate);
    let key = Server::keep(files.path(), "server.key", key);
    let certificate = format!("ssl_cert_file={}", certificate.display());
    let key = format!("ssl_key_file={}", key.display());
    let server = Server::start(&["ssl=on", &certificate, &key]);
    (files, server)
}

/// A root, and a certificate for `name` with its key, as PEM.
fn authority(name: &str) -> (String, String, String) {
    let root_key = KeyPair::generate().expect("a key");
    let mut root = CertificateParams::new(Vec::new()).expect("parameters");
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_pem = root.self_signed(&root_key).expect("a root").pem();
    let key = KeyPair::generate().expect("a key");
    let issuer = Issuer::new(root, root_key);
    let certificate = CertificateParams::new([name.to_owned()]).expect("parameters");
    let certificate = certificate.signed_by(&key, &issuer).expect("a certificate");
    (root_pem, certificate.pem(), key.serialize_pem())
}
