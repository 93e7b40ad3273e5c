"""The tokenizer of a Hugging Face model folder, read and written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from farspan.errors import RequestError
from farspan.models.tokenizer import Tokenizer, read_backend, read_json


def tokenizer_from_folder(folder: Path) -> Tokenizer:
    """Read tokenizer.json and, where present, what other files say of start, end and chats.

    Raises `RequestError` if there is no tokenizer.json, `DamagedFileError` if a file is damaged.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise RequestError(
            f"{folder} has no tokenizer.json; save the tokenizer there with transformers'"
            " AutoTokenizer(...).save_pretrained, which writes one"
        )
    backend = read_backend(path)
    about = _optional_json(folder / "tokenizer_config.json")
    config = _optional_json(folder / "config.json")
    generation = _optional_json(folder / "generation_config.json")

    bos = _content(about.get("bos_token"))
    bos_id = backend.token_to_id(bos) if bos else None
    eos = _content(about.get("eos_token"))
    eos_id = backend.token_to_id(eos) if eos else None
    ends = _ids(generation.get("eos_token_id")) or _ids(config.get("eos_token_id"))
    wrapped = backend.encode("", add_special_tokens=True).ids
    return Tokenizer(
        backend,
        bos_id=bos_id,
        eos_ids=[*ends, *_ids(eos_id)],
        chat_template=_chat_template(folder, about),
        adds_bos=bos_id is not None and wrapped[:1] == [bos_id],
    )


def write_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Writes what transformers' AutoTokenizer reads: vocabulary, special tokens, chat template.

    For checkpoints that bring no such files, such as GGUF. Padding is the first end token.
    """
    backend = json.loads(tokenizer.to_json())
    for token in backend["added_tokens"]:
        token["special"] = token["id"] in tokenizer.special_ids
    end = next(iter(tokenizer.eos_ids), None)
    bos, eos = (tokenizer.token_text(token) for token in (tokenizer.bos_id, end))
    if tokenizer.adds_bos:
        start = {"SpecialToken": {"id": bos, "type_id": 0}}
        first = {"Sequence": {"id": "A", "type_id": 0}}
        second = {"Sequence": {"id": "B", "type_id": 1}}
        backend["post_processor"] = {
            "type": "TemplateProcessing",
            "single": [start, first],
            "pair": [start, first, second],
            "special_tokens": {bos: {"id": bos, "ids": [tokenizer.bos_id], "tokens": [bos]}},
        }
    about: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
    }
    about |= {"bos_token": bos} if bos else {}
    about |= {"eos_token": eos, "pad_token": eos} if eos else {}
    generation = {
        "bos_token_id": tokenizer.bos_id,
        "eos_token_id": list(tokenizer.eos_ids) or None,
        "pad_token_id": end,
    }
    for name, value in (
        ("tokenizer.json", backend),
        ("tokenizer_config.json", about),
        ("generation_config.json", generation),
    ):
        text = json.dumps(value, ensure_ascii=False)
        (folder / name).write_text(text, encoding="utf-8")
    if tokenizer.chat_template is not None:
        (folder / "chat_template.jinja").write_text(tokenizer.chat_template, encoding="utf-8")


def _optional_json(path: Path) -> dict[str, Any]:
    return read_json(path) if path.is_file() else {}


def _content(token: Any) -> str | None:
    """A token in a config is its text or an object with the text inside."""
    return token.get("content") if isinstance(token, dict) else token


def _ids(value: Any) -> list[int]:
    if value is None:
        return []
    return [int(v) for v in value] if isinstance(value, list) else [int(value)]


def _chat_template(folder: Path, about: dict[str, Any]) -> str | None:
    """The template: its own file in newer folders, else text or named texts in the config."""
    path = folder / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8")
    found = about.get("chat_template")
    if isinstance(found, list):
        by_name = {entry["name"]: entry["template"] for entry in found}
        return by_name.get("default")
    return found
