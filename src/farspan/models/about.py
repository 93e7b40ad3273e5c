"""The shape of a model by name, without reading its weights."""

from __future__ import annotations

from farspan.models.config import ModelConfig
from farspan.models.default import DEFAULT_MODEL, Say, default_model_path
from farspan.models.gguf import config_from_gguf
from farspan.models.gguf_header import read_header
from farspan.models.gguf_vocabulary import tokenizer_from_gguf
from farspan.models.huggingface import find_checkpoint, read_config


def model_config(name: str, say: Say = lambda message: None) -> ModelConfig:
    """The config of the default model, a folder, a GGUF file or a hub name.

    Raises `RequestError` for what is no model or not supported.
    """
    path = default_model_path(say) if name == DEFAULT_MODEL else find_checkpoint(name)
    if path.is_dir():
        return read_config(path)
    header = read_header(path)
    return config_from_gguf(header, tokenizer_from_gguf(header.fields))
