"""`bnexp` as a process of its own, which is also `python -m bnexp`."""

from __future__ import annotations

import signal
from typing import NoReturn

from bnexp import interrupt


def main() -> NoReturn:
    """Run the command that was typed and exit, in a line also when interrupted before it has begun."""
    for number in interrupt.SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt.leave)
    try:
        from bnexp import cli, console

        console.settle()
        cli.main()
    finally:
        for number in interrupt.SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # it is done: nothing is to change its exit code


if __name__ == "__main__":
    import os
    import sys
    from pathlib import Path

    if not sys.flags.safe_path:  # the current folder is first, where a user's statistics.py would hide Python's
        folder = sys.path.pop(0)
        sys.path.append(folder)
        if Path(folder) == Path(__file__).parent.parent:  # a source tree: workers must find it, too
            os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, os.environ.get("PYTHONPATH")]))

    main()
