"""`python -m audiolab.runs.notebooks FOLDER`: execute a prepared batch run, until standard input closes."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading


def main() -> int:
    """Execute the run in the folder that is named; 0 if it is done, 1 if not, 130 if it was stopped."""
    from audiolab.errors import AudiolabError
    from audiolab.runs.notebooks.once import go_on

    def watch() -> None:
        with contextlib.suppress(OSError):
            sys.stdin.buffer.read()
        os.kill(os.getpid(), signal.SIGINT)  # who started this is gone, or wants an end

    def say(line: str) -> None:
        with contextlib.suppress(OSError):  # nobody may be listening any more
            print(line, file=sys.stderr, flush=True)

    # A shell's background jobs are born deaf to SIGINT, and so are their children: this one could not be stopped.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=watch, daemon=True).start()
    try:
        return 0 if go_on(sys.argv[1], mlflow=False, tell=say).status == "done" else 1
    except AudiolabError as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("stopped")
        return 130


if __name__ == "__main__":
    sys.exit(main())
