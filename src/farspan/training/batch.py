"""What a step is trained on.

Axes: b row, t token, n segment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Token ids int64 `[B, T]`, loss weight of each as a target `[B, T]`, first asked index.

    `times_bn` goes to compressive memories, see `Tokens`.
    """

    token_bt: Tensor
    weight_bt: Tensor
    first_asked: int
    times_bn: Tensor | None = None

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        times = self.times_bn
        return Batch(
            self.token_bt.to(device, non_blocking=True),
            self.weight_bt.to(device, non_blocking=True),
            self.first_asked,
            None if times is None else times.to(device, non_blocking=True),
        )

    def rows(self, which: slice) -> Batch:
        """Some of the rows."""
        times = self.times_bn
        return Batch(
            self.token_bt[which],
            self.weight_bt[which],
            self.first_asked,
            None if times is None else times[which],
        )

    def targets(self) -> tuple[Tensor, Tensor]:
        """What each token is to predict and how much that counts, `[B, T]`; the last: nothing.

        Tokens before the first asked one predict nothing.
        """
        target = torch.cat((self.token_bt[:, 1:], self.token_bt[:, :1]), dim=1)
        weight = torch.cat((self.weight_bt[:, 1:], torch.zeros_like(self.weight_bt[:, :1])), dim=1)
        weight = weight.clone()
        weight[:, : self.first_asked] = 0
        return target, weight


class Source(Protocol):
    """Where batches come from: the same step gives the same batches, on every rank."""

    def batches(self, step: int) -> list[Batch]:
        """The batches whose gradients make one step."""
