//! [`Need`]: a program that a command needs, and how to get it.
//!
//! In: what is missing. Out: commands that install it, run in order, or a
//! message that says what to install. Knows Debian's packages; on other
//! systems it installs nothing. `test` and `bench` say what they need.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Something that a command needs.
pub(crate) struct Need<F: 'static> {
    pub(crate) name: &'static str,
    pub(crate) why: &'static str,
    pub(crate) packages: &'static [&'static str],
    /// What the system starts with the packages: the command starts its own.
    pub(crate) service: Option<&'static str>,
    pub(crate) is_there: fn(&F) -> bool,
}

/// How this machine installs packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Installer {
    None,
    AptAsRoot,
    AptBySudo,
    /// There is apt, but neither root nor sudo.
    AptForbidden,
}

/// What to do about what is missing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    Nothing,
    /// Commands in order.
    Run(Vec<Vec<String>>),
    /// A person must do it; the message says what.
    Ask(String),
}

/// Installs what is `missing`, after saying for whom and why; does nothing if nothing is.
///
/// # Errors
/// What a person must install, or the command that failed.
pub(crate) fn get<F>(who: &str, missing: &[&Need<F>], install: bool) -> Result<(), String> {
    if missing.is_empty() {
        return Ok(());
    }
    println!("{who} programs that are not here:");
    for need in missing {
        println!("  {:<12} {}", need.name, need.why);
    }
    let installer = if install { Installer::of_this_machine() } else { Installer::None };
    match plan(missing, installer) {
        Plan::Nothing => Ok(()),
        Plan::Ask(message) => Err(message),
        Plan::Run(commands) => commands.iter().try_for_each(|words| run(words)),
    }
}

impl Installer {
    pub(crate) fn of_this_machine() -> Self {
        let is_root = output(Command::new("id").arg("-u")).is_some_and(|id| id.trim() == "0");
        match (in_path(&["apt-get"]), is_root, in_path(&["sudo"])) {
            (None, _, _) => Self::None,
            (Some(_), true, _) => Self::AptAsRoot,
            (Some(_), false, Some(_)) => Self::AptBySudo,
            (Some(_), false, None) => Self::AptForbidden,
        }
    }
}

/// How `installer` gets what is `missing`.
pub(crate) fn plan<F>(missing: &[&Need<F>], installer: Installer) -> Plan {
    if missing.is_empty() {
        return Plan::Nothing;
    }
    let packages: Vec<&str> = missing.iter().flat_map(|need| need.packages).copied().collect();
    let prefix: &[&str] = match installer {
        Installer::AptAsRoot => &["env"],
        Installer::AptBySudo => &["sudo", "env"],
        Installer::None | Installer::AptForbidden => {
            let packages = packages.join(" ");
            return Plan::Ask(format!(
                "install them and run this again; on Debian, as root:\n  \
                 apt-get update && apt-get install -y --no-install-recommends {packages}"
            ));
        }
    };
    let command = |start: &[&str], words: &[&str]| -> Vec<String> {
        prefix.iter().chain(start).chain(words).map(|&word| word.to_owned()).collect()
    };
    let apt = ["DEBIAN_FRONTEND=noninteractive", "apt-get"];
    let install = [&["install", "-y", "--no-install-recommends"], packages.as_slice()].concat();
    let mut commands = vec![command(&apt, &["update"]), command(&apt, &install)];
    for service in missing.iter().filter_map(|need| need.service) {
        commands.push(command(&["service"], &[service, "stop"]));
        commands.push(command(&["update-rc.d"], &[service, "disable"]));
    }
    Plan::Run(commands)
}

pub(crate) fn run(words: &[String]) -> Result<(), String> {
    let Some((program, arguments)) = words.split_first() else { return Ok(()) };
    let line = words.join(" ");
    println!("+ {line}");
    let status = Command::new(program).args(arguments).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{line}: {status}")),
        Err(error) => Err(format!("{line}: {error}")),
    }
}

/// The standard output of a command that succeeded.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The first of `names` that is a program in PATH.
pub(crate) fn in_path(names: &[&str]) -> Option<PathBuf> {
    let folders: Vec<PathBuf> = std::env::split_paths(&std::env::var_os("PATH")?).collect();
    let programs = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    programs.filter_map(|path| std::path::absolute(path).ok()).find(|path| is_program(path))
}

/// Whether a program is in one of the folders of `folder`, each of which is a version.
pub(crate) fn has_versioned(folder: &Path, program: &str) -> bool {
    let versions = folder.read_dir().into_iter().flatten().flatten();
    versions.into_iter().any(|version| is_program(&version.path().join(program)))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}
