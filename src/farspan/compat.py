"""Differences between the library versions and devices that farspan supports, in one place."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint


def has_flash(q_bthd: Tensor) -> bool:
    """Whether the fused windowed attention of torch's CUDA build takes these queries."""
    return q_bthd.is_cuda and q_bthd.dtype in (torch.float16, torch.bfloat16)


def flash_attention(
    q_bthd: Tensor, k_bshd: Tensor, v_bshd: Tensor, *, scale: float, window: int | None
) -> tuple[Tensor, Tensor]:
    """Causal attention, queries aligned with the last keys; CUDA, half precision only.

    Shapes `[B, T, H, D]` against `[B, S, Hkv, D]`; `window` counts the visible keys, the own one
    included. Returns the output and the log-sum-exp `[B, H, T]`. torch exposes the window only
    on this operator and on `varlen_attn`, whose signature differs between 2.11 and 2.13.
    """
    out, lse, *_ = torch.ops.aten._flash_attention_forward(
        q_bthd,
        k_bshd,
        v_bshd,
        None,
        None,
        q_bthd.shape[1],
        k_bshd.shape[1],
        0.0,
        True,
        False,
        scale=scale,
        window_size_left=-1 if window is None else window - 1,
        window_size_right=0,
    )
    return out, lse


def cpu_compute_dtype() -> torch.dtype:
    """bfloat16 where the processor multiplies it natively, else float32 (5 times faster there)."""
    capability = torch.backends.cpu.get_cpu_capability()
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if capability.startswith("AVX512") and native else torch.float32


def all_gather_into(out: Tensor, x: Tensor, group: dist.ProcessGroup) -> None:
    """Every rank's `x` one behind the other in `out`; torch 2.13 has another name for it."""
    gather = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor
    gather(out, x, group=group)


def reduce_scatter_into(out: Tensor, x: Tensor, group: dist.ProcessGroup) -> None:
    """This rank's part of the sum of every rank's `x`; torch 2.13 has another name for it."""
    scatter = getattr(dist, "reduce_scatter_single", None) or dist.reduce_scatter_tensor
    scatter(out, x, group=group)


LOSS_ROWS = 8192  # Targets whose logits are held at once.


def linear_cross_entropy(features_nc: Tensor, weight_vc: Tensor, target_n: Tensor) -> Tensor:
    """Cross-entropy of each target, float32 at least `[N]`, without holding all logits at once.

    On CUDA torch 2.13 brings this; elsewhere logits are made chunk by chunk, in both passes.
    """
    if features_nc.is_cuda and hasattr(F, "linear_cross_entropy") and len(target_n):
        return fused_cross_entropy(features_nc, weight_vc, target_n)
    parts = [
        checkpoint(_chunk_cross_entropy, x, weight_vc, target, use_reentrant=False)
        for x, target in zip(features_nc.split(LOSS_ROWS), target_n.split(LOSS_ROWS), strict=True)
    ]
    return torch.cat(parts)


def fused_cross_entropy(features_nc: Tensor, weight_vc: Tensor, target_n: Tensor) -> Tensor:
    """torch's own form, from 2.13 on."""
    options = nn.LinearCrossEntropyOptions()
    loss = F.linear_cross_entropy(
        features_nc, weight_vc, target_n, reduction="none", options=options
    )
    return loss.to(torch.promote_types(loss.dtype, torch.float32))


def _chunk_cross_entropy(features_nc: Tensor, weight_vc: Tensor, target_n: Tensor) -> Tensor:
    logits = F.linear(features_nc, weight_vc)
    precise = torch.promote_types(logits.dtype, torch.float32)
    return F.cross_entropy(logits.to(precise), target_n, reduction="none")
