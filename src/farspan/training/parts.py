"""What of a decoder is trained, and how its layers save memory."""

from __future__ import annotations

from torch import nn

from farspan.mixers.infini import InfiniAttention
from farspan.models.decoder import Decoder, Thrift, hugging_face_names
from farspan.training.config import TrainConfig
from farspan.training.lora import base_name
from farspan.training.optimiser import MasterAdamW


def choose_trained(decoder: Decoder, trained: str) -> list[tuple[str, nn.Parameter]]:
    """Freezes all parameters but those of `trained` (see `TrainConfig`) and names these."""
    known = hugging_face_names(decoder.config)
    known |= {"head.weight": ()}
    found = []
    for name, parameter in decoder.named_parameters():
        outer = name.startswith(("embed", "head"))
        new = base_name(name) not in known
        wanted = {"everything": True, "all": not outer, "added": new, "lora": new}[trained]
        parameter.requires_grad_(wanted)
        if wanted:
            found.append((name, parameter))
    return found


def make_optimiser(
    decoder: Decoder, trained: list[tuple[str, nn.Parameter]], config: TrainConfig
) -> MasterAdamW:
    """AdamW whose rate is another for parameters that no checkpoint brings."""
    known = hugging_face_names(decoder.config)
    factor = config.added_learning_rate / config.learning_rate

    def scale(name: str) -> float:
        return 1.0 if base_name(name) in known or ".lora_" in name else factor

    return MasterAdamW(trained, scale, config.weight_decay)


def prepare_layers(decoder: Decoder, config: TrainConfig) -> None:
    """Recomputation, tiles and compilation of each layer, as the config asks."""
    for i in range(len(decoder.layers)):
        layer = decoder.layer(i)
        layer.thrift = Thrift(config.recompute, config.offload, config.mlp_tile)
        if config.compile:
            layer.compile()


def set_segments(decoder: Decoder, segment: int) -> None:
    """Gives compressive memories segments of so many tokens; 0 leaves them as they are."""
    for i in range(len(decoder.layers) if segment else 0):
        mixer = decoder.layer(i).mixer
        if isinstance(mixer, InfiniAttention):
            mixer.segment = segment
