"""Types of parameters, from the words in the cell: nothing of a notebook is executed to read it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from pydantic import AfterValidator, ValidationInfo

__all__ = ["type_from", "type_of_value", "value_of"]


def _absolute(text: str, info: ValidationInfo) -> str:
    if not text:
        raise ValueError("an empty path")
    start: Path | None = (info.context or {}).get("start")
    return text if start is None else str(start.absolute() / Path(text).expanduser())


_NAMES: dict[str, Any] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "list": list,
    "dict": dict,
    "Any": Any,
    "None": None,
    "Path": Annotated[str, AfterValidator(_absolute)],
}


def type_from(node: ast.expr) -> tuple[Any, str]:
    """Give the type that an annotation means, and its text.

    Raises
    ------
    ValueError
        If it is none of str, int, float, bool, Path, None, list, dict, Literal, Any and what these make.
    """
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        node = ast.parse(node.value, mode="eval").body
    return _type(node), ast.unparse(node)


def _type(node: ast.expr) -> Any:
    match node:
        case ast.Name(id=name) if name in _NAMES:
            return _NAMES[name]
        case ast.Constant(value=None):
            return None
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return Union[_type(left), _type(right)]  # noqa: UP007 - made at run time, of what is not always a class
        case ast.Subscript(value=ast.Name(id="list"), slice=inner):
            return list[_type(inner)]  # type: ignore[misc]
        case ast.Subscript(value=ast.Name(id="dict"), slice=ast.Tuple(elts=[key, inner])):
            return dict[_type(key), _type(inner)]  # type: ignore[misc]
        case ast.Subscript(value=ast.Name(id="Literal"), slice=inner):
            choices = ast.literal_eval(inner)
            return Literal[choices]
    raise ValueError(f"{ast.unparse(node)!r} (str, int, float, bool, Path, list[...], dict[...], Literal[...], | None)")


def type_of_value(value: Any) -> tuple[Any, str]:
    """Give the type of a default that stands without an annotation."""
    kind = type(value)
    return (kind, kind.__name__) if kind in {str, int, float, bool, list, dict} else (Any, "Any")


def value_of(node: ast.expr | None) -> Any:
    """Give a default that can be read without executing it; else None."""
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "Path"
        and len(node.args) == 1
    ):
        node = node.args[0]
    try:
        value = ast.literal_eval(node) if node is not None else None
    except ValueError:
        return None
    return list(value) if isinstance(value, (tuple, set)) else value
