"""A model that can be asked: decoder, tokenizer and dialogue format, by name.

The default model is merged with farspan's adapter once and kept in the cache folder as the
decoder's own matrices, which later starts map into memory.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from farspan import compat
from farspan.errors import DamagedFileError, RequestError
from farspan.files import told_if_full, write_whole
from farspan.models.chat import DialogueFormat
from farspan.models.config import ModelConfig
from farspan.models.decoder import ADDED_PREFIX, Decoder
from farspan.models.default import DEFAULT_MODEL, SHA256, default_model_path
from farspan.models.plan import Plan, parse_plan
from farspan.models.tokenizer import Tokenizer, read_json
from farspan.paths import cache_folder

DEFAULT_PLAN = "reader"
N_LAYERS = 30
"""Layers of the default model."""

CACHE_FORMAT = 1
DTYPES = {
    "bfloat16": torch.bfloat16,
    "bf16": torch.bfloat16,
    "float32": torch.float32,
    "fp32": torch.float32,
    "float16": torch.float16,
}

Say = Callable[[str], None]


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to read and answer; `identity` is a hash of weights, plan and dtype."""

    decoder: Decoder
    tokenizer: Tokenizer
    format: DialogueFormat
    identity: str
    name: str

    @property
    def plan(self) -> str:
        """The layer plan, readable."""
        return str(self.decoder.plan)

    @property
    def position(self) -> str:
        """The position methods beside or instead of the checkpoint's own, empty for none."""
        return self.decoder.config.position

    @property
    def device(self) -> torch.device:
        """Where the model runs."""
        return self.decoder.device

    @property
    def dtype(self) -> str:
        """The name of the dtype it computes in."""
        return str(self.decoder.dtype).removeprefix("torch.")


@dataclass(frozen=True)
class _Weights:
    """The decoder's matrices and what belongs to them, before there is a plan."""

    config: ModelConfig
    tensors: Mapping[str, Tensor]
    tokenizer: Tokenizer
    format: DialogueFormat


def load_model(
    name: str = DEFAULT_MODEL,
    *,
    plan: str | None = None,
    device: str = "auto",
    dtype: str | None = None,
    adapter: bool = True,
    position: str | None = None,
    factor: float | None = None,
    say: Say = lambda message: None,
) -> LoadedModel:
    """Loads the default model, or a checkpoint by local path or hub name, onto a device.

    `plan` is a layer plan or preset; by default that of the adapter or of a converted checkpoint,
    else `full`. The adapter goes into the default model unless `adapter` is false or the plan has
    other recall layers than it was trained for. `position` and `factor` stretch the checkpoint
    without training, `yarn` by 4 or `self_extend(8)+log_length` (`positions.registry`). `say` is
    told, once, what takes long or is done otherwise than asked. Raises `RequestError` for unknown
    names, plans, positions, devices and dtypes.
    """
    if factor is not None and position is None:
        raise RequestError("--factor stretches a --position; name one, for instance yarn")
    place = find_device(device)
    kind = find_dtype(dtype, place)
    with torch.no_grad():
        if name == DEFAULT_MODEL:
            weights, key, chosen = _load_default(plan, kind, adapter, say)
        else:
            name = str(Path(name).resolve()) if Path(name).exists() else name
            weights, key, chosen = _load_other(name, plan, kind, say)
    parsed = parse_plan(chosen, weights.config.n_layers)
    if position is not None:
        weights = replace(weights, config=weights.config.stretched(position, factor))
        key = _digest(key, weights.config.position)
        say(f"positions by {weights.config.position}, without training")
    decoder = _assemble(weights, parsed).to(place)
    identity = _digest(key, str(parsed), str(kind), asdict(weights.format))
    return LoadedModel(decoder, weights.tokenizer, weights.format, identity, name)


def repositioned(model: LoadedModel, position: str, factor: float | None = None) -> LoadedModel:
    """The same weights with other position methods; `RequestError` for those that do not fit."""
    config = model.decoder.config.stretched(position, factor)
    tensors = dict(model.decoder.named_parameters())
    weights = _Weights(config, tensors, model.tokenizer, model.format)
    decoder = _assemble(weights, model.decoder.plan)
    identity = _digest(model.identity, config.position)
    return replace(model, decoder=decoder, identity=identity)


def find_device(name: str) -> torch.device:
    """A device by name; `auto` is the GPU if there is one. `RequestError` for what is not here."""
    cuda = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "cpu")
    allowed = ["auto", "cpu", *(["cuda", *_gpus()] if cuda else [])]
    if name not in allowed:
        reason = " (torch sees no NVIDIA GPU)" if name.startswith("cuda") and not cuda else ""
        raise RequestError(
            f"device {name!r} is not available{reason}; use one of {', '.join(allowed)}"
        )
    return torch.device(name)


def find_dtype(name: str | None, device: torch.device) -> torch.dtype:
    """A dtype by name, by default what the device computes fastest; `RequestError` otherwise."""
    if name is None:
        return torch.bfloat16 if device.type == "cuda" else compat.cpu_compute_dtype()
    if name not in DTYPES:
        raise RequestError(f"dtype {name!r} is unknown; use one of {', '.join(DTYPES)}")
    return DTYPES[name]


