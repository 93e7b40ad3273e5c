from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from farspan.data.generation.counter import TokenCounter
from farspan.data.generation.draft import Draft, Family, Task, UnfitError
from farspan.data.generation.library import Library
from farspan.data.generation.phrasing import Phrasing
from farspan.data.generation.prepare import prepare_library
from farspan.data.sources import find_sources
from tests.data.story import story

FUNCTION = '''def {name}(first, second_{i}=(1, 2), *, third: dict = {{}}):
    """Return the {name} of things that number {i} asks for.

    More is said here.
    """
    return helper_{n}(first, second_{i}) or third


'''
HELPER = '''def helper_{n}(one, two):
    """Add one thing to another, as module {n} wants."""
    return one + two


'''


def write_sources(folder: Path) -> Path:
    """Four stories and sixty small modules."""
    (folder / "code").mkdir(parents=True)
    for seed in range(4):
        (folder / f"story_{seed}.txt").write_text(story(seed))
    for n in range(60):
        functions = "".join(
            FUNCTION.format(name=f"work_{n}_{i}", n=n, i=10 * n + i) for i in range(3)
        )
        text = f'"""Module {n}."""\n\n\n' + HELPER.format(n=n) + functions
        (folder / "code" / f"module_{n}.py").write_text(text)
    return folder


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sources(tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="session")
def library(sources: Path, tokenizer, tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder = tmp_path_factory.mktemp("library") / "prepared"
    prepare_library(find_sources([sources]), folder, tokenizer)
    return Library(folder)


@pytest.fixture(scope="session")
def count(tokenizer) -> TokenCounter:
    return TokenCounter(tokenizer)


@pytest.fixture(scope="session")
def draw(library: Library, count: TokenCounter):
    """Tasks of a family that fitted, from successive seeds."""

    def tasks(family: Family, n: int, length: int = 8192, split: str = "train") -> list[Task]:
        found: list[Task] = []
        for seed in range(20 * n):
            rng = np.random.default_rng([seed, 5])
            try:
                found.append(family.make(Draft(rng, length, library, count, Phrasing(rng, split))))
            except UnfitError:
                continue
            if len(found) == n:
                return found
        raise AssertionError(f"{family.name}: only {len(found)} of {n} fitted")

    return tasks
