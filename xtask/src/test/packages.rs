//! The npm packages of the tests: JavaScript clients, and the Express application of the session tests.
//!
//! In: the folder with their `package.json` and lock. Out: its `node_modules`,
//! as the lock says. Installs only if there is none or the lock is newer.

use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

/// Brings `node_modules` in `folder` up to date, if `install` allows it.
///
/// # Errors
/// What is missing, or how npm failed.
pub(super) fn ensure(folder: &Path, npm: &Path, install: bool) -> Result<(), String> {
    let lock = changed(&folder.join("package-lock.json"));
    let installed = changed(&folder.join(INSTALLED));
    if !is_stale(lock, installed) {
        return Ok(());
    }
    let folder_name = folder.display();
    if !install {
        return Err(format!("the tests' packages are missing: run \"npm ci\" in {folder_name}"));
    }
    println!("+ npm ci (in {folder_name}: the tests' packages)");
    let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    match Command::new(npm).args(arguments).current_dir(folder).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("npm ci in {folder_name}: {status}")),
        Err(error) => Err(format!("npm ci in {folder_name}: {error}")),
    }
}

/// Whether to install: there is a lock, and nothing as new as it.
fn is_stale(lock: Option<SystemTime>, installed: Option<SystemTime>) -> bool {
    match (lock, installed) {
        (Some(lock), Some(installed)) => installed < lock,
        (lock, None) => lock.is_some(),
        (None, Some(_)) => false,
    }
}

fn changed(path: &Path) -> Option<SystemTime> {
    path.metadata().ok()?.modified().ok()
}

/// What npm writes at the end of an installation.
const INSTALLED: &str = "node_modules/.package-lock.json";

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::{Duration, SystemTime};

    use super::super::NPM_FOLDERS;
    use super::super::needs::OLDEST_NODE;
    use super::is_stale;

    #[test]
    fn installs_when_nothing_is_there_or_the_lock_is_newer() {
        let early = SystemTime::UNIX_EPOCH;
        let late = early + Duration::from_secs(1);
        assert!(is_stale(Some(early), None));
        assert!(is_stale(Some(late), Some(early)));
        assert!(!is_stale(Some(early), Some(late)));
        assert!(!is_stale(Some(early), Some(early)));
        assert!(!is_stale(None, None));
    }

    /// What each package says of Node, in the lock: `"node": "^18.18.0 || >=20"`, the oldest first.
    #[test]
    fn every_package_does_with_the_oldest_node() {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
        for folder in NPM_FOLDERS {
            let lock = std::fs::read_to_string(top.join(folder).join("package-lock.json")).expect("a lock");
            let ranges = lock.lines().filter_map(|line| line.trim().strip_prefix("\"node\": \""));
            for range in ranges {
                let number = range.trim_start_matches(|before: char| !before.is_ascii_digit());
                let number = number.split(|after: char| !after.is_ascii_digit()).next();
                let major: u32 = number.and_then(|number| number.parse().ok()).expect("a version");
                assert!(major <= OLDEST_NODE, "a package in {folder} needs Node {range}");
            }
        }
    }
}
