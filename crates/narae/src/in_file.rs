//! Tells the server that the content of a static file is in a memory file too.
//!
//! In: the extensions of a response of `narae-files`. Out: the same fact as `narae-server` wants to hear it. Both are on
//! one floor and do not know each other.

use axum::http::Extensions;
use narae_server::InFile;

pub(crate) fn find(extensions: &mut Extensions) -> Option<InFile> {
    let content = extensions.remove::<narae_files::InFile>()?;
    Some(InFile::new(content.bytes, content.file))
}
