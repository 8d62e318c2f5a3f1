//! On how many cores, and on which, this process may run.
//!
//! In: the affinity mask and the CPU quota of the process's control groups
//! (cgroups(7)), versions 1 and 2. Out: numbers. Decides nothing.

use std::fs;
use std::path::{Component, Path, PathBuf};

use rustix::thread::{CpuSet, sched_getaffinity};

/// How many cores' worth of time this process may use, at least 1.
///
/// The cores of its affinity mask, or less if a CPU quota of its control
/// group or of one above allows less; a quota of 1.5 cores counts as 2.
#[must_use]
pub fn cores() -> usize {
    let allowed = affinity().len();
    let read = |path: &Path| fs::read_to_string(path).ok();
    let groups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let mounts = read(Path::new("/proc/self/mountinfo")).unwrap_or_default();
    quota(&groups, &mounts, read).map_or(allowed, |quota| quota.min(allowed)).max(1)
}

/// The numbers of the cores in this thread's affinity mask, in order; at least one.
#[must_use]
pub fn affinity() -> Vec<usize> {
    let cores: Vec<_> = sched_getaffinity(None)
        .map(|set| (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect())
        .unwrap_or_default();
    if !cores.is_empty() {
        return cores;
    }
    // The mask is longer than the type: a machine with more than 1024 cores.
    (0..std::thread::available_parallelism().map_or(1, usize::from)).collect()
}

/// The smallest quota, in cores and rounded up, that holds for the groups
/// named in `groups` (`/proc/self/cgroup`) as seen through `mounts`
/// (`/proc/self/mountinfo`); none if there is none.
fn quota(groups: &str, mounts: &str, read: impl Fn(&Path) -> Option<String>) -> Option<usize> {
    let mounts: Vec<_> = mounts.lines().filter_map(Mount::parse).collect();
    let mut quotas = Vec::new();
    for line in groups.lines() {
        let Some((controllers, group)) = parse_group(line) else { continue };
        let is_second_version = controllers.is_empty();
        if !is_second_version && !controllers.split(',').any(|name| name == "cpu") {
            continue;
        }
        let mount = mounts.iter().find(|mount| match &mount.controllers {
            None => is_second_version,
            Some(mounted) => !is_second_version && mounted.split(',').any(|name| name == "cpu"),
        });
        let Some(mount) = mount else { continue };
        for folder in mount.folders(group) {
            quotas.extend(if is_second_version {
                read(&folder.join("cpu.max")).as_deref().and_then(parse_cpu_max)
            } else {
                let read = |name| read(&folder.join(name));
                read("cpu.cfs_quota_us")
                    .zip(read("cpu.cfs_period_us"))
                    .and_then(|(quota, period)| cores_of(quota.trim(), period.trim()))
            });
        }
    }
    quotas.into_iter().min()
}

/// `0::/system.slice/x.service` or `4:cpu,cpuacct:/docker/x`: the controllers, none in version 2, and the group.
fn parse_group(line: &str) -> Option<(&str, &Path)> {
    let mut fields = line.splitn(3, ':');
    let (_hierarchy, controllers, group) = (fields.next()?, fields.next()?, fields.next()?);
    Some((controllers, Path::new(group)))
}

/// A mounted hierarchy of control groups.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    controllers: Option<String>, // none in version 2
    root: PathBuf,               // the group that is seen at `point`
    point: PathBuf,
}

