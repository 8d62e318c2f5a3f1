//! Every limit the server puts on a peer, with its default, unit and answer.
//!
//! Plain data: set by the builder, checked once by [`Limits::check`], read by the connection drivers.
//! Never sees sockets or requests.

use std::time::Duration;

use crate::error::{Error, Result};

/// What a peer may cost. Every limit is on by default.
///
/// Setters take and return `self`; [`crate::Builder::build`] rejects values that cannot work.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// Longest wait for the first byte of a connection, and for the whole TLS handshake.
    /// Default: 10 s. On expiry: close without an answer.
    pub first_byte: Duration,
    /// Longest wait for a complete request head, from its first byte. Default: 15 s.
    /// On expiry: `408`, close (RFC 9110 §15.5.9).
    pub head_timeout: Duration,
    /// Largest request head, request line included, in bytes. Default: 16 384 (Node's).
    /// Beyond it: `431`, close (RFC 6585 §5). In HTTP/2 the announced `SETTINGS_MAX_HEADER_LIST_SIZE`.
    pub max_head_bytes: usize,
    /// Most header fields in a request. Default: 100. Beyond it: `431`, close.
    pub max_header_count: usize,
    /// Longest request target, in bytes. Default: 8 192. Beyond it: `414`, close (RFC 9110 §15.5.15).
    pub max_target_bytes: usize,
    /// Largest request body in bytes, unless a route says otherwise with
    /// [`BodyLimit`](crate::BodyLimit). Default: 2 MiB. Beyond it: `413`, close (RFC 9110 §15.5.14).
    pub max_body_bytes: u64,
    /// Longest wait for a whole request body, from the end of its head. Default: 5 min.
    /// On expiry: `408`, close.
    pub body_timeout: Duration,
    /// Longest rest between two requests of a connection. Default: 65 s. On expiry: close.
    pub keep_alive_idle: Duration,
    /// How long a connection rests between two requests before it is parked: its engine and buffers are given
    /// back, and a small row remains (some hundred bytes; over TLS the session). Default: 1 s; `None`: never.
    /// The peer notices nothing. HTTP/2 connections are not parked.
    pub park_after: Option<Duration>,
    /// Longest time in which the peer takes not one byte of a response; and, for an HTTP/1 peer that has ended its
    /// side of the connection, in which there is none for it. Default: 60 s. On expiry: close.
    pub write_stall: Duration,
    /// Most requests a peer may have open on one HTTP/2 connection. Default: 256
    /// (`SETTINGS_MAX_CONCURRENT_STREAMS`, RFC 9113 §5.1.2).
    pub h2_max_streams: u32,
    /// Budgets for HTTP/2 frames that cost the peer nothing. Beyond one: `GOAWAY` with
    /// `ENHANCE_YOUR_CALM` (RFC 9113 §10.5).
    pub h2_budgets: H2Budgets,
    /// Most connections of the whole server. Default: seven eighths of `RLIMIT_NOFILE`, less 64.
    /// At the limit, new connections wait in the kernel's queue.
    pub max_connections: Option<usize>,
    /// How long a connection is read and thrown away after an answer that came before the request's
    /// end, so that the peer can read the answer. Default: 30 s, and 5 s of silence end it earlier.
    pub lingering_close: Duration,
}

/// How many HTTP/2 frames without use a peer may send: `burst` at once, then `per_second`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct H2Budgets {
    /// `RST_STREAM` from the peer, and streams that the server has to reset for the peer's fault. Default: 600 at
    /// once, then 100 a second: a browser that leaves a page cancels all it had open.
    pub resets: Budget,
    /// `PING` without ACK. Default: 50 at once, then 10 a second; whenever something is sent to the peer, it
    /// gains one, since clients measure their bandwidth that way.
    pub pings: Budget,
    /// `SETTINGS` without ACK. Default: 20 at once, then 2 a second.
    pub settings: Budget,
    /// Frames that say nothing: empty `DATA` or `CONTINUATION`, `PRIORITY`, unknown types.
    /// Default: 200 at once, then 50 a second, and one more for each request.
    pub empty: Budget,
    /// Most `CONTINUATION` frames in one header block. Default: 16.
    pub continuations: u32,
}

/// A token bucket: `burst` tokens at first, refilled by `per_second`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Tokens at the start, and the most that gather.
    pub burst: u32,
    /// Tokens that come back each second.
    pub per_second: u32,
}

