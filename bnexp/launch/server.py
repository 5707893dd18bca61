"""What the server of the workers imports, it alone: all that they need, so that they are ready in milliseconds."""

from __future__ import annotations

import atexit
import os
import shutil

from bnexp.launch import pool
from bnexp.launch import trial as trial
from bnexp.launch import worker as worker

# The command removes it, unless it was killed; the server outlives it.
atexit.register(shutil.rmtree, os.environ[pool.FOLDER], ignore_errors=True)
