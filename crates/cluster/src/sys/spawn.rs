//! Starts a program in a new process (fork(2), execve(2)).
//!
//! In: a [`Spawn`]. Out: the child's id and a descriptor that becomes
//! readable when it exits. Everything is prepared before the fork; between
//! fork and exec the child makes system calls only and allocates nothing, so
//! that other threads of this process may hold any lock. Knows nothing of
//! slots, generations or what the program does.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::path::PathBuf;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, WaitOptions};
use rustix::thread::CpuSet;

use super::exec::Block;
use super::signals::{empty_set, full_set, set_mask};
use super::{c_string, explain};
use crate::privileges::Privileges;

/// A program to start, and the process that it gets.
///
/// The process has its own process group, an empty signal mask, default
/// dispositions for all signals, and no descriptors but 0, 1, 2 and `sockets`.
#[derive(Debug)]
pub(crate) struct Spawn<'a> {
    /// What is executed.
    pub(crate) program: Program<'a>,
    /// All arguments, the program's own name first.
    pub(crate) arguments: Vec<OsString>,
    /// The whole environment; nothing is inherited.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// Become descriptors 3, 4, … in this order.
    pub(crate) sockets: Vec<BorrowedFd<'a>>,
    /// Adds `LISTEN_PID` with the new process id to the environment (sd_listen_fds(3)).
    pub(crate) set_listen_pid: bool,
    /// The one core to run on; any if none.
    pub(crate) core: Option<usize>,
    /// The user and groups to become, for good.
    pub(crate) privileges: Option<Privileges>,
    /// Forbids to gain privileges by executing anything (`PR_SET_NO_NEW_PRIVS`).
    pub(crate) no_new_privs: bool,
    /// Reads nothing from standard input; otherwise it is inherited.
    pub(crate) stdin_null: bool,
    /// Standard output; inherited if none.
    pub(crate) stdout: Option<BorrowedFd<'a>>,
    /// Standard error; inherited if none.
    pub(crate) stderr: Option<BorrowedFd<'a>>,
}

/// What is executed.
#[derive(Debug)]
pub(crate) enum Program<'a> {
    /// A file, by its path; `PATH` is not searched.
    Path(PathBuf),
    /// An open file, even if its path names another one by now. A binary, not a script:
    /// the interpreter of a script would have to open a descriptor that is closed by then.
    Descriptor(BorrowedFd<'a>),
}

/// A process that was started and runs its program.
#[derive(Debug)]
pub(crate) struct Child {
    /// Its id, and that of its process group. The caller reaps it.
    pub(crate) pid: Pid,
    /// Readable once it has exited.
    pub(crate) pidfd: OwnedFd,
}

/// Starts `request` and waits until its program runs.
///
/// # Errors
/// Whatever kept the program from running, with the step that failed; then no process is left.
pub(crate) fn spawn(request: &Spawn<'_>) -> io::Result<Child> {
    let (errors, report) = io::pipe().map_err(|error| explain(error, "cannot open a pipe"))?;
    let mut prepared = Prepared::new(request, report.as_fd())?;
    drop(report);

    // No handler of this process may run in the child, which shares its
    // memory image but none of its threads.
    let mask = set_mask(&full_set());
    // SAFETY: the child calls only `run_child`, which makes system calls on
    // memory prepared above, allocates nothing, takes no lock and never returns.
    let forked = unsafe { libc::fork() };
    if forked == 0 {
        run_child(&mut prepared);
    }
    let failed = io::Error::last_os_error();
    set_mask(&mask);
    let Some(pid) = Some(forked).filter(|pid| *pid > 0).and_then(Pid::from_raw) else {
        return Err(explain(failed, "cannot fork"));
    };
    drop(prepared); // with it our copy of the pipe's write end

    let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty())
        .map_err(|error| explain(error, "cannot open a descriptor for the new process"));
    let started = wait_for_exec(File::from(OwnedFd::from(errors)), request);
    match started.and(pidfd) {
        Ok(pidfd) => Ok(Child { pid, pidfd }),
        Err(error) => {
            // It is unreaped, so the id is still its own.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            let _ = rustix::io::retry_on_intr(|| rustix::process::waitpid(Some(pid), WaitOptions::empty()));
            Err(error)
        }
    }
}

