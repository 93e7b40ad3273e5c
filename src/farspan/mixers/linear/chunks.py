"""What the chunked forms share: cutting a sequence, and decay without cancellation.

Axes: b row, t token, g key-value head, r query of a group, n chunk, c token of a chunk, d key
feature, e value feature. Decay is kept as its logarithm, at most 0, and -inf where a document
begins; exponents are sums of such logarithms and never differences, so every ratio is at most 1 and
as exact after a strong decay as before it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def chunk_size(n_tokens: int, most: int) -> int:
    """`most`, a power of two, or the next power of two that holds `n_tokens`."""
    return min(most, 1 << (n_tokens - 1).bit_length())


def cut(x_btgd: Tensor, size: int) -> Tensor:
    """`[B, T, G, ...]` to chunks `[B, G, N, C, ...]`; zeros fill the last one."""
    missing = -x_btgd.shape[1] % size
    if missing:
        x_btgd = F.pad(x_btgd, (0, 0) * (x_btgd.ndim - 2) + (0, missing))
    return x_btgd.unflatten(1, (-1, size)).movedim(3, 1)


def join(y_bgncre: Tensor, n_tokens: int) -> Tensor:
    """Chunks of grouped heads `[B, G, N, C, R, E]` to `[B, T, H, E]`."""
    y_bncgre = y_bgncre.movedim(1, 3)
    return y_bncgre.flatten(3, 4).flatten(1, 2)[:, :n_tokens]


def until(log_decay: Tensor) -> Tensor:
    """Along the tokens `[..., C, X]`: the decay from before the first token to each."""
    return log_decay.cumsum(-2).exp()


def after(log_decay: Tensor) -> Tensor:
    """Along the tokens `[..., C, X]`: the decay from each to the last token."""
    later = F.pad(log_decay[..., 1:, :], (0, 0, 0, 1))
    return later.flip(-2).cumsum(-2).flip(-2).exp()


def ratios(log_decay: Tensor) -> Tensor:
    """`[..., C]` to `[..., C, C]`: the decay from token j to token i, zero where j is later."""
    size = log_decay.shape[-1]
    order = torch.ones(size, size, dtype=torch.bool, device=log_decay.device).tril()
    steps = log_decay.unsqueeze(-1).expand(*log_decay.shape, size)
    total = steps.masked_fill(~order.tril(-1), 0.0).cumsum(-2)
    return total.masked_fill(~order, -torch.inf).exp()
