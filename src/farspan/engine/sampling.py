"""Choosing the next token from its scores.

Axes: v vocabulary. Order as in vLLM: constraint, penalties, temperature, min-p, top-k, top-p.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from farspan.errors import RequestError

HEAD = 512
"""Top-p looks at so many of the likeliest tokens before it sorts the whole vocabulary."""

MOST_STOPS = 16
MOST_LOGPROBS = 20


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen; temperature 0 takes the most likely one.

    `top_p` keeps the likeliest tokens that together have this probability, `top_k` so many of them
    (0 all), `min_p` those at least so likely as this share of the likeliest. `repetition` divides
    the scores of tokens of prompt and answer (Keskar et al. 2019), `presence` and `frequency` are
    taken off those of the answer, once and for each time. An answer ends before any text in
    `stop`. `logprobs` is how many alternatives are told with each token, None for none at all.
    """

    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    top_k: int = 0
    min_p: float = 0.0
    repetition: float = 1.0
    presence: float = 0.0
    frequency: float = 0.0
    stop: tuple[str, ...] = ()
    logprobs: int | None = None
    ignore_eos: bool = False

    def __post_init__(self) -> None:
        if self.max_tokens < 1:
            raise RequestError(f"max tokens is {self.max_tokens}, must be 1 or more")
        if not 0 <= self.temperature < math.inf:
            raise RequestError(f"temperature is {self.temperature}, must be 0 or more")
        if not 0 < self.top_p <= 1:
            raise RequestError(f"top-p is {self.top_p}, must be above 0 and at most 1")
        if self.top_k < 0:
            raise RequestError(f"top-k is {self.top_k}, must be 0 (all) or more")
        if not 0 <= self.min_p <= 1:
            raise RequestError(f"min-p is {self.min_p}, must be from 0 to 1")
        if not 0 < self.repetition < math.inf:
            raise RequestError(f"repetition penalty is {self.repetition}, must be above 0")
        for name in ("presence", "frequency"):
            if not -2 <= getattr(self, name) <= 2:
                raise RequestError(f"{name} penalty is {getattr(self, name)}, must be from -2 to 2")
        if len(self.stop) > MOST_STOPS or not all(self.stop):
            raise RequestError(f"stop holds {len(self.stop)} texts, must be up to 16, none empty")
        if self.logprobs is not None and not 0 <= self.logprobs <= MOST_LOGPROBS:
            raise RequestError(f"logprobs is {self.logprobs}, must be from 0 to {MOST_LOGPROBS}")

    @property
    def penalises(self) -> bool:
        """Whether scores depend on earlier tokens."""
        return (self.repetition, self.presence, self.frequency) != (1.0, 0.0, 0.0)


@dataclass(frozen=True)
class Choice:
    """A token; if they were asked for, its log-probability and the likeliest `(token, logprob)`."""

    token: int
    logprob: float | None = None
    top: tuple[tuple[int, float], ...] = ()


class Constraint(Protocol):
    """What an answer may look like: a grammar that goes along with it."""

    def allowed(self) -> Tensor:
        """Which tokens may come next, bool `[V]`."""

    def accept(self, token: int) -> None:
        """Goes on behind a token."""

    def is_finished(self) -> bool:
        """Whether the answer is complete and nothing may follow."""


class Sampler:
    """Chooses the tokens of one answer: knows its chance, and what came before.

    `prompt` counts for the repetition penalty.
    """

    def __init__(
        self,
        sampling: Sampling,
        prompt: Sequence[int] = (),
        constraint: Constraint | None = None,
        forbidden: Iterable[int] = (),
    ) -> None:
        self.sampling = sampling
        self.constraint = constraint
        self._chance = torch.Generator().manual_seed(sampling.seed % 2**63)
        self._seen = set(prompt) if sampling.repetition != 1 else set()
        self._counts: dict[int, int] = {}
        self._forbidden = list(forbidden) if sampling.ignore_eos else []

    @property
    def is_plain(self) -> bool:
        """Whether the token is simply the likeliest, which one call finds for many rows."""
        plain = self.sampling.temperature == 0 and not self.sampling.penalises
        told = self.sampling.logprobs is not None
        return plain and self.constraint is None and not told and not self._forbidden

    def choose(self, logits_v: Tensor) -> Choice:
        """The next token from scores `[V]`; `note` it when it counts."""
        raw = logits_v
        if self.constraint is not None:
            logits_v = logits_v.masked_fill(~self.constraint.allowed().to(raw.device), -torch.inf)
        if self._forbidden:
            logits_v = logits_v.clone()
            logits_v[self._forbidden] = -torch.inf
        if self.sampling.penalises:
            logits_v = self._penalised(logits_v)
        return self._told(choose(logits_v, self.sampling, self._chance), raw)

    def note(self, token: int) -> None:
        """A token has become part of the answer."""
        if self.sampling.penalises:
            self._counts[token] = self._counts.get(token, 0) + 1
        if self.constraint is not None:
            self.constraint.accept(token)

    def _penalised(self, logits_v: Tensor) -> Tensor:
        logits_v = logits_v.clone()
        sampling = self.sampling
        if sampling.repetition != 1:
            place = torch.tensor(sorted(self._seen | self._counts.keys()), device=logits_v.device)
            if len(place):
                score = logits_v[place]
                weaker = torch.where(
                    score > 0, score / sampling.repetition, score * sampling.repetition
                )
                logits_v[place] = weaker
        if self._counts:
            place = torch.tensor(list(self._counts), device=logits_v.device)
            count = torch.tensor(list(self._counts.values()), device=logits_v.device)
            logits_v[place] -= sampling.presence + sampling.frequency * count.to(logits_v.dtype)
        return logits_v

    def _told(self, token: int, logits_v: Tensor) -> Choice:
        count = self.sampling.logprobs
        if count is None:
            return Choice(token)
        share = torch.log_softmax(logits_v.float(), -1)
        top = share.topk(count)
        pairs = zip(top.indices.tolist(), top.values.tolist(), strict=True)
        return Choice(token, float(share[token]), tuple(pairs))


def choose(logits_v: Tensor, sampling: Sampling, chance: torch.Generator) -> int:
    """One token from scores `[V]`, without regard to what came before."""
    if sampling.temperature == 0:
        return int(logits_v.argmax())
    share = torch.softmax(logits_v.cpu().double() / sampling.temperature, -1)
    if sampling.min_p > 0:
        share = torch.where(share >= sampling.min_p * share.max(), share, 0.0)
    if 0 < sampling.top_k < len(share):
        top = share.topk(sampling.top_k)
        share = torch.zeros_like(share).scatter(-1, top.indices, top.values)
    if sampling.top_p < 1:
        share = _nucleus(share / share.sum(), sampling.top_p)
    return int(torch.multinomial(share, 1, generator=chance))


def _nucleus(share_v: Tensor, mass: float) -> Tensor:
    """The likeliest tokens up to the one with which they reach `mass`; others become 0."""
    values, order = share_v.topk(min(HEAD, len(share_v)))
    if float(values.sum()) < mass:
        values, order = share_v.sort(descending=True)
    before = values.cumsum(-1) - values
    return torch.zeros_like(share_v).scatter(-1, order, values * (before < mass))
