"""Finding a model by the name that a user gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from farspan.errors import RequestError
from farspan.evaluation.models.base import Model

PLAYERS = ("oracle", "silent")
BASELINES = ("full", "yarn", "window", "bm25", "embedding")
FORMS = (
    "oracle, silent, smollm2, a checkpoint's folder or hub name (read by farspan), hf:NAME (run by"
    " transformers), http://HOST/v1#MODEL (an OpenAI-compatible endpoint), and NAME+full, +yarn,"
    " +window, +bm25 or +embedding for a baseline on its weights"
)
"""What `--model` takes."""


@dataclass(frozen=True)
class Options:
    """How models are loaded: device, dtype and layer plan as in other commands.

    `attempts` and `timeout` (seconds) are for endpoints, `passages` the number that retrieval
    puts into the prompt.
    """

    device: str = "auto"
    dtype: str | None = None
    plan: str | None = None
    attempts: int = 5
    timeout: float = 600.0
    passages: int = 8


Say = Callable[[str], None]


def check_name(name: str) -> None:
    """Raises `RequestError` for a name that no kind of model can have."""
    base, plus, kind = name.rpartition("+")
    if plus and not name.startswith(("http://", "https://")) and kind not in BASELINES:
        raise RequestError(
            f"unknown baseline {kind!r} in {name!r}; there are {', '.join(BASELINES)}"
        )
    if not name or (plus and (not base or base in PLAYERS)):
        raise RequestError(f"model {name!r} is not a model; give {FORMS}")


def load(name: str, options: Options, say: Say) -> Model:
    """The model of a name, loaded. Raises `RequestError` where it is not there or cannot be."""
    check_name(name)
    if name in PLAYERS:
        return _player(name, say)
    return _farspan(name, options, say)


def _player(name: str, say: Say) -> Model:
    from farspan.evaluation.models.builtin import Oracle, Silent
    from farspan.models.default import default_model_path
    from farspan.models.gguf import read_gguf

    tokenizer = read_gguf(default_model_path(say))[2]
    return Oracle(tokenizer) if name == "oracle" else Silent(tokenizer)


def _farspan(name: str, options: Options, say: Say) -> Model:
    from farspan.evaluation.models.farspan import FarspanModel
    from farspan.models.load import load_model

    loaded = load_model(
        name, plan=options.plan, device=options.device, dtype=options.dtype, say=say
    )
    return FarspanModel(name, loaded)