/// Waits until the exec has closed the pipe, or an error came through it.
fn wait_for_exec(mut errors: File, request: &Spawn<'_>) -> io::Result<()> {
    let mut report = Vec::new();
    errors.read_to_end(&mut report).map_err(|error| explain(error, "cannot watch the new process start"))?;
    let [step, number @ ..] = report.as_slice() else { return Ok(()) };
    let number = number.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
    let error = io::Error::from_raw_os_error(number);
    Err(match Step::ALL.iter().find(|known| **known as u8 == *step) {
        Some(Step::Exec) => match &request.program {
            Program::Path(path) => explain(error, format_args!("cannot execute {}", path.display())),
            Program::Descriptor(_) => explain(error, "cannot execute the open file"),
        },
        Some(Step::Regained) => io::Error::other("the new process could become root again"),
        Some(step) => explain(error, format_args!("the new process could not {}", step.text())),
        None => explain(error, "the new process failed"),
    })
}

/// What the child was doing when it failed.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
enum Step {
    Group = 1,
    Core,
    Descriptors,
    Privileges,
    Regained,
    NoNewPrivs,
    Exec,
}

impl Step {
    const ALL: [Self; 7] = [
        Self::Group,
        Self::Core,
        Self::Descriptors,
        Self::Privileges,
        Self::Regained,
        Self::NoNewPrivs,
        Self::Exec,
    ];

    const fn text(self) -> &'static str {
        match self {
            Self::Group => "make its process group",
            Self::Core => "move to its core",
            Self::Descriptors => "arrange its descriptors",
            Self::Privileges => "change its user and groups",
            Self::Regained => "give up root",
            Self::NoNewPrivs => "give up gaining privileges",
            Self::Exec => "execute",
        }
    }
}

/// All that the child needs, so that it need not allocate.
struct Prepared {
    program: PreparedProgram,
    arguments: Block,
    environment: Block,
    listen_pid: Option<Vec<u8>>, // "LISTEN_PID=", then room for 10 digits and a NUL
    cores: Option<CpuSet>,
    privileges: Option<Privileges>,
    no_new_privs: bool,
    descriptors: Vec<(OwnedFd, RawFd)>, // copies above all targets, and their targets
    first_free: u32,                    // the first number that is no target
    report: OwnedFd,                    // above all targets, close-on-exec
}

enum PreparedProgram {
    Path(CString),
    Descriptor(OwnedFd), // above all targets, close-on-exec
}

const LISTEN_PID: &[u8] = b"LISTEN_PID=";

