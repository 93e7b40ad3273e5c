"""Passkey accuracy by length and depth, many cases read side by side."""

from __future__ import annotations

from dataclasses import asdict, dataclass

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
def passkey_score(
    decoder: Decoder,
    passkeys: Passkeys,
    length: int,
    depth: float,
    samples: int,
    *,
    seed: int = 0,
    batch: int = 20,
    chunk: int = 16_384,
) -> PasskeyScore:
    """Reads `samples` cases and checks every digit of each answer by greedy decoding.

    The true digits go in together: each is the likeliest after those before it exactly if greedy
    decoding, which would have produced those, produces it.
    """
    right = 0
    draws = [np.random.default_rng([seed, length, i]) for i in range(samples)]
    cases = [passkeys.case(length, depth, draw) for draw in draws]
    for start in range(0, samples, batch):
        right += sum(_answers(decoder, cases[start : start + batch], chunk))
    return PasskeyScore(length, depth, right, samples)


def _answers(decoder: Decoder, cases: list[PasskeyCase], chunk: int) -> list[bool]:
    """Whether each case's answer is right. What all cases begin with is read once."""
    rows = torch.from_numpy(np.stack([np.concatenate((c.ids, c.answer_ids)) for c in cases]))
    longest = max(len(case.answer_ids) for case in cases)
    asked = rows.shape[1] - longest - 1
    shared = min(min(case.needle[0] for case in cases) // chunk * chunk, asked // chunk * chunk)
    state = _read(decoder, rows[:1, :shared], decoder.init_state(1), chunk)
    state = _read(decoder, rows[:, shared:asked], _repeated(state, len(cases)), chunk)
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
