"""`farspan plan --gpus`: which mesh to use, what it would hold and how long it would take."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from farspan.errors import RequestError
from farspan.models.about import model_config
from farspan.models.default import DEFAULT_MODEL, Say
from farspan.models.load import DEFAULT_PLAN
from farspan.models.plan import parse_plan
from farspan.parallel.predict import GPUS, Gpu, Prediction, propose


@dataclass(frozen=True)
class MeshPlan:
    """Meshes for a model, plan and length, the best first."""

    model: str
    plan: str
    tokens: int
    gpu: Gpu
    training: bool
    predictions: tuple[Prediction, ...]

    def report(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "model": self.model,
            "plan": self.plan,
            "tokens": self.tokens,
            "gpu": asdict(self.gpu),
            "training": self.training,
            "meshes": [asdict(x) | {"seconds": x.seconds} for x in self.predictions],
        }


def plan_mesh(
    model: str = DEFAULT_MODEL,
    *,
    plan: str | None = None,
    tokens: int = 1 << 20,
    gpus: int = 1,
    gpu: str = "h100",
    training: bool = False,
    say: Say = lambda message: None,
) -> MeshPlan:
    """Every mesh of `gpus` GPUs for reading a row of `tokens`, or for training on it.

    Raises `RequestError` for unknown models, plans and GPUs, and for no GPUs or tokens.
    """
    if gpus < 1 or tokens < 1:
        raise RequestError(f"gpus is {gpus} and tokens {tokens}; both are 1 or more")
    if gpu not in GPUS:
        raise RequestError(f"GPU {gpu!r} is unknown; use one of {', '.join(GPUS)}")
    config = model_config(model, say)
    default = DEFAULT_PLAN if model == DEFAULT_MODEL else "full"
    parsed = parse_plan(plan or default, config.n_layers)
    found = propose(config, parsed, tokens, gpus, GPUS[gpu], training=training)
    return MeshPlan(model, str(parsed), tokens, GPUS[gpu], training, tuple(found))