def _gpus() -> list[str]:
    return [f"cuda:{i}" for i in range(torch.cuda.device_count())]


class _NoRandomStart(TorchFunctionMode):
    """Leaves out random initial weights, which on the meta device would import torch._dynamo."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in (nn.init.normal_, nn.init.uniform_, nn.init.kaiming_uniform_):
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def hollow(config: ModelConfig, plan: Plan) -> Decoder:
    """A decoder without weights."""
    with torch.device("meta"), _NoRandomStart():
        return Decoder(config, plan).requires_grad_(False).eval()


def _assemble(weights: _Weights, plan: Plan) -> Decoder:
    """A decoder around the tensors as they are, without a copy."""
    decoder = hollow(weights.config, plan)
    _check_added(decoder, weights.tensors)
    _init_added(decoder, weights.tensors)
    decoder.load_state_dict(dict(weights.tensors), strict=False, assign=True)
    if weights.config.tied_embeddings:
        decoder.head.weight = decoder.embed.weight
    assert not any(parameter.is_meta for parameter in decoder.parameters()), "weights are missing"
    return decoder


def _check_added(decoder: Decoder, tensors: Mapping[str, Tensor]) -> None:
    """Raises `RequestError` where a checkpoint's values for mixers do not fit the plan's."""
    own = decoder.config.plan
    brought = own and str(parse_plan(own, decoder.config.n_layers)) == str(decoder.plan)
    for name, parameter in decoder.added_parameters().items():
        found = tensors.get(name.removeprefix(ADDED_PREFIX))
        if found is None and brought:
            raise DamagedFileError(f"the checkpoint lacks the tensor {name}, which its plan needs")
        if found is not None and found.shape != parameter.shape:
            raise RequestError(
                f"the checkpoint's {name} is {list(found.shape)}, and plan {decoder.plan} needs"
                f" {list(parameter.shape)}; use the plan that the checkpoint brings, {own}"
            )


def _init_added(decoder: Decoder, tensors: Mapping[str, Tensor]) -> None:
    """Gives memory and first values to what mixers add to a checkpoint."""
    dtype = tensors["embed.weight"].dtype
    for i in range(len(decoder.layers)):
        mixer = decoder.layer(i).mixer
        added = [n for n, _ in mixer.named_parameters() if f"layers.{i}.mixer.{n}" not in tensors]
        for name in added:
            owner, _, leaf = name.rpartition(".")
            empty = torch.empty_like(mixer.get_parameter(name), dtype=dtype, device="cpu")
            setattr(mixer.get_submodule(owner), leaf, nn.Parameter(empty, requires_grad=False))
        if added:
            mixer.init_added()


def _fuse(config: ModelConfig, tensors: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """The decoder's own matrices from tensors under Hugging Face names."""
    decoder = hollow(config, parse_plan("full", config.n_layers)).to(dtype).to_empty(device="cpu")
    if config.tied_embeddings:
        decoder.head.weight = decoder.embed.weight
    decoder.load_hugging_face(tensors)
    added = {
        name.removeprefix(ADDED_PREFIX): tensor.to(dtype)
        for name, tensor in tensors.items()
        if name.startswith(ADDED_PREFIX + "layers.") and ".mixer." in name
    }
    return {name: value.detach() for name, value in decoder.named_parameters()} | added


# The default model


def shipped_adapter() -> Path:
    """Where the adapter of the default model lies, if it is there."""
    return Path(__file__).parent.parent / "weights" / "reader.safetensors"


def _load_default(
    plan: str | None, dtype: torch.dtype, adapter: bool, say: Say
) -> tuple[_Weights, str, str]:
    path = shipped_adapter()
    digest, trained_plan = "", DEFAULT_PLAN
    if adapter and path.is_file():
        digest, trained_plan = _adapter_header(path)
    elif adapter:
        say(f"the adapter {path} is missing, so answers will be poor; reinstall farspan")
    chosen = plan or trained_plan
    if digest and plan is not None and not _same_recall(plan, trained_plan):
        say(
            f"plan {plan} has other recall layers than the adapter was trained for, so the base"
            " model's own weights are used"
        )
        digest = ""
    key = _digest(CACHE_FORMAT, SHA256, digest, str(dtype))
    return _MergedCache(key).load(path if digest else None, dtype, say), key, chosen


def _same_recall(plan: str, trained_plan: str) -> bool:
    one, two = (parse_plan(text, N_LAYERS) for text in (plan, trained_plan))
    return one.recall_layers == two.recall_layers


def _adapter_header(path: Path) -> tuple[str, str]:
    """Checksum and plan of an adapter, without reading its tensors."""
    try:
        with safe_open(str(path), framework="pt") as file:
            header = json.loads(file.metadata()["farspan_adapter"])
        return str(header["sha256"]), str(header["metadata"]["plan"])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise DamagedFileError(
            f"the adapter {path} is damaged ({error}); reinstall farspan"
        ) from error


