"""LongRoPE's divisors, searched for on a text of the user's own (arXiv 2402.13753).

Axes: b row, t token.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from farspan.errors import RequestError
from farspan.mixers.base import Tokens
from farspan.models.convert import sees_far
from farspan.models.decoder import Decoder
from farspan.models.load import LoadedModel, repositioned
from farspan.positions.base import RotaryMethod, inverse_powers
from farspan.positions.linear import Linear
from farspan.positions.longrope import LongRope
from farspan.positions.ntk import Ntk
from farspan.positions.yarn import Yarn
from farspan.search.evolution import Budget, Divisors, evolve

ROOM = 1.25
"""Divisors go up to this times the factor, as in the paper."""

PIECES = 8
"""Pieces of a row, whose positions stand apart."""


@dataclass(frozen=True)
class Found:
    """The position method that was found, its loss in nats a token, and those it began with.

    `start` has the losses of the divisors of interpolation, NTK and YaRN, by name.
    """

    position: str
    loss: float
    start: dict[str, float]
    trials: int


def search_longrope(
    model: LoadedModel,
    ids: np.ndarray,
    factor: float,
    *,
    rows: int = 2,
    length: int = 2048,
    budget: Budget | None = None,
    on_trial: Callable[[int, int, float], object] = lambda done, total, best: None,
) -> Found:
    """Divisors that make a text of token ids `[T]` likely at `factor` times the trained length.

    A trial is one forward pass over `rows` rows of `length` tokens. Their positions are spread over
    the longer text by jumps, as in PoSE (Zhu et al. 2023), so that a trial costs the same for any
    factor; the paper reads rows of the whole length, which `length` allows too. Unlike the paper's,
    the first tokens are stretched with the others. Raises `RequestError` for a text that is too
    short and a factor that stretches nothing.
    """
    config, budget = model.decoder.config, budget or Budget()
    target = round(config.trained_length * factor)
    if factor <= 1:
        raise RequestError(f"factor is {factor:g}; a search stretches by more than 1")
    if not sees_far(config, model.decoder.plan):
        raise RequestError(
            f"plan {model.plan} has no layer whose positions reach beyond a window, so there is"
            " nothing to search for; name another with --plan, such as full"
        )
    if rows < 1 or not PIECES <= length <= target:
        raise RequestError(f"search rows hold {PIECES} to {target} tokens, one row at least")
    if len(ids) < rows * length:
        raise RequestError(
            f"the text to search on has {len(ids):,} tokens, {rows * length:,} are needed"
        )
    ids_bt = torch.from_numpy(spaced(ids, rows, length)).to(model.device)
    tokens = jumping(rows, length, target, budget.seed).to(model.device)
    width = config.head_dim

    def method(divisors: Divisors) -> LongRope:
        return LongRope(factor, config.trained_length, (1.0,) * len(divisors), divisors)

    def loss(divisors: Divisors) -> float:
        decoder = repositioned(model, str(method(divisors))).decoder
        return mean_loss(decoder, ids_bt, tokens)

    seeds = {
        x.name: divisors_of(x, width, config.rope_theta)
        for x in (Linear(factor), Ntk(factor), Yarn(factor, config.trained_length))
    }
    tried: list[float] = []

    def tell(done: int, best: float) -> None:
        tried.append(best)
        on_trial(done, budget.trials, best)

    best, least = evolve(loss, list(seeds.values()), ROOM * factor, budget, tell)
    start = {name: loss(divisors) for name, divisors in seeds.items()}
    return Found(str(method(best)), least, start, len(tried))


def divisors_of(method: RotaryMethod, width: int, theta: float) -> Divisors:
    """What a method divides the plain frequencies by."""
    plain, own = inverse_powers(width, theta), method.frequencies(width, theta)[0]
    return tuple((plain / own).tolist())


def spaced(ids: np.ndarray, rows: int, length: int) -> np.ndarray:
    """Rows `[rows, length]` at even distances over the text."""
    starts = np.linspace(0, len(ids) - length, rows).astype(np.int64)
    return np.stack([ids[start : start + length] for start in starts]).astype(np.int64)


def jumping(rows: int, length: int, target: int, seed: int) -> torch.Tensor:
    """Positions `[rows, length]` that rise from 0 to below `target` with jumps between pieces."""
    draw = np.random.default_rng(seed)
    place = np.arange(length)
    piece = place * PIECES // length
    found = []
    for _ in range(rows):
        cuts = np.sort(draw.integers(0, target - length + 1, PIECES - 1))
        cuts[-1:] = target - length
        found.append(place + np.concatenate(([0], cuts))[piece])
    return torch.from_numpy(np.stack(found))


@torch.inference_mode()
def mean_loss(decoder: Decoder, ids_bt: torch.Tensor, position_bt: torch.Tensor) -> float:
    """Mean cross-entropy, in nats, of the next tokens; every token is asked."""
    total = 0.0
    for ids, place in zip(ids_bt.split(1), position_bt.split(1), strict=True):
        tokens = Tokens(place, torch.zeros_like(place), torch.ones_like(place, dtype=torch.bool))
        features, _ = decoder(ids, tokens, decoder.init_state(1))
        assert features is not None
        logits = decoder.logits(features[0, :-1]).float()
        total += float(F.cross_entropy(logits, ids[0, 1:]))
    return total / len(ids_bt)
