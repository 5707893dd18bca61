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
    main()
