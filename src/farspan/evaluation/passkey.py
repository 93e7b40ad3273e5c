"""Passkey accuracy by length and depth, many cases read side by side."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch

from farspan.data.passkey import PasskeyCase, Passkeys
from farspan.mixers.base import Tokens
from farspan.models.decoder import Decoder


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
    chunk: int = 4096,
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
    """Whether each case's answer is right. Rows end alike, at the end of their answers."""
    rows = torch.from_numpy(np.stack([np.concatenate((c.ids, c.answer_ids)) for c in cases]))
    longest = max(len(case.answer_ids) for case in cases)
    asked = rows.shape[1] - longest - 1
    state = decoder.init_state(len(cases))
    for start in range(0, asked, chunk):
        part = rows[:, start : min(start + chunk, asked)].to(decoder.device)
        tokens = Tokens.plain(*part.shape, start=start, device=decoder.device)
        state = decoder(part, tokens, state)[1]
    tail = rows[:, asked:].to(decoder.device)
    tokens = Tokens.plain(*tail.shape, start=asked, first_asked=0, device=decoder.device)
    features, _ = decoder(tail, tokens, state)
    assert features is not None
    guess = decoder.logits(features[:, :-1]).argmax(-1) == tail[:, 1:]
    return [
        bool(row[-len(case.answer_ids) :].all()) for row, case in zip(guess, cases, strict=True)
    ]