impl Prepared {
    fn new(request: &Spawn<'_>, report: BorrowedFd<'_>) -> io::Result<Self> {
        let invalid = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        let Some(first_free) =
            RawFd::try_from(request.sockets.len()).ok().and_then(|count| count.checked_add(3))
        else {
            return invalid("too many sockets".to_owned());
        };
        // A copy above all targets cannot be overwritten by one of them.
        let lift = |descriptor: BorrowedFd<'_>| {
            rustix::io::fcntl_dupfd_cloexec(descriptor, first_free)
                .map_err(|error| explain(error, "cannot copy a descriptor for the new process"))
        };
        let mut descriptors = Vec::new();
        if request.stdin_null {
            let null = File::open("/dev/null").map_err(|error| explain(error, "cannot open /dev/null"))?;
            descriptors.push((lift(null.as_fd())?, 0));
        }
        let sockets = request.sockets.iter().map(|socket| Some(*socket));
        let wanted = [request.stdout, request.stderr].into_iter().chain(sockets);
        for (source, target) in wanted.zip(1..) {
            if let Some(source) = source {
                descriptors.push((lift(source)?, target));
            }
        }
        let mut environment = Block::environment(&request.environment)?;
        let listen_pid = request.set_listen_pid.then(|| {
            environment.reserve_one();
            let mut line = LISTEN_PID.to_vec();
            line.extend([0; 11]);
            line
        });
        if request.set_listen_pid && request.environment.iter().any(|(name, _)| name == "LISTEN_PID") {
            return invalid("LISTEN_PID is given and to be set as well".to_owned());
        }
        let cores = match request.core {
            Some(core) if core >= CpuSet::MAX_CPU => return invalid(format!("there is no core {core}")),
            Some(core) => {
                let mut set = CpuSet::new();
                set.set(core);
                Some(set)
            }
            None => None,
        };
        Ok(Self {
            program: match &request.program {
                Program::Path(path) => PreparedProgram::Path(c_string(path.as_os_str())?),
                Program::Descriptor(file) => PreparedProgram::Descriptor(lift(*file)?),
            },
            arguments: Block::arguments(&request.arguments)?,
            environment,
            listen_pid,
            cores,
            privileges: request.privileges.clone().filter(|wanted| !wanted.are_ours()),
            no_new_privs: request.no_new_privs,
            descriptors,
            first_free: first_free.cast_unsigned(),
            report: lift(report)?,
        })
    }
}

/// The child between fork and exec. Only system calls, no allocation, no panic.
fn run_child(prepared: &mut Prepared) -> ! {
    let (step, error) = become_program(prepared);
    let [a, b, c, d] = error.raw_os_error().to_ne_bytes();
    // Fails only if the parent is gone, and then nobody wants to know.
    let _ = rustix::io::write(&prepared.report, &[step as u8, a, b, c, d]);
    // SAFETY: ends this process at once, without any of the parent's clean-up.
    unsafe { libc::_exit(127) }
}

/// Makes this child what was asked and executes the program; returns why it could not.
fn become_program(prepared: &mut Prepared) -> (Step, Errno) {
    if let Some(line) = &mut prepared.listen_pid {
        // SAFETY: takes and touches nothing.
        let pid = unsafe { libc::getpid() };
        write_decimal(pid.cast_unsigned(), line.get_mut(LISTEN_PID.len()..).unwrap_or_default());
        prepared.environment.fill(line.as_ptr().cast());
    }
    if let Err(error) = rustix::process::setpgid(None, None) {
        return (Step::Group, error);
    }
    if let Some(cores) = &prepared.cores
        && let Err(error) = rustix::thread::sched_setaffinity(None, cores)
    {
        return (Step::Core, error);
    }
    if let Err(error) = place_descriptors(prepared) {
        return (Step::Descriptors, error);
    }
    if let Some(privileges) = &prepared.privileges {
        if let Err(error) = privileges.drop_in_this_thread() {
            return (Step::Privileges, error);
        }
        if !privileges.root_is_out_of_reach() {
            return (Step::Regained, Errno::PERM);
        }
    }
    if prepared.no_new_privs
        && let Err(error) = rustix::thread::set_no_new_privs(true)
    {
        return (Step::NoNewPrivs, error);
    }
    restore_signals();
    let arguments = prepared.arguments.as_ptr();
    let environment = prepared.environment.as_ptr();
    match &prepared.program {
        PreparedProgram::Path(path) => {
            // SAFETY: a C string and two null-terminated arrays of C strings,
            // all owned by `prepared`, which outlives the call.
            unsafe { libc::execve(path.as_ptr(), arguments, environment) };
        }
        PreparedProgram::Descriptor(file) => {
            // SAFETY: as above; the empty path with AT_EMPTY_PATH means the descriptor itself.
            unsafe {
                libc::syscall(
                    libc::SYS_execveat,
                    file.as_raw_fd(),
                    c"".as_ptr(),
                    arguments,
                    environment,
                    libc::AT_EMPTY_PATH,
                )
            };
        }
    }
    (Step::Exec, last_errno())
}

