"""The place where servers run: a folder with files, a certificate, bodies, and room for what servers write.

In: a folder. Out: paths. The files are the same in every run; no two copies are alike.
"""

import json
import os
import random
import subprocess
import urllib.parse
from pathlib import Path

from loads import OPENSSL
from machine import Failed

SIZES = {"1k": 1 << 10, "10k": 10 << 10, "100k": 100 << 10, "1m": 1 << 20}
LONG_AGO = 1_700_000_000
WORDS = "a file is sent whole or in parts and each part says where it belongs so that nobody waits for the rest".split()
PERSON = {"name": "Ada Lovelace", "email": "ada@example.com", "text": " ".join(WORDS * 9)[:900]}


class Place:
    def __init__(self, folder):
        self.folder = Path(folder)
        # nginx and h2o do not serve as root.
        self.folder.chmod(0o755)
        self.root, self.paths = self.folder / "root", {}
        self.root.mkdir()
        self.certificate, self.key = self.folder / "certificate.pem", self.folder / "key.pem"
        command = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-days", "30"]
        command += ["-keyout", str(self.key), "-out", str(self.certificate)]
        made = subprocess.run(command, capture_output=True, text=True)
        if made.returncode != 0:
            raise Failed(f"openssl made no certificate:\n{made.stderr}")
        self.openssl = self.folder / "openssl.cnf"
        self.openssl.write_text(OPENSSL)
        self.form, self.json = self.folder / "body.form", self.folder / "body.json"
        self.form.write_text(urllib.parse.urlencode(PERSON))
        self.json.write_text(json.dumps(PERSON))
        self.write("/index.html", b"Hello, World!")

    def write_files(self, sizes=tuple(SIZES), copies=1, extension="bin"):
        for size in sizes:
            self.paths[size] = [f"/{size}-{copy}.{extension}" for copy in range(copies)]
            for path in self.paths[size]:
                self.write(path, content(SIZES[size], path))
            self.list_paths(size)

    def write(self, path, *parts, hole=0):
        """Writes a file of long ago: of one that has just changed, a server may keep nothing."""
        with open(self.root / path[1:], "wb") as file:
            for part in parts:
                file.write(part)
            file.truncate(file.tell() + hole)
        os.utime(self.root / path[1:], (LONG_AGO, LONG_AGO))

    def list_paths(self, name):
        """Writes the list of paths for wrk."""
        self.list_of(name).write_text("\n".join(self.paths[name]) + "\n")

    def list_of(self, name):
        return self.folder / f"{name}.paths"


def content(size, path):
    """Bytes that follow from the path: such as do not compress in .bin, words in all others."""
    chance = random.Random(path)
    if path.endswith(".bin"):
        return chance.randbytes(size)
    return " ".join(chance.choices(WORDS, k=size // 2 + 1)).encode()[:size]
