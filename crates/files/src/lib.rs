//! A folder as a [`tower::Service`]: `Files::new("public")`.
//!
//! ```
//! use narae_files::{Dotfiles, Files};
//! use http::HeaderValue;
//!
//! let files = Files::new("public")
//!     .cache_control(HeaderValue::from_static("public, max-age=300"))
//!     .dotfiles(Dotfiles::Deny);
//! let app: axum::Router = axum::Router::new().fallback_service(files);
//! # let _ = app;
//! ```
//!
//! # What is answered
//!
//! | request | answer |
//! |---|---|
//! | `GET` or `HEAD` of a regular file | `200`, `206`, `304`, `412` or `416` (RFC 9110 §13, §14) |
//! | a folder without its trailing slash | `301` to the same path with the slash; the query is kept |
//! | a folder with its slash | its `index.html`, or `404` |
//! | `OPTIONS` | `204` with `Allow: GET, HEAD` |
//! | any other method | `405` with `Allow: GET, HEAD` |
//! | a path that is not a clean file path | `400` for bad escapes, NUL and overlong UTF-8; `404` for `..`, `.`, `%2f`, `\` |
//! | a path above 4,096 bytes | `414` |
//! | a name beginning with a dot | `404` (see [`Dotfiles`]) |
//! | a FIFO, device or socket; a file that the process may not read | `404` |
//! | no free file descriptor | `503`, and an error in the log |
//! | a file system that fails | `500`, and an error in the log |
//!
//! Every file is sent with `Content-Type`, `Content-Length`, `ETag`, `Last-Modified`, `Accept-Ranges: bytes`
//! and `X-Content-Type-Options: nosniff`. The server adds `Date`.
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

mod service;

mod answer;
mod path;

mod folder;
mod open_file;
mod root;

mod conditional;
mod range;
mod validators;

mod content_type;
mod redirect;
mod refusal;

mod body;
mod offload;

mod error;

pub use body::Body;
pub use error::{Error, FolderFault};
pub use path::Dotfiles;
pub use service::{Files, ResponseFuture};