/// Puts the copies at their targets, and marks all above as closed by the exec.
fn place_descriptors(prepared: &Prepared) -> Result<(), Errno> {
    for (source, target) in &prepared.descriptors {
        loop {
            // SAFETY: the target is 0, 1, 2 or below `first_free`; what was
            // there belongs to this child's copy of the table, whose owners
            // are never used or dropped here.
            let result = unsafe { libc::dup2(source.as_raw_fd(), *target) };
            if result >= 0 {
                break;
            }
            if last_errno() != Errno::INTR {
                return Err(last_errno());
            }
        }
    }
    // Closes what another library left open without close-on-exec. Linux
    // before 5.11 does not know this, and then such descriptors stay.
    // SAFETY: sets a flag on descriptors, closes none, touches no memory.
    unsafe { libc::syscall(libc::SYS_close_range, prepared.first_free, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    Ok(())
}

/// Default dispositions for all signals, and none blocked.
///
/// The exec resets handlers by itself, but keeps what is ignored: SIGPIPE in
/// every Rust program, and SIGINT and SIGHUP under nohup or a shell's `&`.
fn restore_signals() {
    for number in 1..=64 {
        // SAFETY: sets a default disposition; numbers that cannot have one fail.
        unsafe { libc::signal(number, libc::SIG_DFL) };
    }
    set_mask(&empty_set());
}

/// Writes `number` in digits, then a NUL. Room for 10 digits and the NUL suffices.
fn write_decimal(number: u32, room: &mut [u8]) {
    let mut divisor = 1_u32;
    while number / divisor >= 10 {
        divisor *= 10;
    }
    for byte in room {
        if divisor == 0 {
            *byte = 0;
            return;
        }
        let [digit, ..] = (number / divisor % 10).to_le_bytes();
        *byte = b'0' + digit;
        divisor /= 10;
    }
}

/// `errno` of the last call into libc. Async-signal-safe.
fn last_errno() -> Errno {
    // Reads `errno`; makes no text and allocates nothing.
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::os::fd::AsFd as _;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    impl Child {
        /// Waits for the exit and returns its code, or 128 + the signal's number.
        pub(crate) fn wait_for_test(&self) -> i32 {
            let (_, status) =
                rustix::io::retry_on_intr(|| rustix::process::waitpid(Some(self.pid), WaitOptions::empty()))
                    .unwrap()
                    .unwrap();
            status.exit_status().or(status.terminating_signal().map(|signal| signal + 128)).unwrap()
        }
    }

    /// `/bin/sh -c script`, with only `PATH`.
    pub(crate) fn shell(script: &str) -> Spawn<'static> {
        Spawn {
            program: Program::Path("/bin/sh".into()),
            arguments: vec!["sh".into(), "-c".into(), script.into()],
            environment: vec![("PATH".into(), "/usr/bin:/bin:/usr/sbin:/sbin".into())],
            sockets: Vec::new(),
            set_listen_pid: false,
            core: None,
            privileges: None,
            no_new_privs: false,
            stdin_null: true,
            stdout: None,
            stderr: None,
        }
    }

    /// A copy with a number from `least` on that an exec would keep.
    pub(crate) fn without_close_on_exec(source: impl AsFd, least: RawFd) -> OwnedFd {
        let copy = rustix::io::fcntl_dupfd_cloexec(source, least).unwrap();
        super::super::exec::keep_across_exec(&copy, true).unwrap();
        copy
    }

    pub(crate) fn read_all(mut source: impl io::Read) -> String {
        let mut text = String::new();
        source.read_to_string(&mut text).unwrap();
        text
    }

    /// Runs it with its output captured; it must succeed.
    pub(crate) fn output_of(request: Spawn<'_>) -> String {
        let (read, write) = io::pipe().unwrap();
        let child = spawn(&Spawn { stdout: Some(write.as_fd()), ..request }).unwrap();
        drop(write);
        let text = read_all(read);
        assert_eq!(child.wait_for_test(), 0, "{text}");
        text
    }

    mod descriptors {
        use super::*;

        #[test]
        fn sockets_arrive_as_3_4_5_in_their_order() {
            let files: Vec<_> = (0..4).map(|number| file_with(&number.to_string())).collect();
            let mut request = shell("cat <&3; cat <&4; cat <&5; cat <&6");
            request.sockets = files.iter().map(File::as_fd).collect();
            assert_eq!(output_of(request), "0123");
        }

        #[test]
        fn sources_that_are_targets_themselves_are_not_mixed_up() {
            // All orders of the lowest free numbers and the standard ones, the
            // same one twice included.
            let files: Vec<_> = (0..3).map(|number| file_with(&number.to_string())).collect();
            for order in [[2, 1, 0], [1, 2, 0], [0, 0, 1], [2, 0, 2]] {
                let mut request = shell("cat /dev/fd/3 /dev/fd/4 /dev/fd/5");
                request.sockets = order.iter().map(|&index| files[index].as_fd()).collect();
                assert_eq!(output_of(request), order.map(|index| index.to_string()).concat());
            }
        }

        /// The test binary runs itself, so that numbers 3 to 6 are certainly its own.
        #[test]
        fn sources_at_3_to_5_arrive_in_the_asked_order() {
            const MARK: &str = "NARAE_TEST_OVERLAP";
            if std::env::var_os(MARK).is_some() {
                let taken: Vec<_> =
                    (3..6).map(|number| super::super::super::inherit::take(number).unwrap()).collect();
                let mut request = shell("cat /dev/fd/3 /dev/fd/4 /dev/fd/5; ls /proc/self/fd | wc -l");
                request.sockets = [2, 0, 1].map(|index: usize| taken[index].as_fd()).into();
                let child = spawn(&request).unwrap();
                assert_eq!(child.wait_for_test(), 0);
                return;
            }
            let files: Vec<_> = ["<a>", "<b>", "<c>"].map(file_with).into();
            let mut request = shell("");
            request.program = Program::Path(std::env::current_exe().unwrap());
            request.arguments =
                ["test", "sources_at_3_to_5", "--nocapture", "--test-threads=1"].map(Into::into).into();
            request.environment.push((MARK.into(), "1".into()));
            request.sockets = files.iter().map(File::as_fd).collect();
            let text = output_of(request);
            // 0, 1, 2, three sockets, and the one with which `ls` reads the folder.
            assert!(text.contains("<c><a><b>7\n"), "{text}");
        }

        #[test]
        fn nothing_else_is_inherited_not_even_what_lacks_close_on_exec() {
            let (stray, _other) = io::pipe().unwrap();
            let _stray = without_close_on_exec(&stray, 40);
            let file = file_with("x");
            let mut request = shell("echo $(ls /proc/self/fd)");
            request.sockets = vec![file.as_fd()];
            // The last one is that with which `ls` reads the folder.
            assert_eq!(output_of(request), "0 1 2 3 4\n");
        }

        #[test]
        fn standard_output_and_error_go_where_asked_and_input_is_empty() {
            let (read, write) = io::pipe().unwrap();
            let (read_error, write_error) = io::pipe().unwrap();
            let mut request = shell("cat; echo out; echo err >&2");
            request.stdout = Some(write.as_fd());
            request.stderr = Some(write_error.as_fd());
            let child = spawn(&request).unwrap();
            drop((write, write_error));
            assert_eq!((read_all(read), read_all(read_error)), ("out\n".to_owned(), "err\n".to_owned()));
            assert_eq!(child.wait_for_test(), 0);
        }

        #[test]
        fn many_starts_leave_no_descriptor_behind() {
            let mine = || fs::read_dir("/proc/self/fd").unwrap().count();
            const MARK: &str = "NARAE_TEST_LEAK";
            if std::env::var_os(MARK).is_some() {
                let before = mine();
                for script in ["exit 0", "exit 1"] {
                    spawn(&shell(script)).unwrap().wait_for_test();
                    let mut missing = shell("");
                    missing.program = Program::Path("/no/such".into());
                    spawn(&missing).unwrap_err();
                }
                assert_eq!(mine(), before);
                return;
            }
            let mut request = shell("");
            request.program = Program::Path(std::env::current_exe().unwrap());
            request.arguments = ["test", "many_starts_leave", "--test-threads=1"].map(Into::into).into();
            request.environment.push((MARK.into(), "1".into()));
            let text = output_of(request);
            assert!(text.contains("1 passed"), "{text}");
        }

        fn file_with(text: &str) -> File {
            let path = tempfile::NamedTempFile::new().unwrap();
            fs::write(path.path(), text).unwrap();
            path.reopen().unwrap()
        }
    }

    mod environment {
        use super::*;

        #[test]
        fn listen_pid_is_the_id_of_the_new_process() {
            let (read, write) = io::pipe().unwrap();
            let mut request = shell("echo $$ $LISTEN_PID");
            request.set_listen_pid = true;
            request.stdout = Some(write.as_fd());
            let child = spawn(&request).unwrap();
            drop(write);
            let pid = child.pid.as_raw_nonzero();
            assert_eq!(read_all(read), format!("{pid} {pid}\n"));
            assert_eq!(child.wait_for_test(), 0);
        }

        #[test]
        fn nothing_but_what_was_given_is_in_it() {
            let mut request = shell("");
            request.program = Program::Path(
                ["/usr/bin/env", "/bin/env"]
                    .map(PathBuf::from)
                    .into_iter()
                    .find(|path| path.exists())
                    .unwrap(),
            );
            request.arguments = vec!["env".into()];
            request.environment = vec![("A".into(), "1 = 2".into()), ("B".into(), "".into())];
            assert_eq!(output_of(request), "A=1 = 2\nB=\n");
        }

        #[test]
        fn listen_pid_twice_is_refused() {
            let mut request = shell("");
            request.set_listen_pid = true;
            request.environment.push(("LISTEN_PID".into(), "1".into()));
            assert_eq!(spawn(&request).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }

        #[test]
        fn numbers_of_any_length_are_written_in_full() {
            for number in [0, 7, 10, 99, 100, 4_194_304, u32::MAX] {
                let mut room = [b'x'; 11];
                write_decimal(number, &mut room);
                let text = std::ffi::CStr::from_bytes_until_nul(&room).unwrap();
                assert_eq!(text.to_str().unwrap(), number.to_string());
            }
        }
    }

    mod state {
        use super::*;

        fn status_of(request: Spawn<'_>) -> BTreeMap<String, String> {
            let text = output_of(request);
            let pair = |line: &str| {
                line.split_once(':').map(|(key, value)| (key.to_owned(), value.trim().to_owned()))
            };
            text.lines().filter_map(pair).collect()
        }

        /// Without a shell: some clear their signal mask.
        fn cat_status() -> Spawn<'static> {
            let mut request = shell("");
            request.program = Program::Path("/bin/cat".into());
            request.arguments = ["cat", "/proc/self/status"].map(Into::into).into();
            request
        }

        #[test]
        fn no_signal_is_blocked_or_ignored_whatever_the_parent_does() {
            let _signals =
                super::super::super::signals::Signals::block(&[libc::SIGTERM, libc::SIGCHLD]).unwrap();
            let status = status_of(cat_status());
            for key in ["SigBlk", "SigIgn", "SigCgt"] {
                // The C library keeps 32 and 33 for itself, and lets nobody change them.
                let signals = u64::from_str_radix(&status[key], 16).unwrap() & !(0b11 << 31);
                assert_eq!(signals, 0, "{key}");
            }
            let still_blocked = fs::read_to_string("/proc/thread-self/status").unwrap();
            assert!(
                still_blocked.lines().any(|line| line == format!("SigBlk:\t{:016x}", (1 << 14) | (1 << 16)))
            );
        }

        #[test]
        fn no_new_privs_is_set_when_asked() {
            let mut request = cat_status();
            assert_eq!(status_of(cat_status())["NoNewPrivs"], "0");
            request.no_new_privs = true;
            assert_eq!(status_of(request)["NoNewPrivs"], "1");
        }

        #[test]
        fn it_runs_on_its_core_only() {
            let core = *crate::placement::affinity().last().unwrap();
            let mut request = cat_status();
            request.core = Some(core);
            assert_eq!(status_of(request)["Cpus_allowed_list"], core.to_string());
        }

        #[test]
        fn a_core_that_does_not_exist_is_an_error() {
            for core in [CpuSet::MAX_CPU - 1, CpuSet::MAX_CPU, usize::MAX] {
                let mut request = shell("");
                request.core = Some(core);
                let error = spawn(&request).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
                assert!(error.to_string().contains("core"), "{error}");
            }
        }

        #[test]
        fn it_leads_its_own_process_group() {
            let (read, write) = io::pipe().unwrap();
            let mut request = shell("read line");
            request.stdin_null = false;
            request.sockets = vec![read.as_fd()];
            request.arguments[2] = "read line <&3".into();
            let child = spawn(&request).unwrap();
            assert_eq!(rustix::process::getpgid(Some(child.pid)).unwrap(), child.pid);
            drop(write);
            assert_eq!(child.wait_for_test(), 1);
        }

        #[test]
        fn its_exit_makes_the_descriptor_readable() {
            use rustix::event::{PollFd, PollFlags, poll};
            let child = spawn(&shell("kill -KILL $$")).unwrap();
            poll(&mut [PollFd::new(&child.pidfd, PollFlags::IN)], None).unwrap();
            assert_eq!(child.wait_for_test(), 128 + libc::SIGKILL);
        }
    }

    mod program {
        use super::*;

        #[test]
        fn what_cannot_be_executed_is_named_and_leaves_no_process() {
            let folder = tempfile::tempdir().unwrap();
            let plain = folder.path().join("plain");
            fs::write(&plain, "text").unwrap();
            let broken = folder.path().join("broken");
            fs::write(&broken, "\x7fELF, not really").unwrap();
            fs::set_permissions(&broken, fs::Permissions::from_mode(0o755)).unwrap();
            for (path, expected) in [
                (folder.path().join("missing"), Errno::NOENT),
                (plain, Errno::ACCESS),
                (broken, Errno::NOEXEC),
                (folder.path().to_owned(), Errno::ACCESS),
            ] {
                let mut request = shell("");
                request.program = Program::Path(path.clone());
                let error = spawn(&request).unwrap_err();
                assert_eq!(error.kind(), io::Error::from(expected).kind());
                let expected = format!("cannot execute {}: {}", path.display(), io::Error::from(expected));
                assert_eq!(error.to_string(), expected);
            }
        }

        #[test]
        fn an_open_program_runs_after_its_file_was_replaced() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("program");
            fs::copy("/bin/sh", &path).unwrap();
            let open = File::open(&path).unwrap();
            fs::remove_file(&path).unwrap();
            fs::write(&path, "another one").unwrap();
            let sockets = [io::pipe().unwrap(), io::pipe().unwrap()];
            let mut request = shell("echo still $LISTEN_PID");
            request.program = Program::Descriptor(open.as_fd());
            request.set_listen_pid = true;
            // More sockets than the descriptor's own number, so that it would be overwritten.
            request.sockets = (0..60).map(|index| sockets[index % 2].0.as_fd()).collect();
            assert!(output_of(request).starts_with("still "));
        }

        #[test]
        fn an_open_file_that_is_no_program_is_an_error() {
            let file = tempfile::tempfile().unwrap();
            let mut request = shell("");
            request.program = Program::Descriptor(file.as_fd());
            let error = spawn(&request).unwrap_err();
            assert!(error.to_string().contains("cannot execute the open file"), "{error}");
        }
    }
}
