"""Which code runs a rule: flash-linear-attention's kernels on a GPU, else the chunked torch form.

Axes: b row, t token, h head, g key-value head, d key feature, e value feature, x decay.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from farspan.mixers.base import Tokens
from farspan.mixers.linear.additive import additive
from farspan.mixers.linear.delta import delta_rule

Kernel = Callable[..., Any]


def kernel_dtype(x_bthd: Tensor, tokens: Tokens) -> torch.dtype | None:
    """The dtype in which kernels compute these tokens; None where the torch form does.

    Kernels take half precision on CUDA and plain chunks: their decays must be finite, and a new
    document in a chunk decays by exp(-inf).
    """
    half = x_bthd.dtype in (torch.float16, torch.bfloat16)
    fits = x_bthd.is_cuda and half and tokens.is_plain
    return x_bthd.dtype if fits and load_kernels() else None


@functools.cache
def load_kernels() -> dict[str, Kernel]:
    """flash-linear-attention's operations by name; none, with one warning, if it is missing."""
    try:
        from fla.ops.delta_rule import chunk_delta_rule
        from fla.ops.gated_delta_rule import chunk_gated_delta_rule
        from fla.ops.gla import chunk_gla
        from fla.ops.simple_gla import chunk_simple_gla
    except ImportError as error:
        warnings.warn(
            f"linear mixers run in their torch form, which is slower on a GPU ({error}); install"
            " flash-linear-attention with pip install 'farspan[gpu]'",
            stacklevel=2,
        )
        return {}
    return {
        "channel": chunk_gla,
        "head": chunk_simple_gla,
        "delta": chunk_delta_rule,
        "gated_delta": chunk_gated_delta_rule,
    }


def additive_rule(
    q_bthd: Tensor,
    k_btgd: Tensor,
    v_btge: Tensor,
    log_decay_btgx: Tensor | None,
    mem_bgde: Tensor,
    *,
    chunk: int,
    half: torch.dtype | None,
) -> tuple[Tensor, Tensor]:
    """As `additive`, by a kernel in `half` precision if that is given."""
    if half is None:
        return additive(q_bthd, k_btgd, v_btge, log_decay_btgx, mem_bgde, chunk=chunk)
    if log_decay_btgx is None:
        return _run("head", half, q_bthd, k_btgd, v_btge, mem_bgde)
    if log_decay_btgx.shape[-1] > 1:
        return _run("channel", half, q_bthd, k_btgd, v_btge, mem_bgde, g=log_decay_btgx)
    return _run("head", half, q_bthd, k_btgd, v_btge, mem_bgde, g=log_decay_btgx.squeeze(-1))


def correcting_rule(
    q_bthd: Tensor,
    k_btgd: Tensor,
    v_btge: Tensor,
    write_btg: Tensor,
    log_decay_btg: Tensor | None,
    mem_bgde: Tensor,
    *,
    chunk: int,
    half: torch.dtype | None,
) -> tuple[Tensor, Tensor]:
    """As `delta_rule`, by a kernel in `half` precision if that is given."""
    if half is None:
        return delta_rule(q_bthd, k_btgd, v_btge, write_btg, log_decay_btg, mem_bgde, chunk=chunk)
    if log_decay_btg is None:
        return _run("delta", half, q_bthd, k_btgd, v_btge, mem_bgde, beta=write_btg)
    gates = {"beta": write_btg, "g": log_decay_btg}
    return _run("gated_delta", half, q_bthd, k_btgd, v_btge, mem_bgde, **gates)


def _run(
    name: str,
    half: torch.dtype,
    q_bthd: Tensor,
    k_btgd: Tensor,
    v_btge: Tensor,
    mem_bgde: Tensor,
    **gates: Tensor,
) -> tuple[Tensor, Tensor]:
    """Runs a kernel, which knows no groups, on repeated key-value heads."""
    group = q_bthd.shape[2] // k_btgd.shape[2]

    def repeat(x: Tensor, axis: int) -> Tensor:
        return x.repeat_interleave(group, dim=axis).contiguous()

    y, mem = load_kernels()[name](
        q_bthd.to(half).contiguous(),
        repeat(k_btgd, 2).to(half),
        repeat(v_btge, 2).to(half),
        **{key: repeat(gate, 2) for key, gate in gates.items()},
        scale=1.0,
        initial_state=repeat(mem_bgde, 1),
        output_final_state=True,
    )
    return y.to(mem_bgde.dtype), mem[:, ::group]
