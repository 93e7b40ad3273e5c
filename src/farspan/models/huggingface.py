"""Loading checkpoints in Hugging Face's layout, from a folder or the hub."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from farspan.errors import DamagedFileError, RequestError
from farspan.models.checkpoint import check_tensors
from farspan.models.config import ModelConfig
from farspan.models.families import GEMMA
from farspan.models.tokenizer import Tokenizer, read_json
from farspan.models.tokenizer_files import tokenizer_from_folder

HUB_FILES = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "model.safetensors.index.json",
    "model*.safetensors",
)
"""What is downloaded of a hub repository: never code, never pickles."""

GELU = ("gelu_pytorch_tanh", "gelu")
"""What Gemma calls its activation; transformers computes the tanh form for either name."""

_HUB_ID = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")
_INDEX = "model.safetensors.index.json"


def find_checkpoint(name: str) -> Path:
    """The folder or .gguf file that a name stands for, downloaded from the hub if need be.

    A local path comes first, then an id such as "owner/model". Raises `RequestError` if there is
    neither, or the hub cannot be reached and the model was not downloaded before.
    """
    path = Path(name).expanduser()
    if (name and path.is_dir()) or (path.is_file() and path.suffix == ".gguf"):
        return path
    if path.is_file():
        raise RequestError(
            f"{path} is not a model: give a .gguf file or a folder with config.json and"
            " safetensors files"
        )
    if not _HUB_ID.fullmatch(name) or name.endswith(".gguf"):
        raise RequestError(
            f"there is no model {name!r}: give a folder, a .gguf file, or a hub id such as"
            " owner/model"
        )
    return _from_hub(name)


def _from_hub(name: str) -> Path:
    from huggingface_hub import errors, snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=list(HUB_FILES)))
    except errors.GatedRepoError as error:
        raise RequestError(
            f"the hub model {name!r} asks for permission: accept its terms on its page and log in"
            " with `hf auth login`"
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise RequestError(
            f"there is no folder and no hub model {name!r}; check the spelling, or log in with"
            " `hf auth login` if it is private"
        ) from error
    except (errors.HfHubHTTPError, OSError, ValueError) as error:
        raise RequestError(
            f"{name!r} is no local folder, and the hub cannot be reached to download it"
            f" ({type(error).__name__}); check the network, or give the path of a local copy"
        ) from error


def read_folder(
    path: str | Path, dtype: torch.dtype = torch.float32
) -> tuple[ModelConfig, dict[str, Tensor], Tokenizer]:
    """Config, tensors in `dtype` by Hugging Face name, and tokenizer of a model folder.

    `lm_head.weight` is there only when it is not tied to the embedding. Raises `RequestError` for
    families and formats that are not supported, `DamagedFileError` for missing tensors, wrong
    shapes and files that cannot be read.
    """
    path = Path(path)
    config = read_config(path)
    tokenizer = tokenizer_from_folder(path)
    tensors: dict[str, Tensor] = {}
    for file in _weight_files(path):
        for name, tensor in _read_tensors(file):
            tied = config.tied_embeddings and name == "lm_head.weight"
            if not tied and not name.endswith(".rotary_emb.inv_freq"):
                tensors[name] = tensor.to(dtype)
    check_tensors(config, tensors, path)
    return config, tensors, tokenizer


def read_config(folder: Path) -> ModelConfig:
    """The config of a model folder; errors as in `read_folder`."""
    if not (folder / "config.json").is_file():
        raise RequestError(f"{folder} is not a model folder: it has no config.json")
    about = read_json(folder / "config.json")
    if about.get("quantization_config"):
        raise RequestError(
            f"{folder} holds quantised weights, which are not supported in this format; use the"
            " original checkpoint or a GGUF file"
        )
    activation = about.get("hidden_activation") or about.get("hidden_act") or "silu"
    gemma = about.get("family", about.get("model_type")) in GEMMA
    if gemma != (activation in GELU) or not (gemma or activation in ("silu", "swish")):
        raise RequestError(
            f"{folder}: activation {activation!r} is not supported; only silu is, and"
            " gelu_pytorch_tanh in Gemma models"
        )
    try:
        return ModelConfig.from_hugging_face(about)
    except KeyError as error:
        raise DamagedFileError(f"{folder / 'config.json'} does not say {error}") from error
    except TypeError as error:
        raise DamagedFileError(f"{folder / 'config.json'} is not usable: {error}") from error


def _weight_files(folder: Path) -> list[Path]:
    """The safetensors files to read: one, or those that the index names."""
    if (folder / _INDEX).is_file():
        shards = read_json(folder / _INDEX).get("weight_map")
        if not isinstance(shards, dict) or not all(isinstance(s, str) for s in shards.values()):
            raise DamagedFileError(f"{folder / _INDEX} does not say which file holds which tensor")
        files = [folder / shard for shard in sorted(set(shards.values()))]
        for file in files:
            if file.parent != folder or not file.is_file():
                raise DamagedFileError(
                    f"{folder} lacks {file.name}, which its index names; download it again"
                )
        return files
    if (folder / "model.safetensors").is_file():
        return [folder / "model.safetensors"]
    if any(folder.glob("*.bin")) or any(folder.glob("*.pt*")):
        raise RequestError(
            f"{folder} holds pickled weights, which can run code when read and are refused;"
            " save the model again with safe_serialization (safetensors)"
        )
    raise RequestError(f"{folder} has no model.safetensors and no {_INDEX}")


def _read_tensors(file: Path) -> Iterator[tuple[str, Tensor]]:
    try:
        with safe_open(str(file), framework="pt") as opened:
            for name in opened.keys():  # noqa: SIM118 (the handle is no dictionary)
                yield name, opened.get_tensor(name)
    except (SafetensorError, OSError) as error:
        raise DamagedFileError(f"{file} cannot be read: {error}") from error
