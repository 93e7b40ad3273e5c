import json
import os
import subprocess
import sys

import pytest
import torch

from farspan.errors import DamagedFileError, RequestError
from farspan.files import write_whole
from farspan.mixers.base import Tokens
from farspan.mixers.registry import MIXERS
from farspan.models import default, load
from farspan.models.adapter import AdapterMetadata, make_adapter, save_adapter
from farspan.models.gguf import read_gguf
from farspan.models.load import find_device, find_dtype, load_model
from farspan.models.plan import parse_plan
from tests.models.test_gguf import write


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of its own, and a tiny model in the place of the default one."""
    monkeypatch.setenv("FARSPAN_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "tiny.gguf"
    write(path)
    monkeypatch.setattr(load, "default_model_path", lambda say: path)
    monkeypatch.setattr(load, "N_LAYERS", 2)
    monkeypatch.setattr(load, "shipped_adapter", lambda: tmp_path / "reader.safetensors")
    return tmp_path


def ship_adapter(folder, plan="window(5), recall(5)"):
    """An adapter that doubles the first layer's output matrix, and its effect."""
    base = read_gguf(folder / "tiny.gguf")[1]
    name = "model.layers.0.self_attn.o_proj.weight"
    tuned = base | {name: base[name] * 2}
    adapter = make_adapter(base, tuned, 4.0, AdapterMetadata("", plan))
    save_adapter(folder / "reader.safetensors", adapter)
    merged = dict(base) | {name: base[name].clone()}
    adapter.merge_(merged)
    return merged[name]


def logits(model):
    ids = torch.arange(12).unsqueeze(0)
    features, _ = model.decoder(ids, Tokens.plain(1, 12, first_asked=0), model.decoder.init_state())
    return model.decoder.logits(features)


def quiet(**options):
    return load_model(device="cpu", dtype="float32", **options)


def test_a_second_start_takes_the_cached_weights(cache, monkeypatch):
    said = []
    first = quiet(adapter=False, say=said.append)
    assert said == ["preparing the model; this happens once"]

    def fail(*args):
        raise AssertionError("the checkpoint is read again")

    monkeypatch.setattr(load, "default_model_path", fail)
    second = quiet(adapter=False, say=said.append)
    assert len(said) == 1 and second.identity == first.identity
    assert torch.equal(logits(first), logits(second))
    assert (second.format, second.name, second.dtype) == (first.format, "smollm2", "float32")
    assert second.tokenizer.encode("abc") == first.tokenizer.encode("abc")
    assert not any(p.requires_grad for p in second.decoder.parameters())


def test_the_adapter_is_merged_and_brings_its_plan(cache):
    plain = quiet()
    assert plain.plan == "recall(512), window(512)"
    weight = ship_adapter(cache)
    tuned = quiet()
    assert tuned.plan == "window(5), recall(5)" and tuned.identity != plain.identity
    torch.testing.assert_close(tuned.decoder.layers[0].mixer.out.weight, weight)
    base = quiet(adapter=False)
    assert base.plan == plain.plan and base.identity == plain.identity


def test_a_plan_with_other_recall_layers_goes_without_the_adapter(cache):
    base = quiet(plan="full", adapter=False)
    ship_adapter(cache)
    said = []
    full = quiet(plan="full", say=said.append)
    assert full.identity == base.identity
    assert len(said) == 1 and "the base model's own weights are used" in said[0]
    said.clear()
    wide = quiet(plan="window(9), recall(9)", say=said.append)
    assert said == ["preparing the model; this happens once"]
    assert torch.equal(
        wide.decoder.layers[0].mixer.out.weight, quiet().decoder.layers[0].mixer.out.weight
    )
    assert len({m.identity for m in (full, wide, quiet())}) == 3


def damage_weights(folder):
    path = folder / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)


def damage(name, data):
    return lambda folder: (folder / name).write_bytes(data)


DAMAGE = [
    damage_weights,
    damage("weights.safetensors", b""),
    damage("about.json", b"{"),
    damage("about.json", b'{"files": {}}'),
    damage("tokenizer.json", b"{}"),
    lambda folder: (folder / "weights.safetensors").unlink(),
]


@pytest.mark.parametrize("harm", DAMAGE)
def test_a_damaged_cache_is_made_again_and_told_once(cache, harm):
    expected = logits(quiet(adapter=False))
    (folder,) = (cache / "cache" / "models").iterdir()
    harm(folder)
    said = []
    assert torch.equal(logits(quiet(adapter=False, say=said.append)), expected)
    assert len(said) == 1 and "is damaged and is made again" in said[0]
    assert torch.equal(logits(quiet(adapter=False, say=said.append)), expected)
    assert len(said) == 1 and [x.name for x in folder.parent.iterdir()] == [folder.name]


def test_touched_files_are_still_good(cache):
    quiet(adapter=False)
    (folder,) = (cache / "cache" / "models").iterdir()
    os.utime(folder / "weights.safetensors")
    said = []
    quiet(adapter=False, say=said.append)
    assert said == []


def test_a_missing_adapter_is_told(cache):
    said = []
    quiet(say=said.append)
    assert "reader.safetensors is missing" in said[0] and "reinstall" in said[0]


