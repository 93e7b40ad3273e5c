"""Answers that keep to a JSON schema, by the masks of llguidance (extra `serve`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from farspan.errors import RequestError
from farspan.models.tokenizer import Tokenizer

MOST_CHARS = 65_536
_COMPACT: Any = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""Small models would write white space without end where they may."""

ANY_OBJECT: Mapping[str, Any] = {"type": "object"}


class Grammars:
    """Makes grammars for one vocabulary. Raises `RequestError` without llguidance."""

    def __init__(self, tokenizer: Tokenizer, vocab_size: int) -> None:
        try:
            import llguidance
        except ImportError as error:
            raise RequestError(
                "JSON schemas need llguidance: pip install 'farspan[serve]'"
            ) from error
        eos = next(iter(tokenizer.eos_ids), None)
        if eos is None:
            raise RequestError("the model has no end token, which a JSON answer needs")
        self._size = vocab_size
        self._library = llguidance
        self._tokenizer = llguidance.LLTokenizer(
            llguidance.TokenizerWrapper(_Vocabulary(tokenizer, vocab_size, eos))
        )

    def json(self, schema: Mapping[str, Any]) -> Callable[[], JsonConstraint]:
        """Makes constraints of a schema. Raises `RequestError` for one that cannot be kept to."""
        text = json.dumps(schema)
        if len(text) > MOST_CHARS:
            raise RequestError(f"the schema has {len(text):,} characters, up to {MOST_CHARS:,} go")
        matcher = self._library.LLMatcher
        try:
            grammar = matcher.grammar_from_json_schema(text, defaults=_COMPACT)
        except ValueError as error:
            raise RequestError(f"the schema is not understood: {error}") from error
        if problem := matcher.validate_grammar(grammar, self._tokenizer):
            raise RequestError(f"the schema is not understood: {problem}")
        return lambda: JsonConstraint(matcher(self._tokenizer, grammar), self._size)


class JsonConstraint:
    """One answer's way through a grammar; see `engine.sampling.Constraint`."""

    def __init__(self, matcher: Any, vocab_size: int) -> None:
        self._matcher, self._size = matcher, vocab_size

    def allowed(self) -> Tensor:
        """Which tokens may come next, bool `[V]`."""
        bits = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        flags = np.unpackbits(bits, bitorder="little")[: self._size]
        return torch.from_numpy(flags.astype(bool))

    def accept(self, token: int) -> None:
        """Goes on behind a token."""
        if not self._matcher.consume_token(token):
            raise RequestError(f"the grammar cannot go on: {self._matcher.get_error()}")

    def is_finished(self) -> bool:
        """Whether the answer is complete and nothing may follow."""
        return bool(self._matcher.is_stopped())


class _Vocabulary:
    """A tokenizer in the form that llguidance wraps; ids that mean nothing have no bytes."""

    def __init__(self, tokenizer: Tokenizer, vocab_size: int, eos: int) -> None:
        known = tokenizer.vocab_size
        self.eos_token_id, self.bos_token_id = eos, tokenizer.bos_id
        self.tokens = [tokenizer.token_bytes(i) if i < known else b"" for i in range(vocab_size)]
        self.special_token_ids = sorted(tokenizer.special_ids)
        self._tokenizer = tokenizer

    def __call__(self, text: str) -> list[int]:
        """The tokens of a text; raises for bytes, which the wrapper tries first."""
        if not isinstance(text, str):
            raise TypeError("only text is encoded")
        return self._tokenizer.encode(text, special=False)
