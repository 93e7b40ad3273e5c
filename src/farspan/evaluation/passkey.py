"""Passkey accuracy by length and depth, many cases read side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from torch import Tensor

from farspan.data.passkey import PasskeyCase, Passkeys
from farspan.mixers.base import Tokens
from farspan.mixers.states import change
from farspan.models.decoder import Decoder, DecoderState


@dataclass(frozen=True)
class PasskeyScore:
    """How many of `total` passkeys came out whole, at a length in tokens and a depth."""

    length: int
    depth: float
    right: int
    total: int

    def to_json(self) -> dict[str, object]:
        """As a plain dictionary."""
        return asdict(self)


@torch.inference_mode()
def passkey_scores(
    decoder: Decoder,
    passkeys: Passkeys,
    lengths: Sequence[int],
    depth: float,
    samples: int,
    *,
    seed: int = 0,
    chunk: int = 16_384,
) -> Iterator[PasskeyScore]:
    """Reads `samples` cases of each length side by side, checks every digit by greedy decoding.

    A case has the same key at every length, so with its needle at the start a longer one goes on
    where a shorter one was asked. The true digits go in together: each is the likeliest after
    those before it exactly if greedy decoding, which would have produced those, produces it.
    """
    readings = _Readings(decoder, chunk)
    for length in sorted(lengths):
        draws = [np.random.default_rng([seed, i]) for i in range(samples)]
        cases = [passkeys.case(length, depth, draw) for draw in draws]
        yield PasskeyScore(length, depth, sum(_answers(decoder, cases, readings)), samples)


@dataclass
class _Readings:
    """Rows as far as they were read, with the states there: equal beginnings are read once."""

    decoder: Decoder
    chunk: int
    known: list[tuple[Tensor, DecoderState]] = field(default_factory=list)

    def read(self, rows_bt: Tensor) -> DecoderState:
        """The state after rows, which may go on from what all or each of them begin with."""
        length = rows_bt.shape[1]
        different = (rows_bt != rows_bt[:1]).any(0)
        common = int(different.nonzero()[0]) if bool(different.any()) else length
        for part in (rows_bt[:1, : self._whole(common)], rows_bt[:, : self._whole(length)]):
            start, state = self._longest(part)
            if state is None or start < part.shape[1]:
                state = self._go_on(part[:, start:], state)
            self.known.append((part, state))
        self.known = self.known[-2:]
        return self._go_on(rows_bt[:, self._whole(length) :], state)

    def _whole(self, length: int) -> int:
        return length // self.chunk * self.chunk

    def _longest(self, rows_bt: Tensor) -> tuple[int, DecoderState | None]:
        """The longest of the known readings that these rows begin with."""
        best: tuple[int, DecoderState | None] = (0, None)
        for known, state in self.known:
            length = known.shape[1]
            fits = length <= rows_bt.shape[1] and len(known) in (1, len(rows_bt))
            if fits and length >= best[0] and bool((rows_bt[:, :length] == known).all()):
                best = (length, state)
        return best

    def _go_on(self, rows_bt: Tensor, state: DecoderState | None) -> DecoderState:
        batch = len(rows_bt)
        state = state or self.decoder.init_state(1)
        if batch > 1:
            state = _repeated(state, batch)
        return _read(self.decoder, rows_bt, state, self.chunk)


def _answers(decoder: Decoder, cases: list[PasskeyCase], readings: _Readings) -> list[bool]:
    """Whether each case's answer is right."""
    rows = torch.from_numpy(np.stack([np.concatenate((c.ids, c.answer_ids)) for c in cases]))
    longest = max(len(case.answer_ids) for case in cases)
    asked = rows.shape[1] - longest - 1
    state = readings.read(rows[:, :asked])
    tail = rows[:, asked:].to(decoder.device)
    tokens = Tokens.plain(*tail.shape, start=asked, first_asked=0, device=decoder.device)
    features, _ = decoder(tail, tokens, state)
    assert features is not None
    guess = decoder.logits(features[:, :-1]).argmax(-1) == tail[:, 1:]
    return [
        bool(row[-len(case.answer_ids) :].all()) for row, case in zip(guess, cases, strict=True)
    ]


def _read(decoder: Decoder, rows_bt: Tensor, state: DecoderState, chunk: int) -> DecoderState:
    for start in range(0, rows_bt.shape[1], chunk):
        part = rows_bt[:, start : start + chunk].to(decoder.device)
        tokens = Tokens.plain(*part.shape, start=state.length, device=decoder.device)
        state = decoder(part, tokens, state)[1]
    return state


def _repeated(state: DecoderState, batch: int) -> DecoderState:
    """The state of one row as that of a batch of alike rows."""
    rows = change(state.layers, lambda x: x.expand(batch, *x.shape[1:]))
    return DecoderState(rows, state.length)
