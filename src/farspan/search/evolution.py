"""An evolutionary search for rising lists of numbers, as LongRoPE searches its divisors.

Ding et al. 2024 (arXiv 2402.13753), section 3.3: a population keeps its best, which are mutated and
crossed; only lists that never fall are allowed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from farspan.errors import RequestError

STEP = 0.01
"""Divisors are multiples of it."""

Divisors = tuple[float, ...]
Loss = Callable[[Divisors], float]


@dataclass(frozen=True)
class Budget:
    """How much is tried: `population` lists at first, then `children` in each generation.

    Half of the children are mutants of the `parents` best, each number with chance `chance`; the
    others are crossed from two of them.
    """

    population: int = 8
    parents: int = 4
    children: int = 8
    generations: int = 4
    chance: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("population", "parents", "children"):
            if getattr(self, name) < 2:
                raise RequestError(f"search {name} is {getattr(self, name)}, must be 2 or more")
        if self.generations < 0 or not 0 < self.chance <= 1:
            raise RequestError("search generations must be 0 or more, chance above 0 and up to 1")

    @property
    def trials(self) -> int:
        """How often the loss is asked for, at most."""
        return self.population + self.generations * self.children


@dataclass
class Trials:
    """Every list that was tried, and its loss."""

    loss: Loss
    most: float
    on_trial: Callable[[int, float], object]
    found: dict[Divisors, float] = field(default_factory=dict)

    def run(self, divisors: Divisors) -> float:
        """The loss of a list, asked for once."""
        if divisors not in self.found:
            self.found[divisors] = self.loss(divisors)
            self.on_trial(len(self.found), min(self.found.values()))
        return self.found[divisors]

    def best(self, count: int) -> list[Divisors]:
        """The best lists, best first."""
        return sorted(self.found, key=lambda divisors: self.found[divisors])[:count]


def evolve(
    loss: Loss,
    seeds: Sequence[Divisors],
    most: float,
    budget: Budget,
    on_trial: Callable[[int, float], object] = lambda count, best: None,
) -> tuple[Divisors, float]:
    """The list of the least loss that was found, and that loss.

    All numbers are from 1 to `most` and never fall. The seeds are tried first, so the result is
    none worse than they. `on_trial` is told the number of trials and the least loss so far.
    """
    draw = random.Random(budget.seed)
    trials = Trials(loss, most, on_trial)
    for seed in seeds:
        trials.run(rising(seed, most))
    for i in range(max(budget.population - len(seeds), 0)):
        trials.run(mutant(rising(seeds[i % len(seeds)], most), most, budget.chance, draw))
    for _ in range(budget.generations):
        parents = trials.best(budget.parents)
        for i in range(budget.children):
            if i % 2 == 0 or len(parents) < 2:
                child = mutant(draw.choice(parents), most, budget.chance, draw)
            else:
                one, two = draw.sample(parents, 2)
                child = crossed(one, two, most, draw)
            trials.run(child)
    best = trials.best(1)[0]
    return best, trials.found[best]


def rising(numbers: Sequence[float], most: float) -> Divisors:
    """The list with no number below the one before it, on the grid from 1 to `most`."""
    found: list[float] = []
    for number in numbers:
        on_grid = round(round(min(max(number, 1.0), most) / STEP) * STEP, 2)
        found.append(max(on_grid, found[-1] if found else 1.0))
    return tuple(found)


def mutant(parent: Divisors, most: float, chance: float, draw: random.Random) -> Divisors:
    """Some numbers drawn anew, within a factor of the square root of `most`."""
    spread = most**0.5
    changed = [
        number * spread ** draw.uniform(-1, 1) if draw.random() < chance else number
        for number in parent
    ]
    return rising(changed, most)


def crossed(one: Divisors, two: Divisors, most: float, draw: random.Random) -> Divisors:
    """Each number from either parent."""
    return rising([draw.choice(pair) for pair in zip(one, two, strict=True)], most)
