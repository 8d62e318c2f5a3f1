//! The user and groups that a process gives itself, for good.
//!
//! In: names or numbers from the configuration. Out: a process that cannot
//! become root again. Knows nothing of what is started as that user.

use std::io;

use rustix::io::Errno;
use rustix::process::{Gid, Uid};

use crate::sys::{accounts, explain, identity};

/// A user and its groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Privileges {
    /// The user.
    pub(crate) uid: Uid,
    /// The primary group.
    pub(crate) gid: Gid,
    /// The supplementary groups.
    pub(crate) groups: Vec<Gid>,
}

impl Privileges {
    /// The privileges of `user`, a name or a number, in `group` instead of its own group if one is given.
    ///
    /// The supplementary groups are those of the user. A number that no user
    /// has is taken as it is; it needs a `group`, and gets no supplementary ones.
    ///
    /// # Errors
    /// `NotFound` for a user or group that does not exist.
    pub fn of(user: &str, group: Option<&str>) -> io::Result<Self> {
        let missing = |text: String| io::Error::new(io::ErrorKind::NotFound, text);
        let number = number(user);
        let account = match (accounts::account_by_name(user)?, number) {
            (None, Some(number)) => accounts::account_by_number(number)?,
            (account, _) => account,
        };
        let gid = match group {
            Some(group) => match (accounts::group_by_name(group)?, self::number(group)) {
                (Some(gid), _) | (None, Some(gid)) => Some(gid),
                (None, None) => return Err(missing(format!("there is no group {group:?}"))),
            },
            None => None,
        };
        let (uid, gid, groups) = match (account, number) {
            (Some(account), _) => {
                let gid = gid.unwrap_or(account.gid);
                (account.uid, gid, accounts::groups_of(&account.name, gid)?)
            }
            (None, Some(uid)) => {
                let gid =
                    gid.ok_or_else(|| missing(format!("there is no user {user}, so it needs a group")))?;
                (uid, gid, vec![gid])
            }
            (None, None) => return Err(missing(format!("there is no user {user:?}"))),
        };
        let groups = groups.into_iter().map(Gid::from_raw).collect();
        Ok(Self { uid: Uid::from_raw(uid), gid: Gid::from_raw(gid), groups })
    }

    /// Gives every thread of this process these privileges and no others, and makes sure there is no way back.
    ///
    /// Does nothing if the process has exactly these already, so a process
    /// without privileges may "become" itself.
    ///
    /// # Errors
    /// Those of setresuid(2); `Other` if root is still in reach, as with
    /// retained capabilities. The process may be half changed: it has to exit.
    pub fn drop_for_good(&self) -> io::Result<()> {
        if self.are_ours() {
            return Ok(());
        }
        let groups: Vec<u32> = self.groups.iter().map(|group| group.as_raw()).collect();
        identity::change(self.uid.as_raw(), self.gid.as_raw(), &groups)?;
        if !self.are_ours() || !self.root_is_out_of_reach() {
            return Err(io::Error::other("privileges were dropped, but could be regained"));
        }
        Ok(())
    }

    /// Whether this process has exactly these privileges now.
    pub(crate) fn are_ours(&self) -> bool {
        let sorted = |mut groups: Vec<Gid>| {
            groups.sort_unstable_by_key(|group| group.as_raw());
            groups.dedup();
            groups
        };
        identity::users() == [self.uid.as_raw(); 3]
            && identity::groups() == [self.gid.as_raw(); 3]
            && rustix::process::getgroups().is_ok_and(|groups| sorted(groups) == sorted(self.groups.clone()))
    }

    /// The change itself, for a process that has one thread: between fork and exec. Async-signal-safe.
    pub(crate) fn drop_in_this_thread(&self) -> Result<(), Errno> {
        rustix::thread::set_thread_groups(&self.groups)?;
        rustix::thread::set_thread_res_gid(self.gid, self.gid, self.gid)?;
        rustix::thread::set_thread_res_uid(self.uid, self.uid, self.uid)
    }

    /// Whether an attempt to become root fails, as it has to; true for root itself. Async-signal-safe.
    pub(crate) fn root_is_out_of_reach(&self) -> bool {
        let root = Uid::ROOT;
        self.uid == root || rustix::thread::set_thread_res_uid(root, root, root).is_err()
    }
}

/// Forbids this process, and all that it starts, to gain privileges by executing anything.
///
/// Concerns the calling thread and those that it starts later, so call it
/// before there are others.
///
/// # Errors
/// Those of prctl(2).
pub fn no_new_privileges() -> io::Result<()> {
    rustix::thread::set_no_new_privs(true)
        .map_err(|error| explain(error, "cannot give up gaining privileges"))
}

