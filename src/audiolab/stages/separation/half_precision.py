"""Demucs networks in bfloat16 on a CPU: the same arithmetic, arranged so that it pays.

Autocast alone casts every weight at every call, and wherever a float32 scale or embedding meets a bfloat16 activation
it falls back to slow mixed arithmetic. Here weights of convolutions and linear layers are cast once, small scales
meet activations in the activations' own type, the residual stream of the transformer stays float32, and attention
works through its rows in tiles, so that the scores (8 x 2688 x 2688 for a segment) stay in the cache.
"""

from __future__ import annotations

from typing import Any

from audiolab.errors import ModelError

__all__ = ["cpu_has_bfloat16", "to_bfloat16"]

_ROWS = 512
"""Rows of a tile of attention."""


def cpu_has_bfloat16() -> bool:
    """Say whether the CPU multiplies bfloat16 itself; where it does not, bfloat16 is slower than float32."""
    import torch

    try:
        features = torch.cpu.get_capabilities()
    except (AttributeError, RuntimeError):
        return False
    return any(features.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def to_bfloat16(network: Any) -> Any:
    """Change a float32 Demucs network, in place, to run under CPU autocast in bfloat16.

    Parameters
    ----------
    network : torch.nn.Module
        HTDemucs, HDemucs or Demucs, in evaluation mode.

    Returns
    -------
    torch.nn.Module
        The same network. Normalizations and spectra stay float32, so does what comes out.
    """
    import torch
    from demucs.transformer import LayerScale

    heavy = (
        torch.nn.Conv1d,
        torch.nn.Conv2d,
        torch.nn.ConvTranspose1d,
        torch.nn.ConvTranspose2d,
        torch.nn.Linear,
    )
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if type(child) is torch.nn.MultiheadAttention:
                setattr(module, name, _tiled_attention(child))
            elif isinstance(child, LayerScale) and child.channel_last:  # the transformer's
                setattr(module, name, _wide_scale(child))
    for module in network.modules():
        if isinstance(module, (*heavy, LayerScale)):
            module.bfloat16()
    if getattr(network, "freq_emb", None) is not None:
        network.freq_emb.bfloat16()
    return network.requires_grad_(False)


def _wide_scale(layer: Any) -> Any:
    """Scale a branch of the transformer in float32, the type of what it is added to."""
    import torch

    class WideScale(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = layer.scale.data.float()

        def forward(self, x: Any) -> Any:
            return x.float() * self.scale

    return WideScale()


def _tiled_attention(layer: Any) -> Any:
    """Give a layer with the weights of `torch.nn.MultiheadAttention` that never holds all scores at once."""
    import torch
    from torch.nn.functional import linear

    class TiledAttention(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.heads, self.batch_first = layer.num_heads, layer.batch_first
            self.weight = layer.in_proj_weight.data.bfloat16()
            self.bias = None if layer.in_proj_bias is None else layer.in_proj_bias.data.bfloat16()
            self.out_proj = layer.out_proj

        def _project(self, x: Any, first: int, last: int) -> list[Any]:
            size = self.weight.shape[1]
            rows = slice(first * size, last * size)
            out = linear(x.bfloat16(), self.weight[rows], None if self.bias is None else self.bias[rows])
            return [self._split(part) for part in out.chunk(last - first, -1)]

        def _split(self, x: Any) -> Any:
            """(batch, n, features) to (batch * heads, n, features of a head)."""
            return x.unflatten(-1, (self.heads, -1)).transpose(1, 2).flatten(0, 1).contiguous()

        def forward(self, query: Any, key: Any, value: Any, attn_mask: Any = None, **_: Any) -> tuple[Any, None]:
            if attn_mask is not None or key is not value:
                raise ModelError("this model masks its attention, which bfloat16 cannot do here: choose dtype float32")
            same = query is key
            if not self.batch_first:
                query, key = query.transpose(0, 1), key.transpose(0, 1)
            batch = query.shape[0]
            if same:
                q, k, v = self._project(query, 0, 3)
            else:
                (q,), (k, v) = self._project(query, 0, 1), self._project(key, 1, 3)
            q = q * q.shape[-1] ** -0.5
            k = k.transpose(1, 2).contiguous()
            out = torch.empty_like(q)
            for at in range(0, q.shape[1], _ROWS):
                scores = torch.bmm(q[:, at : at + _ROWS], k)
                out[:, at : at + _ROWS] = torch.bmm(torch.softmax(scores, -1, dtype=scores.dtype), v)
            joined = out.unflatten(0, (batch, self.heads)).transpose(1, 2).flatten(2)
            joined = self.out_proj(joined)
            return (joined if self.batch_first else joined.transpose(0, 1)), None

    return TiledAttention()
