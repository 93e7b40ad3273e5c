import os
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType as Kind

from farspan.errors import DamagedFileError, RequestError
from farspan.models import gguf as module
from farspan.models.checkpoint import expected_shapes
from farspan.models.gguf import read_gguf
from farspan.models.gguf_header import read_header
from farspan.positions.rotary import Rotary

HEADS, KV_HEADS, HEAD_DIM, D_MODEL, D_FF, LAYERS, VOCAB = 4, 2, 16, 64, 96, 2, 40
TO_GGUF = {value: key for key, value in module._IN_LAYER.items()}
WHOLE = {value: key for key, value in module._WHOLE.items()}


def gguf_name(name):
    if name in WHOLE:
        return WHOLE[name]
    _, _, layer, rest = name.split(".", 3)
    stem, end = rest.rsplit(".", 1)
    return f"blk.{layer}.{TO_GGUF[stem]}.{end}"


def permuted(weight, heads):
    """llama.cpp's converter, from its convert_hf_to_gguf.py."""
    shape = weight.shape
    return (
        weight.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)
    )


def tensors_of(arch, tied):
    from farspan.models.config import ModelConfig

    config = ModelConfig(
        arch, VOCAB, D_MODEL, LAYERS, HEADS, KV_HEADS, HEAD_DIM, D_FF, 256,
        tied_embeddings=tied, qkv_bias=arch == "qwen2", qk_norm=arch == "qwen3",
    )  # fmt: skip
    chance = np.random.default_rng(0)
    return {
        name: chance.standard_normal(shape).astype(np.float32)
        for name, shape in expected_shapes(config).items()
    }


