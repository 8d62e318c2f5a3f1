//! The counts from which a reload's receipt is written.

use crate::message::{Receipt, WorkerReport};
use crate::plan;

use super::measure::listen_drops;
use super::{Supervisor, now};

/// What has been counted since a reload began.
#[derive(Debug)]
pub(super) struct Tally {
    /// The generation that leaves.
    pub(super) from: u32,
    pub(super) to: u32,
    accepted: u64,
    refused: u64,
    pub(super) report: WorkerReport,
    pub(super) unreported: u64,
}

impl Supervisor {
    pub(super) fn begin_tally(&mut self, to: u32) {
        self.tallies.push(Tally {
            from: self.state.generation,
            to,
            accepted: self.total("accepted"),
            refused: listen_drops(),
            report: WorkerReport::default(),
            unreported: 0,
        });
    }

    /// Forgets the counts of reloads that came to nothing.
    pub(super) fn forget_tallies(&mut self) {
        let (change, settling) = (self.state.change.as_ref(), &self.state.settling);
        self.tallies.retain(|tally| {
            change.is_some_and(|change| change.generation == tally.to)
                || settling.iter().any(|settling| settling.receipt.to == tally.to)
        });
    }

    /// Writes the receipt of a reload whose old workers are gone.
    pub(super) fn receipt(&mut self, plan: &plan::Receipt) -> Receipt {
        let tally =
            self.tallies.iter().position(|tally| tally.to == plan.to).map(|at| self.tallies.remove(at));
        let mut receipt = Receipt {
            from: plan.from,
            to: plan.to,
            workers: plan.workers,
            seconds: plan.switched.saturating_sub(plan.began).as_secs_f64(),
            drained_seconds: now().saturating_sub(plan.began).as_secs_f64(),
            ..Receipt::default()
        };
        if let Some(tally) = tally {
            receipt.accepted = self.total("accepted").saturating_sub(tally.accepted);
            receipt.refused = listen_drops().saturating_sub(tally.refused);
            receipt.reset = tally.report.reset;
            receipt.handed_over = tally.report.handed_over;
            receipt.cut = tally.report.cut;
            receipt.cut_more = tally.report.cut_more;
            receipt.unreported = tally.unreported;
        }
        receipt
    }
}
