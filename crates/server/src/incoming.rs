//! [`Incoming`]: a request's content as it arrives, over either protocol.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::error::BoxError;
use crate::h2::Content;

/// A request's content, before any limit.
pub(crate) enum Incoming {
    Http1(hyper::body::Incoming),
    /// All of it came with its head. Empty once it was read.
    Whole(Bytes),
    Http2(Content),
}

impl Incoming {
    /// Reads on without asking for more: a peer that waits for `100 Continue` may keep its content.
    pub(crate) fn ask_no_more(&self) {
        match self {
            // The engine asks as soon as it is read.
            Self::Http1(_) | Self::Whole(_) => {}
            Self::Http2(content) => content.ask_no_more(),
        }
    }
}

impl http_body::Body for Incoming {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Http1(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Http2(content) => content.poll_frame(cx).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(body) => body.is_end_stream(),
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Http2(content) => content.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Http1(body) => body.size_hint(),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Http2(content) => content.size_hint(),
        }
    }
}
