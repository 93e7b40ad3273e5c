"""Rotary position embedding (Su et al. 2021) with the checkpoint's own scaling.

Axes: b batch, t token, d feature of one head.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from farspan.errors import RequestError


@dataclass(frozen=True)
class Rotary:
    """Angles of a rotary embedding over `head_dim` features, halves rotated against each other.

    `scaling` is a Hugging Face `rope_scaling` dictionary of type `linear`, `llama3` or `yarn`;
    any other type raises `RequestError`. Angles are computed in float64, since a float32 product
    of position and frequency is off by 0.06 radian at one million tokens.
    """

    head_dim: int
    theta: float = 10_000.0
    scaling: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kind = self.scaling.get("rope_type", self.scaling.get("type"))
        if kind not in (None, "default", "linear", "llama3", "yarn"):
            raise RequestError(
                f"rotary scaling {kind!r} is not supported; use linear, llama3 or yarn"
            )

    def frequencies(self) -> tuple[Tensor, float]:
        """Radians per token of each feature pair, float64 `[head_dim / 2]`, and a magnitude."""
        pairs = torch.arange(0, self.head_dim, 2, dtype=torch.float64) / self.head_dim
        base = self.theta**-pairs
        kind = self.scaling.get("rope_type", self.scaling.get("type"))
        if kind == "linear":
            return base / float(self.scaling["factor"]), 1.0
        if kind == "llama3":
            return _llama3(base, self.scaling), 1.0
        if kind == "yarn":
            return _yarn(base, self.theta, self.head_dim, self.scaling)
        return base, 1.0

    def table(self, position_bt: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Cosines and sines `[B, T, head_dim / 2]` for integer positions."""
        frequency, magnitude = self.frequencies()
        angle = position_bt.to(torch.float64).unsqueeze(-1) * frequency.to(position_bt.device)
        return (angle.cos() * magnitude).to(dtype), (angle.sin() * magnitude).to(dtype)


def rotate(x_bthd: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    """Turns each feature pair (i, i + d/2) of `[B, T, H, D]` by its token's angle."""
    cos, sin = (part.unsqueeze(2) for part in table)
    first, second = x_bthd.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


def _llama3(base: Tensor, scaling: Mapping[str, Any]) -> Tensor:
    """Llama 3.1: long wavelengths are divided by `factor`, short ones kept, a ramp between."""
    factor, low, high = (
        float(scaling[name]) for name in ("factor", "low_freq_factor", "high_freq_factor")
    )
    original = float(scaling["original_max_position_embeddings"])
    turns = original * base / (2 * math.pi)
    keep = ((turns - low) / (high - low)).clamp(0, 1)
    return base * (keep + (1 - keep) / factor)


def _yarn(
    base: Tensor, theta: float, head_dim: int, scaling: Mapping[str, Any]
) -> tuple[Tensor, float]:
    """YaRN (Peng et al. 2023): interpolate slow pairs, keep fast ones, raise the magnitude."""
    factor = float(scaling["factor"])
    original = float(scaling["original_max_position_embeddings"])

    def pair_turning(turns: float) -> float:
        return head_dim * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(theta))

    low = max(math.floor(pair_turning(float(scaling.get("beta_fast", 32)))), 0)
    high = min(math.ceil(pair_turning(float(scaling.get("beta_slow", 1)))), head_dim - 1)
    ramp = (torch.arange(head_dim // 2, dtype=torch.float64) - low) / max(high - low, 0.001)
    interpolate = ramp.clamp(0, 1)
    magnitude = scaling.get("attention_factor") or 0.1 * math.log(factor) + 1.0
    return base * ((1 - interpolate) + interpolate / factor), float(magnitude)