def test_a_damaged_adapter_is_told(cache):
    ship_adapter(cache)
    path = cache / "reader.safetensors"
    data = bytearray(path.read_bytes())
    for bad in (b"nonsense", b"", data[:-1], data[:-9] + bytes([data[-9] ^ 1]) + data[-8:]):
        path.write_bytes(bad)
        with pytest.raises(DamagedFileError, match=r"reader.safetensors.* reinstall farspan"):
            quiet()


def test_a_full_disk_leaves_no_half_cache(cache, monkeypatch):
    def full(path, data):
        raise RequestError("no room left on the disk")

    monkeypatch.setattr(load, "write_whole", full)
    with pytest.raises(RequestError, match="no room left"):
        quiet()
    assert list((cache / "cache" / "models").iterdir()) == []
    monkeypatch.setattr(load, "write_whole", write_whole)
    quiet()


def test_a_cache_that_cannot_be_written_is_told(cache, monkeypatch):
    (cache / "file").write_text("")
    monkeypatch.setenv("FARSPAN_CACHE", str(cache / "file"))
    with pytest.raises(RequestError, match=r"cannot be kept in .* set FARSPAN_CACHE"):
        quiet()


def test_other_models_read_with_full_attention_unless_told(cache):
    path, said = str(cache / "tiny.gguf"), []
    full = load_model(path, device="cpu", dtype="float32", say=said.append)
    assert full.plan == "full*2" and full.name == path
    assert len(said) == 1 and "full attention" in said[0] and "--plan" in said[0]
    other = load_model(path, device="cpu", dtype="float32", plan="recall(9)*2", say=said.append)
    assert other.plan == "recall(9)*2" and len(said) == 1 and other.identity != full.identity
    config, tensors, _ = read_gguf(path)
    torch.testing.assert_close(full.decoder.embed.weight, tensors["model.embed_tokens.weight"])
    assert full.decoder.config == config
    os.utime(path, ns=(1, 1))
    again = load_model(path, device="cpu", dtype="float32")
    assert again.identity != full.identity


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "tpu"}, "device 'tpu' is not available; use one of auto, cpu"),
        ({"device": "cuda"}, "torch sees no NVIDIA GPU"),
        ({"dtype": "int3"}, "dtype 'int3' is unknown; use one of bfloat16, bf16, float32, fp32"),
        ({"plan": "wndow*2"}, "unknown mixer 'wndow'"),
        ({"plan": "full*3"}, "has 3 layers, the model has 2"),
    ],
)
def test_what_cannot_be_had_is_told(cache, monkeypatch, options, message):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    ship_adapter(cache)
    with pytest.raises(RequestError, match=message):
        load_model(**options)


@pytest.mark.parametrize("kind", [kind for kind, spec in MIXERS.items() if not spec.stores])
def test_every_mixer_runs_on_a_checkpoint_that_lacks_its_parameters(cache, kind):
    plan = f"{kind}*2"
    first, second = (quiet(plan=plan, adapter=False) for _ in range(2))
    assert torch.isfinite(logits(first)).all() and first.identity == second.identity
    assert torch.equal(logits(first), logits(second))
    assert not any(p.requires_grad for p in first.decoder.parameters())


def test_parameters_that_a_checkpoint_has_are_not_set_again(cache):
    base = quiet(plan="delta*2", adapter=False).decoder
    tensors = {name: torch.full_like(p, 0.25) for name, p in base.named_parameters()}
    weights = load._Weights(base.config, tensors, None, None)
    decoder = load._assemble(weights, parse_plan("delta*2", 2))
    assert (decoder.layers[0].mixer.write.weight == 0.25).all()
    del tensors["layers.1.mixer.write.weight"]
    decoder = load._assemble(weights, parse_plan("delta*2", 2))
    assert (decoder.layers[1].mixer.write.weight == 0).all()
    assert (decoder.layers[1].mixer.write.bias == 0.25).all()


def test_defaults_of_device_and_dtype(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert find_device("auto").type == "cuda" and find_device("cuda:1").index == 1
    assert find_dtype(None, torch.device("cuda")) == torch.bfloat16
    with pytest.raises(RequestError, match="auto, cpu, cuda, cuda:0, cuda:1"):
        find_device("cuda:2")


def test_default_name_is_the_default_models(cache):
    assert quiet().name == default.DEFAULT_MODEL
    about = next((cache / "cache" / "models").glob("*/about.json"))
    assert json.loads(about.read_text())["config"]["family"] == "llama"


def test_a_position_method_stretches_what_is_loaded(cache):
    plain = quiet(adapter=False, plan="full")
    said = []
    longer = quiet(adapter=False, plan="full", position="yarn", factor=4, say=said.append)
    assert longer.position.startswith("yarn(factor=4, trained=") and plain.position == ""
    assert any("yarn" in line and "without training" in line for line in said)
    assert longer.identity != plain.identity
    assert not torch.allclose(logits(longer), logits(plain))
    with pytest.raises(RequestError, match="name one, for instance yarn"):
        quiet(factor=4)
    with pytest.raises(RequestError, match="there are default"):
        quiet(adapter=False, position="yard")


def test_an_empty_decoder_is_made_without_torchs_compiler():
    """Importing it takes longer than all else that a second question waits for."""
    code = (
        "import sys; from tests.tiny import make_config, make_tokenizer;"
        " from farspan.models.load import hollow; from farspan.models.plan import parse_plan;"
        " c = make_config(make_tokenizer()); hollow(c, parse_plan('full', c.n_layers));"
        " sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
