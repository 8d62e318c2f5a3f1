"""The stores that sessions are kept in, with their defaults, each on a port of its own.

Out: an address, and a process whose CPU time is counted apart.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from machine import Failed, free_port, wait_for


class Redis:
    def __enter__(self):
        self.folder, self.port = tempfile.TemporaryDirectory(), free_port()
        command = ["redis-server", "--port", str(self.port), "--dir", self.folder.name, "--save", ""]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_for(self.port, self.process)
        self.address = f"redis://127.0.0.1:{self.port}"
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()


class Postgres:
    def __enter__(self):
        self.folder, self.port = tempfile.TemporaryDirectory(), free_port()
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        if not programs:
            raise Failed("PostgreSQL is missing: apt-get install -y postgresql")
        become = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.getuid() == 0 else []
        if become:
            shutil.chown(self.folder.name, "nobody", "nogroup")
        data = f"{self.folder.name}/data"
        init = [*become, str(programs[-1] / "initdb"), "-D", data, "-U", "narae", "-A", "trust"]
        subprocess.run(init, check=True, stdout=subprocess.DEVNULL)
        serve = [*become, str(programs[-1] / "postgres"), "-D", data, "-p", str(self.port), "-k", self.folder.name]
        self.process = subprocess.Popen(serve, stderr=subprocess.DEVNULL)
        wait_for(self.port, self.process)
        self.address = f"postgres://narae@127.0.0.1:{self.port}/postgres"
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()


KINDS = {"redis": Redis, "postgres": Postgres}
