"""A random model of a few thousand weights, with a tokenizer of its own, for fast tests."""

from __future__ import annotations

import tokenizers
import torch
from tokenizers import decoders, models, pre_tokenizers, trainers

from farspan.models.chat import DialogueFormat
from farspan.models.config import ModelConfig
from farspan.models.decoder import Decoder
from farspan.models.load import LoadedModel
from farspan.models.plan import parse_plan
from farspan.models.tokenizer import Tokenizer

PLAN = "window(7), recall(9), window(5), recall(6), window(8)"
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
STORY = """The ferry left Port Avery at dawn. Its captain was Ilse Brand, who had steered it
for eleven years. Nobody had ever seen her sleep!

On the third day a storm came. "Hold the lantern," said Mr. Pell, the mate. The lantern fell;
the magic number written on its base was 7349. Ilse read it aloud, twice.

They reached Low Harbour on a Friday, with 42 passengers and one goat. The goat was called Button.
"""


def make_tokenizer() -> Tokenizer:
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator([STORY], trainer)
    backend.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    start, end = (backend.token_to_id(f"<|im_{x}|>") for x in ("start", "end"))
    return Tokenizer(backend, bos_id=start, eos_ids=(end,), chat_template=TEMPLATE)


def make_config(tokenizer: Tokenizer, n_layers: int = 5) -> ModelConfig:
    return ModelConfig(
        family="llama",
        vocab_size=tokenizer.vocab_size,
        d_model=24,
        n_layers=n_layers,
        n_heads=4,
        n_kv_heads=2,
        head_dim=8,
        d_ff=48,
        context_length=128,
        tied_embeddings=True,
    )


def make_model(
    plan: str = PLAN,
    *,
    dtype: torch.dtype = torch.bfloat16,
    identity: str = "tiny",
    position: str | None = None,
) -> LoadedModel:
    tokenizer = make_tokenizer()
    torch.manual_seed(0)
    config = make_config(tokenizer)
    if position is not None:
        config = config.stretched(position)
    decoder = Decoder(config, parse_plan(plan, config.n_layers))
    decoder = decoder.to(dtype).requires_grad_(False).eval()
    form = DialogueFormat.from_tokenizer(tokenizer)
    return LoadedModel(decoder, tokenizer, form, identity, "tiny")
