//! The application as a cluster: this process as a supervisor, or as a worker.
//!
//! In: settings and sockets. Out: `run`'s result. The only place where the cluster and the server meet.
//! What operators' programs need to speak with a cluster is re-exported from here.

mod fleet;
mod neighbours;
mod travel;
mod workplace;

#[doc(hidden)]
pub use fleet::{Foreign, run_foreign};
pub(crate) use fleet::{Introduction, supervise};
pub use narae_cluster::{
    Error, Receipt, Reply, Request, Status, WorkerReport, WorkerStatus, ask, cores, names,
};
pub(crate) use workplace::serve;
pub use workplace::{Place, place};
