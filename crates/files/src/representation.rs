//! Owns one representation of a file: its bytes or the open file, its validators, and its header fields ready made
//! (RFC 9110 §3.2, §8).
//!
//! In: a file that was opened, and in which coding its content is. Out: what `answer` sends. Must not know requests.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{accept_encoding::Coding, open_file::OpenFile, options::Options, validators::Validators};

#[derive(Debug)]
pub(crate) struct Representation {
    content: Content,
    validators: Validators,
    /// Those of a `200`, with its length.
    headers: HeaderMap,
}

#[derive(Debug, Clone)]
pub(crate) enum Content {
    Memory(Bytes),
    File(Arc<OpenFile>),
}

/// What the name of a file says about it.
#[derive(Debug)]
pub(crate) struct Named {
    pub(crate) media_type: HeaderValue,
    /// Whether other requests may get another coding.
    pub(crate) varies: bool,
    pub(crate) cache_control: Option<HeaderValue>,
}

impl Representation {
    pub(crate) fn new(
        content: Content,
        coding: Option<Coding>,
        validators: Validators,
        named: Named,
        options: &Options,
    ) -> Self {
        let mut headers = HeaderMap::with_capacity(12);
        headers.insert(header::CONTENT_TYPE, named.media_type);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(content.len()));
        if let Some(coding) = coding {
            headers.insert(header::CONTENT_ENCODING, coding.header());
        }
        let fields = [
            (header::ETAG, validators.etag_header()),
            (header::LAST_MODIFIED, validators.last_modified_header()),
            (header::CACHE_CONTROL, named.cache_control),
            (header::VARY, named.varies.then_some(ACCEPT_ENCODING)),
            (header::ACCEPT_RANGES, options.ranges.then_some(BYTES)),
        ];
        headers.extend(fields.into_iter().filter_map(|(name, value)| Some((name, value?))));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        Self { content, validators, headers }
    }

    pub(crate) fn content(&self) -> &Content {
        &self.content
    }

    pub(crate) fn len(&self) -> u64 {
        self.content.len()
    }

    pub(crate) fn validators(&self) -> &Validators {
        &self.validators
    }

    /// The fields of a `200`.
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The fields that a `304` needs, and none about a content (RFC 9110 §15.4.5).
    pub(crate) fn headers_without_content(&self) -> HeaderMap {
        let fields = NOT_ABOUT_CONTENT.iter();
        fields.filter_map(|name| Some((name.clone(), self.headers.get(name)?.clone()))).collect()
    }
}

impl Content {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(file) => file.len(),
        }
    }
}

pub(crate) const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const ACCEPT_ENCODING: HeaderValue = HeaderValue::from_static("Accept-Encoding");
const BYTES: HeaderValue = HeaderValue::from_static("bytes");
const NOT_ABOUT_CONTENT: [HeaderName; 4] =
    [header::ETAG, header::LAST_MODIFIED, header::CACHE_CONTROL, header::VARY];
