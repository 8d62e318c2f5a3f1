//! A folder as a [`tower::Service`]: `Files::new("public")`.
//!
//! ```
//! use narae_files::{CacheRule, Files};
//!
//! # fn main() -> Result<(), narae_files::Error> {
//! let files = Files::new("public")
//!     .extensions(["html"])
//!     .not_found("404.html")
//!     .cache_rule(CacheRule::new("assets/**", "max-age=31536000, immutable")?);
//! let app: axum::Router = axum::Router::new().fallback_service(files);
//! # drop(app);
//! # Ok(())
//! # }
//! ```
//!
//! # What is answered
//!
//! | request | answer |
//! |---|---|
//! | `GET` or `HEAD` of a regular file | `200`, `206`, `304`, `412` or `416` (RFC 9110 §13, §14) |
//! | a folder without its trailing slash | `301` to the same path with the slash; the query is kept |
//! | a folder with its slash | its `index.html`, or a list if there is to be one, or `404` |
//! | several ranges | `206` with `multipart/byteranges`; those that overlap or touch become one; more than 32 are ignored |
//! | a path that leads nowhere | what [`extensions`](Files::extensions), [`single_page`](Files::single_page) or [`not_found`](Files::not_found) say, else `404` |
//! | `OPTIONS` | `204` with `Allow: GET, HEAD` |
//! | any other method | `405` with `Allow: GET, HEAD` |
//! | a path that is not a clean file path | `400` for bad escapes, NUL and overlong UTF-8; `404` for `..`, `.`, `%2f`, `\` |
//! | a path above 4,096 bytes | `414` |
//! | a name beginning with a dot | `404` (see [`Dotfiles`]) |
//! | a FIFO, device or socket; a file that the process may not read | `404` |
//! | no free file descriptor | `503`, and an error in the log |
//! | a file that is written to in place at each of four looks | `503` with `Retry-After` |
//! | a file system that fails | `500`, and an error in the log |
//!
//! Every file is sent with `Content-Type`, `Content-Length`, `ETag`, `Last-Modified`, `Cache-Control`,
//! `Accept-Ranges: bytes` and `X-Content-Type-Options: nosniff`; what can be compressed also with
//! `Vary: Accept-Encoding`. The server adds `Date`.
//!
//! # Compression
//!
//! Text and other types that become smaller are sent with the coding that `Accept-Encoding` prefers, among equals
//! Brotli before Zstandard before gzip: from a file beside the original (`app.js.br`), or compressed once and kept in
//! memory. Each form has an `ETag` of its own, so conditions and ranges are right for every one of them.
//!
//! # What is kept in memory
//!
//! Files up to 1 MiB and their compressed forms, within [`memory`](Files::memory), ready to be sent without a system
//! call but the write. A file is looked at again after [`revalidate_after`](Files::revalidate_after); it is the same if
//! inode, length and the times of last change of content and inode are. Larger files are read while they are sent, 64
//! or 256 KiB at a time.
//!
//! What is sent belongs to one state of the file. A small one that changes while it is read is read again; a large
//! one that is truncated or written to in place while it is sent ends the connection instead of going on with another
//! state. One that is replaced or removed is sent as it was, and one that grows, such as a log, as long as it was.
//!
//! # Staying inside the folder
//!
//! The folder is opened once, and every file is opened beneath it by the kernel
//! (`openat2` with `RESOLVE_BENEATH`). A symbolic link is followed while every step of it stays beneath the
//! folder; a link that leaves it, and any absolute link, is `404`. Where the kernel has no `openat2`, paths are
//! walked name by name and no link is followed at all.
//!
//! # Never waiting for the disk on the event loop
//!
//! The open and the read are first tried with what is in memory (`RESOLVE_CACHED`, `RWF_NOWAIT`). Only when the
//! kernel would have to wait does the work move to a blocking thread of the Tokio runtime. File systems without
//! `RWF_NOWAIT` (overlayfs, for one) always read there; `tmpfs` and `ramfs` never do. On network file systems
//! the metadata of an open file may still be asked for over the network.
#![forbid(unsafe_code)]

mod options;
mod service;

mod answer;
mod path;
mod selection;

mod accept_encoding;
mod compress;
mod memory;
mod representation;

mod folder;
mod open_file;
mod root;

mod conditional;
mod multipart;
mod range;
mod validators;

mod cache_policy;
mod content_type;
mod listing;
mod redirect;
mod refusal;

mod body;
mod chunk;
mod in_file;
mod offload;
mod place;

mod error;

pub use body::Body;
pub use cache_policy::CacheRule;
pub use error::{Error, FolderFault, OptionFault};
pub use in_file::{InFile, MemoryFile};
pub use path::Dotfiles;
#[doc(hidden)]
pub use path::beneath;
pub use service::{Files, ResponseFuture};
