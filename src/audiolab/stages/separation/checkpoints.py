"""Opening Demucs checkpoints safely: hash first, no code from the file ever runs.

Two official formats: safetensors with class and arguments as JSON in the metadata (preferred), and `.th`, a pickle made
by torch. The pickle is opened with torch's `weights_only` reader, which builds tensors, plain containers and the
few classes named here and refuses everything else; demucs' own loader, which runs whatever the pickle says, is
never called.
"""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

from audiolab.errors import ModelError

__all__ = ["Checkpoint", "find_checkpoint", "load_networks", "stamps"]

_SUFFIXES = (".safetensors", ".th", ".yaml")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The files of one model and what they must hash to."""

    name: str
    paths: tuple[Path, ...]
    hashes: tuple[str, ...]
    """Full sha256 of each file."""
    mixing: tuple[tuple[float, ...], ...] | None = None
    """Weight of each network (rows) for each stem (columns); None for equal weights."""
    segment: float | None = None
    """Seconds of a segment where the bag asks for other than the networks' own (models older than HTDemucs)."""

    @property
    def sha256(self) -> str:
        """One hash for the whole model, bag weights included."""
        extra = [] if self.segment is None else [str(self.segment)]
        if len(self.hashes) == 1 and not extra:
            return self.hashes[0]
        return hashlib.sha256("\n".join([*self.hashes, json.dumps(self.mixing), *extra]).encode()).hexdigest()


def find_checkpoint(name: str) -> Checkpoint | None:
    """Find a model.

    Parameters
    ----------
    name : str
        A path to a .safetensors, .th or .yaml (bag) file; a folder of such files that holds one bag or one model; or
        `FOLDER/NAME` for one of several, where NAME is a bag's name or a model's signature; or a name that
        `audiolab.weights` knows.

    Returns
    -------
    Checkpoint or None
        None if there is no such file or the weights are not on this machine.

    Raises
    ------
    ModelError
        If a file is not what its name or its record says.
    """
    path = Path(name).expanduser()
    if path.suffix in _SUFFIXES and path.is_file():
        return _bag_file(path) if path.suffix == ".yaml" else _single_file(path)
    if path.is_dir():
        return _in_folder(path)
    if path.suffix in _SUFFIXES:
        raise ModelError(f"there is no file {str(path)!r}")
    if path.name != name and path.parent.is_dir():
        if (bag := path.with_name(f"{path.name}.yaml")).is_file():
            return _bag_file(bag)
        return _single_file(_beside(path, path.name))
    from audiolab import weights

    found = weights.find(name)
    if found is None:
        return None
    return Checkpoint(name, tuple(found.paths), tuple(found.hashes), found.bag.weights if found.bag else None)


def stamps(checkpoint: Checkpoint) -> tuple[tuple[int, int, int], ...]:
    """Give size, time and inode of every file: while they stay, the files are taken to be what was hashed."""
    return tuple(_stamp(path) for path in checkpoint.paths)


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        stat = path.stat()
    except OSError as error:
        raise ModelError(f"cannot read {str(path)!r}: {error}") from error
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def _in_folder(folder: Path) -> Checkpoint:
    """Take the only bag of a folder, or its only model."""
    bags = sorted(folder.glob("*.yaml"))
    singles = sorted([*folder.glob("*.safetensors"), *folder.glob("*.th")])
    if len(bags) == 1:
        return _bag_file(bags[0])
    if not bags and len(singles) == 1:
        return _single_file(singles[0])
    if not bags and not singles:
        raise ModelError(f"the folder {str(folder)!r} holds no Demucs model (.yaml, .safetensors or .th)")
    names = ", ".join(path.stem for path in bags or singles)
    raise ModelError(f"the folder {str(folder)!r} holds several models: name one as {folder.name}/NAME ({names})")


@lru_cache(maxsize=64)
def _remembered_hash(path: Path, stamp: tuple[int, int, int]) -> str:
    return _hash(path)


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"cannot read {str(path)!r}: {error}") from error


def _single_file(path: Path) -> Checkpoint:
    digest = _remembered_hash(path, _stamp(path))
    promised = re.fullmatch(r".+-([0-9a-f]{8})\.th", path.name)
    if promised and not digest.startswith(promised[1]):
        raise ModelError(
            f"{str(path)!r} is damaged: its name promises a sha256 that begins with {promised[1]}, it is {digest[:8]}"
        )
    return Checkpoint(path.stem, (path,), (digest,))