impl Budget {
    /// A bucket of `burst` tokens that gains `per_second` tokens each second.
    pub const fn new(burst: u32, per_second: u32) -> Self {
        Self { burst, per_second }
    }
}

impl Default for H2Budgets {
    fn default() -> Self {
        Self {
            resets: Budget::new(600, 100),
            pings: Budget::new(50, 10),
            settings: Budget::new(20, 2),
            empty: Budget::new(200, 50),
            continuations: 16,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(10),
            head_timeout: Duration::from_secs(15),
            max_head_bytes: 16 * 1024,
            max_header_count: 100,
            max_target_bytes: 8 * 1024,
            max_body_bytes: 2 * 1024 * 1024,
            body_timeout: Duration::from_secs(300),
            keep_alive_idle: Duration::from_secs(65),
            park_after: Some(Duration::from_secs(1)),
            write_stall: Duration::from_secs(60),
            h2_max_streams: 256,
            h2_budgets: H2Budgets::default(),
            max_connections: None,
            lingering_close: Duration::from_secs(30),
        }
    }
}

macro_rules! setters {
    ($($name:ident: $type:ty),+ $(,)?) => {
        impl Limits {
            $(
                #[doc = concat!("Sets [`Limits::", stringify!($name), "`].")]
                #[must_use]
                pub fn $name(mut self, value: $type) -> Self {
                    self.$name = value;
                    self
                }
            )+
        }
    };
}

setters! {
    first_byte: Duration, head_timeout: Duration, max_head_bytes: usize, max_header_count: usize,
    max_target_bytes: usize, max_body_bytes: u64, body_timeout: Duration, keep_alive_idle: Duration,
    write_stall: Duration, h2_max_streams: u32, h2_budgets: H2Budgets, max_connections: Option<usize>,
    lingering_close: Duration, park_after: Option<Duration>,
}

impl Limits {
    /// Brings times that mean "no limit" (`Duration::MAX`) down to ten years.
    pub(crate) fn capped(mut self) -> Self {
        for time in [
            &mut self.first_byte,
            &mut self.head_timeout,
            &mut self.body_timeout,
            &mut self.keep_alive_idle,
            &mut self.write_stall,
            &mut self.lingering_close,
        ] {
            *time = (*time).min(LONGEST);
        }
        self.park_after = self.park_after.map(|time| time.min(LONGEST));
        self
    }

    /// Rejects values under which no request could be served.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] names the limit, the value and the smallest that works.
    pub fn check(&self) -> Result<()> {
        let durations = [
            ("first_byte", self.first_byte),
            ("head_timeout", self.head_timeout),
            ("body_timeout", self.body_timeout),
            ("keep_alive_idle", self.keep_alive_idle),
            ("write_stall", self.write_stall),
        ];
        for (name, value) in durations {
            if value.is_zero() {
                return Err(Error::Setting(format!("limit {name} is zero: no request could be served")));
            }
        }
        let sizes = [
            ("max_head_bytes", self.max_head_bytes, 256),
            ("max_header_count", self.max_header_count, 1),
            ("max_target_bytes", self.max_target_bytes, 1),
            ("h2_max_streams", self.h2_max_streams as usize, 1),
            ("max_connections", self.max_connections.unwrap_or(usize::MAX), 1),
        ];
        for (name, value, least) in sizes {
            if value < least {
                return Err(Error::Setting(format!("limit {name} is {value}; the least is {least}")));
            }
        }
        if self.max_head_bytes > MAX_HEAD_BYTES {
            return Err(Error::Setting(format!(
                "limit max_head_bytes is {}; the most is {MAX_HEAD_BYTES}",
                self.max_head_bytes
            )));
        }
        Ok(())
    }
}

/// What "no limit" of time comes to: ten years, which still can be added to a moment.
pub(crate) const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Largest head that can be asked for: 1 MiB.
const MAX_HEAD_BYTES: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_pass_their_own_check() {
        assert!(Limits::default().check().is_ok());
    }

    #[test]
    fn a_limit_that_would_refuse_everyone_is_named() {
        let error = Limits::default().head_timeout(Duration::ZERO).check().unwrap_err();
        assert!(error.to_string().contains("head_timeout"), "{error}");
        let error = Limits::default().max_connections(Some(0)).check().unwrap_err();
        assert!(error.to_string().contains("max_connections is 0"), "{error}");
    }
}
