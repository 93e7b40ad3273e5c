"""Everything that one server shares: model, scheduler, documents, counters."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from functools import cached_property

from farspan.engine.grammar import ANY_OBJECT, Grammars
from farspan.engine.sampling import Constraint, Sampling
from farspan.engine.scheduler import Loop, Scheduler
from farspan.models.load import LoadedModel
from farspan.server.errors import ApiError
from farspan.server.library import Library
from farspan.server.metrics import Metrics
from farspan.server.schemas import ANSWER_TOKENS, ResponseFormat, SamplingFields
from farspan.server.settings import Settings


class Service:
    """A running server's parts; `close` saves what is being read."""

    def __init__(self, model: LoadedModel, settings: Settings) -> None:
        self.model, self.settings = model, settings
        self.metrics = Metrics()
        self.scheduler = Scheduler(model, settings.limits, self.metrics.stepped)
        self.loop = Loop(self.scheduler)
        self.library = Library(model, self.loop, settings)
        self.library.resume()
        self._making = threading.Lock()

    @property
    def name(self) -> str:
        """The model's name to clients: the last part of a path."""
        return self.model.name.rstrip("/").rsplit("/", 1)[-1]

    def check_model(self, name: str) -> None:
        """`ApiError` 404 for a model that is not served."""
        if name not in (self.name, self.model.name):
            raise ApiError(
                f"there is no model {name!r}; {self.name} is served",
                status=404,
                param="model",
                code="model_not_found",
            )

    def sampling(
        self, fields: SamplingFields, *, max_tokens: int | None, logprobs: int | None, warm: bool
    ) -> Sampling:
        """How tokens are chosen; without a temperature 1 if `warm`, as OpenAI has it, else 0."""
        stop = fields.stop or ()
        return Sampling(
            max_tokens=max_tokens or ANSWER_TOKENS,
            temperature=_or(fields.temperature, 1.0 if warm else 0.0),
            top_p=_or(fields.top_p, 1.0),
            seed=fields.seed if fields.seed is not None else _random_seed(),
            top_k=max(0, fields.top_k or 0),
            min_p=fields.min_p or 0.0,
            repetition=_or(fields.repetition_penalty, 1.0),
            presence=fields.presence_penalty or 0.0,
            frequency=fields.frequency_penalty or 0.0,
            stop=(stop,) if isinstance(stop, str) else tuple(stop),
            logprobs=logprobs,
            ignore_eos=bool(fields.ignore_eos),
        )

    def constraint(self, wanted: ResponseFormat | None) -> Callable[[], Constraint] | None:
        """What `response_format` asks for. May take a second: call it in a thread."""
        if wanted is None or wanted.type == "text":
            return None
        with self._making:
            if wanted.type == "json_object":
                return self._grammars.json(ANY_OBJECT)
            if wanted.json_schema is None:
                raise ApiError("a json_schema is missing", param="response_format.json_schema")
            try:
                return self._grammars.json(wanted.json_schema.schema_)
            except ValueError as error:
                raise ApiError(str(error), param="response_format.json_schema.schema") from error

    @cached_property
    def _grammars(self) -> Grammars:
        return Grammars(self.model.tokenizer, self.model.decoder.config.vocab_size)

    def close(self) -> None:
        """Ends answers, saves readings, and lets go of sessions."""
        self.loop.close()
        self.library.close()


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


def _random_seed() -> int:
    return secrets.randbelow(2**63)
