//! One login, two servers: this one and an Express application have the same sessions, in one Redis.
//!
//! ```text
//! REDIS_URL=redis://127.0.0.1:6379 cargo run --example express_sessions --features redis
//! curl -c jar -b jar -X POST http://127.0.0.1:3000/login/ada     log in on Express
//! curl -c jar -b jar http://127.0.0.1:8080/                      and be ada here: views 1 of ada
//! ```
//!
//! Browsers do not tell ports of one host apart, so the cookie goes to both; in production a proxy sends some
//! paths to one and some to the other. The Express application (express 5, express-session 1.19, connect-redis
//! 9, redis 5), with the same routes:
//!
//! ```js
//! import express from "express";
//! import session from "express-session";
//! import { RedisStore } from "connect-redis";
//! import { createClient } from "redis";
//!
//! const client = await createClient({ url: process.env.REDIS_URL }).connect();
//! const app = express();
//! app.use(session({
//!   store: new RedisStore({ client }),               // .express_compatible(): prefix "sess:", ttl 1 day
//!   secret: ["a lesson's newest secret", "a lesson's older secret"],
//!   name: "connect.sid",
//!   resave: false,                                   // or Node brings back who has logged out here
//!   saveUninitialized: false,
//!   rolling: true,
//!   cookie: { maxAge: 20 * 60 * 1000, httpOnly: true, sameSite: "lax" },
//! }));
//! app.get("/", (req, res) => {
//!   req.session.views = (req.session.views || 0) + 1;
//!   res.send(`views ${req.session.views} of ${req.session.user || "nobody"}\n`);
//! });
//! app.post("/login/:name", (req, res, next) => {
//!   req.session.regenerate((error) => {              // a new id; here, login() does it
//!     if (error) return next(error);
//!     req.session.user = req.params.name;
//!     req.session.save((error) => (error ? next(error) : res.send("welcome\n")));
//!   });
//! });
//! app.post("/logout", (req, res, next) => {
//!   req.session.destroy((error) => (error ? next(error) : res.send("goodbye\n")));
//! });
//! app.listen(3000);
//! ```

#![forbid(unsafe_code)]

use std::time::Duration;

use narae::prelude::*;
use narae::session::Error;
use narae::session::store::{Redis, StoreError};

async fn views(session: Session) -> Result<String, Error> {
    let views = session.update("views", |views: Option<u64>| views.unwrap_or(0) + 1).await?;
    let user = session.user().unwrap_or_else(|| "nobody".to_owned());
    Ok(format!("views {views} of {user}\n"))
}

/// Begins anew, as Express does above; then `user` in the record is who is logged in, for both servers.
async fn login(session: Session, Path(name): Path<String>) -> Result<&'static str, Error> {
    session.regenerate()?;
    session.login(&name)?;
    Ok("welcome\n")
}

async fn logout(session: Session) -> Result<&'static str, Error> {
    session.destroy().await?;
    Ok("goodbye\n")
}

fn router() -> Result<Router, StoreError> {
    let url = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let sessions = Sessions::new(Redis::new(url)?.express_compatible())
        .secrets(["a lesson's newest secret", "a lesson's older secret"])
        .cookie_name("connect.sid")
        // cookie.maxAge
        .idle_timeout(Duration::from_secs(20 * 60))
        .persistent(true)
        .rolling(true);
    Ok(Router::new()
        .route("/", get(views))
        .route("/login/{name}", post(login))
        .route("/logout", post(logout))
        .layer(sessions))
}

fn main() -> narae::Result {
    narae::app(router).http("127.0.0.1:8080").run()
}
