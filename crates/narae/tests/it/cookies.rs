//! What handlers read of cookies, and what lines their changes become.

use axum::body::to_bytes;
use axum::http::HeaderValue;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::response::AppendHeaders;
use narae::axum;
use narae::cookies::{Error, Invalid, SameSite, Secrets};
use narae::prelude::*;
use tower::ServiceExt;

use crate::messages;
use crate::site::Site;

/// Status, `Set-Cookie` lines and body of `GET /` with these `Cookie` lines.
async fn ask(router: Router, lines: &[&str]) -> (StatusCode, Vec<String>, String) {
    let mut request = Request::new(Body::empty());
    for line in lines {
        request.headers_mut().append(COOKIE, HeaderValue::from_bytes(line.as_bytes()).unwrap());
    }
    let response = router.oneshot(request).await.unwrap();
    let lines = response.headers().get_all(SET_COOKIE).iter();
    let lines = lines.map(|line| line.to_str().unwrap().to_owned()).collect();
    let status = response.status();
    let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, lines, String::from_utf8(body.to_vec()).unwrap())
}

fn secrets(list: &[&str]) -> Secrets {
    Secrets::new(list).unwrap()
}

fn signing<H: axum::handler::Handler<T, ()>, T: 'static>(handler: H, list: &[&str]) -> Router {
    Router::new().route("/", get(handler)).layer(Extension(secrets(list)))
}

fn plain<H: axum::handler::Handler<T, ()>, T: 'static>(handler: H) -> Router {
    Router::new().route("/", get(handler))
}

/// The pair at the beginning of a `Set-Cookie` line, as a browser sends it back.
fn pair(line: &str) -> &str {
    line.split(';').next().unwrap()
}

mod plain_cookies {
    use super::*;