impl Mount {
    /// A line of proc_pid_mountinfo(5): `id parent device root point options … - type source super-options`.
    fn parse(line: &str) -> Option<Self> {
        let (mount, system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let (root, point) = (mount.next()?, mount.next()?);
        let mut system = system.split(' ');
        let (kind, _source, options) = (system.next()?, system.next()?, system.next()?);
        let controllers = match kind {
            "cgroup2" => None,
            "cgroup" => Some(options.to_owned()),
            _ => return None,
        };
        // Spaces in paths are written as \040, but control groups have none in practice.
        Some(Self { controllers, root: root.into(), point: point.into() })
    }

    /// The folders of `group` and of all above it, as far as they are seen here.
    fn folders(&self, group: &Path) -> Vec<PathBuf> {
        // In a container, the group may be named as the host sees it while
        // only its own part is mounted, or lie outside: then the mount's top is what counts.
        let below = group.strip_prefix(&self.root).unwrap_or(Path::new(""));
        let is_plain = below.components().all(|part| matches!(part, Component::Normal(_)));
        let below = if is_plain { below } else { Path::new("") };
        below.ancestors().map(|part| self.point.join(part)).collect()
    }
}

/// The content of `cpu.max`: `max 100000` or `150000 100000`.
fn parse_cpu_max(text: &str) -> Option<usize> {
    let mut words = text.split_whitespace();
    cores_of(words.next()?, words.next().unwrap_or("100000"))
}

/// Microseconds of use per period, as whole cores; none for "no quota": `max`, -1 or anything else that is no number.
fn cores_of(quota: &str, period: &str) -> Option<usize> {
    let (quota, period) = (quota.parse::<u64>().ok()?, period.parse::<u64>().ok()?);
    if quota == 0 || period == 0 {
        return None;
    }
    usize::try_from(quota.div_ceil(period)).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn check(groups: &str, mounts: &str, files: &[(&str, &str)], expected: Option<usize>) {
        let files: BTreeMap<_, _> = files.iter().map(|(path, text)| (PathBuf::from(path), *text)).collect();
        let read = |path: &Path| files.get(path).map(|text| (*text).to_owned());
        assert_eq!(quota(groups, mounts, read), expected);
    }

    #[test]
    fn quotas_are_rounded_up_to_whole_cores() {
        for (text, expected) in [
            ("max 100000\n", None),
            ("100000 100000\n", Some(1)),
            ("150000 100000", Some(2)),
            ("1000 100000", Some(1)),
            ("400000 100000", Some(4)),
            ("250000", Some(3)),
            ("50000 25000", Some(2)),
            ("0 100000", None),
            ("100000 0", None),
            ("-1 100000", None),
            ("", None),
            ("99999999999999999999999 1", None),
            ("x y", None),
        ] {
            assert_eq!(parse_cpu_max(text), expected, "{text:?}");
        }
    }

    mod version_2 {
        use super::*;

        const MOUNTS: &str = "\
24 1 0:22 / /proc rw,nosuid shared:12 - proc proc rw
31 23 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate
short line
";

        #[test]
        fn the_smallest_quota_on_the_way_up_holds() {
            let own = ("/sys/fs/cgroup/a/b/cpu.max", "400000 100000");
            let above = ("/sys/fs/cgroup/a/cpu.max", "250000 100000");
            let elsewhere = ("/sys/fs/cgroup/c/cpu.max", "100000 100000");
            check("0::/a/b\n", MOUNTS, &[own, above, elsewhere], Some(3));
            check("0::/a/b\n", MOUNTS, &[own, elsewhere], Some(4));
            check("0::/a/b\n", MOUNTS, &[elsewhere], None);
            check("0::/\n", MOUNTS, &[("/sys/fs/cgroup/cpu.max", "200000 100000")], Some(2));
        }

        #[test]
        fn a_group_outside_what_is_mounted_counts_as_its_top() {
            let top = ("/sys/fs/cgroup/cpu.max", "200000 100000");
            check("0::/../other\n", MOUNTS, &[top], Some(2));
            let part = "31 23 0:27 /docker/x /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
            check("0::/docker/x\n", part, &[top], Some(2));
            check("0::/docker/x/y\n", part, &[("/sys/fs/cgroup/y/cpu.max", "300000 100000")], Some(3));
            check("0::/elsewhere\n", part, &[top], Some(2));
        }

        #[test]
        fn what_cannot_be_read_is_no_quota() {
            check("", MOUNTS, &[], None);
            check("0::/a", "", &[], None);
            check("nonsense\n:\n::\n\u{0}", MOUNTS, &[], None);
        }
    }

    mod version_1 {
        use super::*;

        const GROUPS: &str = "5:memory:/m\n4:cpu,cpuacct:/docker/x\n1:name=systemd:/s\n";
        const MOUNTS: &str = "\
30 25 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
33 25 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:15 - cgroup cgroup rw,cpu,cpuacct
";

        #[test]
        fn quota_and_period_are_in_two_files() {
            let own = |quota| {
                [
                    ("/sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us", quota),
                    ("/sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_period_us", "100000\n"),
                    ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n"),
                    ("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
                ]
            };
            check(GROUPS, MOUNTS, &own("150000\n"), Some(2));
            check(GROUPS, MOUNTS, &own("-1\n"), None);
            check(GROUPS, MOUNTS, &own("150000\n")[..1], None);
        }

        #[test]
        fn beside_version_2_the_controller_decides() {
            let groups = "4:cpu:/a\n0::/b\n";
            let mounts = "\
33 25 0:29 / /v1 rw - cgroup cgroup rw,cpu
34 25 0:30 / /v2 rw - cgroup2 cgroup2 rw
";
            let files = [("/v1/a/cpu.cfs_quota_us", "300000"), ("/v1/a/cpu.cfs_period_us", "100000")];
            check(groups, mounts, &files, Some(3));
        }
    }

    mod this_process {
        use super::*;

        #[test]
        fn has_between_one_core_and_all_of_its_mask() {
            let affinity = affinity();
            assert!(affinity.is_sorted() && !affinity.is_empty());
            assert!((1..=affinity.len()).contains(&cores()));
        }

        #[test]
        fn has_fewer_cores_when_its_mask_is_narrowed() {
            // The mask is the thread's, and this thread ends here.
            let narrowed = std::thread::spawn(|| {
                let core = affinity()[0];
                let mut set = CpuSet::new();
                set.set(core);
                rustix::thread::sched_setaffinity(None, &set).unwrap();
                (affinity() == [core], cores())
            });
            assert_eq!(narrowed.join().unwrap(), (true, 1));
        }
    }
}
