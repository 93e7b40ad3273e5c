"""What a user would otherwise do with the same weights: full attention, YaRN, a window alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from farspan.evaluation.models.base import Reply
from farspan.evaluation.models.farspan import FarspanModel
from farspan.evaluation.models.frame import Frame
from farspan.evaluation.samples import Sample
from farspan.models.decoder import Decoder
from farspan.models.load import LoadedModel, Say, load_model
from farspan.models.plan import parse_plan
from farspan.units import show_length

YARN_FACTOR = 16
"""Largest stretch of the native length; YaRN's authors went to 32 (arXiv 2309.00071), trained."""

WINDOW_SINKS = 4
"""First tokens that a window keeps in sight, as in StreamingLLM (arXiv 2309.17453)."""


def load_baseline(
    name: str, base: str, kind: str, *, device: str, dtype: str | None, say: Say
) -> FarspanModel:
    """A baseline of kind `full`, `yarn` or `window` on the base weights, without the adapter.

    Prompts are one user message, as published. Full attention is asked up to the length that the
    base was trained for, YaRN up to 16 times that; a window answers at any length.
    """
    loaded = load_model(base, plan="full", device=device, dtype=dtype, adapter=False, say=say)
    native = loaded.decoder.config.context_length
    frame = Frame.of_message(loaded.tokenizer)
    if kind == "full":
        reason = f"beyond the {show_length(native)} tokens that the base model was trained for"
        return FarspanModel(name, loaded, frame, limit=native, limit_reason=reason)
    if kind == "yarn":
        return YarnModel(name, loaded, frame)
    assert kind == "window", kind
    window = native // 4
    plan = f"window({window}, sinks={WINDOW_SINKS})*{loaded.decoder.config.n_layers}"
    return FarspanModel(name, with_plan(loaded, plan), frame, chunk=window)


class YarnModel(FarspanModel):
    """Full attention whose rotary frequencies are interpolated (Peng et al. 2023), untrained.

    The factor is the smallest power of two that brings a length within the native one.
    """

    def __init__(self, name: str, model: LoadedModel, frame: Frame) -> None:
        self.native = model.decoder.config.context_length
        most = self.native * YARN_FACTOR
        reason = f"beyond {YARN_FACTOR} times the length that the base model was trained for"
        super().__init__(name, model, frame, limit=most, limit_reason=reason)
        self.plain = model
        self.factor = 1
        self.identity = f"yarn {model.identity}"
        self.about["rope"] = "yarn, factor by length"

    def answer(self, samples: Sequence[Sample], max_tokens: int) -> list[list[Reply]]:
        """See `Model`."""
        longest = max(self._length(sample, max_tokens) for sample in samples)
        self.stretch(longest)
        return super().answer(samples, max_tokens)

    def losses(self, sample: Sample, places: Sequence[int], span: int) -> list[float]:
        """See `Model`."""
        self.stretch(self._length(sample, 0))
        return super().losses(sample, places, span)

    def long_loss(self, sample: Sample) -> float:
        """See `Model`."""
        self.stretch(sample.n_tokens)
        return super().long_loss(sample)

    def _length(self, sample: Sample, max_tokens: int) -> int:
        asked = [len(self.frame.prompt(x, self.tokenizer)) for x in sample.questions]
        return sample.n_tokens + self.overhead + max(asked) + max_tokens

    def stretch(self, length: int) -> None:
        """Takes the factor for a length."""
        factor = 1
        while self.native * factor < length:
            factor *= 2
        if factor != self.factor:
            self.factor = factor
            self.model = with_yarn(self.plain, factor)


def with_yarn(model: LoadedModel, factor: int) -> LoadedModel:
    """The same weights with YaRN's frequencies; as they are for a factor of 1."""
    if factor == 1:
        return model
    config = model.decoder.config
    scaling = {
        "rope_type": "yarn",
        "factor": float(factor),
        "original_max_position_embeddings": config.context_length,
    }
    return _rebuilt(model, str(model.decoder.plan), {"rope_scaling": scaling})


def with_plan(model: LoadedModel, plan: str) -> LoadedModel:
    """The same weights under another layer plan."""
    return _rebuilt(model, plan, {})


def _rebuilt(model: LoadedModel, plan: str, changes: dict[str, object]) -> LoadedModel:
    """A decoder that shares the weights of another."""
    config = replace(model.decoder.config, **changes)  # type: ignore[arg-type]
    with torch.device("meta"):
        decoder = Decoder(config, parse_plan(plan, config.n_layers))
    decoder.load_state_dict(dict(model.decoder.state_dict()), assign=True)
    if config.tied_embeddings:
        decoder.head.weight = decoder.embed.weight
    identity = f"{plan} {changes} {model.identity}"
    return replace(model, decoder=decoder.requires_grad_(False).eval(), identity=identity)
