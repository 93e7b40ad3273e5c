"""What a mesh would take: memory a GPU and seconds, from shapes and published speeds.

A model, not a measurement: products at a share of the peak, exchanges at the link's speed, the two
one after the other. docs/parallel.md tells what it leaves out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from farspan.mixers.full import FullAttention
from farspan.mixers.recall import RecallAttention
from farspan.models.config import ModelConfig
from farspan.models.cost import plan_costs
from farspan.models.decoder import Layer
from farspan.models.load import hollow
from farspan.models.plan import Plan
from farspan.parallel.mesh import MeshShape

EFFICIENCY = 0.4
"""The share of a GPU's peak that products reach."""

LATENCY = 20e-6
"""Seconds that an exchange takes whatever it carries."""

CHUNK = 4096
"""Tokens that a rank reads at once."""

HALF, TRAINED = 2, 18
"""Bytes a parameter: bfloat16 weights; and with gradient, float32 master and two moments."""


@dataclass(frozen=True)
class Gpu:
    """Published numbers: bytes, dense bfloat16 operations a second, bytes a second each way."""

    name: str
    memory: float
    flops: float
    link: float
    network: float
    host: int = 8

    def speed(self, ranks: int) -> float:
        """Bytes a second between so many neighbouring ranks: within a host or beyond."""
        return self.link if ranks <= self.host else self.network


GPUS = {
    gpu.name: gpu
    for gpu in (
        Gpu("h100", 80e9, 989e12, 450e9, 50e9),
        Gpu("h200", 141e9, 989e12, 450e9, 50e9),
        Gpu("a100", 80e9, 312e12, 300e9, 25e9),
        Gpu("l40s", 48e9, 362e12, 32e9, 25e9),
    )
}


@dataclass(frozen=True)
class Prediction:
    """A mesh that reads or trains one row of `tokens`: bytes a GPU, seconds, and what of them."""

    mesh: MeshShape
    bytes_a_gpu: float
    compute_seconds: float
    exchange_seconds: float
    fits: bool

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.compute_seconds + self.exchange_seconds


def exchanged_bytes(layer: Layer, tokens: int, ranks: int, training: bool) -> float:
    """What a layer's mixer sends a rank of a sequence group while all of them read `tokens`.

    Keys and values of full layers go everywhere, and those of earlier chunks again with each chunk;
    other states have a fixed size. Recall layers send their window; stores stay. Training reads a
    row in one chunk and sends everything back for the gradients.
    """
    if ranks == 1:
        return 0.0
    mixer = layer.mixer
    passes = 3 if training else 1
    chunks = 1 if training else max(1, tokens // (CHUNK * ranks))
    if isinstance(mixer, FullAttention):
        again = (chunks + 1) / 2
        return passes * again * mixer.state_bytes(tokens) * (ranks - 1) / ranks
    if isinstance(mixer, RecallAttention):
        window = mixer.window * 2 * mixer.shape.kv_features * HALF
        return passes * chunks * window
    return passes * chunks * 2 * mixer.state_bytes(tokens)


def predict(
    config: ModelConfig, plan: Plan, tokens: int, mesh: MeshShape, gpu: Gpu, *, training: bool
) -> Prediction:
    """One row of `tokens` on a mesh; data ranks each have a row of their own."""
    cost = plan_costs(config, plan, [tokens], torch.bfloat16, CHUNK)[0]
    decoder = hollow(config, plan)
    layers = [decoder.layer(i) for i in range(config.n_layers)]
    share = mesh.sequence * mesh.tensor
    flops = cost.flops / share
    if training:
        flops = 4 * cost.flops / share  # forward, again for recomputation, and backward
    compute = flops / (gpu.flops * EFFICIENCY)
    speed = gpu.speed(mesh.sequence * mesh.tensor)
    passed = layers if training else layers[: plan.read_depth]
    own = [exchanged_bytes(layer, tokens, mesh.sequence, training) for layer in passed]
    rounds = 1 if training else max(1, tokens // (CHUNK * mesh.sequence))
    exchange = sum(own) / mesh.tensor / speed
    exchange += LATENCY * rounds * 2 * len(passed) * (mesh.sequence > 1)
    if mesh.tensor > 1:
        moved = 4 * tokens / mesh.sequence * config.d_model * HALF * len(passed)
        exchange += (3 if training else 1) * moved / gpu.speed(mesh.tensor)
    sharded = mesh.data * mesh.sequence
    if training and sharded > 1:
        exchange += 3 * cost.parameters * HALF / gpu.speed(sharded)
    held = _held(config, cost.parameters, cost.state_bytes, tokens, mesh, training, layers)
    return Prediction(mesh, held, compute, exchange, held < 0.9 * gpu.memory)


def _held(
    config: ModelConfig,
    parameters: int,
    state: int,
    tokens: int,
    mesh: MeshShape,
    training: bool,
    layers: list[Layer],
) -> float:
    """Bytes a GPU: weights, then states, or in training the inputs that recomputation keeps."""
    own = tokens / mesh.sequence
    if not training:
        # a chunk's features and feed-forward activations, and the keys that a full layer gathers
        chunk = min(own, CHUNK) * (6 * config.d_model + 3 * config.d_ff / mesh.tensor) * HALF
        return parameters * HALF / mesh.tensor + state / mesh.sequence / mesh.tensor + chunk
    sharded = mesh.data * mesh.sequence * mesh.tensor
    weights = parameters * TRAINED / sharded + 2 * parameters / len(layers) * HALF
    inputs = own * config.d_model * HALF * len(layers)
    width = 10 * config.d_model + 4 * config.d_ff / mesh.tensor
    gathered = 0.0
    if any(isinstance(layer.mixer, FullAttention) for layer in layers) and mesh.sequence > 1:
        gathered = 4 * tokens * 2 * config.n_kv_heads * config.head_dim * HALF
    return weights + inputs + own * width * HALF + gathered


def meshes(gpus: int, config: ModelConfig, *, training: bool) -> Iterator[MeshShape]:
    """All ways to use so many GPUs: tensor ranks within a host, for reading alone."""
    for tensor in range(1, min(gpus, 8) + 1):
        heads = config.n_kv_heads % tensor or config.n_heads % tensor or config.d_ff % tensor
        if gpus % tensor or heads or (training and tensor > 1):
            continue
        rest = gpus // tensor
        for sequence in range(1, rest + 1):
            if rest % sequence == 0:
                yield MeshShape(data=rest // sequence, sequence=sequence, tensor=tensor)


def propose(
    config: ModelConfig, plan: Plan, tokens: int, gpus: int, gpu: Gpu, *, training: bool
) -> list[Prediction]:
    """Every mesh: those that fit first, by time a row; for equal ones fewer sequence ranks."""
    found = [
        predict(config, plan, tokens, mesh, gpu, training=training)
        for mesh in meshes(gpus, config, training=training)
    ]
    return sorted(found, key=lambda x: (not x.fits, x.seconds / x.mesh.data, x.mesh.sequence))
