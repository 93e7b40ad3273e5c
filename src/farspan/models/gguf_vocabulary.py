"""A tokenizer from the metadata of a GGUF file.

A GGUF file names its pre-tokeniser and stores vocabulary and merges; the rest of a Hugging Face
tokenizer.json is fixed by that name. The patterns are those of the families' own files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers

from farspan.errors import DamagedFileError, RequestError
from farspan.models.tokenizer import Tokenizer

CONTROL, USER_DEFINED = 3, 4
"""Token types of the GGUF format that are matched in text before anything else."""

_END_KEYS = ("eos_token_id", "eot_token_id", "eom_token_id")
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|DIGITS"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_PATTERNS = {
    "qwen2": _WORDS.replace("DIGITS", r"\p{N}"),
    "llama-bpe": _WORDS.replace("DIGITS", r"\p{N}{1,3}"),
    "tekken": (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
        r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
        r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
}
_WHOLE_WORDS_FIRST = ("llama-bpe", "tekken")
"""Made from tiktoken files, where a word of the vocabulary is taken before any merge."""

_ALIASES = {"deepseek-r1-qwen": "qwen2", "llama3": "llama-bpe", "llama-v3": "llama-bpe"}
PRE_TOKENISERS = ("gpt-2", "smollm", *_PATTERNS, *_ALIASES)


def tokenizer_from_gguf(fields: Mapping[str, Any] | Any) -> Tokenizer:
    """Build the tokenizer that a GGUF file describes.

    `fields` maps metadata keys to plain values, or is a `gguf.GGUFReader`. Raises `RequestError`
    for tokenizer models and pre-tokenisers that are not supported, `DamagedFileError` for
    vocabularies that contradict themselves.
    """
    if not isinstance(fields, Mapping):
        fields = {name: field.contents() for name, field in fields.fields.items()}
    about = {
        key.removeprefix("tokenizer.ggml."): value
        for key, value in fields.items()
        if key.startswith("tokenizer.ggml.")
    }
    model = about.get("model")
    tokens = about.get("tokens")
    if not tokens:
        raise DamagedFileError("this GGUF file holds no vocabulary (tokenizer.ggml.tokens)")
    if model == "gpt2":
        backend = _byte_level(about, tokens)
    elif model == "llama":
        backend = _sentence_piece(about, tokens)
    else:
        raise RequestError(
            f"GGUF tokenizer model {model!r} is not supported; use a file with 'gpt2' or 'llama',"
            " or the checkpoint's Hugging Face folder"
        )
    _add_marked_tokens(backend, about, tokens)
    bos_id = about.get("bos_token_id")
    return Tokenizer(
        backend,
        bos_id=bos_id,
        eos_ids=[about[key] for key in _END_KEYS if key in about],
        chat_template=fields.get("tokenizer.chat_template"),
        adds_bos=bos_id is not None and bool(about.get("add_bos_token", model == "llama")),
    )


def _byte_level(about: Mapping[str, Any], tokens: list[str]) -> tokenizers.Tokenizer:
    """Byte-level BPE: SmolLM, Qwen, Llama 3, Mistral NeMo."""
    name = str(about.get("pre", "missing"))
    name = _ALIASES.get(name, name)
    if name not in PRE_TOKENISERS:
        raise RequestError(
            f"GGUF pre-tokeniser {name!r} is not supported (known: {', '.join(PRE_TOKENISERS)});"
            " use the checkpoint's Hugging Face folder instead"
        )
    merges = [tuple(merge.split(" ")) for merge in about.get("merges", ())]
    backend = _bpe(tokens, merges, ignore_merges=name in _WHOLE_WORDS_FIRST)
    if name in _PATTERNS:
        split = pre_tokenizers.Split(tokenizers.Regex(_PATTERNS[name]), "isolated")
        as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        backend.pre_tokenizer = pre_tokenizers.Sequence([split, as_bytes])
    else:
        words = pre_tokenizers.ByteLevel(add_prefix_space=False)
        digits = [pre_tokenizers.Digits(individual_digits=True)] if name == "smollm" else []
        backend.pre_tokenizer = pre_tokenizers.Sequence([*digits, words])
    if name == "qwen2":
        backend.normalizer = normalizers.NFC()
    backend.decoder = decoders.ByteLevel()
    return backend


def _sentence_piece(about: Mapping[str, Any], tokens: list[str]) -> tokenizers.Tokenizer:
    """SentencePiece BPE with byte fallback: Llama 2, early Mistral, TinyLlama."""
    scores = about.get("scores")
    if scores is None or len(scores) != len(tokens):
        raise DamagedFileError("this GGUF file's vocabulary has no score for each token")
    unknown = about.get("unknown_token_id")
    backend = _bpe(
        tokens,
        merges_from_scores(tokens, scores),
        unk_token=None if unknown is None else tokens[unknown],
        fuse_unk=True,
        byte_fallback=True,
    )
    spaces: list[Any] = [normalizers.Replace(" ", "▁")]
    ends: list[Any] = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    if about.get("add_space_prefix", True):
        spaces.insert(0, normalizers.Prepend("▁"))
        ends.append(decoders.Strip(" ", 1, 0))
    backend.normalizer = normalizers.Sequence(spaces)
    backend.decoder = decoders.Sequence(ends)
    return backend


def _bpe(tokens: list[str], merges: list[Any], **options: Any) -> tokenizers.Tokenizer:
    vocabulary = {token: i for i, token in enumerate(tokens)}
    try:
        return tokenizers.Tokenizer(models.BPE(vocabulary, merges, **options))
    except Exception as error:  # the library raises bare Exception, e.g. for an unknown merge
        raise DamagedFileError(
            f"this GGUF file's vocabulary and merges disagree: {error}"
        ) from error


def merges_from_scores(tokens: list[str], scores: list[float]) -> list[tuple[str, str]]:
    """The merge list that makes plain BPE choose as SentencePiece does: best joined score first."""
    ids = {token: i for i, token in enumerate(tokens)}
    merges = []
    for token, score in zip(tokens, scores, strict=True):
        for cut in range(1, len(token)):
            left, right = token[:cut], token[cut:]
            if left in ids and right in ids:
                merges.append((-score, ids[left], ids[right], left, right))
    return [(left, right) for *_, left, right in sorted(merges)]


def _add_marked_tokens(
    backend: tokenizers.Tokenizer, about: Mapping[str, Any], tokens: list[str]
) -> None:
    """Tell the library which tokens of the vocabulary are control or user-defined tokens."""
    marked = [
        (token, kind)
        for token, kind in zip(tokens, about.get("token_type", ()), strict=False)
        if kind in (CONTROL, USER_DEFINED)
    ]
    backend.add_tokens(
        [
            tokenizers.AddedToken(token, normalized=False, special=kind == CONTROL)
            for token, kind in marked
        ]
    )
