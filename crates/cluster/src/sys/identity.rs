//! The user and groups of the whole process (setresuid(2)).
//!
//! In: numbers. Out: done for every thread, which the C library sees to and
//! the bare system calls do not.

use std::io;

use super::last_error;

/// Real, effective and saved number, in this order.
pub(crate) type Triple = [u32; 3];

/// The process's user numbers.
pub(crate) fn users() -> Triple {
    let [mut real, mut effective, mut saved] = [u32::MAX; 3];
    // SAFETY: three pointers to numbers that live through the call; it cannot fail for valid ones.
    unsafe { libc::getresuid(&raw mut real, &raw mut effective, &raw mut saved) };
    [real, effective, saved]
}

/// The process's group numbers.
pub(crate) fn groups() -> Triple {
    let [mut real, mut effective, mut saved] = [u32::MAX; 3];
    // SAFETY: three pointers to numbers that live through the call; it cannot fail for valid ones.
    unsafe { libc::getresgid(&raw mut real, &raw mut effective, &raw mut saved) };
    [real, effective, saved]
}

/// Makes the process `uid` and `gid` in all three senses, with `supplementary` groups only.
///
/// # Errors
/// Those of setgroups(2), setresgid(2) and setresuid(2), with the step that
/// failed. The process may then be half changed, and has to exit.
pub(crate) fn change(uid: u32, gid: u32, supplementary: &[u32]) -> io::Result<()> {
    // SAFETY: pointer and count of one slice.
    if unsafe { libc::setgroups(supplementary.len(), supplementary.as_ptr()) } != 0 {
        return Err(last_error("cannot set the supplementary groups"));
    }
    // SAFETY: takes numbers, touches no memory.
    if unsafe { libc::setresgid(gid, gid, gid) } != 0 {
        return Err(last_error(format_args!("cannot become group {gid}")));
    }
    // SAFETY: takes numbers, touches no memory.
    if unsafe { libc::setresuid(uid, uid, uid) } != 0 {
        return Err(last_error(format_args!("cannot become user {uid}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_numbers_are_those_that_the_system_reports() {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        for (key, triple) in [("Uid:", users()), ("Gid:", groups())] {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            let numbers: Vec<u32> = line.split_whitespace().map(|number| number.parse().unwrap()).collect();
            assert_eq!(numbers[..3], triple);
        }
    }
}
