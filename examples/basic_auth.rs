//! A part of a site for a few people: HTTP Basic authentication.
//!
//! ```text
//! curl http://127.0.0.1:8080/                                for everyone
//! curl -i http://127.0.0.1:8080/reports                      401: a browser asks for name and password
//! curl -u ada:lovelace http://127.0.0.1:8080/reports         for Ada and Grace
//! narae hash-password grace                                  makes a line such as those below
//! ```
//!
//! Name and password come with every request, readable on the way: serve it over https.

#![forbid(unsafe_code)]

use narae::prelude::*;
use narae::{BasicAuth, Credential, CredentialError};

/// A real application reads such lines from a file. They hold no passwords, but hashes of them (bcrypt).
const USERS: &str = "\
ada:$2b$10$2zisX0Gz5X2/oVsD.0T8DuOIHBTapq6Qiaj6LlSXA1lM/guvPPkqW
grace:$2b$10$N/0dNvtD.Utdv1oO3vfZw.X/AFQ2YwNvl8sgLp8tdipjBylVipYTi
";

fn router() -> Result<Router, CredentialError> {
    let users: Vec<Credential> = USERS.lines().map(str::parse).collect::<Result<_, _>>()?;
    let reports = Router::new()
        .route("/", get(|| async { "reports for Ada and Grace\n" }))
        // Also what is not there is nobody else's business.
        .fallback(|| async { (StatusCode::NOT_FOUND, "no such report\n") })
        // To check a password is slow on purpose; one that was right is remembered.
        .layer(BasicAuth::new(users).realm("reports"));
    Ok(Router::new().route("/", get(|| async { "for everyone\n" })).nest("/reports", reports))
}

fn main() -> narae::Result {
    narae::app(router).http("127.0.0.1:8080").run()
}
