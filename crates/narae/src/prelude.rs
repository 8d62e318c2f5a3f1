//! The names that most applications need: `use narae::prelude::*;`.
//!
//! Re-exports only. What is used once in a program is left out: it reads better with its path.

pub use axum::Router;
pub use axum::body::Body;
pub use axum::extract::{Extension, Form, Json, Path, Query, Request, State};
pub use axum::http::StatusCode;
pub use axum::response::{Html, IntoResponse, Redirect, Response};
pub use axum::routing::{any, delete, get, get_service, patch, post, put};

pub use crate::cookies::{Cookies, PrivateCookies, SetCookie, SignedCookies};
pub use crate::session::{Session, Sessions};
pub use crate::{BodyLimit, Connection, Files, HandlerError, HandlerResult, Limits, Tls};
