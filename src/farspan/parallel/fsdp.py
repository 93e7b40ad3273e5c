"""Parameters, gradients and optimiser states in shards: torch's FSDP2 by layer."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor
from torch.distributed.fsdp import (
    MixedPrecisionPolicy,
    fully_shard,
    register_fsdp_forward_method,
)
from torch.distributed.tensor import DTensor

from farspan.models.decoder import Decoder
from farspan.parallel.mesh import Mesh


def shard_parameters(decoder: Decoder, mesh: Mesh) -> None:
    """Shards each layer, and the rest, over the data and sequence ranks; one rank keeps all.

    Gradients are reduced in float32 at least and averaged, which `training.loss` counts on.
    """
    if mesh.parameters.size() == 1:
        return
    # States hold views of keys and values; nothing of farspan changes them in place.
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view")
    policy = MixedPrecisionPolicy(reduce_dtype=torch.promote_types(decoder.dtype, torch.float32))
    for i in range(len(decoder.layers)):
        fully_shard(decoder.layer(i), mesh=mesh.parameters, mp_policy=policy)
        register_fsdp_forward_method(decoder.layer(i), "absorb")
    fully_shard(decoder, mesh=mesh.parameters, mp_policy=policy, reshard_after_forward=False)


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor that may be sharded, on every rank; all ranks must ask."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
