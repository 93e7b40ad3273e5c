"""LoRA, distillation, export, text rows: what a checkpoint of the user's own goes through."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from farspan import compat
from farspan.errors import RequestError
from farspan.mixers.base import Tokens
from farspan.models.config import ModelConfig
from farspan.models.decoder import Decoder
from farspan.models.huggingface import read_config
from farspan.models.plan import parse_plan
from farspan.parallel.mesh import start_mesh
from farspan.training.batch import Batch
from farspan.training.distill import distillation_loss
from farspan.training.export import export
from farspan.training.extend import EXTEND, TextRows
from farspan.training.loop import train
from farspan.training.lora import add_lora, load_lora, new_tensors, save_lora

from .test_loop import CONFIG, Copying, make

MODEL = ModelConfig("llama", 32, 16, 2, 2, 1, 8, 32, 128)


def small(plan, seed=0):
    torch.manual_seed(seed)
    return Decoder(MODEL, parse_plan(plan, 2))


def answers(decoder, ids):
    tokens = Tokens.plain(*ids.shape, first_asked=0)
    features, _ = decoder(ids, tokens, decoder.init_state(len(ids)))
    return decoder.logits(features)


def test_lora_trains_new_parts_alone_and_comes_back(tmp_path):
    pytest.importorskip("peft")
    decoder = small("infini(8), recall(8)")
    base = {name: p.detach().clone() for name, p in decoder.named_parameters()}
    config = dataclasses.replace(CONFIG, steps=3, trained="lora", lora_rank=2)
    lora = add_lora(decoder, 2)
    train(decoder, Copying(), config, tmp_path / "run")
    for name, parameter in decoder.named_parameters():
        plain = name.replace(".base_layer.", ".")
        if plain in base:
            assert torch.equal(parameter, base[plain]) == ("mixer.gate" not in plain), name
    save_lora(decoder, lora, tmp_path / "adapter")
    assert any("gate" in name for name in new_tensors(decoder))
    again = small("infini(8), recall(8)")
    load_lora(again, tmp_path / "adapter")
    ids = torch.randint(0, 32, (1, 20))
    torch.testing.assert_close(answers(again, ids), answers(decoder, ids))
    with pytest.raises(RequestError, match="lora_rank"):
        add_lora(decoder, 0)


def test_written_keys_have_their_low_rank_part():
    """Layers that absorb without attending project keys alone; the adapter counts there too."""
    pytest.importorskip("peft")
    decoder = small("window(4), recall(4)")
    add_lora(decoder, 2)
    mixer = decoder.layer(1).mixer
    with torch.no_grad():
        mixer.qkv.lora_B["default"].weight.normal_()
    x, tokens = torch.randn(1, 5, 16), Tokens.plain(1, 5)
    _, k, v = mixer.project(x, tokens)
    torch.testing.assert_close(mixer.project_kv(x, tokens), (k, v))


def test_a_student_equal_to_its_teacher_has_nothing_to_learn():
    teacher, same, other = small("full*2"), small("full*2"), small("full*2", seed=1)
    batch = Batch(torch.randint(0, 32, (2, 9)), torch.ones(2, 9), 0)
    assert distillation_loss(same, teacher, batch, 1.0).item() == pytest.approx(0, abs=1e-9)
    loss = distillation_loss(other, teacher, batch, 1.0)
    loss.backward()
    assert loss.item() > 0.1 and other.layer(0).mixer.qkv.weight.grad.abs().sum() > 0


def test_distillation_brings_a_student_nearer(tmp_path):
    student, teacher = make(), make()
    teacher.requires_grad_(False)
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    batch = Copying().batches(0)[1]
    before = distillation_loss(student, teacher, batch).item()
    config = dataclasses.replace(CONFIG, distil=20.0, text_weight=0.0)
    train(student, Copying(), config, tmp_path, teacher=teacher)
    assert distillation_loss(student, teacher, batch).item() < before


def test_an_export_is_what_hugging_face_reads(tmp_path):
    transformers = pytest.importorskip("transformers")
    decoder = small("full*2").requires_grad_(False)
    folder = export(decoder, tmp_path / "model", start_mesh())
    assert read_config(folder) == dataclasses.replace(MODEL, eos_token_ids=())
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder)
    ids = torch.randint(0, 32, (1, 12))
    torch.testing.assert_close(answers(decoder, ids), theirs(ids).logits, atol=1e-5, rtol=1e-5)
    about = json.loads((folder / "config.json").read_text())
    assert about["farspan_plan"] == "full*2"


def test_text_rows_are_the_same_for_the_same_step():
    config = dataclasses.replace(
        EXTEND, steps=4, stages=CONFIG.stages, read_tokens=128, tail_tokens=8, text_tokens=16
    )
    rows = TextRows(torch.arange(200, dtype=torch.int32), config)
    first, again = rows.batches(1), rows.batches(1)
    assert torch.equal(first[0].token_bt, again[0].token_bt)
    assert first[0].token_bt.shape == (4, 32) and first[0].first_asked == 24
    assert (first[0].token_bt.diff(dim=1) == 1).all()


def test_both_forms_of_the_loss_agree():
    torch.manual_seed(0)
    features = torch.randn(50, 8, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(20, 8, dtype=torch.float64, requires_grad=True)
    target = torch.randint(0, 20, (50,))
    wanted = torch.nn.functional.cross_entropy(features @ weight.T, target, reduction="none")
    got = compat.linear_cross_entropy(features, weight, target)
    torch.testing.assert_close(got, wanted)
    if hasattr(torch.nn.functional, "linear_cross_entropy"):
        torch.testing.assert_close(
            compat.fused_cross_entropy(features, weight, target), wanted, atol=1e-6, rtol=1e-6
        )
    assert compat.linear_cross_entropy(features[:0], weight, target[:0]).shape == (0,)
