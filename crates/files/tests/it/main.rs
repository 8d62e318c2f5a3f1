//! Owns the one integration test binary: the behaviour of `Files` as a peer or an application sees it.
//!
//! Modules are named by the section they test, in the order of RFC 9110; what no RFC rules comes after.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

mod site;

mod rfc3986_s3_3_path;

mod s10_2_2_location;
mod s13_conditional;
mod s14_range;
mod s6_4_content;
mod s8_3_content_type;
mod s8_4_content_coding;
mod s8_8_validators;
mod s9_methods;

mod cache_control;
mod dotfiles;
mod event_loop;
mod instead;
mod listing;
mod memory;
mod mounting;
mod root_folder;
mod special_files;
mod symbolic_links;
