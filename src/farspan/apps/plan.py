"""What a layer plan would cost, beside full attention: sizes, operations, time, masks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from farspan.engine.reading import default_chunk
from farspan.errors import RequestError
from farspan.evaluation.masks import Mask, probe_mask
from farspan.evaluation.roofline import Roofline, measure_roofline
from farspan.models.about import model_config
from farspan.models.cost import PlanCost, plan_costs
from farspan.models.default import DEFAULT_MODEL, Say
from farspan.models.load import DEFAULT_PLAN, find_device, find_dtype
from farspan.models.plan import parse_plan

SHORT = 4096
"""The length that attention per token is compared with."""


@dataclass(frozen=True)
class Estimate:
    """A plan's cost, that of full attention, and what this machine makes of them.

    `short` and `full_short` are the same at `SHORT` tokens. `masks` has one for each kind of layer,
    by how a plan writes it.
    """

    model: str
    device: str
    dtype: str
    position: str
    roofline: Roofline
    cost: PlanCost
    full: PlanCost
    short: PlanCost
    full_short: PlanCost
    masks: dict[str, Mask]

    def seconds(self, cost: PlanCost) -> float:
        """The least time of reading: each layer waits for its products or for its memory."""
        return sum(self.roofline.seconds(x.flops, x.traffic_bytes) for x in cost.layers)

    def growth(self, cost: PlanCost, short: PlanCost) -> float:
        """How many times the attention of a token at `SHORT` one costs at the length."""
        before = short.attention_flops / short.tokens
        return cost.attention_flops / cost.tokens / before if before else 1.0

    def report(self) -> dict[str, Any]:
        """Plain data: `{model, device, dtype, tokens, roofline, plan, full}`."""
        return {
            "model": self.model,
            "device": self.device,
            "dtype": self.dtype,
            "position": self.position,
            "tokens": self.cost.tokens,
            "roofline": asdict(self.roofline),
            "plan": self._of(self.cost, self.short),
            "full": self._of(self.full, self.full_short),
        }

    def _of(self, cost: PlanCost, short: PlanCost) -> dict[str, Any]:
        seconds = self.seconds(cost)
        return {
            "plan": cost.plan,
            "parameters": cost.parameters,
            "state_bytes": cost.state_bytes,
            "attention_flops": cost.attention_flops,
            "flops": cost.flops,
            "attention_growth_from_4k": self.growth(cost, short),
            "seconds_at_least": seconds,
            "tokens_per_second_at_most": cost.tokens / seconds,
            "layers": [asdict(layer) for layer in cost.layers],
        }


def estimate(
    model: str = DEFAULT_MODEL,
    *,
    plan: str | None = None,
    tokens: int = 1 << 20,
    device: str = "auto",
    dtype: str | None = None,
    position: str | None = None,
    factor: float | None = None,
    say: Say = lambda message: None,
) -> Estimate:
    """The cost of reading `tokens` with a plan, by default the model's own.

    Weights are not loaded; about a second goes into measuring the machine. Raises `RequestError`
    for unknown models, plans, positions, devices and dtypes, and for no tokens.
    """
    if tokens < 1:
        raise RequestError(f"tokens is {tokens}; a text has at least 1 token")
    if factor is not None and position is None:
        raise RequestError("--factor stretches a --position; name one, for instance yarn")
    place = find_device(device)
    kind = find_dtype(dtype, place)
    config = model_config(model, say)
    if position is not None:
        config = config.stretched(position, factor)
    default = DEFAULT_PLAN if model == DEFAULT_MODEL else config.plan or "full"
    own, full = (parse_plan(x, config.n_layers) for x in (plan or default, "full"))
    lengths, chunk = (tokens, min(SHORT, tokens)), default_chunk(place)
    cost, short = plan_costs(config, own, lengths, kind, chunk)
    full_cost, full_short = plan_costs(config, full, lengths, kind, chunk)
    return Estimate(
        model,
        str(place),
        str(kind).removeprefix("torch."),
        config.position,
        measure_roofline(place, kind),
        cost,
        full_cost,
        short,
        full_short,
        {str(spec): probe_mask(spec) for spec in dict.fromkeys(own.layers)},
    )
