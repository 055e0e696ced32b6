"""What a notebook takes: read from its cell tagged `parameters`, and checked before anything starts.

The cell is read as Python, not by papermill's pattern, which passes over lines with two equal signs and types such as
`Path | None`. So a parameter that is there is never called unknown.
"""

from __future__ import annotations

import ast
import difflib
import io
import json
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiolab.errors import ParameterError
from audiolab.runs.notebooks.finding import find_notebook
from audiolab.runs.notebooks.kinds import type_from, type_of_value, value_of

__all__ = ["Parameter", "check_parameters", "declared_parameters", "read_texts"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a notebook.

    Attributes
    ----------
    name : str
        Its name.
    type : str
        As written, `list[str]`; without an annotation the type of the default.
    default : object
        Plain JSON; None also where the default is computed.
    required : bool
        True if the cell gives a type and no value.
    help : str
        The comment on its line.
    """

    name: str
    type: str
    default: Any
    required: bool
    help: str
    kind: Any = Any

    def to_dict(self) -> dict[str, Any]:
        """Give JSON."""
        return {
            "name": self.name,
            "type": self.type,
            "default": self.default,
            "required": self.required,
            "help": self.help,
        }


def declared_parameters(notebook: str | Path) -> dict[str, Parameter]:
    """Read what a notebook takes, in its order.

    Parameters
    ----------
    notebook : path-like
        See `find_notebook`.

    Returns
    -------
    dict
        Parameters by name; empty without a cell tagged `parameters`.

    Raises
    ------
    ParameterError
        If there is no such notebook, it is damaged, or its cell cannot be understood.
    """
    path = find_notebook(notebook)
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        sources = [
            "".join(cell["source"]) for cell in cells if "parameters" in cell.get("metadata", {}).get("tags", ())
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ParameterError(f"{path} is not a notebook, or is damaged: {type(error).__name__}: {error}") from error
    return _read_cell(sources[0], path.stem) if sources else {}


def _read_cell(source: str, notebook: str) -> dict[str, Parameter]:
    lines = ["" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines()]
    text = "\n".join(lines) + "\n"
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise ParameterError(
            f"notebook {notebook!r}: the cell tagged parameters is no Python: line {error.lineno}: {error.msg}"
        ) from error
    comments = {
        token.start[0]: token.string.lstrip("# ").rstrip()
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
    }
    found: dict[str, Parameter] = {}
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            name, annotation, value = node.target.id, node.annotation, node.value
        elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            name, annotation, value = node.targets[0].id, None, node.value
        else:
            continue
        default = value_of(value)
        try:
            kind, said = type_from(annotation) if annotation is not None else type_of_value(default)
        except ValueError as error:
            raise ParameterError(
                f"notebook {notebook!r}: parameter {name!r} has a type that batch cannot check: {error}"
            ) from error
        found[name] = Parameter(
            name, said, default, value is None, comments.get(node.end_lineno or node.lineno, ""), kind
        )
    return found


def check_parameters(
    notebook: str | Path, given: Mapping[str, Any], *, start: Path | None = None, resolve: bool = True
) -> dict[str, Any]:
    """Check values for a notebook's parameters.

    Parameters
    ----------
    notebook : path-like
        See `find_notebook`.
    given : mapping
        Values by name.
    start : path, optional
        Where relative paths begin; default: the current folder.
    resolve : bool
        Make paths absolute. False leaves them as they are.

    Returns
    -------
    dict
        The given values as plain JSON.

    Raises
    ------
    ParameterError
        If a name is unknown, a type wrong, or a required parameter missing; all problems in one message.
    """
    source = find_notebook(notebook)
    declared = declared_parameters(source)
    problems: list[str] = []
    checked: dict[str, Any] = {}
    for name, value in given.items():
        if (parameter := declared.get(name)) is None:
            close = difflib.get_close_matches(name, declared, 1)
            hint = f"; did you mean {close[0]!r}?" if close else f"; it takes {', '.join(sorted(declared)) or 'none'}"
            problems.append(f"has no parameter {name!r}{hint}")
            continue
        try:
            checked[name] = _checked(parameter, value, (start or Path.cwd()) if resolve else None)
        except ValueError as error:
            problems.append(f"{error}")
    problems += [
        f"needs {name!r} ({parameter.type}){': ' + parameter.help if parameter.help else ''}"
        for name, parameter in declared.items()
        if parameter.required and name not in given
    ]
    if problems:
        raise ParameterError(f"notebook {source.stem!r} " + "; it ".join(problems))
    return checked


def _checked(parameter: Parameter, value: Any, start: Path | None) -> Any:
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    plain = _plain(value)
    try:
        json.dumps(plain, allow_nan=False)
        adapter = TypeAdapter(parameter.kind, config=ConfigDict(strict=True, allow_inf_nan=False))
        done = adapter.validate_python(plain, context={"start": start})
    except (ValidationError, TypeError, ValueError) as error:
        where = ""
        if isinstance(error, ValidationError) and (place := error.errors()[0]["loc"]) and isinstance(place[0], int):
            where = f" (entry {place[0] + 1})"
        default = "" if parameter.required else f", such as its default {parameter.default!r}"
        raise ValueError(f"takes {parameter.type} for {parameter.name!r}{default}, not {value!r}{where}") from None
    return done


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return value.item() if hasattr(value, "item") and hasattr(value, "dtype") else value


def read_texts(notebook: str | Path, pairs: Iterable[str]) -> dict[str, Any]:
    """Read values typed as NAME=VALUE, each as its parameter's type asks.

    Parameters
    ----------
    notebook : path-like
        See `find_notebook`.
    pairs : iterable of str
        `tempo=120`, `labels=[kick, snare]`, `song=01.wav`. Lists and mappings are YAML; a text stays a text, also
        where YAML would see a number or a date.

    Returns
    -------
    dict
        Values, for `check_parameters`: what fits no way is left as YAML reads it.

    Raises
    ------
    ParameterError
        If there is no equal sign.
    """
    declared = declared_parameters(notebook)
    values: dict[str, Any] = {}
    for pair in pairs:
        name, sign, text = pair.partition("=")
        name = name.strip()
        if not sign:
            raise ParameterError(f"-p takes NAME=VALUE or NAME VALUE, not {pair!r}")
        values[name] = _read_text(declared.get(name), text)
    return values


def _read_text(parameter: Parameter | None, text: str) -> Any:
    import yaml

    try:
        first = yaml.safe_load(text)
        json.dumps(first)
    except (yaml.YAMLError, TypeError, ValueError):
        first = text
    if parameter is None:
        return first
    readings = [text] if parameter.kind is str else [first]
    try:
        readings.append(float(text))  # YAML takes 1e-3 for a word
    except ValueError:
        pass
    for value in (*readings, text):
        try:
            _checked(parameter, value, None)
        except ValueError:
            continue
        return value
    return first
