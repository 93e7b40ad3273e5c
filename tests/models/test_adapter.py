import json
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from farspan.errors import DamagedFileError, RequestError
from farspan.models.adapter import (
    AdapterMetadata,
    PackedDelta,
    dequantise_delta,
    load_adapter,
    low_rank_delta,
    make_adapter,
    quantise_delta,
    relative_error,
    save_adapter,
)

METADATA = AdapterMetadata("ab" * 32, "W*30", "needles", 7, notes={"steps": 100})


def delta(*shape, seed=0):
    return 1e-3 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def models():
    base = {
        "a.weight": delta(96, 64, seed=1) * 100,
        "same.weight": delta(8, 8),
        "norm.weight": torch.ones(64),
    }
    tuned = {
        "a.weight": base["a.weight"] + delta(96, 64, seed=2),
        "same.weight": base["same.weight"].clone(),
        "norm.weight": base["norm.weight"] + delta(64, seed=3),
        "gate.weight": delta(4, 64, seed=4) * 100,
        "gate.bias": delta(4, seed=5),
    }
    return base, tuned


@pytest.fixture
def adapter(models):
    return make_adapter(*models, 3.3, METADATA)


# Groups of 64 with a scale each and the best eight levels take 3.25 bits and leave 0.029.
@pytest.mark.parametrize(("bits", "most"), [(2, 0.11), (3, 0.025), (3.25, 0.018), (4, 0.007)])
def test_error_and_size_of_gaussian_deltas(bits, most):
    x = delta(576, 576)
    packed = quantise_delta(x, bits)
    assert packed.bits == pytest.approx(bits, abs=0.06)
    assert relative_error(x, dequantise_delta(packed)) < most


def test_heavy_tails_and_uneven_rows():
    x = delta(512, 256) * torch.linspace(0.05, 3, 512)[:, None]
    x[3, 5] = 0.03  # twenty times the rest
    packed = quantise_delta(x, 3)
    assert packed.bits == pytest.approx(3, abs=0.06)
    assert relative_error(x[:, 6:], dequantise_delta(packed)[:, 6:]) < 0.05


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (7, 130), (2, 3, 4)])
def test_any_shape(shape):
    x = delta(*shape)
    found = dequantise_delta(quantise_delta(x, 4))
    assert found.shape == x.shape and relative_error(x, found) < 0.2


def test_untouched_rows_of_an_embedding_cost_nothing():
    x = torch.zeros(5000, 64)
    x[::50] = delta(100, 64)
    packed = quantise_delta(x, 1.25)
    assert packed.bits < 0.3 and relative_error(x, dequantise_delta(packed)) < 1e-3


def test_zero_and_sparse_deltas():
    assert torch.equal(dequantise_delta(quantise_delta(torch.zeros(9, 4), 3)), torch.zeros(9, 4))
    x = torch.zeros(40, 40)
    x[1, 1] = 2.0
    assert relative_error(x, dequantise_delta(quantise_delta(x, 3))) < 1e-3


def test_refusals():
    for bits in (0, 1, 7, float("nan")):
        with pytest.raises(RequestError, match="adapter bits"):
            quantise_delta(delta(4, 4), bits)
    with pytest.raises(RequestError, match="not finite"):
        quantise_delta(torch.tensor([[float("nan")]]), 3)


def test_damaged_codes():
    packed = quantise_delta(delta(16, 16), 3)
    for codes in (packed.codes[:-5], packed.codes.flip(0), torch.zeros(0, dtype=torch.uint8)):
        with pytest.raises(DamagedFileError):
            dequantise_delta(replace(packed, codes=codes))
    with pytest.raises(DamagedFileError):
        dequantise_delta(replace(packed, shape=(16, 15)))


def test_low_rank_form():
    x = delta(30, 4) @ delta(4, 20, seed=1)
    up, down = low_rank_delta(x, 4)
    assert up.shape == (30, 4) and down.shape == (4, 20)
    assert relative_error(x, up.float() @ down.float()) < 1e-4
    assert relative_error(x, up[:, :1].float() @ down[:1].float()) > 0.1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_merge_gives_the_tuned_model(models, adapter, tmp_path, dtype):
    base, tuned = models
    save_adapter(tmp_path / "x" / "a.safetensors", adapter)
    again = load_adapter(tmp_path / "x" / "a.safetensors")
    assert again.metadata == METADATA and set(again.deltas) == {"a.weight"}
    assert set(again.values) == {"norm.weight", "gate.weight", "gate.bias"}
    merged = {name: tensor.clone().to(dtype) for name, tensor in base.items()}
    again.merge_(merged)
    assert set(merged) == set(tuned)
    for name, tensor in tuned.items():
        assert merged[name].dtype == dtype
        small = {"a.weight": 6e-4, "gate.weight": 3e-4}.get(name, 0)
        tolerance = small if dtype == torch.float32 else 5e-3
        assert torch.allclose(merged[name].float(), tensor, rtol=tolerance, atol=small), name
    stored = dequantise_delta(adapter.deltas["a.weight"])
    assert relative_error(tuned["a.weight"] - base["a.weight"], stored) < 0.02


def test_merge_refuses_other_models_and_changes_nothing(models, adapter):
    base, _ = models
    before = {name: tensor.clone() for name, tensor in base.items()}
    for name, tensor in (("a.weight", torch.zeros(96, 65)), ("norm.weight", torch.zeros(65))):
        with pytest.raises(RequestError, match="another model"):
            adapter.merge_({**base, name: tensor})
    with pytest.raises(RequestError, match=r"no a\.weight"):
        adapter.merge_({"norm.weight": base["norm.weight"]})
    assert all(torch.equal(base[name], before[name]) for name in base)
    with pytest.raises(RequestError, match="another model"):
        make_adapter(base, {"a.weight": torch.zeros(1, 1)}, 3, METADATA)


def test_damaged_and_foreign_files(adapter, tmp_path):
    path = tmp_path / "a.safetensors"
    with pytest.raises(RequestError, match="no adapter file"):
        load_adapter(path)
    save_adapter(path, adapter)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[-3] ^= 1
    for data in (b"", b"nonsense" * 9, whole[: len(whole) // 2], bytes(flipped)):
        path.write_bytes(data)
        with pytest.raises(DamagedFileError):
            load_adapter(path)
    save_file({"x": torch.zeros(1)}, str(path))
    with pytest.raises(DamagedFileError, match="not a farspan adapter"):
        load_adapter(path)
    save_adapter(path, replace(adapter, metadata=replace(METADATA, format_version=9)))
    with pytest.raises(RequestError, match="format 9"):
        load_adapter(path)


def test_header_and_tensors_must_agree(adapter, tmp_path):
    path = tmp_path / "a.safetensors"
    save_adapter(path, adapter)
    with safe_open(str(path), framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        header = json.loads(file.metadata()["farspan_adapter"])
    header["deltas"]["b.weight"] = [1.0, [2, 2]]
    save_file(tensors, str(path), metadata={"farspan_adapter": json.dumps(header)})
    with pytest.raises(DamagedFileError, match="not a farspan adapter"):
        load_adapter(path)


def test_packed_bits_count_everything():
    assert PackedDelta(torch.zeros(12, dtype=torch.uint8), 1.0, (4, 8)).bits == 4.0
