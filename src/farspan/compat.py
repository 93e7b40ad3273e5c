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


def has_cpu_flash(x: Tensor) -> bool:
    """Whether the kernel behind SDPA on the CPU takes this, which tells log-sum-exps too."""
    return x.device.type == "cpu"


def tile_attention(
    q_crd: Tensor, k_csd: Tensor, v_csd: Tensor, mask_crs: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Attention of many small tiles: outputs, and log-sum-exps `[C, R]`, float32 at least.

    Every query must see a key.
    """
    if has_cpu_flash(q_crd):
        out, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            q_crd.unsqueeze(1),
            k_csd.unsqueeze(1),
            v_csd.unsqueeze(1),
            attn_mask=_added(mask_crs, q_crd),
        )
        return out.squeeze(1), lse.view(q_crd.shape[:2])
    score = _tile_scores(q_crd, k_csd, mask_crs)
    lse = score.logsumexp(-1)
    return torch.bmm(torch.exp(score - lse.unsqueeze(-1)).to(v_csd.dtype), v_csd), lse


def tile_attention_backward(
    dy_crd: Tensor,
    q_crd: Tensor,
    k_csd: Tensor,
    v_csd: Tensor,
    y_crd: Tensor,
    lse_cr: Tensor,
    mask_crs: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of queries, keys and values, where `y` and `lse` may be of more keys than these."""
    if has_cpu_flash(q_crd):
        inputs = (x.unsqueeze(1) for x in (dy_crd, q_crd, k_csd, v_csd, y_crd, lse_cr))
        found = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
            *inputs, 0.0, False, attn_mask=_added(mask_crs, q_crd)
        )
        dq, dk, dv = (x.squeeze(1) for x in found)
        return dq, dk, dv
    share = torch.exp(_tile_scores(q_crd, k_csd, mask_crs) - lse_cr.unsqueeze(-1))
    falls = (dy_crd * y_crd).sum(-1, keepdim=True).to(share.dtype)
    change = share * (torch.bmm(dy_crd, v_csd.transpose(1, 2)).to(share.dtype) - falls)
    change = (change * q_crd.shape[-1] ** -0.5).to(q_crd.dtype)
    dv = torch.bmm(share.to(dy_crd.dtype).transpose(1, 2), dy_crd)
    return torch.bmm(change, k_csd), torch.bmm(change.transpose(1, 2), q_crd), dv


def _tile_scores(q_crd: Tensor, k_csd: Tensor, mask_crs: Tensor | None) -> Tensor:
    score = torch.bmm(q_crd * q_crd.shape[-1] ** -0.5, k_csd.transpose(1, 2))
    score = score.to(torch.promote_types(score.dtype, torch.float32))
    return score if mask_crs is None else score.masked_fill(~mask_crs, -torch.inf)


def _added(mask_crs: Tensor | None, like: Tensor) -> Tensor | None:
    """A mask as what is added to scores."""
    if mask_crs is None:
        return None
    scores = torch.zeros_like(mask_crs, dtype=like.dtype)
    return scores.masked_fill(~mask_crs, -torch.inf).unsqueeze(1)


def cpu_compute_dtype() -> torch.dtype:
    """bfloat16 where the processor multiplies it natively, else float32 (5 times faster there)."""
    capability = torch.backends.cpu.get_cpu_capability()
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if capability.startswith("AVX512") and native else torch.float32


def cache_field() -> str:
    """What transformers calls the cache among outputs: `past_key_values`, in newer ones `cache`."""
    from dataclasses import fields

    from transformers.modeling_outputs import CausalLMOutputWithPast

    names = {field.name for field in fields(CausalLMOutputWithPast)}
    return "cache" if "cache" in names else "past_key_values"


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
