//! [`Data`]: a piece of a response's content, whoever made it.

use bytes::{Buf, Bytes};

/// Data of a response: the server's own, or the application's.
pub(crate) enum Data<D> {
    Text(Bytes),
    Application(D),
}

impl<D: Buf> Buf for Data<D> {
    fn remaining(&self) -> usize {
        match self {
            Self::Text(bytes) => bytes.remaining(),
            Self::Application(data) => data.remaining(),
        }
    }

    fn chunk(&self) -> &[u8] {
        match self {
            Self::Text(bytes) => bytes.chunk(),
            Self::Application(data) => data.chunk(),
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [std::io::IoSlice<'a>]) -> usize {
        match self {
            Self::Text(bytes) => bytes.chunks_vectored(slices),
            Self::Application(data) => data.chunks_vectored(slices),
        }
    }

    fn advance(&mut self, count: usize) {
        match self {
            Self::Text(bytes) => bytes.advance(count),
            Self::Application(data) => data.advance(count),
        }
    }
}