    fn joined<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
        pairs.map(|(name, value)| format!("{name}={value},")).collect()
    }

    #[tokio::test]
    async fn are_read_from_all_lines_and_the_first_of_a_name_counts() {
        let router = plain(|cookies: Cookies| async move { joined(cookies.iter()) });
        let (_, lines, body) = ask(router, &["a=1; b=%C3%A9", "a=2; c=\"x\"; nothing"]).await;
        assert_eq!((lines.len(), &*body), (0, "a=1,b=é,c=x,"));
    }

    #[tokio::test]
    async fn that_are_bad_fail_no_request() {
        let router = plain(|cookies: Cookies| async move { joined(cookies.iter()) });
        let (status, _, body) = ask(router, &["=; %%%; a=%ff; b\t=;;", "é=é"]).await;
        assert_eq!((status, &*body), (StatusCode::OK, "=,a=%ff,b=,Ã©=Ã©,"));
    }

    #[tokio::test]
    async fn that_a_pair_made_have_safe_attributes() {
        async fn handler(cookies: Cookies) -> Cookies {
            cookies.add(("a", "1 2")).add(("__Host-b", String::from("x")))
        }
        let (status, lines, _) = ask(plain(handler), &[]).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(
            lines,
            ["a=1%202; Path=/; HttpOnly; SameSite=Lax", "__Host-b=x; Path=/; HttpOnly; Secure; SameSite=Lax"]
        );
    }

    #[tokio::test]
    async fn are_written_once_for_each_name_and_the_last_wins() {
        async fn handler(cookies: Cookies) -> HandlerResult<(StatusCode, Cookies, String)> {
            let cookie = SetCookie::new("b", "2")?.max_age(std::time::Duration::from_secs(9));
            let cookies = cookies.add(("a", "1")).add(("b", "1")).remove("a").add(cookie);
            let seen = joined(cookies.iter());
            Ok((StatusCode::CREATED, cookies, seen))
        }
        let (status, lines, body) = ask(plain(handler), &["a=0; b=0; c=0"]).await;
        assert_eq!(status, StatusCode::CREATED);
        assert_eq!(lines, ["a=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "b=2; Max-Age=9"]);
        assert_eq!(body, "c=0,b=2,", "the handler sees its own changes");
    }

    #[tokio::test]
    async fn leave_the_lines_of_others() {
        async fn handler(cookies: Cookies) -> impl IntoResponse {
            (cookies.add(("b", "2")), AppendHeaders([(SET_COOKIE, "a=1")]), "body")
        }
        let (_, lines, body) = ask(plain(handler), &[]).await;
        assert_eq!(lines, ["b=2; Path=/; HttpOnly; SameSite=Lax", "a=1"]);
        assert_eq!(body, "body");
    }

    #[tokio::test]
    async fn that_cannot_be_made_fail_the_response_and_not_silently() {
        async fn bad_name(cookies: Cookies) -> (Cookies, &'static str) {
            (cookies.add(("bad name", "v")).add(("good", "v")), "never")
        }
        async fn dropped(cookies: Cookies) -> (Cookies, &'static str) {
            let cookie = SetCookie::new("a", "v").map(|cookie| cookie.same_site(SameSite::None));
            (cookies.add(("good", "v")).add(cookie), "never")
        }
        for (router, why) in [(plain(bad_name), "bad name"), (plain(dropped), "SameSite=None needs Secure")] {
            let response = router.oneshot(Request::new(Body::empty())).await.unwrap();
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
            assert!(response.headers().get(SET_COOKIE).is_none());
            let failure = response.extensions().get::<narae::Failure>().unwrap();
            assert!(failure.0.to_string().contains(why), "{}", failure.0);
        }
        let fault: Error = SetCookie::new("bad name", "v").unwrap_err();
        assert_eq!(fault, Error::Invalid(Invalid::Name("bad name".to_owned())));
    }
}

mod signed_cookies {
    use super::*;

    async fn read(cookies: SignedCookies) -> String {
        let all: Vec<_> = cookies.iter().collect();
        format!("{:?} {all:?}", cookies.get("user"))
    }

    async fn sign_in(cookies: SignedCookies) -> SignedCookies {
        cookies.add(("user", "ada & co"))
    }

    #[tokio::test]
    async fn come_back_as_they_were_set_in_expresss_form() {
        let (_, lines, _) = ask(signing(sign_in, &["k"]), &[]).await;
        assert!(lines[0].starts_with("user=s%3Aada%20%26%20co."), "{lines:?}");
        assert!(lines[0].ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{lines:?}");
        let (_, _, body) = ask(signing(read, &["k"]), &[pair(&lines[0])]).await;
        assert_eq!(body, r#"Some("ada & co") [("user", "ada & co")]"#);
    }

    #[tokio::test]
    async fn of_express_are_read() {
        let express = "name=s%3Atobi.k%2FMBGA3LV%2FDe%2B0YTROxcLuurjbOQXyaa2veNodQBZc4";
        let (_, _, body) = ask(signing(read, &["keyboard cat"]), &[express]).await;
        assert_eq!(body, r#"None [("name", "tobi")]"#);
    }

    #[tokio::test]
    async fn that_are_unsigned_or_changed_are_not_there() {
        let (_, lines, _) = ask(signing(sign_in, &["k"]), &[]).await;
        let changed = pair(&lines[0]).replace("ada", "eve");
        for line in ["user=ada", "user=s%3Aada", "user=s%3Aada.", "user=s%3Aada.%zz", &changed] {
            let (status, _, body) = ask(signing(read, &["k"]), &[line]).await;
            assert_eq!((status, &*body), (StatusCode::OK, "None []"), "{line}");
        }
        let (_, _, body) = ask(signing(read, &["other"]), &[pair(&lines[0])]).await;
        assert_eq!(body, "None []");
    }

    #[tokio::test]
    async fn of_an_older_secret_are_signed_anew_if_asked() {
        async fn resign(cookies: SignedCookies) -> (SignedCookies, String) {
            let cookies =
                cookies.resign("user", |cookie| cookie.path("/a")).resign("absent", |cookie| cookie);
            let user = cookies.get("user").unwrap_or_default().to_owned();
            (cookies, user)
        }
        let (_, lines, _) = ask(signing(sign_in, &["old"]), &[]).await;
        let old = pair(&lines[0]);
        let (_, lines, body) = ask(signing(read, &["new", "old"]), &[old]).await;
        assert!(lines.is_empty() && body.starts_with("Some"), "reading alone writes nothing: {lines:?}");
        let (_, lines, body) = ask(signing(resign, &["new", "old"]), &[old]).await;
        assert_eq!((lines.len(), &*body), (1, "ada & co"));
        assert!(lines[0].ends_with("; Path=/a; HttpOnly; SameSite=Lax"), "{lines:?}");
        let (_, again, body) = ask(signing(resign, &["new"]), &[pair(&lines[0])]).await;
        assert_eq!((again.len(), &*body), (0, "ada & co"), "the newest is left alone");
        let (_, lines, _) = ask(signing(resign, &["newer"]), &[old]).await;
        assert!(lines.is_empty(), "what does not verify is not signed: {lines:?}");
    }

    #[tokio::test]
    async fn are_removed() {
        async fn sign_out(cookies: SignedCookies) -> SignedCookies {
            let cookies = cookies.remove("user");
            assert_eq!(cookies.get("user"), None);
            cookies
        }
        let (_, lines, _) = ask(signing(sign_out, &["k"]), &["user=s%3Aada.x"]).await;
        assert_eq!(lines, ["user=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT"]);
    }

    #[test]
    fn without_secrets_are_a_500_and_the_log_says_what_to_add() {
        let site = Site::quiet(narae::app(|| {
            Router::new()
                .route("/signed", get(|_: SignedCookies| async { "never" }))
                .route("/private", get(|_: PrivateCookies| async { "never" }))
        }));
        for (path, extractor) in [("/signed", "SignedCookies"), ("/private", "PrivateCookies")] {
            let id = format!("cookies-{extractor}");
            let answer = site.client().get_with(path, &format!("x-request-id: {id}\r\n"));
            assert_eq!(answer.status, 500);
            assert!(!answer.body.contains("Secrets"), "{}", answer.body);
            let logged = messages::with(&id);
            assert_eq!(logged.len(), 1, "{logged:?}");
            for part in [extractor, ".layer(Extension(narae::cookies::Secrets::new("] {
                assert!(logged[0].contains(part), "{logged:?}");
            }
        }
    }
}

mod private_cookies {
    use super::*;

    async fn read(cookies: PrivateCookies) -> String {
        let all: Vec<_> = cookies.iter().collect();
        format!("{:?} {all:?}", cookies.get("card"))
    }

    async fn keep(cookies: PrivateCookies) -> PrivateCookies {
        let cookies = cookies.add(("card", "4111 é"));
        assert_eq!(cookies.get("card").as_deref(), Some("4111 é"));
        cookies
    }

    #[tokio::test]
    async fn hide_their_value_and_come_back_as_they_were_set() {
        let (_, lines, _) = ask(signing(keep, &["k"]), &[]).await;
        assert!(
            !lines[0].contains("4111") && lines[0].ends_with("; Path=/; HttpOnly; SameSite=Lax"),
            "{lines:?}"
        );
        let (_, _, body) = ask(signing(read, &["new", "k"]), &[pair(&lines[0])]).await;
        assert_eq!(body, r#"Some("4111 é") [("card", "4111 é")]"#);
    }

    #[tokio::test]
    async fn that_were_changed_or_moved_to_another_name_are_not_there() {
        let (_, lines, _) = ask(signing(keep, &["k"]), &[]).await;
        let sealed = pair(&lines[0]).strip_prefix("card=").unwrap();
        for line in [format!("other={sealed}"), format!("card={sealed}A"), "card=4111".to_owned()] {
            let (status, _, body) = ask(signing(read, &["k"]), &[&line]).await;
            assert_eq!((status, &*body), (StatusCode::OK, "None []"), "{line}");
        }
    }

    #[tokio::test]
    async fn of_an_older_secret_are_sealed_anew_if_asked() {
        async fn resign(cookies: PrivateCookies) -> PrivateCookies {
            cookies.resign("card", |cookie| cookie.secure(true))
        }
        let (_, lines, _) = ask(signing(keep, &["old"]), &[]).await;
        let (_, lines, _) = ask(signing(resign, &["new", "old"]), &[pair(&lines[0])]).await;
        assert!(lines[0].ends_with("; Path=/; HttpOnly; Secure; SameSite=Lax"), "{lines:?}");
        let (_, again, _) = ask(signing(resign, &["new"]), &[pair(&lines[0])]).await;
        assert!(again.is_empty(), "{again:?}");
        let (_, _, body) = ask(signing(read, &["new"]), &[pair(&lines[0])]).await;
        assert!(body.starts_with(r#"Some("4111 é")"#), "{body}");
    }
}
