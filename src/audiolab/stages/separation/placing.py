"""A Demucs network on its device: precision, segment length, and what is done when memory runs out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

from audiolab.audio import Frames
from audiolab.errors import ParameterError

__all__ = ["Placed"]

_SHORTEST = 1.0
"""Seconds; a graphics card that has no room for a segment of this length is of no use here."""


class Placed:
    """Runs forward passes.

    Parameters
    ----------
    network : torch.nn.Module
        In evaluation mode; prepared by `to_bfloat16` where the device is a CPU and the type bfloat16.
    device : str
        Torch's name of the device.
    dtype : {"float32", "bfloat16"}
        What multiplications are done in.
    segment : float, optional
        Seconds of a segment, at most the network's own, which is the default.

    Raises
    ------
    ParameterError
        If the segment is longer than the network's own.
    """

    def __init__(
        self, network: Any, *, device: str = "cpu", dtype: str = "float32", segment: float | None = None
    ) -> None:
        self.network, self._precise = network, dtype
        self.dtype = dtype
        self._asked = self.device = device
        self._own = getattr(network, "own_segment", network.segment)
        network.own_segment = self._own
        if segment is not None and segment > float(self._own):
            raise ParameterError(f"separate: segment {segment:g} s is longer than the model's own {float(self._own):g}")
        self._wanted = self.segment = Fraction(segment).limit_denominator(1000) if segment else self._own
        self.remarks: list[str] = []

    @property
    def length(self) -> Frames:
        """Frames of a segment."""
        return int(self.network.samplerate * self.segment)

    def settle(self) -> None:
        """Move the network to its device, before segments are planned.

        Where a segment does not fit into memory it becomes shorter, and if nothing fits the device is left; `remarks`
        says so.
        """
        self.remarks.clear()
        self.segment, self.dtype = self._wanted, self._precise
        self._place(self._asked)
        while self.device != "cpu":
            try:
                self._forward(self._silence())
            except Exception as error:
                if not _out_of_memory(error):
                    raise
                self._free()
                shorter = self.segment / 2
                if shorter < _SHORTEST:
                    self.segment = self._wanted
                    self.remarks.clear()
                    self._leave("not even segments of a second fit into its memory")
                else:
                    self.segment = shorter
                    self._place(self.device)
                    self.remarks[:] = [
                        f"separate: {self.device} ran out of memory; segments of {float(shorter):.2f} s "
                        f"instead of {float(self._own):g} s are used, which separates a little worse"
                    ]
            else:
                return

    def __call__(self, chunk: Any) -> Any:
        """Run one segment.

        Parameters
        ----------
        chunk : torch.Tensor [float32, shape=(channels, n)]
            On the CPU.

        Returns
        -------
        torch.Tensor [float32, shape=(stems, channels, n)]
            On the CPU.
        """
        try:
            return self._forward(chunk)
        except Exception as error:
            if self.device == "cpu" or not _out_of_memory(error):
                raise
        # Something else took the memory in the middle of the song. Shorter segments would not fit what is done
        # already, so the rest of the song is done by the CPU with segments as they are.
        self._free()
        self._leave("it ran out of memory in the middle of the song")
        return self._forward(chunk)

    def _forward(self, chunk: Any) -> Any:
        import torch

        with torch.inference_mode(), self._precision():
            return self.network(chunk[None].to(self.device))[0].float().cpu()

    @contextmanager
    def _precision(self) -> Iterator[None]:
        import torch

        if self.dtype == "float32":
            yield
            return
        with torch.autocast(self.device.split(":")[0], dtype=torch.bfloat16):
            yield

    def _place(self, device: str) -> None:
        self.network.segment = self.segment
        self.network.to(device)
        self.device = device

    def _leave(self, why: str) -> None:
        self.remarks.append(f"separate: {self.device} is given up for the CPU: {why}")
        # The CPU would emulate bfloat16 for a network that was not prepared for it.
        self.dtype = "float32"
        self._place("cpu")

    def _free(self) -> None:
        import torch

        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()
        elif self.device == "mps":
            torch.mps.empty_cache()

    def _silence(self) -> Any:
        import torch

        return torch.zeros(self.network.audio_channels, self.length)


def _out_of_memory(error: Exception) -> bool:
    """Tell lack of memory on a device (mps has no class of its own for it) from other faults."""
    import torch

    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "out of memory" in str(error).lower()
    )