def write(
    path, arch="llama", *, kind=Kind.F32, tied=True, drop=(), extra=None, tensors=None, **more
):
    """A tiny GGUF file; returns its tensors by Hugging Face name, dequantised."""
    writer = gguf.GGUFWriter(path, arch)
    settings = {
        "block_count": LAYERS, "context_length": 256, "embedding_length": D_MODEL,
        "feed_forward_length": D_FF, "attention.head_count": HEADS,
        "attention.head_count_kv": KV_HEADS, "rope.dimension_count": HEAD_DIM, **more,
    }  # fmt: skip
    for key, value in settings.items():
        if isinstance(value, str):
            writer.add_string(f"{arch}.{key}", value)
        elif isinstance(value, float):
            writer.add_float32(f"{arch}.{key}", value)
        elif value is not None:
            writer.add_uint32(f"{arch}.{key}", value)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(100_000.0)
    letters = [chr(97 + i) for i in range(26)] + [chr(65 + i) for i in range(VOCAB - 27)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list([*letters, "<end>"])
    writer.add_token_types([1] * (VOCAB - 1) + [3])
    writer.add_token_merges([])
    writer.add_eos_token_id(VOCAB - 1)
    result = {}
    for name, array in (tensors or tensors_of(arch, tied)).items():
        stored = array
        if arch == "llama" and "_proj" in name and ("q_" in name or "k_" in name):
            stored = permuted(array, HEADS if "q_" in name else KV_HEADS)
        this = kind if array.ndim == 2 else Kind.F32
        data = gguf.quantize(np.ascontiguousarray(stored), this)
        again = gguf.dequantize(data, this)
        if stored is not array:
            heads = HEADS if "q_" in name else KV_HEADS
            again = again.reshape(heads, HEAD_DIM // 2, 2, -1).swapaxes(1, 2).reshape(array.shape)
        result[name] = torch.from_numpy(again.astype(np.float32))
        if name not in drop:
            writer.add_tensor(gguf_name(name), data, raw_dtype=this)
    for name, array in (extra or {}).items():
        writer.add_tensor(name, array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return result


@pytest.mark.parametrize("arch", module.ARCHITECTURES)
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("kind", [Kind.F32, Kind.F16, Kind.BF16, Kind.Q4_1, Kind.Q8_0])
def test_tensors_config_and_tokenizer(tmp_path, arch, tied, kind):
    expected = write(tmp_path / "m.gguf", arch, kind=kind, tied=tied)
    config, tensors, tokenizer = read_gguf(tmp_path / "m.gguf")
    assert set(tensors) == set(expected)
    for name, tensor in tensors.items():
        assert tensor.dtype == torch.float32 and tensor.is_contiguous()
        assert torch.equal(tensor, expected[name]), name
    assert (config.family, config.vocab_size, config.d_model) == (arch, VOCAB, D_MODEL)
    assert (config.n_layers, config.n_heads, config.n_kv_heads) == (LAYERS, HEADS, KV_HEADS)
    assert (config.head_dim, config.d_ff, config.context_length) == (HEAD_DIM, D_FF, 256)
    assert (config.rope_theta, config.norm_eps, config.rope_scaling) == (100_000.0, 1e-5, {})
    assert config.tied_embeddings is tied and config.qkv_bias is (arch == "qwen2")
    assert config.qk_norm is (arch == "qwen3") and config.eos_token_ids == (VOCAB - 1,)
    assert tokenizer.encode("ab<end>") == [0, 1, VOCAB - 1]


def test_dtype_and_chunks(tmp_path, monkeypatch):
    expected = write(tmp_path / "m.gguf", kind=Kind.Q8_0)
    monkeypatch.setattr(module, "_CHUNK_ELEMENTS", 7 * D_MODEL)
    _, tensors, _ = read_gguf(tmp_path / "m.gguf", torch.bfloat16)
    assert all(torch.equal(tensors[name], expected[name].bfloat16()) for name in expected)


def test_read_header_agrees_with_the_library(tmp_path):
    write(tmp_path / "m.gguf", kind=Kind.Q4_1)
    ours, theirs = read_header(tmp_path / "m.gguf"), gguf.GGUFReader(tmp_path / "m.gguf")
    fields = {k: f.contents() for k, f in theirs.fields.items() if not k.startswith("GGUF.")}
    assert ours.fields == fields
    for tensor in theirs.tensors:
        found = ours.tensors[tensor.name]
        assert found.shape == tuple(reversed(tensor.shape.tolist()))
        assert (found.start, found.size) == (tensor.data_offset, tensor.n_bytes)


def test_truncated_and_foreign_files(tmp_path):
    path = tmp_path / "m.gguf"
    write(path)
    whole = path.read_bytes()
    with pytest.raises(RequestError, match="there is no file"):
        read_gguf(tmp_path / "other.gguf")
    for size in (0, 10, 23, 24, 100, 1000, 2500, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(DamagedFileError):
            read_gguf(path)
    path.write_bytes(b"\x00" * 5000)
    with pytest.raises(DamagedFileError, match="does not begin with 'GGUF'"):
        read_gguf(path)
    path.write_bytes(whole[:4] + b"\x01\x00\x00\x00" + whole[8:])
    with pytest.raises(RequestError, match="version 1"):
        read_gguf(path)


def test_garbage_in_the_header_is_one_sentence(tmp_path):
    path = tmp_path / "m.gguf"
    write(path)
    whole = path.read_bytes()
    chance = np.random.default_rng(1)
    for _ in range(200):
        damaged = bytearray(whole)
        start = int(chance.integers(8, 2400))
        damaged[start : start + 8] = chance.bytes(8)
        path.write_bytes(bytes(damaged))
        try:
            read_gguf(path)
        except RequestError as error:
            assert "\n" not in str(error)


def test_missing_and_foreign_tensors(tmp_path):
    path = tmp_path / "m.gguf"
    write(path, drop=("model.layers.1.mlp.up_proj.weight",))
    with pytest.raises(DamagedFileError, match=r"lacks the tensor model\.layers\.1\.mlp\.up_proj"):
        read_gguf(path)
    write(path, drop=("model.embed_tokens.weight",))
    with pytest.raises(DamagedFileError, match="no embedding"):
        read_gguf(path)
    write(path, extra={"blk.0.ssm.weight": np.zeros((4, 4), np.float32)})
    with pytest.raises(RequestError, match=r"'blk\.0\.ssm\.weight'"):
        read_gguf(path)
    tensors = tensors_of("llama", True)
    tensors["model.layers.0.mlp.up_proj.weight"] = np.zeros((D_FF + 1, D_MODEL), np.float32)
    write(path, tensors=tensors)
    with pytest.raises(DamagedFileError, match=r"up_proj\.weight is \[97, 64\]"):
        read_gguf(path)


def test_refused_architectures_and_settings(tmp_path):
    path = tmp_path / "m.gguf"
    writer = gguf.GGUFWriter(path, "gemma")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(["a"])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(RequestError, match="architecture 'gemma' is not supported"):
        read_gguf(path)
    write(path, expert_count=8)
    with pytest.raises(RequestError, match="mixture-of-experts"):
        read_gguf(path)
    write(path, **{"rope.dimension_count": 8})
    with pytest.raises(RequestError, match="rotated"):
        read_gguf(path)
    write(path, block_count=None)
    with pytest.raises(DamagedFileError, match=r"does not say llama\.block_count"):
        read_gguf(path)


def scaling(path, **settings):
    write(path, "qwen2", **{f"rope.scaling.{key}": value for key, value in settings.items()})
    return read_gguf(path)[0].rope_scaling


def test_rope_scaling(tmp_path):
    path = tmp_path / "m.gguf"
    assert scaling(path, type="none") == {}
    assert scaling(path, type="linear", factor=4.0) == {"rope_type": "linear", "factor": 4.0}
    assert scaling(path, type="yarn", factor=4.0, original_context_length=64) == {
        "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64,
    }  # fmt: skip
    with pytest.raises(RequestError, match="'longrope'"):
        scaling(path, type="longrope", factor=4.0)
    with pytest.raises(RequestError, match="attn_factor"):
        scaling(path, type="yarn", factor=4.0, original_context_length=64, attn_factor=2.0)


@pytest.mark.parametrize("factor", [8.0, 32.0])
def test_llama3_rope_factors(tmp_path, factor):
    scaling = {
        "rope_type": "llama3", "factor": factor, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }  # fmt: skip
    plain = Rotary(HEAD_DIM, 100_000.0).frequencies()[0]
    factors = (plain / Rotary(HEAD_DIM, 100_000.0, scaling).frequencies()[0]).numpy()
    path = tmp_path / "m.gguf"
    write(path, extra={"rope_freqs.weight": factors.astype(np.float32)})
    assert read_gguf(path)[0].rope_scaling == scaling
    write(path, extra={"rope_freqs.weight": factors.astype(np.float32) + 0.5})
    with pytest.raises(RequestError, match="not Llama 3's"):
        read_gguf(path)


@pytest.mark.skipif("FARSPAN_DEFAULT_GGUF" not in os.environ, reason="needs the default model")
def test_default_model():
    config, tensors, tokenizer = read_gguf(Path(os.environ["FARSPAN_DEFAULT_GGUF"]))
    assert (config.n_layers, config.d_model, config.tied_embeddings) == (30, 576, True)
    assert sum(t.numel() for t in tensors.values()) == 134_515_008
    assert tokenizer.vocab_size == config.vocab_size == 49152
