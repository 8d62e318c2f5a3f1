"""The load generators: wrk, h2load, narae-load and narae-handshakes, pinned to core 0.

In: an address and how long. Out: a dict: requests, seconds, bytes, latency. Any error that a generator sees fails
the measurement: a server that fails requests is not cheap.
"""

import json
import math
import os
import re
import signal
import subprocess

from machine import BENCH, LOAD_CORE, TARGET, Failed, pinned

CIPHER = "TLS_AES_128_GCM_SHA256"  # what browsers ask for first
# For wrk, which has no option for it, h2load and curl: the same version of TLS and the same cipher for all.
OPENSSL = f"""\
openssl_conf = all
[all]
ssl_conf = tls
[tls]
system_default = defaults
[defaults]
MinProtocol = TLSv1.3
Ciphersuites = {CIPHER}
"""


def wrk(url, seconds, measured, connections=64, script="report.lua", openssl=None, **more):
    """Runs wrk with a script of bench/, which `more` tells things by its environment."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", BENCH / script, url]
    environment = dict(os.environ, REPORT_LUA=str(BENCH / "report.lua"), **more)
    if openssl:
        environment["OPENSSL_CONF"] = str(openssl)
    return run_wrk(pinned(LOAD_CORE, command), environment, measured)


def run_wrk(command, environment, measured):
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    numbers = re.search(r"^numbers: (.*)$", run.stdout, re.MULTILINE)
    if run.returncode != 0 or not numbers:
        raise Failed(f"wrk failed on {measured}:\n{run.stdout}{run.stderr}")
    requests, micros, size, *rest = (int(float(number)) for number in numbers[1].split())
    errors, latency = rest[:5], rest[5:]
    if any(errors) or not requests:
        raise Failed(f"{measured}: wrk saw errors:\n{run.stdout}")
    told = {"requests": requests, "seconds": micros / 1e6, "bytes": size}
    # With pipelining wrk does not know the upper ones, and says 0.
    quantiles = zip(("p50_micros", "p99_micros", "p999_micros"), latency)
    return {**told, **{key: micros for key, micros in quantiles if micros > 0}}


def h2load(url, measured, connections, streams, openssl, seconds=None, count=None):
    """For some seconds, or a number of requests: after that none is left half answered."""
    command = ["h2load", "-t1", f"-c{connections}", f"-m{streams}", "--tls13-ciphers", CIPHER, "--npn-list", "h2"]
    log = openssl.parent / "h2load.log"
    log.unlink(missing_ok=True)
    command += ["-n", str(count), "--log-file", log] if count else ["-D", str(seconds)]
    environment = dict(os.environ, OPENSSL_CONF=str(openssl))
    run = subprocess.run(pinned(LOAD_CORE, [*command, url]), capture_output=True, text=True, env=environment)
    told = numbers_of_h2load(run, measured)
    if count and told["requests"] != count:
        raise Failed(f"{measured}: {told['requests']} of {count} requests were made:\n{run.stdout}")
    if count and log.exists():
        micros = sorted(int(line.split("\t")[2]) for line in log.read_text().splitlines())
        told.update({key: quantile(micros, share) for key, share in QUANTILES.items()})
    return told


QUANTILES = {"p50_micros": 0.5, "p99_micros": 0.99, "p999_micros": 0.999}


def quantile(values, share):
    """The value, of these in order, that this share of them does not exceed."""
    return values[max(0, math.ceil(len(values) * share) - 1)]


def numbers_of_h2load(run, measured):
    requests = re.search(
        r"^requests: (\d+) total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout$",
        run.stdout,
        re.MULTILINE,
    )
    status = re.search(r"^status codes: (\d+) 2xx, 0 3xx, 0 4xx, 0 5xx$", run.stdout, re.MULTILINE)
    traffic = re.search(r"^traffic: \S+ \((\d+)\) total, .* \((\d+)\) data$", run.stdout, re.MULTILINE)
    time = re.search(r"^finished in ([\d.]+)(us|ms|s),", run.stdout, re.MULTILINE)
    agreed = all(f"\n{line}\n" in run.stdout for line in (f"Cipher: {CIPHER}", "Application protocol: h2"))
    if run.returncode != 0 or not (requests and status and traffic and time and agreed):
        raise Failed(f"h2load failed on {measured}:\n{run.stdout[-4000:]}{run.stderr}")
    total, done, succeeded, *errors = (int(number) for number in requests.groups())
    # When the time is over, some answers have begun: more status codes than requests that are done. Of large ones
    # none may be done.
    if any(errors) or not 0 <= total == done == succeeded <= int(status[1]):
        raise Failed(f"{measured}: h2load saw errors:\n{run.stdout[-4000:]}")
    took = float(time[1]) * {"us": 1e-6, "ms": 1e-3, "s": 1.0}[time[2]]
    return {"requests": total, "seconds": took, "bytes": int(traffic[1]), "body_bytes": int(traffic[2])}


def handshakes(port, seconds, measured, resumed):
    """New connections, one request on each."""
    command = [TARGET / "narae-handshakes", f"127.0.0.1:{port}", "--seconds", seconds]
    command += ["--resumed"] if resumed else []
    run = subprocess.run(pinned(LOAD_CORE, command), capture_output=True, text=True)
    if run.returncode != 0:
        raise Failed(f"narae-handshakes failed on {measured}:\n{run.stdout}{run.stderr}")
    return json.loads(run.stdout)


class OpenLoop:
    """narae-load at a fixed rate, from the start to `stop`."""

    def __init__(self, port, rate, connections=64, path="/", late="30s", timeout="30s", idle_share=0.1):
        command = [TARGET / "narae-load", f"http://127.0.0.1:{port}/", "--get", path, "--json", "--rate", rate]
        command += ["--connections", connections, "--seconds", "100000", "--late", late, "--timeout", timeout]
        command += ["--idle-share", idle_share]
        self.process = subprocess.Popen(pinned(LOAD_CORE, command), stdout=subprocess.PIPE, text=True)

    def stop(self):
        """Its summary, in which failures are counted; they are what is measured."""
        self.process.send_signal(signal.SIGINT)
        try:
            out, _ = self.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failed("narae-load did not end within a minute") from None
        return json.loads(out)


FAILURES = ["refused", "refused_ahead", "reset", "short", "wrong", "unsolicited", "timed_out", "late"]


def failed(summary):
    return sum(summary.get(kind, 0) for kind in FAILURES)
