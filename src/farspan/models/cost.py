"""What a layer plan costs: parameters, state and operations, without weights.

Operations count two for a multiply-add, in matrix products alone; elementwise work is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from farspan.mixers.spec import MixerSpec
from farspan.models.config import ModelConfig
from farspan.models.decoder import Decoder, Layer
from farspan.models.load import hollow
from farspan.models.plan import Plan

SAMPLES = 8
"""Lengths at which a growing state is looked at, to know what re-reading it takes."""


@dataclass(frozen=True)
class LayerCost:
    """One layer that reads `n` tokens.

    `attention_flops` are those between projections and output, `flops` all of the layer's;
    `state_bytes` is held after the last token, `traffic_bytes` moves while all are read.
    """

    mixer: str
    parameters: int
    state_bytes: int
    attention_flops: int
    flops: int
    traffic_bytes: int


@dataclass(frozen=True)
class PlanCost:
    """A model with a plan that reads `tokens`; `parameters` count embedding and head too."""

    plan: str
    tokens: int
    parameters: int
    layers: tuple[LayerCost, ...]

    @property
    def state_bytes(self) -> int:
        """Of all layers."""
        return sum(layer.state_bytes for layer in self.layers)

    @property
    def attention_flops(self) -> int:
        """Of all layers."""
        return sum(layer.attention_flops for layer in self.layers)

    @property
    def flops(self) -> int:
        """Of all layers; reading needs no output head."""
        return sum(layer.flops for layer in self.layers)


def plan_costs(
    config: ModelConfig, plan: Plan, lengths: Sequence[int], dtype: torch.dtype, chunk: int
) -> tuple[PlanCost, ...]:
    """The cost of reading each length in chunks of `chunk` tokens, from the shapes alone."""
    decoder = hollow(config, plan)
    depth = plan.read_depth
    found = []
    for tokens in lengths:
        layers = []
        for i, spec in enumerate(plan.layers):
            absorbs = bool(plan.recall_layers) and i == depth - 1
            read = tokens if i < depth else 0
            layers.append(_layer_cost(decoder.layer(i), spec, read, dtype, chunk, absorbs))
        found.append(PlanCost(str(plan), tokens, _parameters(decoder), tuple(layers)))
    return tuple(found)


def _layer_cost(
    layer: Layer, spec: MixerSpec, n: int, dtype: torch.dtype, chunk: int, absorbs: bool
) -> LayerCost:
    """A layer; one that `absorbs` projects keys and values and does nothing else."""
    mixer = layer.mixer
    maps = sum(m.weight.numel() for m in layer.modules() if isinstance(m, torch.nn.Linear))
    own = _parameters(layer)
    state = mixer.state_bytes(n, dtype)
    if absorbs:
        maps = 2 * mixer.shape.kv_features * mixer.shape.d_model
    attention = 0 if absorbs else mixer.flops(n)
    chunks = -(-n // chunk)
    held = state / max(chunks, 1)  # a store is only written while reading
    if not spec.stores:
        steps = [n * (k + 1) // SAMPLES for k in range(SAMPLES)]
        held = sum(mixer.state_bytes(step, dtype) for step in steps) / SAMPLES
    traffic = int(chunks * (maps * dtype.itemsize + held))
    return LayerCost(str(spec), own, state, attention, attention + 2 * maps * n, traffic)


def _parameters(module: Decoder | Layer) -> int:
    """Distinct ones: a tied head counts once."""
    return sum(p.numel() for p in module.parameters())
