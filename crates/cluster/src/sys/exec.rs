//! Turns this process into another program, and says what it keeps (execve(2)).
//!
//! In: a program, its arguments, its whole environment. Out: nothing, or the
//! error. Also prepares argument and environment blocks for `spawn`.

use std::ffi::{CString, OsString};
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::ptr;

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

use super::{c_string, explain, last_error};

/// Replaces this process by `program`; returns only if that failed.
///
/// The process id, the children, the working folder and every descriptor
/// marked by [`keep_across_exec`] stay. The signal mask stays as well, on
/// purpose: a signal that arrives between the two programs waits until the
/// new one reads it from its own `Signals`, and is neither lost nor deadly.
/// Ignored signals stay ignored. Other threads end.
///
/// `arguments` begins with the program's own name; `environment` is the
/// whole environment.
pub(crate) fn replace_self(
    program: &Path,
    arguments: &[OsString],
    environment: &[(OsString, OsString)],
) -> io::Error {
    let prepared = c_string(program.as_os_str())
        .and_then(|path| Ok((path, Block::arguments(arguments)?, Block::environment(environment)?)));
    let (path, arguments, environment) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return error,
    };
    // SAFETY: the path ends in NUL and both blocks are null-terminated arrays
    // of C strings; all three live until the call returns.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    last_error(format_args!("cannot execute {}", program.display()))
}

/// Whether `descriptor` stays open in a program that replaces this one.
///
/// Every descriptor of the standard library starts with `false`.
///
/// # Errors
/// Those of fcntl(2).
pub(crate) fn keep_across_exec(descriptor: impl AsFd, keep: bool) -> io::Result<()> {
    let attempted = "cannot change what an exec keeps";
    let flags = fcntl_getfd(&descriptor).map_err(|error| explain(error, attempted))?;
    let mut wanted = flags;
    wanted.set(FdFlags::CLOEXEC, !keep);
    fcntl_setfd(&descriptor, wanted).map_err(|error| explain(error, attempted))
}

/// A null-terminated array of C strings, as execve(2) takes it.
pub(super) struct Block {
    pointers: Vec<*const libc::c_char>, // into `strings`, then nulls: at least one, at the end
    #[expect(dead_code, reason = "keeps alive what the pointers show")]
    strings: Vec<CString>, // never changed after `new`
}

impl Block {
    pub(super) fn arguments(arguments: &[OsString]) -> io::Result<Self> {
        if arguments.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a program needs its own name as first argument",
            ));
        }
        Ok(Self::new(arguments.iter().map(|argument| c_string(argument)).collect::<io::Result<_>>()?))
    }

    pub(super) fn environment(variables: &[(OsString, OsString)]) -> io::Result<Self> {
        let line = |(name, value): &(OsString, OsString)| {
            let mut line = name.clone();
            line.push("=");
            line.push(value);
            c_string(&line)
        };
        Ok(Self::new(variables.iter().map(line).collect::<io::Result<_>>()?))
    }

    fn new(strings: Vec<CString>) -> Self {
        let mut pointers: Vec<_> = strings.iter().map(|string| string.as_ptr()).collect();
        pointers.push(ptr::null());
        Self { pointers, strings }
    }

    /// Makes room for one more string, which [`Block::fill`] sets.
    pub(super) fn reserve_one(&mut self) {
        self.pointers.push(ptr::null());
    }

    /// Puts `string` into the reserved room. Allocates nothing.
    ///
    /// What it points to must outlive the use of [`Block::as_ptr`].
    pub(super) fn fill(&mut self, string: *const libc::c_char) {
        if let [.., room, _end] = self.pointers.as_mut_slice() {
            *room = string;
        }
    }

    pub(super) fn as_ptr(&self) -> *const *const libc::c_char {
        self.pointers.as_ptr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::spawn::tests::{read_all, shell};
    use crate::sys::spawn::{Program, spawn};

    #[test]
    fn a_program_that_is_missing_is_named() {
        let error = replace_self(Path::new("/no/such/program"), &["x".into()], &[]);
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("/no/such/program"), "{error}");
    }

    #[test]
    fn nul_bytes_and_missing_names_are_refused_before_anything_happens() {
        for (path, arguments, environment) in [
            ("a\0b", vec!["x".into()], vec![]),
            ("/bin/true", vec!["a\0b".into()], vec![]),
            ("/bin/true", vec!["x".into()], vec![("A".into(), "\0".into())]),
            ("/bin/true", vec![], vec![]),
        ] {
            let error = replace_self(Path::new(path), &arguments, &environment);
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
        }
    }

    #[test]
    fn the_mark_can_be_set_and_taken_back() {
        let (read, _write) = io::pipe().unwrap();
        for keep in [true, false, true] {
            keep_across_exec(&read, keep).unwrap();
            assert_eq!(fcntl_getfd(&read).unwrap().contains(FdFlags::CLOEXEC), !keep);
        }
    }

    /// The test binary runs itself with this test's name and a variable, and replaces itself there.
    #[test]
    fn a_process_that_replaces_itself_keeps_its_id_its_mask_and_what_was_marked() {
        const MARK: &str = "NARAE_TEST_REPLACE_SELF";
        if std::env::var_os(MARK).is_some() {
            let _signals = super::super::signals::Signals::block(&[libc::SIGUSR1]).unwrap();
            let (kept, _other) = io::pipe().unwrap();
            keep_across_exec(&kept, true).unwrap();
            let kept = format!("/proc/self/fdinfo/{}", std::os::fd::AsRawFd::as_raw_fd(&kept));
            println!("\nbefore={}", std::process::id());
            // Not a shell: some clear their signal mask.
            let arguments = ["grep", "-hE", "^(Pid|SigBlk|pos):", "/proc/self/status", &kept];
            let environment = [("PATH".into(), "/usr/bin:/bin".into())];
            let error = replace_self(Path::new("/bin/grep"), &arguments.map(Into::into), &environment);
            panic!("{error}");
        }
        let (output, write) = io::pipe().unwrap();
        let mut request = shell("");
        request.program = Program::Path(std::env::current_exe().unwrap());
        request.arguments =
            ["test", "replaces_itself", "--nocapture", "--test-threads=1"].map(Into::into).into();
        request.environment.push((MARK.into(), "1".into()));
        request.stdout = Some(write.as_fd());
        let child = spawn(&request).unwrap();
        drop(write);
        let text = read_all(output);
        child.wait_for_test();
        let value = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap_or_else(|| panic!("{name} in {text}"))
        };
        assert_eq!(value("before="), value("Pid:").trim());
        let blocked = u64::from_str_radix(value("SigBlk:").trim(), 16).unwrap();
        assert_ne!(blocked & (1 << (libc::SIGUSR1 - 1)), 0, "{text}");
        assert_eq!(value("pos:").trim(), "0", "what was marked is open");
    }
}
