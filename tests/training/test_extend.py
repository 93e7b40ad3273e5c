"""The recipe for a checkpoint of the user's own, end to end, and what it refuses."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from safetensors.torch import load_file

from farspan.errors import RequestError
from farspan.models.decoder import Decoder
from farspan.models.plan import parse_plan
from farspan.parallel.mesh import start_mesh
from farspan.training.config import Stage
from farspan.training.export import export
from farspan.training.extend import EXTEND, extend_hf_checkpoint
from farspan.training.run import read_rows

from ..tiny import STORY, make_config, make_tokenizer

CONFIG = dataclasses.replace(
    EXTEND,
    plan="window(8), infini(8), recall(8), window(8), window(8)",
    steps=3,
    stages=(Stage(1.0, 64),),
    read_tokens=128,
    tail_tokens=8,
    text_rows=2,
    text_tokens=16,
    lora_rank=2,
    log_every=1,
    workers=0,
)


@pytest.fixture
def checkpoint(tmp_path):
    tokenizer = make_tokenizer()
    torch.manual_seed(0)
    config = make_config(tokenizer)
    decoder = Decoder(config, parse_plan("full*5", 5)).requires_grad_(False)
    folder = export(decoder, tmp_path / "base", start_mesh(), tokenizer)
    (folder / "tokenizer_config.json").write_text('{"eos_token": "<|im_end|>"}')
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "story.txt").write_text(STORY * 3)
    return folder


def test_lora_with_the_base_as_teacher(checkpoint, tmp_path):
    pytest.importorskip("peft")
    run = tmp_path / "run"
    extend_hf_checkpoint(checkpoint, tmp_path / "texts", run, CONFIG, device="cpu")
    assert [row["step"] for row in read_rows(run)] == [1, 2, 3]
    new = load_file(run / "adapter" / "adapter_model.safetensors")
    assert any("gate" in name for name in new) and any("lora_A" in name for name in new)
    card = (run / "README.md").read_text()
    assert CONFIG.plan in card and "lora_rank: 2" in card


def test_training_everything_exports_a_checkpoint_with_what_was_added(checkpoint, tmp_path):
    config = dataclasses.replace(CONFIG, trained="all", distil=0.0)
    run = tmp_path / "run"
    extend_hf_checkpoint(checkpoint, tmp_path / "texts", run, config, device="cpu")
    names = {path.name for path in (run / "model").iterdir()}
    assert {"model.safetensors", "added.safetensors", "config.json", "tokenizer.json"} <= names
    before = load_file(checkpoint / "model.safetensors")
    after = load_file(run / "model" / "model.safetensors")
    assert after.keys() == before.keys()


def test_too_little_text_is_told(checkpoint, tmp_path):
    config = dataclasses.replace(CONFIG, stages=(Stage(1.0, 4096),), read_tokens=4096)
    with pytest.raises(RequestError, match="longest row takes 4,096"):
        extend_hf_checkpoint(checkpoint, tmp_path / "texts", tmp_path / "r", config, device="cpu")
    with pytest.raises(RequestError, match="holds no"):
        extend_hf_checkpoint(checkpoint, checkpoint, tmp_path / "r", CONFIG, device="cpu")
