import json
import subprocess
import sys
from dataclasses import replace

import gguf
import numpy as np
import pytest
import torch

from farspan.errors import RequestError
from farspan.evaluation import peers
from farspan.evaluation.peers import ENGINES, Job, Setting, measure, run_trial
from farspan.evaluation.requantise import quantised_gguf, write_gguf
from farspan.models.gguf import read_gguf
from tests.models.test_gguf import VOCAB, write

pytest.importorskip("transformers", reason="transformers is not installed (extra: bench)")


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """A tiny Llama with random weights, and 200 tokens."""
    folder = tmp_path_factory.mktemp("peers")
    write(folder / "tiny.gguf", vocab_size=VOCAB)
    tokens = np.random.default_rng(0).integers(0, VOCAB - 1, 200).astype(np.uint16)
    np.save(folder / "tokens.npy", tokens)
    return Job(150, str(folder / "tiny.gguf"), str(folder / "tokens.npy"), threads=1)


def check(row, engine, job):
    assert "skipped" not in row, row
    assert (row["engine"], row["length"], row["tokens"]) == (engine, job.length, job.length)
    assert row["tokens_per_second"] == pytest.approx(job.length / row["seconds"])
    assert row["decode_tokens_per_second"] > 0
    assert row["peak_memory_bytes"] > 10_000_000
    assert row["version"] and row["threads"] == 1


def test_a_model_from_gguf_is_the_same_model(job):
    _, tensors, _ = read_gguf(job.model_path)
    model = peers.load_transformers(job.model_path, torch.float32)
    state = model.state_dict()
    for name, tensor in tensors.items():
        assert torch.equal(state[name], tensor), name
    assert model.lm_head.weight.data_ptr() == model.model.embed_tokens.weight.data_ptr()
    assert model.config._attn_implementation == "sdpa"


def test_chunks_and_decoding_feed_the_same_sequence(job):
    tokens = np.load(job.tokens_path)
    last = []
    for chunk in (0, 64):
        engine = peers.TransformersEngine(job, Setting("float32", chunk))
        engine.read(tokens[:5])  # a second read starts afresh
        engine.read(tokens[:100])
        engine.decode(tokens[100:110])
        assert engine.cache.get_seq_length() == 110
        last.append(engine.cache.layers[-1].values)
    torch.testing.assert_close(last[0], last[1], atol=1e-4, rtol=0)


def test_transformers_trial(job):
    check(run_trial("transformers", Setting("bfloat16", 64), job), "transformers", job)


@pytest.mark.parametrize("qtype", ["q4_0", "q8_0"])
def test_requantised_file_keeps_metadata_and_weights(job, tmp_path, qtype):
    write_gguf(tmp_path / "q.gguf", job.model_path, qtype)
    kinds = {t.name: t.tensor_type.name for t in gguf.GGUFReader(tmp_path / "q.gguf").tensors}
    assert kinds["blk.0.attn_q.weight"] == qtype.upper()
    assert kinds["token_embd.weight"] == "Q8_0" and kinds["output_norm.weight"] == "F32"
    config, expected, tokenizer = read_gguf(job.model_path)
    again, tensors, same_tokenizer = read_gguf(tmp_path / "q.gguf")
    assert again == config and same_tokenizer.vocab_size == tokenizer.vocab_size
    for name, tensor in tensors.items():
        limit = expected[name].abs().max() / (7 if qtype == "q4_0" else 127)
        assert (tensor - expected[name]).abs().max() <= limit, name


def test_requantised_file_is_made_once_and_whole(job, tmp_path, monkeypatch):
    path = quantised_gguf(job.model_path, "q4_0", tmp_path)
    made = path.stat().st_mtime_ns
    assert quantised_gguf(job.model_path, "q4_0", tmp_path) == path
    assert path.stat().st_mtime_ns == made

    def interrupted(part, *_):
        part.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("farspan.evaluation.requantise.write_gguf", interrupted)
    with pytest.raises(KeyboardInterrupt):
        quantised_gguf(job.model_path, "q8_0", tmp_path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("engine", ["llama.cpp-q4_0", "llama.cpp-q8_0"])
def test_llama_cpp_trial(job, tmp_path, monkeypatch, engine):
    pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed (extra: llama)")
    add_merges = gguf.GGUFWriter.add_token_merges  # llama.cpp wants at least one merge
    monkeypatch.setattr(gguf.GGUFWriter, "add_token_merges", lambda w, _: add_merges(w, ["a b"]))
    write(tmp_path / "base.gguf", vocab_size=VOCAB)
    path = quantised_gguf(str(tmp_path / "base.gguf"), engine.removeprefix("llama.cpp-"), tmp_path)
    setting = replace(ENGINES[engine][0], chunk=64)
    check(run_trial(engine, setting, replace(job, model_path=str(path))), engine, job)


def test_estimate():
    def cost(n):
        return 1e-3 * n + 2e-7 * n * n

    probes = [(n, cost(n)) for n in (1024, 4096)]
    assert peers.estimate_seconds(probes, 131072) == pytest.approx(cost(131072))
    noisy = [(1024, 2.0), (4096, 4.0)]  # the longer one was faster a token: at least linear
    assert peers.estimate_seconds(noisy, 8192) == pytest.approx(8.0)


def test_a_trial_that_would_take_too_long_is_skipped(job, monkeypatch):
    monkeypatch.setattr(peers, "_WARM_UP_WHOLE", 100)
    row = run_trial("transformers", Setting("float32", 0), replace(job, time_limit=0.0))
    assert row["length"] == job.length and "over the limit of 0 s" in row["skipped"]


def test_the_fastest_setting_is_used_for_longer_texts(job, monkeypatch):
    calls = []

    def trial(engine, setting, job):
        calls.append((setting, job.length))
        speed = 10.0 if setting == Setting("float32", 2048) else 1.0
        return {"tokens_per_second": speed, **vars(setting)}

    monkeypatch.setattr(peers, "_trial_process", trial)
    monkeypatch.setattr(peers, "TUNING_LENGTH", 100)
    peers.tune.cache_clear()
    measure("transformers", job)
    assert calls[-1] == (Setting("float32", 2048), 150)
    assert [length for _, length in calls[:-1]] == [100] * len(ENGINES["transformers"])
    peers.tune.cache_clear()


def test_wrong_requests(job, tmp_path, monkeypatch):
    with pytest.raises(RequestError, match="unknown engine 'abacus'; use one of transformers"):
        measure("abacus", job)
    with pytest.raises(RequestError, match="200 tokens, 216 are needed"):
        measure("transformers", replace(job, length=200))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "pip install 'farspan[llama]'" in measure("llama.cpp-q4_0", job)["skipped"]


def test_a_failing_process_says_why(job, tmp_path):
    (tmp_path / "bad.gguf").write_bytes(b"GGUF")
    row = peers._trial_process(
        "transformers", Setting("float32", 0), replace(job, model_path=str(tmp_path / "bad.gguf"))
    )
    assert row["skipped"].startswith("failed: ")


def test_command_prints_one_json_line(job):
    command = [sys.executable, "-m", "farspan.evaluation.peers", "transformers", "--length", "150"]
    command += ["--model-path", job.model_path, "--tokens", job.tokens_path, "--threads", "1"]
    command += ["--trial", '{"dtype": "float32", "chunk": 64}']
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.count("\n") == 1
    check(json.loads(done.stdout), "transformers", job)
