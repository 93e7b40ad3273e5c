"""The harness's three questions against plain forward passes, and a task end to end."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from farspan.engine.generate import generate
from farspan.engine.sampling import Sampling
from farspan.mixers.base import Tokens

from ..tiny import STORY, make_model

lm_eval = pytest.importorskip("lm_eval")

from farspan.evaluation.harness import FarspanLM  # noqa: E402 (needs the harness)


@pytest.fixture(scope="module")
def lm():
    return FarspanLM(model=make_model("full", dtype=torch.float32))


def scores(lm, ids):
    """Log-probabilities of `ids[1:]`, one forward pass."""
    row = torch.tensor([ids])
    with torch.inference_mode():
        tokens = Tokens.plain(1, len(ids), first_asked=0)
        features, _ = lm.decoder(row, tokens, lm.decoder.init_state(1))
        logits = lm.decoder.logits(features)[0, :-1]
    return torch.log_softmax(logits, -1).gather(1, row[0, 1:, None])[:, 0], logits.argmax(-1)


def request(*args):
    return SimpleNamespace(args=args)


def test_likelihoods_of_continuations_with_shared_and_empty_contexts(lm):
    pairs = [(STORY[:300], " The ferry"), (STORY[:300], " A goat"), ("", "Port Avery")]
    found = lm.loglikelihood([request(*pair) for pair in pairs])
    for (context, continuation), (total, greedy) in zip(pairs, found, strict=True):
        before = lm.tok_encode(context) or [lm.eot_token_id]
        after = lm.tok_encode(continuation)
        each, best = scores(lm, [*before, *after])
        assert total == pytest.approx(float(each[-len(after) :].sum()), abs=1e-3)
        assert greedy == (best[-len(after) :].tolist() == after)


def test_rolling_likelihood_sees_the_whole_text(lm):
    (found,) = lm.loglikelihood_rolling([request(STORY * 3)])
    each, _ = scores(lm, [lm.eot_token_id, *lm.tok_encode(STORY * 3)])
    assert found == pytest.approx(float(each.sum()), rel=1e-5)


def test_generation_is_greedy_and_ends_before_a_stop(lm):
    ids = lm.tok_encode(STORY)
    state = lm.decoder.init_state(1)
    sampling = Sampling(max_tokens=12)
    with torch.inference_mode():
        stops = lm.loaded.tokenizer.eos_ids
        expected = list(generate(lm.decoder, ids, state, stop_ids=stops, sampling=sampling))
    text = lm.loaded.tokenizer.decode(expected)
    whole, cut = lm.generate_until(
        [
            request(STORY, {"until": [], "max_gen_toks": 12}),
            request(STORY, {"until": [text[3:6]], "max_gen_toks": 12}),
        ]
    )
    assert whole == text and cut == text[: text.find(text[3:6])]


def test_reading_all_but_the_last_tokens_is_another_function_of_the_same_weights():
    model = make_model(dtype=torch.float32)
    pair = request(STORY, " The ferry")
    asked = FarspanLM(model=model).loglikelihood([pair])
    read = FarspanLM(model=model, ask_last=16).loglikelihood([pair])
    assert asked[0][0] != pytest.approx(read[0][0], abs=1e-6)
    assert np.isfinite(read[0][0])


@pytest.mark.slow
def test_a_multiple_choice_task_runs_end_to_end(lm, tmp_path):
    rows = [{"q": f"{i} and one is", "choices": [" two", " ten"], "gold": i % 2} for i in range(4)]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    task = {
        "task": "tiny_choice",
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(path)}},
        "test_split": "test",
        "output_type": "multiple_choice",
        "doc_to_text": "{{q}}",
        "doc_to_choice": "{{choices}}",
        "doc_to_target": "{{gold}}",
        "metric_list": [{"metric": "acc"}],
    }
    found = lm_eval.simple_evaluate(model=lm, tasks=[task], bootstrap_iters=0)
    expected = []
    for row in rows:
        totals = [lm.loglikelihood([request(row["q"], c)])[0][0] for c in row["choices"]]
        expected.append(int(np.argmax(totals)) == row["gold"])
    assert found["results"]["tiny_choice"]["acc,none"] == pytest.approx(np.mean(expected))


def test_the_model_is_registered():
    from lm_eval.api.registry import get_model

    assert get_model("farspan") is FarspanLM


@pytest.mark.slow
def test_the_command_line_is_the_harness_own():
    words = [sys.executable, "-m", "farspan.evaluation.harness", "--help"]
    done = subprocess.run(words, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0 and "lm-eval" in done.stdout + done.stderr


def test_the_harness_own_model_class_loads_a_converted_folder(tmp_path):
    pytest.importorskip("transformers")
    from lm_eval.models.huggingface import HFLM

    from farspan.models.convert import convert
    from farspan.models.load import load_model

    from ..models.checkpoints import write_checkpoint

    write_checkpoint(tmp_path / "in")
    convert(str(tmp_path / "in"), tmp_path / "out", plan="window(16), infini(8), full")
    folder = str(tmp_path / "out")
    theirs = HFLM(pretrained=folder, device="cpu", dtype="float32", batch_size=2)
    ours = FarspanLM(model=load_model(folder, device="cpu", dtype="float32"))
    pairs = [request(STORY[:200], " The ferry"), request("Port", " Avery")]
    for one, two in zip(theirs.loglikelihood(pairs), ours.loglikelihood(pairs), strict=True):
        assert one[0] == pytest.approx(two[0], abs=1e-3) and one[1] == two[1]
