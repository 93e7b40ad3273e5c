"""A model behind an OpenAI-compatible chat endpoint, which may be down, slow or wrong."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urldefrag

from farspan.evaluation.models.base import CellFailedError, Model, Reply
from farspan.evaluation.samples import Question, Sample
from farspan.models.tokenizer import Tokenizer

FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
"""Seconds before the second attempt, doubled each time, and the most between two."""

KEY = "OPENAI_API_KEY"
OVERHEAD = 32
"""Tokens allowed for a chat format that is not known."""


class EndpointModel(Model):
    """`http://HOST/v1#MODEL`; the key, if one is needed, comes from OPENAI_API_KEY.

    Each question is a request of its own, with the whole document; servers that cache prefixes
    read it once. Attempts that fail for reasons that may pass (no connection, no answer in time,
    too many requests, errors of the server, answers that make no sense) are repeated with growing
    waits; a refusal is not. Then the cell has failed.
    """

    needs_text = True
    overhead = OVERHEAD

    def __init__(
        self,
        name: str,
        tokenizer: Tokenizer,
        *,
        attempts: int = 5,
        timeout: float = 600.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        url, model = urldefrag(name)
        import openai

        key = os.environ.get(KEY, "none")
        self.client: Any = openai.OpenAI(base_url=url, api_key=key, timeout=timeout, max_retries=0)
        self.name, self.model, self.tokenizer = name, model, tokenizer
        self.attempts, self.sleep = attempts, sleep
        self.identity = f"endpoint {name}"
        self.about = {"kind": "endpoint", "lengths": "counted with the default model's tokenizer"}

    def answer(self, samples: Sequence[Sample], max_tokens: int) -> list[list[Reply]]:
        """One request a question."""
        return [[self._ask(x, q, max_tokens) for q in x.questions] for x in samples]

    def _ask(self, sample: Sample, question: Question, max_tokens: int) -> Reply:
        content = (
            sample.head.text + sample.body.text + question.joint + question.text + question.prefix
        )
        began = time.perf_counter()
        text, tokens = self._insist(content, max_tokens)
        return Reply(text, 0.0, time.perf_counter() - began, tokens)

    def _insist(self, content: str, max_tokens: int) -> tuple[str, int]:
        """The reply of the first attempt that succeeds, and its tokens (0 if not told)."""
        import openai

        reason, told = "", None
        for attempt in range(self.attempts):
            if attempt:
                self.sleep(_wait(attempt, told))
            told = None
            try:
                return self._request(content, max_tokens)
            except openai.APIStatusError as error:
                if error.status_code < 500 and error.status_code not in (408, 409, 425, 429):
                    raise CellFailedError(f"the endpoint refuses: {_said(error)}") from error
                reason = f"status {error.status_code}: {_said(error)}"
                told = _retry_after(error)
            except openai.APITimeoutError:
                reason = "no answer in time"
            except openai.APIConnectionError as error:
                reason = f"no connection ({error.__cause__ or error})"
            except (openai.OpenAIError, ValueError, TypeError, AttributeError) as error:
                reason = f"an answer that makes no sense ({' '.join(str(error).split())[:200]})"
        raise CellFailedError(f"{self.attempts} attempts failed, the last with {reason}")

    def _request(self, content: str, max_tokens: int) -> tuple[str, int]:
        found = self.client.chat.completions.create(
            model=self.model,
            messages=[{"role": "user", "content": content}],
            max_tokens=max_tokens,
            temperature=0.0,
        )
        if isinstance(found, str) or not getattr(found, "choices", None):
            raise ValueError(f"no choices in {found!r}"[:200])
        text = found.choices[0].message.content
        if not isinstance(text, str):
            raise ValueError("no text in the first choice")
        usage = found.usage
        return text, int(usage.completion_tokens) if usage else 0


def _wait(attempt: int, told: float | None) -> float:
    """Seconds before an attempt: what the server says, else doubling with some chance in it."""
    if told is not None:
        return min(told, LONGEST_WAIT)
    return float(
        min(FIRST_WAIT * 2.0 ** (attempt - 1), LONGEST_WAIT) * (0.75 + random.random() / 2)
    )


def _retry_after(error: Any) -> float | None:
    """The seconds of a Retry-After header, if there is one that can be read."""
    value = error.response.headers.get("retry-after", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        return None


def _said(error: Any) -> str:
    return " ".join(str(error.message).split())[:200]
