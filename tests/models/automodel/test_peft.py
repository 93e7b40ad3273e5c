"""LoRA on a converted model's matrices, with the gates kept whole beside it."""

from __future__ import annotations

import pytest
import torch

import farspan  # noqa: F401 (registers the models)
from farspan.models.convert import convert
from tests.models.checkpoints import write_checkpoint

transformers = pytest.importorskip("transformers")
peft = pytest.importorskip("peft")

PLAN = "infini(8, rule=gated_delta), recall(6), window(9)"


@pytest.fixture
def folder(tmp_path):
    write_checkpoint(tmp_path / "in")
    convert(str(tmp_path / "in"), tmp_path / "out", plan=PLAN)
    return tmp_path / "out"


def load(folder):
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def test_train_save_load_merge(folder, tmp_path):
    base = load(folder)
    config = peft.LoraConfig(
        r=4,
        target_modules=["qkv", "out", "gate_up", "down"],
        modules_to_save=base.added_modules,
        task_type="CAUSAL_LM",
    )
    assert base.added_modules == ["gate", "gates", "rule"]
    model = peft.get_peft_model(base, config)
    torch.manual_seed(0)
    ids = torch.randint(400, (2, 40))
    optimiser = torch.optim.AdamW([x for x in model.parameters() if x.requires_grad], lr=0.02)
    losses = []
    for _ in range(6):
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.1
    model.eval()
    gate = model.base_model.model.model.layers[0].mixer.gate
    assert not torch.equal(gate().detach(), torch.full((4,), -2.0))
    with torch.no_grad():
        wanted = model(input_ids=ids).logits
        read = model(input_ids=ids, read_tokens=30).logits
    model.save_pretrained(tmp_path / "adapter")
    again = peft.PeftModel.from_pretrained(load(folder), tmp_path / "adapter").eval()
    merged = again.merge_and_unload()
    merged.save_pretrained(tmp_path / "merged")
    for each in (merged, load(tmp_path / "merged").eval()):
        with torch.no_grad():
            torch.testing.assert_close(each(ids).logits, wanted, atol=1e-4, rtol=1e-4)
            found = each(ids, read_tokens=30).logits
            torch.testing.assert_close(found, read, atol=1e-4, rtol=1e-4)
