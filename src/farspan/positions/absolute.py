"""Trained absolute embeddings, made longer: new rows between or behind those that were trained."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from farspan.errors import RequestError

WAYS = ("interpolate", "copy")


def extend_table(table_tc: Tensor, tokens: int, way: str = "interpolate") -> Tensor:
    """A table of `tokens` rows from a trained one `[T, C]`.

    `interpolate` sets row i to the trained table at i (T - 1) / (tokens - 1), so both ends stay;
    `copy` repeats the table, which keeps nearby order exact (Longformer, Beltagy et al. 2020).
    """
    trained = table_tc.shape[0]
    if tokens < trained or trained < 2:
        raise RequestError(f"a table of {trained} positions cannot be made {tokens} long")
    if way not in WAYS:
        raise RequestError(f"way {way!r} is unknown; use {' or '.join(WAYS)}")
    place = torch.arange(tokens, device=table_tc.device)
    if way == "copy":
        return table_tc[place % trained]
    exact = place.double() * (trained - 1) / (tokens - 1)
    below = exact.floor().long().clamp_max(trained - 2)
    share = (exact - below).to(table_tc.dtype).unsqueeze(1)
    return torch.lerp(table_tc[below], table_tc[below + 1], share)


class AbsoluteEmbedding(nn.Module):
    """Adds a trained row a position to the features, as GPT-2 does.

    The rows are a parameter, so an extended table goes on learning.
    """

    def __init__(self, table_tc: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(table_tc.clone())

    def extended(self, tokens: int, way: str = "interpolate") -> AbsoluteEmbedding:
        """The same with more rows, as of `extend_table`."""
        return AbsoluteEmbedding(extend_table(self.weight.detach(), tokens, way))

    def forward(self, x_btc: Tensor, position_bt: Tensor) -> Tensor:
        """`[B, T, C]` plus the rows of the positions; refuses positions beyond the table."""
        if int(position_bt.max()) >= self.weight.shape[0]:
            raise RequestError(
                f"position {int(position_bt.max())} is beyond the table's"
                f" {self.weight.shape[0]} rows; make it longer with extended()"
            )
        return x_btc + self.weight[position_bt]
