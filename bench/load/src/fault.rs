//! [`Fault`]: how one request failed.
//!
//! Owns the classes, and at which point of an exchange a failure was noticed.
//! Counting is `count`'s work.

use std::fmt;
use std::io;

/// The class under which a failed request is counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Class {
    Refused,
    Reset,
    Short,
    Wrong,
    TimedOut,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Short => "short",
            Self::Wrong => "wrong",
            Self::TimedOut => "timed out",
        })
    }
}

/// How far an exchange had come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Phase {
    Queue,
    Connect,
    Handshake,
    Exchange,
    Waiting,
    Head,
    Body,
    Answered,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queue => "no free connection",
            Self::Connect => "connecting",
            Self::Handshake => "handshake",
            Self::Exchange => "exchange",
            Self::Waiting => "before the answer",
            Self::Head => "in the answer's head",
            Self::Body => "in the answer's body",
            Self::Answered => "after the answer",
        })
    }
}

/// One failure.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) class: Class,
    pub(crate) phase: Phase,
    pub(crate) detail: String,
}

impl Fault {
    pub(crate) fn new(class: Class, phase: Phase, detail: impl Into<String>) -> Self {
        Self { class, phase, detail: detail.into() }
    }

    /// The failure that an error of the transport means in `phase`.
    ///
    /// An end of the stream is `short` within the body and `reset` before it.
    pub(crate) fn transport(phase: Phase, error: &io::Error) -> Self {
        let ended = error.kind() == io::ErrorKind::UnexpectedEof;
        let class = match phase {
            Phase::Connect => Class::Refused,
            Phase::Body if ended => Class::Short,
            _ => Class::Reset,
        };
        Self::new(class, phase, error.to_string())
    }
}
