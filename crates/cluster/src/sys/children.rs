//! Children that have ended, whoever started them.

use rustix::process::Pid;

/// A child that has ended and was not waited for. It stays so: this only looks.
pub(crate) fn ended_child() -> Option<Pid> {
    // SAFETY: all zeroes is a valid siginfo_t; it is plain memory for the system to fill.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: `info` lives through the call and is of the type that waitid writes.
    let result = unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, options) };
    if result != 0 {
        return None;
    }
    // SAFETY: after waitid the field of a child's end is valid; it is zero if there was none.
    Pid::from_raw(unsafe { info.si_pid() })
}

#[cfg(test)]
mod tests {
    use rustix::process::{WaitId, WaitIdOptions, waitid};

    use super::*;

    #[test]
    fn an_ended_child_is_seen_and_still_there_to_be_waited_for() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(Pid::from_child(&child)), look).unwrap();
        // Other tests may have ended children as well; this one is among them.
        assert!(ended_child().is_some());
        assert!(child.wait().unwrap().success());
    }
}
