"""What a training run is: sizes, schedule and seed, all of it in one frozen record."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from farspan.errors import RequestError

SCHEDULES: dict[str, Callable[[float], float]] = {
    "linear": lambda done: 1 - done,
    "cosine": lambda done: (1 + math.cos(math.pi * done)) / 2,
    "constant": lambda done: 1.0,
    "wsd": lambda done: min(1.0, 5 * (1 - done)),
}
"""What the learning rate is multiplied by, by the fraction done; `wsd` falls in the last fifth."""

TRAINED = ("all", "everything", "added", "lora")
_AT_LEAST_ONE = (
    "steps",
    "read_tokens",
    "tail_tokens",
    "text_tokens",
    "log_every",
    "accumulate",
    "keep",
    "patience",
)


@dataclass(frozen=True)
class Stage:
    """Rows of `row_tokens` tokens until `until`, a fraction of all steps.

    Compressive memories have segments of `segment` tokens meanwhile; 0 leaves the plan's.
    """

    until: float
    row_tokens: int
    segment: int = 0


@dataclass(frozen=True)
class TrainConfig:
    """One run. Lengths count tokens, a step reads `read_tokens` of them in rows of its stage.

    Every row ends with `tail_tokens` asked tokens (questions and answers). Beside it a step takes
    `text_rows` rows of book text of `text_tokens` and `chat_rows` rows of the base model's own
    chat answers of `chat_tokens`, all asked, which keep its short-context ability; the loss of
    each counts `text_weight`. The learning rate warms up over `warmup` steps and follows its
    `schedule` to zero; parameters that no checkpoint brings (gates, memories) have one of their
    own. What is trained: `all` but embedding and head, `everything`, what is `added`, or that and
    `lora` of rank `lora_rank`. With `distil` text rows are taught by the base (`training.distill`)
    with this weight, and `distil_attention` times the error of attention outputs.

    Memory: `accumulate` splits a step's read rows, `recompute` and `offload` keep a layer's input
    alone and on the host, `mlp_tile` is how many tokens go through a feed-forward network at
    once, `segment_tokens` trains rows piece by piece (`segments`). `compile` compiles each layer.

    `keep` checkpoints stay. After a step whose gradient is not finite, the learning rate is
    multiplied by `back_off`; after `patience` of them in a row the run stops.
    """

    plan: str = "reader"
    steps: int = 1000
    learning_rate: float = 3e-4
    added_learning_rate: float = 1e-2
    warmup: int = 40
    stages: tuple[Stage, ...] = (Stage(1.0, 8192),)
    read_tokens: int = 131_072
    tail_tokens: int = 768
    text_rows: int = 6
    text_tokens: int = 2048
    chat_rows: int = 8
    chat_tokens: int = 256
    text_weight: float = 0.5
    clip: float = 1.0
    seed: int = 1
    workers: int = 6
    log_every: int = 20
    save_seconds: float = 120.0
    schedule: str = "linear"
    weight_decay: float = 0.0
    trained: str = "all"
    lora_rank: int = 0
    distil: float = 0.0
    distil_attention: float = 0.0
    accumulate: int = 1
    recompute: bool = False
    offload: bool = False
    mlp_tile: int = 0
    segment_tokens: int = 0
    compile: bool = False
    keep: int = 3
    back_off: float = 0.5
    patience: int = 3

    def __post_init__(self) -> None:
        for name, allowed in (("schedule", tuple(SCHEDULES)), ("trained", TRAINED)):
            if getattr(self, name) not in allowed:
                raise RequestError(
                    f"training config: {name} is {getattr(self, name)!r}, must be one of "
                    f"{', '.join(allowed)}"
                )
        if self.offload and not self.recompute:
            raise RequestError("training config: offload keeps what recompute keeps; set both")
        if not self.stages or self.stages[-1].until != 1.0:
            raise RequestError("training config: the last stage must run until 1.0")
        for name in _AT_LEAST_ONE:
            if getattr(self, name) < 1:
                raise RequestError(
                    f"training config: {name} is {getattr(self, name)}, must be >= 1"
                )
        for stage in self.stages:
            if stage.row_tokens <= self.tail_tokens or self.read_tokens % stage.row_tokens:
                raise RequestError(
                    f"training config: rows of {stage.row_tokens} tokens must hold a tail of "
                    f"{self.tail_tokens} and divide read_tokens ({self.read_tokens})"
                )

    def stage(self, step: int) -> Stage:
        """The stage of a step."""
        done = step / self.steps
        return next(stage for stage in self.stages if done < stage.until)

    def row_tokens(self, step: int) -> int:
        """The row length of a step."""
        return self.stage(step).row_tokens

    def learning_rate_at(self, step: int) -> float:
        """Linear warm-up, times the schedule."""
        rise = min(1.0, (step + 1) / max(1, self.warmup))
        return self.learning_rate * rise * SCHEDULES[self.schedule](step / self.steps)

    def replace(self, changes: Mapping[str, str]) -> TrainConfig:
        """With fields set from text, as `--set field=value` gives them; values are JSON or text.

        Raises `RequestError` for unknown fields and values of the wrong kind.
        """
        known = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        parsed: dict[str, Any] = {}
        for name, text in changes.items():
            if name not in known:
                raise RequestError(f"unknown field {name!r}; there are {', '.join(known)}")
            parsed[name] = _parse(name, text, known[name])
        return dataclasses.replace(self, **parsed)

    def to_json(self) -> str:
        """All fields as one JSON object."""
        return json.dumps(dataclasses.asdict(self))


def _parse(name: str, text: str, old: Any) -> Any:
    if isinstance(old, str):
        return text
    try:
        value = json.loads(text)
        if isinstance(old, tuple):
            return tuple(Stage(float(until), *map(int, sizes)) for until, *sizes in value)
        if isinstance(old, bool) != isinstance(value, bool):
            raise TypeError(name)
        return type(old)(value)
    except (ValueError, TypeError) as error:
        raise RequestError(f"{name}={text!r} is not a {type(old).__name__} like {old!r}") from error
