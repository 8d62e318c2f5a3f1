//! [`ResponseBody`]: the content of a response on its way to the peer.
//!
//! In: the application's body, or a text of the server's own. Out: frames, as many bytes as the head says or an error;
//! a panic of the application's, contained. Keeps its request among those under way until it is dropped.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::data::Data;
use super::{Named, Ticket, contain, report_panic};
use crate::error::BoxError;
use crate::response::Extent;

pin_project! {
    /// A response body on its way to the peer.
    pub(crate) struct ResponseBody<B> {
        #[pin]
        body: Content<B>,
        // Bytes still to come, where the head says how many.
        missing: Option<u64>,
        ticket: Option<Ticket>,
    }

    impl<B> PinnedDrop for ResponseBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            contain(this.ticket.as_ref(), || this.body.set(Content::Text { text: None }));
        }
    }
}

impl<B> ResponseBody<B> {
    pub(super) fn text(text: Option<Bytes>, ticket: Ticket) -> Self {
        Self { body: Content::Text { text }, missing: None, ticket: Some(ticket) }
    }

    pub(super) fn of(body: B, extent: Extent, ticket: Ticket) -> Self {
        let missing = match extent {
            Extent::Nothing => {
                contain(Some(&ticket), || drop(body));
                return Self::text(None, ticket);
            }
            Extent::Whole => None,
            Extent::Sized(length) => Some(length),
        };
        Self { body: Content::Application { body }, missing, ticket: Some(ticket) }
    }
}

/// Whether a frame, or the end, fits the length that the head says. The engines would cut what is too much, or say
/// nothing: the peer must see a broken body.
fn fits<D: Buf>(missing: &mut Option<u64>, frame: Option<&Frame<D>>) -> Result<(), BoxError> {
    let Some(missing) = missing else { return Ok(()) };
    match frame.map(Frame::data_ref) {
        Some(Some(data)) => {
            let left = missing.checked_sub(data.remaining() as u64);
            *missing = left.ok_or("more bytes than Content-Length says")?;
        }
        // Trailers, or the end.
        _ if *missing > 0 => return Err(format!("{missing} bytes fewer than Content-Length says").into()),
        _ => {}
    }
    Ok(())
}

pin_project! {
    #[project = ContentProjection]
    enum Content<B> {
        Text { text: Option<Bytes> },
        Application { #[pin] body: B },
    }
}

impl<B> HttpBody for ResponseBody<B>
where
    B: HttpBody,
    B::Error: Into<BoxError>,
{
    type Data = Data<B::Data>;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, BoxError>>> {
        let this = self.project();
        let body = match this.body.project() {
            ContentProjection::Text { text } => {
                if let Some(ticket) = this.ticket {
                    ticket.note_demand(text.is_some());
                }
                return Poll::Ready(text.take().map(|text| Ok(Frame::data(Data::Text(text)))));
            }
            ContentProjection::Application { body } => body,
        };
        let polled = catch_unwind(AssertUnwindSafe(|| body.poll_frame(cx)));
        let polled = match polled {
            Ok(polled) => polled,
            Err(panic) => {
                report_panic(this.ticket.as_ref(), &*panic);
                // The peer must see a broken body, never a whole one.
                return Poll::Ready(Some(Err("the handler panicked in the middle of its body".into())));
            }
        };
        if let Some(ticket) = this.ticket {
            ticket.note_demand(matches!(polled, Poll::Ready(Some(Ok(_)))));
        }
        let frame = ready!(polled).transpose().map_err(Into::into);
        match frame.and_then(|frame| fits(this.missing, frame.as_ref()).map(|()| frame)) {
            Ok(frame) => Poll::Ready(frame.map(|frame| Ok(frame.map_data(Data::Application)))),
            Err(error) => {
                tracing::warn!(%error, request = %Named(this.ticket.as_ref()), "response body failed");
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            Content::Text { text } => text.is_none(),
            // What is missing must be missed by the engine.
            Content::Application { body } => {
                body.is_end_stream() && self.missing.is_none_or(|bytes| bytes == 0)
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Content::Text { text } => SizeHint::with_exact(text.as_ref().map_or(0, Bytes::len) as u64),
            Content::Application { body } => body.size_hint(),
        }
    }
}
