//! Which store a run measures.

use std::path::Path;
use std::sync::Arc;

use narae::session::store::{Embedded, InCookie, Memory, Store, StoreError};

/// Opens the store that `--store` names.
///
/// # Errors
/// Nobody knows the name, or the store's own.
pub(crate) fn open(name: &str, data: &Path) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match name {
        "embedded" => Arc::new(Embedded::open(data)?),
        "memory" => Arc::new(Memory::new().capacity(2_000_000).single_process_only()),
        "cookie" => Arc::new(InCookie::new(["the secret of the benchmarks"])?),
        #[cfg(feature = "stores")]
        name if name.starts_with("redis") => Arc::new(narae::session::store::Redis::new(name)?),
        #[cfg(feature = "stores")]
        name if name.starts_with("postgres") => Arc::new(narae::session::store::Postgres::new(name)?),
        name => {
            let message =
                format!("no store is called {name}: embedded, memory, cookie, redis://…, postgres://…");
            return Err(StoreError::Misuse(message));
        }
    })
}
