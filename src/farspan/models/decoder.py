"""A Llama-shaped decoder whose layers take the mixers of a plan.

Axes: b row, t token of the chunk, c feature, v vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from farspan.errors import RequestError
from farspan.memory.store import KeyValueStore
from farspan.mixers.base import AttentionMixer, AttentionShape, OffsetNorm, Tokens
from farspan.mixers.recall import RecallAttention, RecallState
from farspan.mixers.spec import MixerSpec
from farspan.models.config import ModelConfig
from farspan.models.plan import Plan


@dataclass(frozen=True)
class DecoderState:
    """What every layer remembers; `length` tokens a row have passed (padding counts)."""

    layers: tuple[Any, ...]
    length: int = 0

    def fork(self) -> DecoderState:
        """A state that can go on without touching what this one's stores hold."""
        layers = (x.fork() if isinstance(x, RecallState) else x for x in self.layers)
        return DecoderState(tuple(layers), self.length)


class FeedForward(nn.Module):
    """SwiGLU (Shazeer 2020), or GeGLU; gate and up share one matrix, in this order."""

    def __init__(self, d_model: int, d_ff: int, gelu: bool = False) -> None:
        super().__init__()
        self.gelu = gelu
        self.gate_up = nn.Linear(d_model, 2 * d_ff, bias=False)
        self.down = nn.Linear(d_ff, d_model, bias=False)

    def forward(self, x_btc: Tensor) -> Tensor:
        """`[B, T, C]` to `[B, T, C]`."""
        gate, up = self.gate_up(x_btc).chunk(2, dim=-1)
        gate = F.gelu(gate, approximate="tanh") if self.gelu else F.silu(gate)
        return self.down(gate * up)


@dataclass(frozen=True)
class Thrift:
    """How a layer saves memory in training, at the price of computing or copying twice.

    `recompute` keeps a layer's input alone, `offload` keeps that on the host; the feed-forward
    network goes over `mlp_tile` tokens at once, 0 for all. Results are the same.
    """

    recompute: bool = False
    offload: bool = False
    mlp_tile: int = 0


class Layer(nn.Module):
    """A mixer and a feed-forward network, each behind a norm and beside a residual.

    In a sandwich layer `mlp_norm` stands behind the mixer instead, before its output is added, and
    `before_mlp` and `after_mlp` on both sides of the feed-forward network.
    """

    thrift = Thrift()

    def __init__(self, config: ModelConfig, spec: MixerSpec, index: int = 0) -> None:
        super().__init__()
        self.mixer_norm = make_norm(config)
        self.mixer: AttentionMixer = build_mixer(config, spec, index)
        self.mlp_norm = make_norm(config)
        self.mlp = FeedForward(config.d_model, config.d_ff, config.is_gemma)
        self.before_mlp = make_norm(config) if config.sandwich else None
        self.after_mlp = make_norm(config) if config.sandwich else None

    def forward(self, x_btc: Tensor, tokens: Tokens, state: Any) -> tuple[Tensor, Any]:
        """One chunk through the layer."""
        thrift = self.thrift
        if not (thrift.recompute and torch.is_grad_enabled()):
            return self._run(x_btc, tokens, state)
        if not thrift.offload:
            return checkpoint(self._run, x_btc, tokens, state, use_reentrant=False)
        place = x_btc.device

        def run(x_btc: Tensor) -> tuple[Tensor, Any]:
            return self._run(x_btc.to(place), tokens, state)

        return checkpoint(run, x_btc.cpu(), use_reentrant=False)

    def absorb(self, x_btc: Tensor, tokens: Tokens, state: Any) -> Any:
        """The mixer's state after the chunk, where nothing needs the layer's output."""
        return self.mixer.absorb(self.mixer_norm(x_btc), tokens, state)

    def _run(self, x_btc: Tensor, tokens: Tokens, state: Any) -> tuple[Tensor, Any]:
        normed = self.mixer_norm(x_btc)
        if tokens.shards is None:
            mixed, state = self.mixer(normed, tokens, state)
        else:
            mixed, state = tokens.shards.mix(self.mixer, normed, tokens, state)
        if self.before_mlp is None or self.after_mlp is None:
            x_btc = x_btc + mixed
            return x_btc + self._feed_forward(self.mlp_norm(x_btc)), state
        x_btc = x_btc + self.mlp_norm(mixed)
        return x_btc + self.after_mlp(self._feed_forward(self.before_mlp(x_btc))), state

    def _feed_forward(self, x_btc: Tensor) -> Tensor:
        tile = self.thrift.mlp_tile
        if not tile or x_btc.shape[1] <= tile or not torch.is_grad_enabled():
            return self.mlp(x_btc)
        parts = x_btc.split(tile, dim=1)
        return torch.cat([checkpoint(self.mlp, x, use_reentrant=False) for x in parts], dim=1)


