"""What a user would otherwise do with the same weights: full attention, YaRN, a window alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from farspan.evaluation.encoder import Passage
from farspan.evaluation.models.base import Reply
from farspan.evaluation.models.farspan import FarspanModel
from farspan.evaluation.models.frame import Frame
from farspan.evaluation.samples import Sample
from farspan.models.decoder import Decoder
from farspan.models.load import LoadedModel, Say, load_model
from farspan.units import show_length

YARN_FACTOR = 16
"""Largest stretch of the native length; YaRN's authors went to 32 (arXiv 2309.00071), trained."""


def load_baseline(
    name: str, base: str, kind: str, *, device: str, dtype: str | None, say: Say
) -> FarspanModel:
    """A baseline of kind `full`, `yarn` or `window` on the base weights, without the adapter.

    Prompts are one user message, as published. Full attention is asked up to the length that the
    base was trained for, YaRN up to 16 times that; a window, the last tokens that fit into that
    length, answers at any.
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
    return WindowModel(name, loaded, frame)


class WindowModel(FarspanModel):
    """Full attention over the instructions and the last tokens that fit into the native length."""

    def __init__(self, name: str, model: LoadedModel, frame: Frame) -> None:
        super().__init__(name, model, frame)
        self.native = model.decoder.config.context_length
        self.identity = f"window {model.identity}"
        self.about["window"] = f"the last tokens of {show_length(self.native)}"

    def batch_size(self, length: int) -> int:
        """As for documents of the native length."""
        return super().batch_size(min(length, self.native))

    def answer(self, samples: Sequence[Sample], max_tokens: int) -> list[list[Reply]]:
        """See `Model`."""
        return super().answer([self._cropped(x, max_tokens) for x in samples], max_tokens)

    def losses(self, sample: Sample, places: Sequence[int], span: int) -> list[float]:
        """Each place with a window of its own."""
        found = []
        for place in places:
            room = self.native - self.overhead - len(sample.head.ids) - span
            start = max(0, place - room)
            body = Passage("", sample.body.ids[start : place + span])
            found += super().losses(replace(sample, body=body), [place - start], span)
        return found

    def _cropped(self, sample: Sample, max_tokens: int) -> Sample:
        """The sample with the end of its body; the questions' room is the longest one's."""
        asked = max(len(self.frame.prompt(x, self.tokenizer)) for x in sample.questions)
        before = len(self.tokenizer.encode(self.frame.before)) + len(sample.head.ids)
        room = self.native - before - asked - max_tokens
        return replace(sample, body=Passage("", sample.body.ids[-max(room, 1) :]))


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
        return len(self.frame.document(sample, self.tokenizer)) + max(asked) + max_tokens

    def close(self) -> None:
        """See `Model`."""
        del self.plain
        super().close()

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
    decoder = rescaled(model.decoder, scaling)
    return replace(model, decoder=decoder, identity=f"yarn {factor} {model.identity}")


def rescaled(decoder: Decoder, scaling: dict[str, object]) -> Decoder:
    """A decoder with other rotary frequencies that shares the weights of another."""
    config = replace(decoder.config, rope_scaling=scaling)
    with torch.device("meta"):
        fresh = Decoder(config, decoder.plan)
    fresh.load_state_dict(dict(decoder.state_dict()), assign=True)
    if config.tied_embeddings:
        fresh.head.weight = fresh.embed.weight
    return fresh.requires_grad_(False).eval()
