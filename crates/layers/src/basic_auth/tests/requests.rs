//! Single requests: who passes, and what the others are told (RFC 7617, RFC 9110 §11.6).

use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, StatusCode};

use super::super::BasicAuth;
use super::{ask, auth, request, send, spacious, text, user};

const OK: StatusCode = StatusCode::OK;
const UNAUTHORIZED: StatusCode = StatusCode::UNAUTHORIZED;

/// The status for a value of `Authorization`.
async fn value(layer: &BasicAuth, value: &[u8]) -> StatusCode {
    let mut request = request(&[]);
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
    send(layer, request).await.status()
}

#[tokio::test]
async fn the_examples_of_rfc_7617_pass() {
    // §2 and §2.1: the password of the second has a pound sign in UTF-8.
    let layer = auth(&spacious(), &[("Aladdin", "open sesame"), ("test", "123£")]);
    assert_eq!(value(&layer, b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==").await, OK);
    assert_eq!(value(&layer, b"Basic dGVzdDoxMjPCow==").await, OK);
}

#[tokio::test]
async fn whoever_has_no_password_is_told_how_to_bring_one() {
    let layer = auth(&spacious(), &[("alice", "secret")]).realm("my \"site\"");
    let response = send(&layer, request(&[])).await;
    assert_eq!(response.status(), UNAUTHORIZED);
    for (name, expected) in [
        ("www-authenticate", r#"Basic realm="my \"site\"", charset="UTF-8""#),
        ("content-type", "text/plain; charset=utf-8"),
        ("content-length", "17"),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(response.headers()[name], expected, "{name}");
    }
    assert_eq!(text(response).await, "401 Unauthorized\n");
}

#[tokio::test]
async fn the_answer_to_head_has_the_fields_of_get_and_no_body() {
    let layer = auth(&spacious(), &[]);
    let mut head = request(&[]);
    *head.method_mut() = Method::HEAD;
    let (head, get) = (send(&layer, head).await, send(&layer, request(&[])).await);
    assert_eq!((head.status(), head.headers()), (get.status(), get.headers()));
    assert_eq!(text(head).await, "");
}

#[tokio::test]
async fn only_the_name_and_password_of_one_user_pass() {
    let layer = auth(&spacious(), &[("alice", "secret"), ("bert", "geheim"), ("안나", "비밀:번호")]);
    for _ in 0..2 {
        for right in ["alice:secret", "bert:geheim", "안나:비밀:번호"] {
            assert_eq!(ask(&layer, right).await, OK, "{right}");
        }
        for wrong in [
            "alice:geheim",
            "bert:secret",
            "alice:",
            "alice:Secret",
            "alice:secret ",
            "alice:secre",
            "Alice:secret",
            "alice :secret",
            "carl:secret",
            ":secret",
            ":",
            "안나:비밀",
        ] {
            let response = send(&layer, request(&[wrong])).await;
            assert_eq!(response.status(), UNAUTHORIZED, "{wrong}");
            assert_eq!(
                response.headers()["www-authenticate"],
                r#"Basic realm="restricted", charset="UTF-8""#
            );
            assert_eq!(text(response).await, "401 Unauthorized\n");
        }
    }
}

#[tokio::test]
async fn without_users_nobody_passes() {
    let layer = auth(&spacious(), &[]);
    for credentials in [":", "a:b", "alice:secret"] {
        assert_eq!(ask(&layer, credentials).await, UNAUTHORIZED);
    }
}

#[tokio::test]
async fn of_two_users_with_one_name_the_last_one_counts() {
    let layer = auth(&spacious(), &[("alice", "old"), ("alice", "new")]);
    assert_eq!(ask(&layer, "alice:old").await, UNAUTHORIZED);
    assert_eq!(ask(&layer, "alice:new").await, OK);
}

#[tokio::test]
async fn what_is_no_basic_credential_is_refused() {
    let layer = auth(&spacious(), &[("alice", "secret")]);
    for right in ["Basic YWxpY2U6c2VjcmV0", "bAsIC    YWxpY2U6c2VjcmV0"] {
        assert_eq!(value(&layer, right.as_bytes()).await, OK, "{right}");
    }
    for wrong in [
        "",
        "Basic",
        "Basic ",
        "YWxpY2U6c2VjcmV0",
        "BasicYWxpY2U6c2VjcmV0",
        "Basic\tYWxpY2U6c2VjcmV0",
        "Bearer YWxpY2U6c2VjcmV0",
        "Basic alice:secret",
        "Basic YWxpY2U6c2VjcmV0=",
        "Basic YWxpY2U6c2VjcmV0, Basic YWxpY2U6c2VjcmV0",
        "Basic YWxpY2U6.c2VjcmV0",
        "Basic YWxpY2Uuc2VjcmV0",
    ] {
        assert_eq!(value(&layer, wrong.as_bytes()).await, UNAUTHORIZED, "{wrong:?}");
    }
    assert_eq!(value(&layer, b"Basic \xff\xfe").await, UNAUTHORIZED);
    assert_eq!(value(&layer, b"Basic /zr/").await, UNAUTHORIZED); // bytes that are not UTF-8
}

#[tokio::test]
async fn a_repeated_field_is_refused_even_if_both_are_right() {
    let layer = auth(&spacious(), &[("alice", "secret")]);
    for both in [["alice:secret", "alice:secret"], ["alice:secret", "x:y"], ["x:y", "alice:secret"]] {
        assert_eq!(send(&layer, request(&both)).await.status(), UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_password_that_bcrypt_would_cut_is_refused() {
    let longest = "x".repeat(72);
    let layer = auth(&spacious(), &[("alice", &longest), ("bert", "secret")]);
    assert_eq!(ask(&layer, &format!("alice:{longest}")).await, OK);
    for more in ["x", "y", "\0", &"x".repeat(8000)] {
        assert_eq!(ask(&layer, &format!("alice:{longest}{more}")).await, UNAUTHORIZED);
    }
    // To bcrypt a password ends at NUL and begins anew: these would be the same as "secret".
    for same in ["secret\0", "secret\0secret", "secret\0secret\0"] {
        assert_eq!(ask(&layer, &format!("bert:{same}")).await, UNAUTHORIZED, "{same:?}");
    }
}

#[tokio::test]
async fn what_htpasswd_and_other_programs_made_is_accepted() {
    // htpasswd (Apache's documentation of password formats), Python's bcrypt, Node's bcrypt.
    for (line, password) in [
        ("a:$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC", "myPassword"),
        ("a:$2b$04$EGdrhbKUv8Oc9vGiXX0HQOxSg445d458Muh7DAHskb6QbtCvdxcie", "correctbatteryhorsestapler"),
        ("a:$2a$04$n4Uy0eSnMfvnESYL.bLwuuj0U/ETSsoTpRT9GVk5bektyVVa5xnIi", "correctbatteryhorsestapler"),
    ] {
        let layer = BasicAuth::new([line.parse().unwrap()]);
        let status = ask(&layer, &format!("a:{password}")).await;
        assert_eq!(status, OK, "{line}");
        assert_eq!(ask(&layer, "a:x").await, UNAUTHORIZED);
    }
}

#[test]
fn debug_of_a_layer_shows_no_hash() {
    let shown = format!("{:?}", BasicAuth::new([user("alice", "secret")]).realm("accounts"));
    assert!(shown.contains("accounts") && !shown.contains("$2b"), "{shown}");
}
