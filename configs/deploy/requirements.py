"""Print what audiolab needs, read from pyproject.toml: the image installs it before audiolab itself, in a layer of its own.

    python requirements.py cpu|gpu [pyproject.toml]

`cpu`: everything that a user needs (the extra `all` without `test` and `lint`). `gpu`: dask-cuda, too.
"""

import re
import sys
import tomllib
from pathlib import Path

NOT_FOR_USERS = {"test", "lint"}


def requirements(project: dict, extras: str) -> list[str]:
    """Give the requirements of the project and of its extras, without references to itself."""
    optional = project["optional-dependencies"]
    wanted = set()
    for line in optional["all"]:
        named = re.fullmatch(rf"{project['name']}\[(.+)\]", line)
        if named is None:
            raise SystemExit(f"the extra `all` holds {line!r}; expected {project['name']}[...] only")
        wanted |= {name.strip() for name in named[1].split(",")}
    wanted -= NOT_FOR_USERS
    if extras == "gpu":
        wanted.add("gpu")
    elif extras != "cpu":
        raise SystemExit(f"EXTRAS is {extras!r}; say cpu or gpu")
    lines = [*project["dependencies"], *(line for name in sorted(wanted) for line in optional[name])]
    return list(dict.fromkeys(lines))


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    path = Path(sys.argv[2] if len(sys.argv) == 3 else "pyproject.toml")
    print("\n".join(requirements(tomllib.loads(path.read_text(encoding="utf-8"))["project"], sys.argv[1])))
