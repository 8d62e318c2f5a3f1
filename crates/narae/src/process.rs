//! What a program that is nothing but a server asks of its process: descriptors, and its name.
//!
//! Only `run` may use it: an embedded server leaves its process alone.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit of open files to the hard one. The soft limit is 1024 on most systems, for the
/// sake of programs that use `select(2)`; a server needs one descriptor for each connection.
pub(crate) fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, "the limit of open files stays at {:?}", limit.current);
    }
}

/// The name of the program's file.
pub(crate) fn program_name() -> String {
    let path = std::env::args_os().next().map(std::path::PathBuf::from);
    let stem = path.as_deref().and_then(|path| path.file_stem());
    stem.map_or_else(|| "narae".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

/// The environment. A variable that is not UTF-8 is read as far as it is: the setting's own check refuses
/// the rest by name.
pub(crate) fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .filter(|(name, _)| name.starts_with("NARAE_"))
        .collect()
}
