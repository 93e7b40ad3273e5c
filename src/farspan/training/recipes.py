"""Recipes: functions named for what they run, each with its config."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from farspan.data.chats import chat_prompts
from farspan.data.corpus import Corpus
from farspan.data.mixture import ReadRows, RowSampler
from farspan.errors import RequestError
from farspan.models.adapter import AdapterMetadata, load_adapter, make_adapter, save_adapter
from farspan.models.chat import DialogueFormat
from farspan.models.config import ModelConfig
from farspan.models.decoder import Decoder
from farspan.models.gguf import read_gguf
from farspan.models.huggingface import read_folder
from farspan.models.plan import parse_plan
from farspan.models.tokenizer import Tokenizer
from farspan.parallel.fsdp import whole
from farspan.parallel.mesh import Mesh, start_mesh
from farspan.training.batch import Batch
from farspan.training.chats import answer_prompts
from farspan.training.config import Stage, TrainConfig
from farspan.training.loop import train
from farspan.training.run import Run

ADAPTER_BITS = 3.2  # 106 M weights then take 42 MiB.

DEFAULT_READER = TrainConfig(
    plan="reader",
    steps=1800,
    learning_rate=4e-4,
    stages=(Stage(0.6, 8192), Stage(0.9, 32_768), Stage(1.0, 65_536)),
    read_tokens=65_536,
    tail_tokens=1024,
    text_rows=6,
    chat_rows=12,
    chat_tokens=192,
)
"""118 M read tokens, about 9 minutes on one H100 at the 222k tokens/s measured there.

The shipped adapter took two shorter runs instead, which its model card tells.
"""


@dataclass(frozen=True)
class Base:
    """The checkpoint that training starts from."""

    config: ModelConfig
    tensors: dict[str, Tensor]
    tokenizer: Tokenizer
    sha256: str

    @classmethod
    def load(cls, path: Path) -> Base:
        """Reads a GGUF file or a folder in Hugging Face's layout, in float32."""
        if path.is_dir():
            files = sorted(path.glob("*.safetensors"))
            digests = "".join(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)
            return cls(*read_folder(path), hashlib.sha256(digests.encode()).hexdigest())
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        return cls(*read_gguf(path), sha256)

    def decoder(self, plan: str, device: str) -> Decoder:
        """A bfloat16 decoder with the base's weights and the plan's mixers."""
        decoder = Decoder(self.config, parse_plan(plan, self.config.n_layers))
        decoder.load_hugging_face(self.tensors)
        return decoder.to(device, torch.bfloat16)


class ReaderRows:
    """Batches of a step: read rows, book text, and the base model's chats."""

    def __init__(self, sampler: RowSampler, chats: Batch, config: TrainConfig) -> None:
        self.sampler, self.chats, self.config = sampler, chats, config

    def batches(self, step: int) -> list[Batch]:
        """Read rows first; beside them text and chats take turns, which rotate.

        Their batches are small, so a step spends as much time on starting kernels for one of them
        as on a quarter of the read rows.
        """
        config = self.config
        length = config.row_tokens(step)
        rows = self.sampler.read_batch(
            step, config.read_tokens // length, length, config.tail_tokens
        )
        found = [_as_batch(rows)]
        if step % 2 == 0 or not config.chat_rows:
            text = self.sampler.text_batch(step, config.text_rows, config.text_tokens)
            found.append(_as_batch(text))
        else:
            picks = (torch.arange(config.chat_rows) + step // 2 * config.chat_rows) % len(
                self.chats.token_bt
            )
            found.append(Batch(self.chats.token_bt[picks], self.chats.weight_bt[picks], 0))
        return found


def _as_batch(rows: ReadRows) -> Batch:
    length = rows.token_bt.shape[1]
    first = length - rows.tail_tokens if rows.tail_tokens else 0
    return Batch(torch.from_numpy(rows.token_bt), torch.from_numpy(rows.weight_bt), first)


