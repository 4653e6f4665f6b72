"""``python -m stream`` is ``interestream``. Light: from its first moment on, a signal ends it as documented."""

import os
import signal
import sys
from types import FrameType

_STOPPED = 0
_INTERRUPTED = 130


def main() -> None:
    """Run the command line. Interrupted, a command ends with 130; a worker that is told to stop, with 0."""
    called = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), None)
    if called == "worker":
        # Until its event loop runs and has handlers of its own: importing and loading takes seconds.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _stop)
    try:
        from stream.commands import main as run

        run()
    except KeyboardInterrupt:  # while importing: the command line itself knows what to do
        sys.exit(_INTERRUPTED)


def _stop(_: int, __: FrameType | None) -> None:
    os._exit(_STOPPED)  # nothing has begun that would have to be ended


if __name__ == "__main__":
    main()
