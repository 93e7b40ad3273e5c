"""The paper's passkey table from memories alone: trains each rule, then reads up to a million.

python benchmarks/infini_passkey.py --base BASE.gguf --rules delta,gated_delta -o runs/passkey
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path

import torch

from farspan.data.passkey import Passkeys
from farspan.evaluation.passkey import passkey_scores
from farspan.models.gguf import read_gguf
from farspan.training.passkey import INFINI_PASSKEY, infini_passkey, infini_plan
from farspan.units import parse_lengths

DEPTHS = (0.0, 0.5, 1.0)


def main() -> None:
    """Prints one JSON object a training row and a cell, within `--seconds` for each rule."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--rules", default="delta,gated_delta,linear,gated_mean,window")
    parser.add_argument("--steps", type=int, default=INFINI_PASSKEY.steps)
    parser.add_argument("--segment", type=int, default=256)
    parser.add_argument("--learning-rate", type=float, default=INFINI_PASSKEY.learning_rate)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-repeats", action="store_true")
    parser.add_argument("--lengths", default="32k,128k,256k,512k,1m")
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=300, help="of reading, for each rule")
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args()
    cuda = options.device == "cuda"
    name = torch.cuda.get_device_name() if cuda else "CPU"
    _say({"device": name, "torch": torch.__version__, "arguments": vars(options)})
    passkeys = Passkeys(read_gguf(options.base)[2])
    for rule in options.rules.split(","):
        config = dataclasses.replace(
            INFINI_PASSKEY,
            plan=infini_plan(rule, options.segment),
            steps=options.steps,
            learning_rate=options.learning_rate,
            seed=options.seed,
            stages=tuple(
                dataclasses.replace(stage, segment=min(stage.segment, options.segment))
                for stage in INFINI_PASSKEY.stages
            ),
        )
        if cuda:
            torch.cuda.reset_peak_memory_stats()
        began = time.monotonic()
        decoder = infini_passkey(
            options.base,
            options.output / rule,
            config,
            device=options.device,
            repeats=not options.no_repeats,
            log=lambda row, rule=rule: _say({"rule": rule} | row),
        ).eval()
        peak = torch.cuda.max_memory_allocated() / 2**30 if cuda else 0.0
        _say({"rule": rule, "train_seconds": time.monotonic() - began, "peak_gib": peak})
        _measure(decoder, passkeys, rule, options)


def _measure(decoder, passkeys, rule, options) -> None:  # type: ignore[no-untyped-def]
    """Depth after depth, each cell told as it is done; none is begun after the time."""
    until = time.monotonic() + options.seconds
    lengths = parse_lengths(options.lengths)
    for depth in DEPTHS:
        began = time.monotonic()
        for score in passkey_scores(decoder, passkeys, lengths, depth, options.samples):
            now = time.monotonic()
            _say({"rule": rule} | score.to_json() | {"seconds": round(now - began, 2)})
            if now > until:
                return
            began = now


def _say(row: dict[str, object]) -> None:
    print(json.dumps(row, default=str), flush=True)


if __name__ == "__main__":
    main()
