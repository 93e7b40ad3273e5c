"""Rotary position embedding (Su et al. 2021), by the method that a checkpoint or a user chose.

Axes: b batch, t token, d feature of one head.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from farspan.errors import RequestError
from farspan.positions.base import ScoreMethod
from farspan.positions.partial import Proportional
from farspan.positions.registry import rotary_method
from farspan.positions.temperature import LogLength


@dataclass(frozen=True)
class Rotary:
    """Angles of a rotary embedding over `head_dim` features, halves rotated against each other.

    `scaling` is a Hugging Face `rope_parameters` dictionary of a type in `positions.registry`; any
    other type raises `RequestError`. `scores`, if given, chooses angles by pair of query and key,
    so that keys are kept unturned; `temperature` sharpens queries. Angles are computed in float64,
    since a float32 product of position and frequency is off by 0.06 radian at one million tokens.
    """

    head_dim: int
    theta: float = 10_000.0
    scaling: Mapping[str, Any] = field(default_factory=dict)
    scores: ScoreMethod | None = None
    temperature: LogLength | None = None

    def __post_init__(self) -> None:
        self.frequencies()  # refuses what is unknown or does not fit

    def frequencies(self) -> tuple[Tensor, float]:
        """Radians per token of each rotated pair, float64 `[head_dim / 2]`, and a magnitude."""
        method = rotary_method(self.scaling)
        width = self.head_dim
        if not isinstance(method, Proportional):
            width = int(width * self.scaling.get("partial_rotary_factor", 1.0))
        if width < 2 or width % 2:
            raise RequestError(
                f"rotary embedding turns pairs of features, so {width} of {self.head_dim} cannot be"
                " turned; head size times partial_rotary_factor must be even"
            )
        return method.frequencies(width, self.theta)

    def table(self, position_bt: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Cosines and sines `[B, T, head_dim / 2]` for integer positions, fewer if partial."""
        frequency, magnitude = self.frequencies()
        angle = position_bt.to(torch.float64).unsqueeze(-1) * frequency.to(position_bt.device)
        return (angle.cos() * magnitude).to(dtype), (angle.sin() * magnitude).to(dtype)


def rotate(x_bthd: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    """Turns each feature pair (i, i + d/2) of `[B, T, H, D]` by its token's angle.

    A table of fewer pairs turns the first features alone.
    """
    cos, sin = (part.unsqueeze(2) for part in table)
    width = 2 * cos.shape[-1]
    first, second = x_bthd[..., :width].chunk(2, dim=-1)
    turned = [first * cos - second * sin, second * cos + first * sin]
    if width < x_bthd.shape[-1]:
        turned.append(x_bthd[..., width:])
    return torch.cat(turned, dim=-1)
