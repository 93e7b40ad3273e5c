import json

import pytest
import tokenizers
import torch
from safetensors.torch import save_file

from farspan.errors import DamagedFileError, RequestError
from farspan.models.checkpoint import expected_shapes
from farspan.models.huggingface import HUB_FILES, find_checkpoint, read_folder

TINY = {
    "vocab_size": 300, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128,
    "rms_norm_eps": 1e-6, "tie_word_embeddings": False, "eos_token_id": 5, "bos_token_id": None,
}  # fmt: skip
FAMILIES = ("llama", "qwen2", "qwen3", "mistral")


def write(folder, family="llama", *, tensors=None, **config):
    from farspan.models.config import ModelConfig

    about = {"model_type": family, "head_dim": 8, **TINY, **config}
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(about))
    tokenizers.Tokenizer(tokenizers.models.BPE({"a": 0, "b": 1}, [])).save(
        str(folder / "tokenizer.json")
    )
    if tensors is None:
        shapes = expected_shapes(ModelConfig.from_hugging_face(about))
        tensors = {name: torch.randn(shape).bfloat16() for name, shape in shapes.items()}
    save_file(tensors, str(folder / "model.safetensors"))
    return tensors


@pytest.mark.parametrize("family", FAMILIES)
def test_equals_what_transformers_saves(tmp_path, family):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(family, head_dim=8, rope_theta=5e5, **TINY)
    model = transformers.AutoModelForCausalLM.from_config(config)
    model.save_pretrained(tmp_path, max_shard_size="30KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    tokenizers.Tokenizer(tokenizers.models.BPE({"a": 0}, [])).save(str(tmp_path / "tokenizer.json"))
    found, tensors, tokenizer = read_folder(tmp_path)
    expected = model.state_dict()
    assert set(tensors) == set(expected)
    assert all(torch.equal(tensors[name], expected[name]) for name in expected)
    assert (found.family, found.d_model, found.n_layers, found.d_ff) == (family, 32, 2, 48)
    assert found.qkv_bias is (family == "qwen2") and found.qk_norm is (family == "qwen3")
    assert found.eos_token_ids == tokenizer.eos_ids == (5,)


def test_dtype_and_tied_head(tmp_path):
    stored = write(tmp_path)
    _, tensors, _ = read_folder(tmp_path, torch.float32)
    assert all(torch.equal(tensors[name], stored[name].float()) for name in stored)
    extra = {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.zeros(4)}
    write(tmp_path, tensors=stored | extra, tie_word_embeddings=True)
    config, tensors, _ = read_folder(tmp_path, torch.bfloat16)
    assert config.tied_embeddings and set(tensors) == set(stored) - {"lm_head.weight"}
    assert {tensor.dtype for tensor in tensors.values()} == {torch.bfloat16}


def test_tensors_may_be_changed_without_touching_the_file(tmp_path):
    write(tmp_path)
    before = (tmp_path / "model.safetensors").read_bytes()
    for tensor in read_folder(tmp_path, torch.bfloat16)[1].values():
        tensor.zero_()
    assert (tmp_path / "model.safetensors").read_bytes() == before


def test_missing_foreign_and_misshapen_tensors(tmp_path):
    stored = write(tmp_path)
    name = "model.layers.1.mlp.up_proj.weight"
    write(tmp_path, tensors={key: value for key, value in stored.items() if key != name})
    with pytest.raises(DamagedFileError, match=r"lacks the tensor model\.layers\.1\.mlp\.up_proj"):
        read_folder(tmp_path)
    write(tmp_path, tensors={**stored, name: torch.zeros(48, 31)})
    with pytest.raises(DamagedFileError, match=r"is \[48, 31\]"):
        read_folder(tmp_path)
    write(tmp_path, tensors={**stored, "model.layers.0.mlp.experts.weight": torch.zeros(2)})
    with pytest.raises(RequestError, match=r"experts\.weight"):
        read_folder(tmp_path)
    write(tmp_path, tensors=stored, num_hidden_layers=2**40)
    with pytest.raises(DamagedFileError, match="lacks most"):
        read_folder(tmp_path)


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"model_type": "gemma2", "hidden_act": "gelu"}, "'gelu' is not supported"),
        ({"model_type": "gemma2"}, "caps scores"),
        ({"model_type": "gpt2"}, "use one of llama"),
        ({"quantization_config": {"quant_method": "awq"}}, "quantised weights"),
        ({"hidden_act": "gelu"}, "'gelu' is not supported"),
        ({"hidden_size": None}, "config.json"),
    ],
)
def test_refused_configs(tmp_path, config, says):
    stored = write(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama", **TINY, **config}))
    save_file(stored, str(tmp_path / "model.safetensors"))
    with pytest.raises(RequestError, match=says):
        read_folder(tmp_path)


def test_folders_that_are_not_whole(tmp_path):
    with pytest.raises(RequestError, match=r"no config\.json"):
        read_folder(tmp_path)
    write(tmp_path)
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-7])
    with pytest.raises(DamagedFileError, match="cannot be read"):
        read_folder(tmp_path)
    weights.unlink()
    with pytest.raises(RequestError, match=r"has no model\.safetensors"):
        read_folder(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(RequestError, match="pickled"):
        read_folder(tmp_path)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model-00001-of-00002.safetensors"}}))
    with pytest.raises(DamagedFileError, match="its index names"):
        read_folder(tmp_path)
    for text in ("{}", "[]", "{", json.dumps({"weight_map": {"a": "../x.safetensors"}})):
        index.write_text(text)
        with pytest.raises(DamagedFileError):
            read_folder(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(RequestError, match="'unknown' is not supported"):
        read_folder(tmp_path)


def test_find_local(tmp_path):
    model = tmp_path / "m.gguf"
    model.write_bytes(b"")
    assert find_checkpoint(str(tmp_path)) == tmp_path and find_checkpoint(str(model)) == model
    other = tmp_path / "m.bin"
    other.write_bytes(b"")
    with pytest.raises(RequestError, match="is not a model"):
        find_checkpoint(str(other))
    for name in ("", "nothing", str(tmp_path / "none"), "a/b.gguf", "a/b/c", "https://x.org/m"):
        with pytest.raises(RequestError, match="there is no model"):
            find_checkpoint(name)


def test_find_on_the_hub(tmp_path, monkeypatch):
    import huggingface_hub

    asked = []

    def download(name, allow_patterns):
        asked.append((name, tuple(allow_patterns)))
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert find_checkpoint("some/Model-1.5B") == tmp_path
    assert asked == [("some/Model-1.5B", HUB_FILES)]
    assert not any(pattern.endswith((".bin", ".py", "*")) for pattern in HUB_FILES)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ("LocalEntryNotFoundError", "cannot be reached"),
        ("OfflineModeIsEnabled", "cannot be reached"),
        ("RepositoryNotFoundError", "check the spelling"),
        ("GatedRepoError", "accept its terms"),
    ],
)
def test_hub_failures(monkeypatch, error, says):
    import huggingface_hub
    from huggingface_hub import errors

    kind = getattr(errors, error)

    def download(name, allow_patterns):
        failure = kind.__new__(kind)
        Exception.__init__(failure, "some\nlong text")
        raise failure

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    with pytest.raises(RequestError, match=says) as caught:
        find_checkpoint("some/model")
    assert "\n" not in str(caught.value)
