//! [`Request`]: one request, made from a work and a seed; and the judgement of its [`Answer`].
//!
//! Owns what is sent and in which pieces, and what is right to come back.
//! Knows no wire format.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Method;

use crate::fault::{Class, Fault, Phase};
use crate::load::{Expect, Work};
use crate::random::Random;

/// A request that is ready to be sent, perhaps twice.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// `None` for a request without a body.
    pub(crate) body: Option<Bytes>,
    /// Whether the body's length is left unsaid.
    pub(crate) chunked: bool,
    /// Where the body is parted, and how long the pause there is.
    pub(crate) pause: Option<(usize, Duration)>,
    expect: Expect,
}

/// A whole answer.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: BytesMut,
}

impl Request {
    /// Half of the bodies are sent whole and with their length.
    pub(crate) fn new(work: &Work, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let body = work.body.as_ref().map(|sizes| {
            let length = random.size(sizes);
            Bytes::from(random.bytes(length))
        });
        let length = body.as_ref().map_or(0, Bytes::len);
        let pause = (length > 0 && random.chance(0.3)).then(|| {
            let pause = random.duration(Duration::from_millis(1), Duration::from_millis(20));
            (random.size(&(0..=length)), pause)
        });
        Self {
            method: work.method.clone(),
            path: work.path.clone(),
            chunked: body.is_some() && random.chance(0.3),
            body,
            pause,
            expect: work.expect.clone(),
        }
    }

    /// The body's pieces, with the pause before the second.
    pub(crate) fn pieces(&self) -> (Bytes, Option<(Duration, Bytes)>) {
        let mut first = self.body.clone().unwrap_or_default();
        let second = self.pause.map(|(at, pause)| (pause, first.split_off(at.min(first.len()))));
        (first, second)
    }

    /// Whether `answer` is the one to expect.
    pub(crate) fn judge(&self, answer: &Answer) -> Result<(), Fault> {
        let wrong = |detail: String| Err(Fault::new(Class::Wrong, Phase::Answered, detail));
        let Answer { status, body } = answer;
        let expected_body: Option<&[u8]> = match &self.expect {
            Expect::Status(expected) if status == expected => return Ok(()),
            Expect::Status(expected) => return wrong(format!("status {status}, expected {expected}")),
            Expect::Any2xx => None,
            Expect::Echo => Some(self.body.as_deref().unwrap_or_default()),
            Expect::Body(expected) => Some(expected),
        };
        if !(200..300).contains(status) {
            return wrong(format!("status {status}, expected 2xx"));
        }
        match expected_body {
            Some(expected) if expected == &body[..] => Ok(()),
            None => Ok(()),
            Some(expected) if expected.starts_with(body) => {
                let detail = format!("a body of {} bytes, expected {}", body.len(), expected.len());
                Err(Fault::new(Class::Short, Phase::Answered, detail))
            }
            Some(expected) => {
                wrong(format!("another body, of {} bytes, expected {}", body.len(), expected.len()))
            }
        }
    }
}
