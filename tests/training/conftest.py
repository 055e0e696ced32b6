"""Skip these tests where the extra `train` is not installed."""

from __future__ import annotations

import importlib.util

collect_ignore_glob = []
if any(
    importlib.util.find_spec(name) is None for name in ("torch", "lightning", "torchmetrics", "onnxscript", "sklearn")
):
    collect_ignore_glob = ["test_*.py"]
else:
    import torch

    torch.set_num_threads(1)
