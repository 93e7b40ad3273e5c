"""Converted checkpoints: the original with plan `full`, its window form with a memory."""

from __future__ import annotations

import json

import pytest
import torch

import farspan  # noqa: F401 (registers the models)
from farspan.errors import DamagedFileError, RequestError
from farspan.mixers.base import Tokens
from farspan.models.config import ModelConfig
from farspan.models.convert import check_target, convert, folder_config, replaced
from farspan.models.load import load_model
from farspan.models.plan import parse_plan
from farspan.models.tokenizer_files import tokenizer_from_folder, write_tokenizer
from tests.models.checkpoints import FAMILIES, SIZES, write_checkpoint
from tests.models.test_gguf import write as write_gguf
from tests.tiny import make_tokenizer

transformers = pytest.importorskip("transformers")


def logits(loaded, ids):
    tokens = Tokens.plain(*ids.shape, first_asked=0)
    with torch.inference_mode():
        features, _ = loaded.decoder(ids, tokens, loaded.decoder.init_state(ids.shape[0]))
        return loaded.decoder.logits(features)


def auto(folder):
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("tied", [False, True])
def test_its_own_plan_is_the_original(tmp_path, family, tied):
    original = write_checkpoint(tmp_path / "in", family, tie_word_embeddings=tied)
    done = convert(str(tmp_path / "in"), tmp_path / "out")
    ids = torch.randint(400, (2, 60))
    with torch.no_grad():
        wanted, found = original(ids).logits, auto(tmp_path / "out")(ids).logits
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    again = load_model(str(tmp_path / "out"), device="cpu", dtype="float32")
    torch.testing.assert_close(logits(again, ids), wanted, atol=1e-5, rtol=1e-5)
    plan = "window(16), full, window(16)" if family == "gemma3_text" else "full*3"
    assert (done.plan, done.dtype, done.added) == (plan, "float32", 0)
    assert again.plan == plan


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("mistral", {"sliding_window": 16}),
        ("qwen2", {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1}),
        (
            "gemma3_text",
            {
                "rope_parameters": {
                    "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
                    "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
                }
            },
        ),
    ],
)
def test_windows_of_the_checkpoint_are_its_plan(tmp_path, family, changes):
    original = write_checkpoint(tmp_path / "in", family, **changes)
    done = convert(str(tmp_path / "in"), tmp_path / "out")
    assert "window(16)" in done.plan
    ids = torch.randint(400, (2, 60))
    with torch.no_grad():
        wanted, found = original(ids).logits, auto(tmp_path / "out")(ids).logits
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_gemma_3_reads_on_with_a_memory(tmp_path):
    """Local layers keep their own base when another mixer takes their place."""
    original = write_checkpoint(tmp_path / "in", "gemma3_text", sliding_window=64)
    convert(str(tmp_path / "in"), tmp_path / "out", plan="infini(64), full, infini(64)")
    ids = torch.randint(400, (1, 60))
    with torch.no_grad():
        wanted, found = original(ids).logits, auto(tmp_path / "out")(ids).logits
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_yarn_is_that_of_transformers(tmp_path):
    rope = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128}
    long = write_checkpoint(tmp_path / "long", rope_parameters=rope | {"rope_theta": 1e4})
    write_checkpoint(tmp_path / "in", rope_parameters={"rope_theta": 1e4, "rope_type": "default"})
    done = convert(str(tmp_path / "in"), tmp_path / "out", position="yarn", factor=4)
    ids = torch.randint(400, (1, 100))
    found = auto(tmp_path / "out")
    with torch.no_grad():
        torch.testing.assert_close(found(ids).logits, long(ids).logits, atol=1e-4, rtol=1e-4)
    assert done.longest == found.config.max_position_embeddings == 512
    assert done.position.startswith("yarn(factor=4, trained=128")