def make_norm(config: ModelConfig) -> nn.RMSNorm:
    """The norm over the features of a token that the checkpoint's family has."""
    kind = OffsetNorm if config.is_gemma else nn.RMSNorm
    return kind(config.d_model, config.norm_eps)


def build_mixer(config: ModelConfig, spec: MixerSpec, index: int = 0) -> AttentionMixer:
    """The mixer that a plan's layer names, with the positions of the layer at `index`."""
    shape = AttentionShape(
        config.d_model,
        config.n_heads,
        config.n_kv_heads,
        config.head_dim,
        config.qkv_bias,
        config.qk_norm,
        config.norm_eps,
        config.is_gemma,
        config.query_scale,
    )
    rotary = config.rotary_of(index)
    if rotary.scores is not None and not spec.takes_pairs:
        raise RequestError(
            f"layer {spec} takes rotary positions alone, not {rotary.scores.name}; use full, window"
            " or layers without positions, or another --position"
        )
    return spec.build(shape, rotary)


class Decoder(nn.Module):
    """Embedding, layers by plan, final norm and output head."""

    def __init__(self, config: ModelConfig, plan: Plan) -> None:
        super().__init__()
        assert len(plan.layers) == config.n_layers, "parse_plan checks the number of layers"
        self.config = config
        self.plan = plan
        self.rotary = config.rotary()
        self.embed = nn.Embedding(config.vocab_size, config.d_model)
        self.layers = nn.ModuleList(Layer(config, spec, i) for i, spec in enumerate(plan.layers))
        self.norm = make_norm(config)
        self.head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        if config.tied_embeddings:
            self.head.weight = self.embed.weight

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.embed.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """What the weights are kept in."""
        return self.embed.weight.dtype

    def layer(self, index: int) -> Layer:
        """One layer, bottom first."""
        return cast(Layer, self.layers[index])

    def init_state(
        self,
        batch: int = 1,
        *,
        dtype: torch.dtype | None = None,
        open_store: Callable[[int], KeyValueStore] | None = None,
    ) -> DecoderState:
        """The state before the first token.

        `open_store` gives each recall layer its store by the layer's index; without it keys and
        values stay on the model's device. `dtype` is that of the activations.
        """
        states = []
        for i in range(len(self.layers)):
            mixer = self.layer(i).mixer
            kwargs: dict[str, Any] = {"device": self.device, "dtype": dtype or self.dtype}
            if open_store is not None and isinstance(mixer, RecallAttention):
                kwargs["store"] = open_store(i)
            states.append(mixer.init_state(batch, **kwargs))
        return DecoderState(tuple(states))

    def forward(
        self, ids_bt: Tensor, tokens: Tokens, state: DecoderState
    ) -> tuple[Tensor | None, DecoderState]:
        """One chunk of token ids to features `[B, T_asked, C]` before the head, and the state.

        In a plain chunk features come back for the asked tokens alone, None if there are none.
        In any other chunk they come for all T, and mean nothing at padding and read tokens.
        A chunk with shards goes through as many layers as its group's longest way.
        """
        x = self.embed(ids_bt)
        if self.config.is_gemma:
            x = x * x.new_tensor(self.config.d_model**0.5)
        tokens = tokens.with_table(self.rotary, x.dtype)
        seen = self._seen(tokens, x.dtype)
        n_tokens, first_asked, depth = ids_bt.shape[1], tokens.first_asked, self.plan.read_depth
        states = list(state.layers)
        length = state.length + n_tokens
        shards = tokens.shards
        only_read = first_asked == n_tokens if shards is None else shards.nothing_asked
        for i in range(depth):
            layer = self.layer(i)
            if i == depth - 1 and only_read and self.plan.recall_layers and shards is None:
                states[i] = layer.absorb(x, seen(i), states[i])
                return None, DecoderState(tuple(states), length)
            x, states[i] = layer(x, seen(i), states[i])
        if first_asked is None:
            tokens = tokens.only_asked() if depth < len(self.layers) else tokens
        elif only_read:
            return None, DecoderState(tuple(states), length)
        else:
            x, tokens = x[:, first_asked:], tokens.slice(first_asked, n_tokens)
            if shards is not None:
                tokens = replace(tokens, shards=shards.only_asked())
        seen = self._seen(tokens, x.dtype)
        for i in range(depth, len(self.layers)):
            x, states[i] = self.layers[i](x, seen(i), states[i])
        return self.norm(x), DecoderState(tuple(states), length)

    def _seen(self, tokens: Tokens, dtype: torch.dtype) -> Callable[[int], Tokens]:
        """The tokens as each layer sees them.

        Local layers turn by a table of their own; the last recall layer may not be searched.
        """
        layers, search = self.config.local_layers, tokens.search
        special: dict[int, Tokens] = {}
        if layers:
            local = tokens.with_table(self.config.rotary_of(layers[0]), dtype)
            special = dict.fromkeys(layers, local)
        if search is not None and search.last_whole:
            special[self.plan.read_depth - 1] = replace(tokens, search=None)
        return lambda i: special.get(i, tokens)

    def logits(self, features_btc: Tensor) -> Tensor:
        """Scores over the vocabulary `[B, T, V]`."""
        return self.head(features_btc)

    def load_hugging_face(self, tensors: Mapping[str, Tensor]) -> None:
        """Copies weights under their Hugging Face names into the fused matrices.

        What mixers add is copied where it is among them, and else left as it is.
        """
        with torch.no_grad():
            for target, sources in hugging_face_names(self.config).items():
                parameter = self.get_parameter(target)
                rows = 0
                for name in sources:
                    tensor = tensors[name]
                    parameter[rows : rows + tensor.shape[0]].copy_(tensor)
                    rows += tensor.shape[0]
                assert rows == parameter.shape[0], f"{target}: {rows} of {parameter.shape[0]} rows"
            for name, parameter in self.added_parameters().items():
                if name in tensors:
                    parameter.copy_(tensors[name])

    def hugging_face_tensors(self) -> dict[str, Tensor]:
        """The weights under their Hugging Face names, and what mixers add, as views."""
        sizes = stacked_rows(self.config)
        found: dict[str, Tensor] = {}
        for target, sources in hugging_face_names(self.config).items():
            parameter = self.get_parameter(target).detach()
            row = 0
            for name in sources:
                size = sizes.get(name.split(".")[-2], parameter.shape[0])
                found[name] = parameter[row : row + size]
                row += size
        return found | {name: x.detach() for name, x in self.added_parameters().items()}

    def added_parameters(self) -> dict[str, nn.Parameter]:
        """What mixers add to a checkpoint, by its name there."""
        known = hugging_face_names(self.config)
        return {
            ADDED_PREFIX + name: parameter
            for name, parameter in self.layers.named_parameters(prefix="layers")
            if name not in known
        }


