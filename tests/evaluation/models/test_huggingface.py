"""Models that transformers runs answer as transformers' own generation does."""

import json

import numpy as np
import pytest
import torch

from farspan.errors import RequestError
from farspan.evaluation.encoder import Encoder
from farspan.evaluation.models.base import CellFailedError
from farspan.evaluation.models.huggingface import HuggingFaceModel
from farspan.evaluation.samples import Question, Sample

from ...tiny import STORY, TEMPLATE, make_tokenizer

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny Llama checkpoint with its tokenizer."""
    path = tmp_path_factory.mktemp("llama")
    tokenizer = make_tokenizer()
    config = transformers.LlamaConfig(
        vocab_size=tokenizer.vocab_size,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        bos_token_id=tokenizer.bos_id,
        eos_token_id=tokenizer.eos_ids[0],
    )
    torch.manual_seed(0)
    transformers.LlamaForCausalLM(config).save_pretrained(path)
    tokenizer._backend.save(str(path / "tokenizer.json"))
    about = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "chat_template": TEMPLATE}
    about["tokenizer_class"] = "PreTrainedTokenizerFast"
    (path / "tokenizer_config.json").write_text(json.dumps(about))
    return path


@pytest.fixture(scope="module")
def model(folder):
    return HuggingFaceModel(f"hf:{folder}", device="cpu", dtype="float32")


def sample(model, length=300, questions=("Who?", "What was the number?")):
    encode = Encoder(model.tokenizer)
    ids = np.resize(encode.ids(STORY), length)
    head = encode("Read.\n")
    asked = tuple(Question(text, ("x",), "x") for text in questions)
    return Sample(head, type(head)("", ids), asked)


def test_replies_are_those_of_generate(model):
    one = sample(model)
    replies = model.answer([one], 8)[0]
    document = model.frame.document(one, model.tokenizer).tolist()
    for question, reply in zip(one.questions, replies, strict=True):
        ids = torch.tensor([[*document, *model.frame.prompt(question, model.tokenizer)]])
        out = model.model.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False
        )
        new = [i for i in out[0, ids.shape[1] :].tolist() if i not in model.tokenizer.eos_ids]
        assert reply.text == model.tokenizer.decode(new)


def test_losses_are_those_of_one_forward_pass(model):
    one = sample(model)
    ids = model.frame.document(one, model.tokenizer).astype(np.int64)
    first = len(ids) - len(one.body.ids)
    row = torch.from_numpy(ids)[None]
    with torch.inference_mode():
        logits = model.model(row).logits[0, :-1]
    losses = torch.nn.functional.cross_entropy(logits, row[0, 1:], reduction="none")
    expected = [float(losses[first + p - 1 : first + p + 15].mean()) for p in (0, 100, 200)]
    assert model.losses(one, [0, 100, 200], 16) == pytest.approx(expected, abs=1e-4)


def test_lengths_beyond_the_checkpoint_are_told(model):
    assert model.why_not(2048) == "" and "2k tokens" in model.why_not(2049)


def test_running_out_of_memory_fails_the_cell(model, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(model, "_forward", full)
    with pytest.raises(CellFailedError, match="out of memory"):
        model.answer([sample(model)], 4)


def test_identity_follows_the_weights(model, folder):
    again = HuggingFaceModel(f"hf:{folder}", device="cpu", dtype="float32")
    assert again.identity == model.identity
    config = folder / "config.json"
    config.write_text(config.read_text() + " ")
    changed = HuggingFaceModel(f"hf:{folder}", device="cpu", dtype="float32")
    assert changed.identity != model.identity


def test_a_file_is_not_a_folder(tmp_path):
    path = tmp_path / "x.gguf"
    path.write_bytes(b"GGUF")
    with pytest.raises(RequestError):
        HuggingFaceModel(f"hf:{path}", device="cpu")


def test_a_converted_folder_answers_as_the_checkpoint(model, folder, tmp_path):
    from farspan.models.convert import convert

    convert(str(folder), tmp_path / "out", plan="full")
    converted = HuggingFaceModel(f"hf:{tmp_path / 'out'}", device="cpu", dtype="float32")
    assert converted.about["architecture"] == "FarspanForCausalLM"
    one = sample(model)
    texts = [[reply.text for reply in each.answer([one], 8)[0]] for each in (model, converted)]
    assert texts[0] == texts[1]
    losses = [each.losses(one, [0, 100], 16) for each in (model, converted)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
