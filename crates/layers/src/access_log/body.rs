//! [`LogBody`]: a response body that tells its [`Record`] how it went.
//!
//! In: the inner body's frames. Out: the same frames, untouched. Owns the
//! question when a body is over: at its last frame, at an error, or when it is
//! dropped. What is written to the socket later is out of its sight.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::record::Record;

pin_project! {
    /// A response's body, watched for the access log; behaves as the inner one.
    pub struct LogBody<B: Body> {
        #[pin]
        inner: B,
        record: Option<Box<Record>>, // None: its line is written
    }

    impl<B: Body> PinnedDrop for LogBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(record) = this.record {
                record.dropped(this.inner.is_end_stream());
            }
        }
    }
}

impl<B: Body> LogBody<B> {
    pub(super) fn new(inner: B, record: Option<Box<Record>>) -> Self {
        Self { inner, record }
    }
}

impl<B: Body> Body for LogBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let polled = ready!(this.inner.as_mut().poll_frame(cx));
        let ended = match &polled {
            Some(Ok(frame)) => {
                if let (Some(data), Some(record)) = (frame.data_ref(), this.record.as_mut()) {
                    record.sent(data.remaining());
                }
                // The last frame: a server need not ask again.
                (frame.is_trailers() || this.inner.is_end_stream()).then_some(true)
            }
            Some(Err(_)) => Some(false),
            None => Some(true),
        };
        if let Some(complete) = ended
            && let Some(mut record) = this.record.take()
        {
            record.ended(complete);
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
