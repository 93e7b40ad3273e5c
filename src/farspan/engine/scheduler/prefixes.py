"""States of finished requests, from which those that begin alike go on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from farspan.models.decoder import DecoderState


@dataclass(frozen=True)
class _Known:
    ids: tuple[int, ...]
    state: DecoderState
    held: int


class Prefixes:
    """Keeps the states behind token sequences, within a number of bytes, the oldest out first.

    Tenants never share: how fast an answer begins would tell one what another had asked.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.held_bytes = 0
        self._known: OrderedDict[tuple[str, tuple[int, ...]], _Known] = OrderedDict()

    def find(self, tenant: str, ids: Sequence[int]) -> tuple[int, DecoderState | None]:
        """The longest known beginning that leaves at least one token, and the state behind it."""
        ids = tuple(ids)
        best: _Known | None = None
        for (owner, known_ids), known in self._known.items():
            longer = best is None or len(known_ids) > len(best.ids)
            begins = len(known_ids) < len(ids) and ids[: len(known_ids)] == known_ids
            if owner == tenant and longer and begins:
                best = known
        if best is None:
            return 0, None
        self._known.move_to_end((tenant, best.ids))
        return len(best.ids), best.state

    def keep(self, tenant: str, ids: Sequence[int], state: DecoderState, held: int) -> None:
        """Remembers the `state` behind `ids`, which holds about so many bytes."""
        key = (tenant, tuple(ids))
        if held > self.most_bytes or key in self._known:
            return
        self._known[key] = _Known(key[1], state, held)
        self.held_bytes += held
        while self.held_bytes > self.most_bytes:
            self.held_bytes -= self._known.popitem(last=False)[1].held

    def shrink(self, needed: int) -> None:
        """Lets go of the oldest until `needed` bytes are free again."""
        while needed > 0 and self._known:
            freed = self._known.popitem(last=False)[1].held
            self.held_bytes -= freed
            needed -= freed
