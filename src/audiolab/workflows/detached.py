"""The rest of `song_to_kit` in a process of its own: `python -m audiolab.workflows.detached LIBRARY RUN KIT REPORT`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from audiolab.library import Library
from audiolab.runs import Run
from audiolab.workflows.kit import finish

__all__ = ["main"]


def main(arguments: Sequence[str]) -> int:
    """Drive a run to its end, export and report; empty places are left out. Gives the exit status."""
    path, run_id, kit, page = arguments
    with Library(path) as library:
        run = Run(library, run_id).resume()
        report = run.wait()
        sounds = [library.sound(sound_id) for sound_id in library.run_row(run_id).sound_ids]
        exported, written = finish(run, sounds, export_to=kit or None, report_to=page or None)
        for what, place in (("kit", exported), ("report", written)):
            if place is not None:
                print(f"{what:8} {place}", flush=True)
        print(report, flush=True)
        return 0 if report.status == "done" and not report.failed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
