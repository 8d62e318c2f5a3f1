"""The machine: what processes used of it, what it is, and which core is whose.

In: process ids. Out: nanoseconds, bytes, versions. Knows neither contenders nor loads. Linux with `schedstat`.
"""

import os
import platform
import re
import resource
import shutil
import socket
import subprocess
import time
from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent
TOP = BENCH.parent
PEERS = BENCH / "peers"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", TOP / "target")) / "release"
PEERS_TARGET = Path(os.environ.get("CARGO_TARGET_DIR", PEERS / "target")) / "release"
LOAD_CORE, SERVER_CORE = 0, 1
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


class Failed(Exception):
    """The measurement is worth nothing; the message says why."""


def family(pid):
    """The process and all its descendants."""
    pids, queue = [], [pid]
    while queue:
        pid = queue.pop()
        pids.append(pid)
        for task in Path(f"/proc/{pid}/task").iterdir():
            queue += [int(child) for child in (task / "children").read_text().split()]
    return pids


def on_cpu(pid):
    """Nanoseconds on a CPU so far, by thread, of a process and its descendants."""
    return {
        (member, int(task.name)): int((task / "schedstat").read_text().split()[0])
        for member in family(pid)
        for task in Path(f"/proc/{member}/task").iterdir()
    }


def spent(before, after):
    """Nanoseconds between two readings. Threads may begin between them; one that ends takes its time along."""
    if gone := before.keys() - after.keys():
        raise Failed(f"{len(gone)} threads of the server ended while it was measured; their time is lost")
    return sum(time - before.get(thread, 0) for thread, time in after.items())


def busy():
    """Seconds that all CPUs were not idle, stolen time included."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
    idle, waiting = fields[3], fields[4]
    return (sum(fields) - idle - waiting) / TICKS


def of_children():
    """Seconds on a CPU of the children that have ended: the load generators."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def resident(pid):
    """Bytes that are resident, of a process and its descendants."""
    return sum(int(Path(f"/proc/{member}/statm").read_text().split()[1]) * PAGE for member in family(pid))


def proportional(pid):
    """Bytes of a process and its descendants, what they share counted once (PSS)."""
    total = 0
    for member in family(pid):
        rollup = Path(f"/proc/{member}/smaps_rollup").read_text()
        total += int(re.search(r"^Pss:\s+(\d+) kB$", rollup, re.MULTILINE)[1]) * 1024
    return total


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, process=None):
    deadline = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process is not None and process.poll() is not None:
                raise Failed(f"it ended with {process.returncode}") from None
            if time.monotonic() > deadline:
                raise Failed(f"nothing answers at port {port}") from None
            time.sleep(0.02)


def pinned(core, command):
    """The command, on this core alone; on every core if it is `None`."""
    words = [str(word) for word in command]
    return words if core is None else ["taskset", "-c", str(core), *words]


def check_machine(tools, descriptors=20000):
    """Everything that a run needs of the machine is there; raises the limit of descriptors as far as it may."""
    for tool, package in tools.items():
        if not shutil.which(tool):
            raise Failed(f"{tool} is missing: apt-get install -y {package}")
    if not {LOAD_CORE, SERVER_CORE} <= os.sched_getaffinity(0):
        raise Failed(f"cores {LOAD_CORE} and {SERVER_CORE} are needed, one for the load and one for the server")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = descriptors if hard == resource.RLIM_INFINITY else min(hard, descriptors)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def told_by(command):
    """The first version that a program tells of itself."""
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return "?"
    version = re.search(r"\d+(\.\d+)+", run.stdout + run.stderr)
    return version[0] if version else "?"


def described():
    """What this machine is."""
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s+(\d+) kB$", Path("/proc/meminfo").read_text(), re.MULTILINE)
    system = re.search(r'^PRETTY_NAME="(.*)"$', Path("/etc/os-release").read_text(), re.MULTILINE)
    return {
        "processor": model[1] if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(memory[1]) / 2**20, 1),
        "system": system[1] if system else platform.system(),
        "kernel": platform.release(),
        "load": os.getloadavg(),
    }
