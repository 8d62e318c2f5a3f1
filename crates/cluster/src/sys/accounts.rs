//! Looks up users and groups in the system's databases (getpwnam_r(3), getgrnam_r(3)).
//!
//! In: names and numbers. Out: numbers. Asks libc, so that directories such
//! as LDAP or systemd-userdbd answer as well as `/etc/passwd`.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::mem::MaybeUninit;
use std::ptr;

use super::{c_string, explain};

/// A user that the system knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    /// The login name.
    pub(crate) name: CString,
    /// The user's number.
    pub(crate) uid: u32,
    /// The number of the user's own group.
    pub(crate) gid: u32,
}

/// The user called `name`, if there is one.
///
/// # Errors
/// Those of getpwnam_r(3).
pub(crate) fn account_by_name(name: &str) -> io::Result<Option<Account>> {
    let name = c_string(OsStr::new(name))?;
    let found = look_up(
        |entry, buffer, length, result| {
            // SAFETY: `name` is a C string, the other pointers come from `look_up`.
            unsafe { libc::getpwnam_r(name.as_ptr(), entry, buffer, length, result) }
        },
        account,
    )?;
    Ok(found)
}

/// The user with the number `uid`, if there is one.
///
/// # Errors
/// Those of getpwuid_r(3).
pub(crate) fn account_by_number(uid: u32) -> io::Result<Option<Account>> {
    look_up(
        |entry, buffer, length, result| {
            // SAFETY: the pointers come from `look_up`.
            unsafe { libc::getpwuid_r(uid, entry, buffer, length, result) }
        },
        account,
    )
}

/// The number of the group called `name`, if there is one.
///
/// # Errors
/// Those of getgrnam_r(3).
pub(crate) fn group_by_name(name: &str) -> io::Result<Option<u32>> {
    let name = c_string(OsStr::new(name))?;
    look_up(
        |entry, buffer, length, result| {
            // SAFETY: `name` is a C string, the other pointers come from `look_up`.
            unsafe { libc::getgrnam_r(name.as_ptr(), entry, buffer, length, result) }
        },
        |entry: &libc::group| entry.gr_gid,
    )
}

/// All groups of the user `name`, whose own group is `gid`, which is among them.
///
/// # Errors
/// If there are more than 65536.
pub(crate) fn groups_of(name: &CStr, gid: u32) -> io::Result<Vec<u32>> {
    let mut groups = vec![0; 64];
    while groups.len() <= 65_536 {
        let mut count = libc::c_int::try_from(groups.len()).unwrap_or(libc::c_int::MAX);
        // SAFETY: `groups` has room for `count` numbers; the call writes no more.
        let result = unsafe { libc::getgrouplist(name.as_ptr(), gid, groups.as_mut_ptr(), &raw mut count) };
        if result >= 0 {
            groups.truncate(usize::try_from(count).unwrap_or(0));
            return Ok(groups);
        }
        groups.resize(groups.len() * 2, 0);
    }
    Err(io::Error::other(format!("{} is in more than 65536 groups", name.to_string_lossy())))
}

fn account(entry: &libc::passwd) -> Account {
    // SAFETY: the entry was filled in, so its name is a C string in the
    // buffer, which lives as long as `entry` is borrowed by `look_up`.
    let name = unsafe { CStr::from_ptr(entry.pw_name) };
    Account { name: name.to_owned(), uid: entry.pw_uid, gid: entry.pw_gid }
}

/// Calls one of the `get…_r` functions with a buffer that grows until the entry fits.
fn look_up<Entry, Found>(
    call: impl Fn(*mut Entry, *mut libc::c_char, usize, *mut *mut Entry) -> libc::c_int,
    convert: impl Fn(&Entry) -> Found,
) -> io::Result<Option<Found>> {
    let mut buffer: Vec<libc::c_char> = vec![0; 1024];
    loop {
        let mut entry = MaybeUninit::uninit();
        let mut result = ptr::null_mut();
        match call(entry.as_mut_ptr(), buffer.as_mut_ptr(), buffer.len(), &raw mut result) {
            libc::ERANGE if buffer.len() < 1 << 20 => buffer.resize(buffer.len() * 2, 0),
            libc::EINTR => {}
            // Some directories answer so for a name that does not exist (getpwnam(3)).
            0 | libc::ENOENT | libc::ESRCH if result.is_null() => return Ok(None),
            0 => {
                // SAFETY: 0 and a result mean that `entry` was filled in.
                let entry = unsafe { entry.assume_init_ref() };
                return Ok(Some(convert(entry)));
            }
            number => {
                return Err(explain(io::Error::from_raw_os_error(number), "cannot look up users and groups"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_user_0_by_name_and_number() {
        let root = account_by_name("root").unwrap().unwrap();
        assert_eq!((root.uid, root.gid), (0, 0));
        assert_eq!(account_by_number(0).unwrap(), Some(root));
        assert_eq!(group_by_name("root").unwrap(), Some(0));
    }

    #[test]
    fn what_does_not_exist_is_none_and_not_an_error() {
        assert_eq!(account_by_name("no-such-user-here").unwrap(), None);
        assert_eq!(account_by_number(3_999_999_999).unwrap(), None);
        assert_eq!(group_by_name("no-such-group-here").unwrap(), None);
        assert_eq!(account_by_name("a\0b").unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn the_groups_of_a_user_contain_its_own() {
        assert!(groups_of(c"nobody", 12_345).unwrap().contains(&12_345));
    }
}