class _MergedCache:
    """The default model's weights after merging, under a key of everything they come from."""

    def __init__(self, key: str) -> None:
        self.folder = cache_folder() / "models" / f"{DEFAULT_MODEL}-{key[:24]}"

    def load(self, adapter: Path | None, dtype: torch.dtype, say: Say) -> _Weights:
        if self.folder.exists():
            try:
                return self._read()
            except DamagedFileError as error:
                say(f"the cached model is damaged and is made again ({error})")
        else:
            say("preparing the model; this happens once")
        weights = self._make(adapter, dtype, say)
        self._write(weights)
        return weights

    def _read(self) -> _Weights:
        about = read_json(self.folder / "about.json")
        try:
            for name, stamp in about["files"].items():
                _check_stamp(self.folder / name, stamp)
            tensors = load_file(str(self.folder / "weights.safetensors"))
            config = dict(about["config"])
            for name in ("eos_token_ids", "local_layers"):
                config[name] = tuple(config.get(name, ()))
            return _Weights(
                ModelConfig(**config),
                tensors,
                Tokenizer.load(self.folder),
                DialogueFormat(**about["format"]),
            )
        except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
            raise DamagedFileError(f"{self.folder}: {error}") from error

    def _make(self, adapter: Path | None, dtype: torch.dtype, say: Say) -> _Weights:
        from farspan.models.gguf import read_gguf

        config, tensors, tokenizer = read_gguf(default_model_path(say), torch.float32)
        if adapter is not None:
            from farspan.models.adapter import load_adapter

            try:
                load_adapter(adapter).merge_(tensors)
            except DamagedFileError as error:
                raise DamagedFileError(f"{error}; reinstall farspan") from error
            if "lm_head.weight" in tensors:
                config = replace(config, tied_embeddings=False)
        fused = _fuse(config, tensors, dtype)
        return _Weights(config, fused, tokenizer, DialogueFormat.from_tokenizer(tokenizer))

    def _write(self, weights: _Weights) -> None:
        """All files in a folder of another name, which then takes the place of any old one."""
        fresh = self.folder.with_name(f".{self.folder.name}.{os.getpid()}.part")
        try:
            with told_if_full(self.folder.parent):
                weights.tokenizer.save(fresh)
            data = save({name: value.contiguous() for name, value in weights.tensors.items()})
            write_whole(fresh / "weights.safetensors", data)
            about = {
                "files": {path.name: _stamp(path) for path in fresh.iterdir()},
                "config": asdict(weights.config),
                "format": asdict(weights.format),
            }
            write_whole(fresh / "about.json", json.dumps(about).encode())
            self._replace_by(fresh)
        except OSError as error:
            raise RequestError(
                f"the model cannot be kept in {self.folder.parent} ({error.strerror}); set"
                " FARSPAN_CACHE to a folder that can be written"
            ) from error
        finally:
            shutil.rmtree(fresh, ignore_errors=True)

    def _replace_by(self, fresh: Path) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        try:
            fresh.rename(self.folder)
        except OSError:
            if not self.folder.is_dir():  # or else another process made the same meanwhile
                raise


def _stamp(path: Path) -> dict[str, Any]:
    """What a file is: size, time of change, and checksum."""
    with open(path, "rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    return {"size": path.stat().st_size, "time": path.stat().st_mtime_ns, "sha256": checksum}


def _check_stamp(path: Path, stamp: Mapping[str, Any]) -> None:
    """Raises `DamagedFileError` for a file that changed; reads it only if its time did."""
    about = path.stat()
    if about.st_size == stamp["size"] and about.st_mtime_ns == stamp["time"]:
        return
    if _stamp(path)["sha256"] != stamp["sha256"]:
        raise DamagedFileError(f"{path} is not what was written")


# Other models


def _load_other(
    name: str, plan: str | None, dtype: torch.dtype, say: Say
) -> tuple[_Weights, str, str]:
    from farspan.models.gguf import read_gguf
    from farspan.models.huggingface import find_checkpoint, read_folder

    path = find_checkpoint(name)
    config, tensors, tokenizer = (
        read_folder(path, dtype) if path.is_dir() else read_gguf(path, dtype)
    )
    if plan is None and not config.plan:
        say(
            f"{name} has no adapter that was trained to read long documents, so it reads with full"
            " attention: time grows with the square of the length, and beyond the"
            f" {config.context_length:,} tokens that it was trained for answers get poor; --plan"
            " and --position change that"
        )
    fused = _fuse(config, tensors, dtype)
    weights = _Weights(config, fused, tokenizer, DialogueFormat.from_tokenizer(tokenizer))
    return weights, _fingerprint(path), plan or config.plan or "full"


def _fingerprint(path: Path) -> str:
    """A hash of the names, sizes and times of a checkpoint's files."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    stats = [(file.name, file.stat()) for file in files if file.is_file()]
    return _digest([(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats])


def _digest(*values: Any) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()
