//! Cookies: read one, set one, remove one.
//!
//! ```text
//! curl -i -c jar -b jar http://127.0.0.1:8080/          visit 1, and Set-Cookie; again: visit 2
//! curl -i -c jar -b jar http://127.0.0.1:8080/forget    the browser forgets
//! ```
//!
//! Users can change what is in a cookie; the lesson `signed_cookies` has one that they cannot.

#![forbid(unsafe_code)]

use std::time::Duration;

use narae::cookies::SameSite;
use narae::prelude::*;

const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);

async fn visit(cookies: Cookies) -> HandlerResult<(Cookies, String)> {
    // What a stranger sends may be anything: what is no number counts as a first visit.
    let visits: u32 = cookies.get("visits").and_then(|text| text.parse().ok()).unwrap_or(0);
    let visits = visits.saturating_add(1);
    let cookie = SetCookie::new("visits", &visits.to_string())?
        .path("/")?
        .max_age(MONTH)
        .http_only(true)
        .same_site(SameSite::Lax);
    // Given back in the response, the cookie is written.
    Ok((cookies.add(cookie), format!("visit {visits}\n")))
}

async fn forget(cookies: Cookies) -> (Cookies, &'static str) {
    (cookies.remove("visits"), "who are you?\n")
}

fn main() -> narae::Result {
    narae::app(|| Router::new().route("/", get(visit)).route("/forget", get(forget)))
        .http("127.0.0.1:8080")
        .run()
}
