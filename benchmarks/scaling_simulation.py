"""Simulates reading ten million tokens on 1 to 64 GPUs: measured compute, published link speeds.

python benchmarks/scaling_simulation.py --tokens 10m --seconds-per-million 0.89

Nothing is measured here. What a GPU computes is taken from a measurement given on the command
line for a token's constant work; attention that grows with the length is added at 40 % of the
peak. Exchanges take a latency and their bytes at the link's published speed, and do not overlap.
"""

from __future__ import annotations

import argparse
import json

from farspan.models.about import model_config
from farspan.models.plan import parse_plan
from farspan.parallel.mesh import MeshShape
from farspan.parallel.predict import GPUS, predict
from farspan.units import parse_length

MILLION = 1 << 20


def main() -> None:
    """Prints a table, or with --json one object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--plans", nargs="+", default=["reader", "full"])
    parser.add_argument("--tokens", default="10m")
    parser.add_argument("--gpu", default="h100", choices=GPUS)
    parser.add_argument(
        "--seconds-per-million",
        type=float,
        default=0.89,
        help="measured for the first plan on one GPU at 1M tokens",
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = simulate(options)
    if options.json:
        print(json.dumps({"simulated": True, "options": vars(options), "rows": rows}))
        return
    print("simulated, not measured:", vars(options))
    print("| plan | GPUs | seconds | of them exchange | tokens/s | efficiency |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['plan']} | {row['gpus']} | {row['seconds']:.2f} | {row['exchange']:.3f} |"
            f" {row['tokens_per_second']:,.0f} | {row['efficiency']:.0%} |"
        )


def simulate(options: argparse.Namespace) -> list[dict[str, float | str]]:
    """A row a plan and number of GPUs, each a power of two up to 64."""
    config, gpu = model_config(options.model), GPUS[options.gpu]
    tokens = parse_length(options.tokens)
    first = parse_plan(options.plans[0], config.n_layers)
    one = MeshShape()
    modelled = predict(config, first, MILLION, one, gpu, training=False).compute_seconds
    slower = options.seconds_per_million / modelled  # what the model leaves out: starts, norms
    rows: list[dict[str, float | str]] = []
    for text in options.plans:
        plan = parse_plan(text, config.n_layers)
        alone = 0.0
        for gpus in (1, 2, 4, 8, 16, 32, 64):
            mesh = MeshShape(sequence=gpus)
            found = predict(config, plan, tokens, mesh, gpu, training=False)
            constant = _constant_seconds(config, plan, tokens, gpus, gpu)
            seconds = constant * slower + (found.compute_seconds - constant)
            seconds += found.exchange_seconds
            alone = alone or seconds
            rows.append(
                {
                    "plan": text,
                    "gpus": gpus,
                    "seconds": seconds,
                    "exchange": found.exchange_seconds,
                    "tokens_per_second": tokens / seconds,
                    "efficiency": alone / gpus / seconds,
                }
            )
    return rows


def _constant_seconds(config, plan, tokens, gpus, gpu) -> float:  # type: ignore[no-untyped-def]
    """Seconds of what a token costs at any length: the cost a token has at 4K tokens."""
    short = predict(config, plan, 4096, MeshShape(), gpu, training=False).compute_seconds
    return short * tokens / 4096 / gpus


if __name__ == "__main__":
    main()
