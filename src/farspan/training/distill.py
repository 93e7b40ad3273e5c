"""Teaching a converted model with its own base: full attention, at a length that is cheap.

The student is to say what the base says (KL divergence of the next token) and, if asked, to put
out what each attention layer of the base puts out (mean squared error over its mean square).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from farspan.mixers.base import Tokens
from farspan.models.decoder import Decoder
from farspan.training.batch import Batch


def distillation_loss(
    student: Decoder, teacher: Decoder, batch: Batch, attention_weight: float = 0.0
) -> Tensor:
    """Mean KL divergence in nats over all tokens, and `attention_weight` times the layers' error.

    Both read the rows as asked tokens, so every layer is passed.
    """
    ids = batch.token_bt
    tokens = Tokens.plain(*ids.shape, first_asked=0, device=ids.device)
    with torch.no_grad(), _mixed(teacher) as wanted:
        features, _ = teacher(ids, tokens, teacher.init_state(len(ids)))
        assert features is not None
        target = teacher.logits(features).float().log_softmax(-1)
    with _mixed(student) as got:
        features, _ = student(ids, tokens, student.init_state(len(ids)))
        assert features is not None
        said = student.logits(features).float().log_softmax(-1)
    loss = F.kl_div(said, target, reduction="none", log_target=True).sum(-1).mean()
    if attention_weight:
        errors = [_error(one, other) for one, other in zip(got, wanted, strict=True)]
        loss = loss + attention_weight * torch.stack(errors).mean()
    return loss


def _error(got: Tensor, wanted: Tensor) -> Tensor:
    scale = wanted.float().square().mean().clamp_min(1e-12)
    return F.mse_loss(got.float(), wanted.float()) / scale


@contextmanager
def _mixed(decoder: Decoder) -> Iterator[list[Tensor]]:
    """Collects what each layer's mixer puts out, bottom first."""
    found: list[Tensor] = []

    def keep(module: Any, inputs: Any, output: Any) -> None:
        found.append(output[0])

    handles = [
        decoder.layer(i).mixer.register_forward_hook(keep) for i in range(len(decoder.layers))
    ]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