def check_device(device: str) -> None:
    """Raises `RequestError` for a GPU that is not there."""
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise RequestError("training needs a GPU and none is visible; --device cpu is for trials")


def default_reader(
    corpus: Path,
    base_path: Path,
    folder: Path,
    config: TrainConfig = DEFAULT_READER,
    *,
    device: str = "cuda",
    mesh: Mesh | None = None,
    start: Path | None = None,
    stop_after: float | None = None,
    log: Callable[[dict[str, object]], None] = lambda row: None,
) -> Path | None:
    """Trains the reader adapter of the default model on one GPU, from a prepared corpus.

    Begins with the adapter `start`, if one is given, instead of the base model's own weights, and
    resumes from `folder` if that holds an unfinished run. The adapter is written to
    `folder/reader.safetensors` however far training came; its path is returned, or None when
    `stop_after` seconds ended it early and running it again goes on. `log` also gets every row
    written to `folder/log.jsonl`. Raises `RequestError` without a GPU or with a corpus of another
    kind.
    """
    check_device(device)
    mesh = mesh or start_mesh(device=device)
    base = Base.load(base_path)
    format = DialogueFormat.from_tokenizer(base.tokenizer)
    run = Run(folder, "default_reader", config, mesh, log, {"base sha256": base.sha256})
    with run.logging() as tell:
        place = str(mesh.device)
        chats = Batch(torch.zeros(1, 1, dtype=torch.long), torch.zeros(1, 1), 0)
        if config.chat_rows:
            began = time.monotonic()
            chats = answer_prompts(
                base.decoder("full", place), base.tokenizer, chat_prompts(), config.chat_tokens
            )
            tell({"chats": len(chats.token_bt), "seconds": time.monotonic() - began})
        sampler = RowSampler(Corpus.load(corpus), base.tokenizer, format, config.seed)
        decoder = _begin(base, start).decoder(config.plan, place)
        source = ReaderRows(sampler, chats, config)
        began = time.monotonic()
        done = train(decoder, source, config, folder, mesh=mesh, stop_after=stop_after, log=tell)
        tell({"steps_done": done, "seconds": time.monotonic() - began})
    path = folder / "reader.safetensors"
    unshard(decoder)
    if mesh.is_first:
        write_adapter(base, decoder, config, done, path)
    return path if done == config.steps else None


def unshard(decoder: Decoder) -> None:
    """Puts whole parameters in the place of sharded ones; all ranks call it."""
    for name, parameter in list(decoder.named_parameters()):
        owner, _, leaf = name.rpartition(".")
        full = torch.nn.Parameter(whole(parameter.detach()), requires_grad=False)
        setattr(decoder.get_submodule(owner), leaf, full)
    if decoder.config.tied_embeddings:
        decoder.head.weight = decoder.embed.weight


def _begin(base: Base, start: Path | None) -> Base:
    """The base with an adapter merged into a copy of its tensors."""
    if start is None:
        return base
    tensors = {name: tensor.clone() for name, tensor in base.tensors.items()}
    load_adapter(start).merge_(tensors)
    return replace(base, tensors=tensors)


def write_adapter(
    base: Base, decoder: Decoder, config: TrainConfig, steps: int, path: Path
) -> Path:
    """The quantised difference between the decoder, trained for `steps`, and its base."""
    metadata = AdapterMetadata(
        base.sha256,
        str(decoder.plan),
        recipe="default_reader",
        seed=config.seed,
        notes={"config": json.loads(config.to_json()), "steps_done": steps},
    )
    tuned = {name: x.cpu() for name, x in decoder.hugging_face_tensors().items()}
    frozen = {"model.embed_tokens.weight", "lm_head.weight"}
    changed = {name: x for name, x in tuned.items() if name not in frozen}
    save_adapter(path, make_adapter(base.tensors, changed, ADAPTER_BITS, metadata))
    return path