/// A user's or group's number. The highest one means "unchanged" to the system and is none.
fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|&number| number != u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::spawn::tests::{output_of, shell};
    use crate::sys::spawn::{Program, spawn};

    fn nobody() -> Privileges {
        Privileges::of("nobody", None).unwrap()
    }

    fn we_are_root() -> bool {
        rustix::process::geteuid().is_root()
    }

    mod names {
        use super::*;

        #[test]
        fn a_user_is_found_by_name_and_by_number() {
            let by_name = nobody();
            assert_eq!(Privileges::of(&by_name.uid.as_raw().to_string(), None).unwrap(), by_name);
            assert!(by_name.groups.contains(&by_name.gid));
        }

        #[test]
        fn a_group_replaces_the_primary_group() {
            for group in ["root", "0"] {
                let privileges = Privileges::of("nobody", Some(group)).unwrap();
                assert_eq!((privileges.uid, privileges.gid), (nobody().uid, Gid::ROOT));
            }
        }

        #[test]
        fn a_number_that_nobody_has_needs_a_group() {
            let error = Privileges::of("3999999", None).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
            let privileges = Privileges::of("3999999", Some("4000000")).unwrap();
            assert_eq!(privileges.uid.as_raw(), 3_999_999);
            assert_eq!(privileges.groups, [Gid::from_raw(4_000_000)]);
        }

        #[test]
        fn what_does_not_exist_is_named() {
            for (user, group, part) in [
                ("no-such-user", None, "no-such-user"),
                ("nobody", Some("no-such-group"), "no-such-group"),
                ("4294967295", Some("0"), "4294967295"),
                ("-1", None, "-1"),
                ("", None, "\"\""),
            ] {
                let error = Privileges::of(user, group).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::NotFound);
                assert!(error.to_string().contains(part), "{error}");
            }
        }
    }

    mod dropping {
        use super::*;

        #[test]
        fn a_started_program_has_the_user_and_no_group_of_ours() {
            let mut request = shell("id -u; id -g; id -G; grep CapEff /proc/self/status");
            let wanted = nobody();
            request.privileges = Some(wanted.clone());
            if !we_are_root() {
                let error = spawn(&request).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
                assert!(error.to_string().contains("user and groups"), "{error}");
                return;
            }
            let groups: Vec<_> = wanted.groups.iter().map(|group| group.as_raw().to_string()).collect();
            let (uid, gid) = (wanted.uid.as_raw(), wanted.gid.as_raw());
            let expected = format!("{uid}\n{gid}\n{}\nCapEff:\t0000000000000000\n", groups.join(" "));
            assert_eq!(output_of(request), expected);
        }

        #[test]
        fn what_is_ours_already_needs_no_privilege() {
            let ours = Privileges {
                uid: rustix::process::getuid(),
                gid: rustix::process::getgid(),
                groups: rustix::process::getgroups().unwrap(),
            };
            assert!(ours.are_ours());
            ours.drop_for_good().unwrap();
            let mut request = shell("id -u");
            request.privileges = Some(ours.clone());
            assert_eq!(output_of(request), format!("{}\n", ours.uid.as_raw()));
        }

        /// The test binary runs itself, as this cannot be taken back.
        #[test]
        fn a_process_drops_in_all_its_threads_and_cannot_go_back() {
            const MARK: &str = "NARAE_TEST_DROP";
            if std::env::var_os(MARK).is_none() {
                let mut request = shell("");
                request.program = Program::Path(std::env::current_exe().unwrap());
                request.arguments = ["test", "drops_in_all_its_threads"].map(Into::into).into();
                request.environment.push((MARK.into(), "1".into()));
                let text = output_of(request);
                assert!(text.contains("1 passed"), "{text}");
                return;
            }
            if !we_are_root() {
                let error = nobody().drop_for_good().unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
                return;
            }
            let (go, wait) = std::sync::mpsc::channel::<()>();
            let other = std::thread::spawn(move || {
                wait.recv().unwrap();
                (rustix::process::geteuid(), rustix::thread::set_thread_uid(Uid::ROOT).is_err())
            });
            nobody().drop_for_good().unwrap();
            assert!(nobody().are_ours());
            identity::change(0, 0, &[]).unwrap_err();
            go.send(()).unwrap();
            assert_eq!(other.join().unwrap(), (nobody().uid, true));
        }

        #[test]
        fn no_new_privileges_is_inherited() {
            let text = std::thread::spawn(|| {
                no_new_privileges().unwrap();
                output_of(shell("grep NoNewPrivs /proc/self/status"))
            });
            assert_eq!(text.join().unwrap(), "NoNewPrivs:\t1\n");
        }
    }
}
