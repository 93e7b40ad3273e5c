"""Tensor parallelism for reading and answering: each rank has some of the heads.

A rank's decoder is an ordinary one with fewer heads and a narrower feed-forward network. Its
states are those of its heads, so stores and memories are split with them. What leaves a mixer or
a feed-forward network is summed over the ranks, twice a layer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from farspan.errors import RequestError
from farspan.mixers.linear import Retention
from farspan.models.decoder import Decoder, Layer
from farspan.models.load import hollow
from farspan.parallel.mesh import Mesh


@torch.no_grad()
def split_heads(decoder: Decoder, mesh: Mesh) -> Decoder:
    """This rank's decoder, its weights copied out of the whole one.

    Raises `RequestError` when heads do not divide, and for mixers whose heads are numbered
    (`retention`, ALiBi), which would be taken for others.
    """
    ranks, rank = mesh.shape.tensor, dist.get_rank(mesh.tensor)
    config = decoder.config
    for name in ("n_heads", "n_kv_heads", "d_ff"):
        if getattr(config, name) % ranks:
            raise RequestError(
                f"{ranks} tensor ranks do not divide this model's {name}, {getattr(config, name)}"
            )
    scores = decoder.rotary.scores
    numbered = any(isinstance(decoder.layer(i).mixer, Retention) for i in range(config.n_layers))
    if numbered or (scores is not None and scores.slopes(1) is not None):
        raise RequestError(
            "retention and ALiBi give each head a number of its own and are not split by heads; "
            "set the mesh's tensor axis to 1"
        )
    sizes = {name: getattr(config, name) // ranks for name in ("n_heads", "n_kv_heads", "d_ff")}
    own = hollow(replace(config, **sizes), decoder.plan)
    for name, parameter in decoder.named_parameters():
        part = _own_part(name, parameter, own.get_parameter(name).shape, rank, ranks, decoder)
        owner, _, leaf = name.rpartition(".")
        setattr(own.get_submodule(owner), leaf, nn.Parameter(part.clone(), requires_grad=False))
    if config.tied_embeddings:
        own.head.weight = own.embed.weight
    for i in range(config.n_layers):
        _sum_outputs(own.layer(i), mesh.tensor)
    return own


def _own_part(
    name: str, whole: Tensor, shape: torch.Size, rank: int, ranks: int, decoder: Decoder
) -> Tensor:
    """One rank's share of a parameter: along the axis that is shorter there."""
    axes = [i for i, (one, other) in enumerate(zip(whole.shape, shape, strict=True)) if one > other]
    if not axes:
        return whole
    assert len(axes) == 1, f"{name} is split along one axis"
    config = decoder.config
    sizes = [whole.shape[axes[0]]]
    if ".qkv." in name:
        key = config.n_kv_heads * config.head_dim
        sizes = [config.n_heads * config.head_dim, key, key]
    elif ".gate_up." in name:
        sizes = [config.d_ff, config.d_ff]
    parts = (part.chunk(ranks, axes[0])[rank] for part in whole.split(sizes, axes[0]))
    return torch.cat(list(parts), axes[0])


def _sum_outputs(layer: Layer, group: dist.ProcessGroup) -> None:
    def summed(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        dist.all_reduce(output, group=group)
        return output

    layer.mixer.out.register_forward_hook(summed)
    layer.mlp.down.register_forward_hook(summed)
