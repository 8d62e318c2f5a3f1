"""What scripts beside the suite take from it. The measurements themselves are `cargo xtask bench`; see README.md.

In: nothing. Out: the names of suite/machine.py.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "suite"))

from machine import *  # noqa: E402, F403
from machine import Failed, family, free_port, wait_for  # noqa: E402, F401