@pytest.mark.parametrize("rule", ["linear", "delta", "gated_delta", "gated_mean"])
def test_a_memory_starts_as_the_window_form(tmp_path, rule):
    """Within the first segment nothing is remembered, so the layer is full attention."""
    original = write_checkpoint(tmp_path / "in", "qwen2")
    plan = f"full, infini(40, rule={rule}), full"
    done = convert(str(tmp_path / "in"), tmp_path / "out", plan=plan)
    ids = torch.randint(400, (1, 40))
    model = auto(tmp_path / "out")
    with torch.no_grad():
        torch.testing.assert_close(model(ids).logits, original(ids).logits, atol=1e-5, rtol=1e-5)
    assert done.added == sum(x.numel() for x in model.model.added_parameters().values()) > 0
    ids = torch.randint(400, (1, 100))
    both = logits(load_model(str(tmp_path / "out"), device="cpu", dtype="float32"), ids)
    with torch.no_grad():
        torch.testing.assert_close(model(ids).logits, both, atol=1e-5, rtol=1e-5)


def test_trained_gates_are_kept_and_other_plans_leave_them_out(tmp_path):
    write_checkpoint(tmp_path / "in")
    convert(str(tmp_path / "in"), tmp_path / "one", plan="full, infini(8), full")
    model = auto(tmp_path / "one")
    with torch.no_grad():
        model.model.layers[1].mixer.gate.weight.fill_(1.5)
    model.save_pretrained(tmp_path / "one")
    convert(str(tmp_path / "one"), tmp_path / "two")
    loaded = load_model(str(tmp_path / "two"), device="cpu", dtype="float32")
    assert loaded.decoder.layer(1).mixer.gate.weight.tolist() == [1.5] * 4
    full = load_model(str(tmp_path / "two"), plan="full", device="cpu", dtype="float32")
    first = load_model(str(tmp_path / "in"), device="cpu", dtype="float32")
    ids = torch.randint(400, (1, 30))
    torch.testing.assert_close(logits(full, ids), logits(first, ids))


def test_a_folder_that_lacks_what_its_plan_needs_is_damaged(tmp_path):
    write_checkpoint(tmp_path / "in")
    convert(str(tmp_path / "in"), tmp_path / "out")
    config = tmp_path / "out" / "config.json"
    config.write_text(config.read_text().replace('"full*3"', '"infini(8)*3"'))
    with pytest.raises(DamagedFileError, match=r"lacks the tensor model\.layers\.0\.mixer\.gate"):
        load_model(str(tmp_path / "out"), device="cpu")


def test_tokenizer_chat_template_and_generation_config_go_along(tmp_path):
    write_checkpoint(tmp_path / "in")
    convert(str(tmp_path / "in"), tmp_path / "out", plan="window")
    one, two = (transformers.AutoTokenizer.from_pretrained(tmp_path / x) for x in ("in", "out"))
    turns = [{"role": "user", "content": "Where is Ilse?"}]
    assert one.apply_chat_template(turns) == two.apply_chat_template(turns)
    assert (tmp_path / "out" / "generation_config.json").is_file()
    assert auto(tmp_path / "out").generation_config.eos_token_id == one.eos_token_id


@pytest.mark.parametrize("position", ["", "yarn(factor=4, trained=64)", "self_extend(group=4)"])
def test_a_folders_config_is_read_back(position):
    config = ModelConfig(
        "qwen3", 400, 32, 3, 4, 2, 8, 48, 128, 5e5, {"rope_type": "linear", "factor": 2.0},
        qk_norm=True, norm_eps=1e-6, bos_token_id=1, eos_token_ids=(2, 3), position=position,
        plan="window(16)*2, full", query_scale=1.25, local_theta=5e3, local_layers=(0, 2),
    )  # fmt: skip
    about = folder_config(config, parse_plan(config.plan, 3), torch.bfloat16)
    assert ModelConfig.from_hugging_face(json.loads(json.dumps(about))) == config