def _bag_file(path: Path) -> Checkpoint:
    """Read demucs' bag format: `models` (signatures of files beside it), `weights` (optional)."""
    import yaml

    try:
        bag = yaml.safe_load(path.read_text("utf-8"))
        signatures = [str(signature) for signature in bag["models"]]
        mixing = tuple(tuple(float(w) for w in row) for row in bag["weights"]) if bag.get("weights") else None
        segment = None if bag.get("segment") is None else float(bag["segment"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise ModelError(f"{str(path)!r} is not a bag of Demucs models: {error}") from error
    if segment is not None and segment <= 0:
        raise ModelError(f"{str(path)!r} asks for segments of {segment:g} s")
    singles = [_single_file(_beside(path, signature)) for signature in signatures]
    if not singles or (mixing is not None and len(mixing) != len(singles)):
        raise ModelError(f"{str(path)!r} names {len(singles)} models and weights for {len(mixing or ())}")
    return Checkpoint(
        path.stem, tuple(s.paths[0] for s in singles), tuple(s.hashes[0] for s in singles), mixing, segment
    )


def _beside(bag: Path, signature: str) -> Path:
    if not re.fullmatch(r"[A-Za-z0-9_]+", signature):
        raise ModelError(f"{str(bag)!r} names a model {signature!r}, which is no signature")
    found = [bag.parent / f"{signature}.safetensors", *sorted(bag.parent.glob(f"{signature}-*.th"))]
    for path in (*found, bag.parent / f"{signature}.th"):
        if path.is_file():
            return path
    if bag.name == signature:
        raise ModelError(f"the folder {str(bag.parent)!r} holds no model {signature!r}")
    raise ModelError(f"{str(bag)!r} names the model {signature!r}, which is not beside it")


def load_networks(checkpoint: Checkpoint) -> list[Any]:
    """Verify the hash of every file, then build and fill its network.

    Returns
    -------
    list of torch.nn.Module
        In evaluation mode, float32, on the CPU.

    Raises
    ------
    ModelError
        If a file has changed, holds anything but a Demucs model, or asks to run code.
    """
    networks = []
    for path, expected in zip(checkpoint.paths, checkpoint.hashes, strict=True):
        if _hash(path) != expected:
            raise ModelError(f"{str(path)!r} has changed since it was checked: it is not loaded")
        package = _open_safetensors(path) if path.suffix == ".safetensors" else _open_pickle(path)
        networks.append(_build(path, package))
    for network in networks:
        # As upstream: HTDemucs cannot take longer segments than it was trained with.
        if checkpoint.segment and not (hasattr(network, "use_train_segment") and checkpoint.segment > network.segment):
            network.segment = checkpoint.segment
    first = networks[0]
    for other in networks[1:]:
        if (list(other.sources), other.samplerate) != (list(first.sources), first.samplerate):
            raise ModelError(f"the networks of {checkpoint.name!r} differ in stems or sample rate")
    stems = len(first.sources)
    if checkpoint.mixing is not None:
        if any(len(row) != stems for row in checkpoint.mixing):
            raise ModelError(f"{checkpoint.name!r} has bag weights for another number of stems than {stems}")
        if any(sum(column) <= 0 for column in zip(*checkpoint.mixing, strict=True)):
            raise ModelError(f"{checkpoint.name!r} has bag weights that leave a stem out")
    return networks


def _classes() -> dict[str, type]:
    from demucs.demucs import Demucs
    from demucs.hdemucs import HDemucs
    from demucs.htdemucs import HTDemucs

    return {f"{klass.__module__}.{klass.__name__}": klass for klass in (HTDemucs, HDemucs, Demucs)}


def _open_pickle(path: Path) -> Mapping[str, Any]:
    import torch

    try:
        with torch.serialization.safe_globals([*_classes().values(), Fraction]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            package = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's reader stumbles over junk in a dozen ways; all of them mean the same
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            f"{str(path)!r} is not a plain Demucs checkpoint and is not loaded (damaged, or it asks to run code): "
            f"{reason}"
        ) from error
    if not isinstance(package, dict):
        raise ModelError(f"{str(path)!r} holds a {type(package).__name__}, not a Demucs checkpoint")
    return package


def _open_safetensors(path: Path) -> Mapping[str, Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
        arguments = {key: _decode(json.loads(metadata[key])) for key in ("args", "kwargs")}
        klass = _classes().get(metadata["klass"])
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise ModelError(f"{str(path)!r} is not a Demucs model in safetensors: {error}") from error
    if "structure" in metadata:
        raise ModelError(f"{str(path)!r} is a quantized model, which audiolab does not run")
    return {"klass": klass, "state": state, **arguments}


def _decode(value: Any) -> Any:
    """Undo the JSON form of a model's arguments, fractions included (as `demucs.hf` writes them)."""
    if isinstance(value, dict):
        if value.get("_type") == "fraction":
            return Fraction(value["numerator"], value["denominator"])
        return {key: _decode(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_decode(item) for item in value]
    return value


def _build(path: Path, package: Mapping[str, Any]) -> Any:
    import inspect

    klass, state = package.get("klass"), package.get("state")
    args, kwargs = package.get("args"), package.get("kwargs")
    if (
        klass is None
        or klass not in _classes().values()
        or not isinstance(args, (list, tuple))
        or not isinstance(kwargs, dict)
    ):
        raise ModelError(f"{str(path)!r} is not a Demucs checkpoint: it names no HTDemucs, HDemucs or Demucs class")
    if not isinstance(state, dict) or state.get("__quantized"):
        raise ModelError(f"{str(path)!r} holds no plain weights (a quantized model, which audiolab does not run)")
    known = inspect.signature(klass).parameters
    try:
        network = klass(*args, **{key: value for key, value in kwargs.items() if key in known})
        network.load_state_dict(state)
    except (RuntimeError, TypeError, ValueError, AssertionError, ArithmeticError, IndexError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{str(path)!r}: weights and network do not fit: {reason}") from error
    return network.float().eval()
