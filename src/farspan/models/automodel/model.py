"""farspan's decoder with the interface of transformers: generation, saving, adapters.

Axes: b row, t token of the call, c feature, v vocabulary.
"""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor, nn
from transformers import Cache, DynamicCache, GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

from farspan import compat
from farspan.errors import RequestError
from farspan.mixers.base import AttentionMixer
from farspan.models.automodel.cache import keep, state_of
from farspan.models.automodel.config import FarspanConfig
from farspan.models.automodel.names import register_names
from farspan.models.automodel.tokens import tokens_of
from farspan.models.decoder import Decoder

register_names()


class FarspanForCausalLM(PreTrainedModel, GenerationMixin):
    """A converted checkpoint: the decoder of a plan, which generates as any model of transformers.

    All tokens are *asked*, as in a language model, unless `read_tokens` says how many at the head
    of each row are *read* as a document. Whatever attention implementation is named, the plan's
    mixers run.
    """

    config_class = FarspanConfig
    base_model_prefix = "model"
    main_input_name = "input_ids"
    _no_split_modules = ["Layer"]  # noqa: RUF012 (transformers wants a list)
    _tied_weights_keys = {"model.head.weight": "model.embed.weight"}  # noqa: RUF012
    _is_stateful = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True

    def __init__(self, config: FarspanConfig) -> None:
        super().__init__(config)
        self.model = Decoder(config.model_config(), config.parsed_plan())
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """First values of what a checkpoint lacks: what mixers add, the same every time."""
        super()._init_weights(module)
        if isinstance(module, AttentionMixer):
            module.init_added()

    def get_input_embeddings(self) -> nn.Module:
        """The embedding."""
        return self.model.embed

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Puts another embedding in its place."""
        self.model.embed = cast(nn.Embedding, value)

    def get_output_embeddings(self) -> nn.Module:
        """The output head."""
        return self.model.head

    def set_output_embeddings(self, value: nn.Module) -> None:
        """Puts another head in its place."""
        self.model.head = cast(nn.Linear, value)

    @property
    def added_modules(self) -> list[str]:
        """The last names of modules that mixers added, for `modules_to_save` of a peft config."""
        names = {name.split(".")[4] for name in self.model.added_parameters()}
        return sorted(names)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        cache: Cache | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        read_tokens: int | Tensor = 0,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """One chunk of ids `[B, T]` to logits `[B, T, V]`, of the last `logits_to_keep` if given.

        `attention_mask` `[B, S]` covers the tokens of the cache too and is 0 at padding. The first
        `read_tokens` of each row (one number or `[B]`, padding not counted) are read: logits then
        come for the chunk's asked tokens alone, where no row is padded. `cache` and
        `past_key_values` are the same.
        """
        if input_ids is None or inputs_embeds is not None:
            raise RequestError("farspan models take input_ids; inputs_embeds are not supported")
        cache = past_key_values if cache is None else cache
        if cache is None and (self.config.use_cache if use_cache is None else use_cache):
            cache = DynamicCache(config=self.config)
        state = state_of(cache, self.model, input_ids.shape[0])
        tokens = tokens_of(input_ids, state.length, attention_mask, position_ids, read_tokens)
        features, state = self.model(input_ids, tokens, state)
        if cache is not None:
            keep(cache, state)
        if features is None:
            features = self.model.embed(input_ids[:, :0])
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.model.logits(features[:, kept])
        loss = None
        if labels is not None:
            labels = labels[:, labels.shape[1] - features.shape[1] :][:, kept]
            loss = self.loss_function(logits, labels, self.config.vocab_size, **kwargs)
        after: dict[str, Any] = {compat.cache_field(): cache}
        return CausalLMOutputWithPast(loss=loss, logits=logits, **after)