@pytest.mark.parametrize(
    ("plan", "position", "tokens"),
    [
        ("full", "", 128),
        ("full", "linear(4)", 512),
        ("full", "dual_chunk", 10 << 20),
        ("full", "self_extend(4, window=32)", 416),
        ("window(16)", "", 10 << 20),
        ("recall(16)", "", 10 << 20),
    ],
)
def test_how_long_a_text_may_be(plan, position, tokens):
    config = ModelConfig("llama", 400, 32, 2, 4, 2, 8, 48, 128)
    config = config.stretched(position) if position else config
    about = folder_config(config, parse_plan(f"{plan}*2", 2), torch.float32)
    assert about["max_position_embeddings"] == tokens


def test_folders_that_are_not_empty(tmp_path):
    write_checkpoint(tmp_path / "in")
    source, target = str(tmp_path / "in"), tmp_path / "out"
    target.mkdir()
    convert(source, target)
    with pytest.raises(RequestError, match="is not empty"):
        convert(source, target, plan="window")
    convert(source, target, plan="window", force=True)
    assert json.loads((target / "config.json").read_text())["plan"] == "window(512)*3"
    with pytest.raises(RequestError, match="is the checkpoint itself"):
        convert(source, tmp_path / "in", force=True)
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "thesis.tex").write_text("x")
    with pytest.raises(RequestError, match="does not delete"):
        check_target(other, None, force=True)
    with pytest.raises(RequestError, match="is a file"):
        check_target(other / "thesis.tex", None, force=True)


def test_a_conversion_that_fails_leaves_everything_as_it_was(tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    (target / "config.json").write_text("old")
    with pytest.raises(RuntimeError), replaced(target) as fresh:
        (fresh / "config.json").write_text("half")
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (target / "config.json").read_text() == "old"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"plan": "full*4"}, "has 4 layers"),
        ({"plan": "windo(3)"}, "unknown mixer"),
        ({"plan": "window(0)*3"}, "at least 1 token"),
        ({"position": "alibi"}, "replace_rotary"),
        ({"factor": 4.0}, "name one"),
        ({"dtype": "int4"}, "dtype 'int4' is unknown"),
    ],
)
def test_what_cannot_be_converted_writes_nothing(tmp_path, options, says):
    write_checkpoint(tmp_path / "in")
    with pytest.raises(RequestError, match=says):
        convert(str(tmp_path / "in"), tmp_path / "out", **options)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_dtypes(tmp_path):
    write_checkpoint(tmp_path / "in")
    for name in ("bfloat16", "float16"):
        done = convert(str(tmp_path / "in"), tmp_path / name, dtype=name)
        config = transformers.AutoConfig.from_pretrained(tmp_path / name)
        assert done.dtype == name and config.dtype is getattr(torch, name)
    assert SIZES["num_hidden_layers"] == config.num_hidden_layers


def test_a_gguf_file_gets_the_files_that_transformers_wants(tmp_path):
    tensors = write_gguf(tmp_path / "m.gguf")
    convert(str(tmp_path / "m.gguf"), tmp_path / "out", dtype="float32")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    assert tokenizer("abz").input_ids == [0, 1, 25]
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<end>", "<end>")
    assert tokenizer.decode([0, 39], skip_special_tokens=True) == "a"
    model = auto(tmp_path / "out")
    assert model.generation_config.eos_token_id == [39]
    embed = tensors["model.embed_tokens.weight"]
    torch.testing.assert_close(model.get_input_embeddings().weight.detach(), embed)


def test_a_start_token_is_added_as_the_checkpoint_wants(tmp_path):
    tokenizer = make_tokenizer()
    tokenizer.adds_bos = True
    write_tokenizer(tokenizer, tmp_path)
    found = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert found("goat").input_ids == [tokenizer.bos_id, *tokenizer.encode("goat")]
    again = tokenizer_from_folder(tmp_path)
    assert (again.adds_bos, again.bos_id, again.eos_ids) == (
        True, tokenizer.bos_id, tokenizer.eos_ids,
    )  # fmt: skip