ADDED_PREFIX = "model."
"""Before the decoder's own name of what mixers add, as before all names in a checkpoint."""


def stacked_rows(config: ModelConfig) -> dict[str, int]:
    """Rows of the matrices of a checkpoint that the decoder stacks."""
    return {
        "q_proj": config.n_heads * config.head_dim,
        "k_proj": config.n_kv_heads * config.head_dim,
        "v_proj": config.n_kv_heads * config.head_dim,
        "gate_proj": config.d_ff,
        "up_proj": config.d_ff,
    }


def hugging_face_names(config: ModelConfig) -> dict[str, tuple[str, ...]]:
    """Each parameter of the decoder and the Hugging Face tensors stacked in it, in order."""
    names: dict[str, tuple[str, ...]] = {
        "embed.weight": ("model.embed_tokens.weight",),
        "norm.weight": ("model.norm.weight",),
    }
    if not config.tied_embeddings:
        names["head.weight"] = ("lm_head.weight",)
    for i in range(config.n_layers):
        ours, theirs = f"layers.{i}.", f"model.layers.{i}."
        attention = theirs + "self_attn."
        qkv = [f"{attention}{x}_proj" for x in "qkv"]
        names[ours + "mixer_norm.weight"] = (theirs + "input_layernorm.weight",)
        names[ours + "mlp_norm.weight"] = (theirs + "post_attention_layernorm.weight",)
        names[ours + "mixer.qkv.weight"] = tuple(x + ".weight" for x in qkv)
        if config.qkv_bias:
            names[ours + "mixer.qkv.bias"] = tuple(x + ".bias" for x in qkv)
        if config.sandwich:
            names[ours + "before_mlp.weight"] = (theirs + "pre_feedforward_layernorm.weight",)
            names[ours + "after_mlp.weight"] = (theirs + "post_feedforward_layernorm.weight",)
        if config.qk_norm:
            names[ours + "mixer.q_norm.weight"] = (attention + "q_norm.weight",)
            names[ours + "mixer.k_norm.weight"] = (attention + "k_norm.weight",)
        names[ours + "mixer.out.weight"] = (attention + "o_proj.weight",)
        names[ours + "mlp.gate_up.weight"] = (
            theirs + "mlp.gate_proj.weight",
            theirs + "mlp.up_proj.weight",
        )
        names[ours + "mlp.down.weight"] = (theirs + "mlp.down_proj.weight",)
    return names
