"""farspan's own models: rows side by side answer as they do alone."""

import numpy as np
import pytest
import torch

from farspan.engine.generate import generate
from farspan.engine.reading import read
from farspan.engine.sampling import Sampling
from farspan.evaluation.encoder import Encoder
from farspan.evaluation.models.farspan import FarspanModel, generate_rows, read_rows
from farspan.evaluation.models.frame import Frame
from farspan.evaluation.samples import Question, Sample

from ...tiny import STORY, make_model, make_tokenizer

QUESTIONS = ("Who was the captain?", "What was the number on the lantern, and who read it?", "Why?")


@pytest.fixture(
    scope="module", params=["window(7), recall(9), window(5), recall(6), window(8)", "full"]
)
def model(request):
    return make_model(request.param, dtype=torch.float32)


def sample(encode, shift, questions=QUESTIONS):
    text = STORY[shift:] + STORY[:shift]
    ids = np.resize(encode.ids(text), 300)
    asked = tuple(Question(text, ("x",), "x", prefix=" The") for text in questions)
    head = encode("Read this.\n")
    return Sample(head, type(head)("", ids), asked)


def alone(model, frame, one, question, max_tokens):
    """What the engine itself would say."""
    state = read(model.decoder, frame.document(one, model.tokenizer), model.decoder.init_state(1))
    prompt = frame.prompt(question, model.tokenizer)
    stops, sampling = model.tokenizer.eos_ids, Sampling(max_tokens=max_tokens)
    return list(generate(model.decoder, prompt, state, stop_ids=stops, sampling=sampling))


def test_replies_are_those_of_the_engine_alone_and_in_batches(model):
    encode = Encoder(model.tokenizer)
    player = FarspanModel("tiny", model)
    samples = [sample(encode, shift) for shift in (0, 40, 90)]
    replies = player.answer(samples, 6)
    for one, row in zip(samples, replies, strict=True):
        for question, reply in zip(one.questions, row, strict=True):
            expected = alone(model, player.frame, one, question, 6)
            assert reply.text == model.tokenizer.decode(expected)
            assert reply.new_tokens == len(expected)


def test_rows_with_questions_of_other_lengths_do_not_disturb_each_other(model):
    encode = Encoder(model.tokenizer)
    player = FarspanModel("tiny", model)
    mixed = [sample(encode, 10 * i, (QUESTIONS[i],)) for i in range(3)]
    together = player.answer(mixed, 6)
    one_by_one = [player.answer([one], 6)[0] for one in mixed]
    assert [[r.text for r in row] for row in together] == [
        [r.text for r in row] for row in one_by_one
    ]


def test_documents_of_other_lengths_are_answered_one_by_one(model):
    encode = Encoder(model.tokenizer)
    one = sample(encode, 0)
    short = Sample(one.head, type(one.head)("", one.body.ids[:100]), one.questions[:1])
    player = FarspanModel("tiny", model)
    replies = player.answer([one, short], 4)
    assert [len(row) for row in replies] == [3, 1]
    assert replies[1][0].text == player.answer([short], 4)[0][0].text


def test_reading_rows_side_by_side_is_reading_each(model):
    ids = np.random.default_rng(0).integers(0, 300, size=(3, 700))
    state = read_rows(model.decoder, ids, model.decoder.init_state(3))
    stops: tuple[int, ...] = ()
    together = generate_rows(model.decoder, [[5, 6, 7]] * 3, state, stops, 5)
    for row in range(3):
        one = read_rows(model.decoder, ids[row : row + 1], model.decoder.init_state(1))
        assert generate_rows(model.decoder, [[5, 6, 7]], one, stops, 5)[0] == together[row]


def test_losses_are_those_of_one_forward_pass():
    model = make_model("full", dtype=torch.float32)
    encode = Encoder(model.tokenizer)
    player = FarspanModel("tiny", model)
    one = sample(encode, 0)
    ids = player.frame.document(one, model.tokenizer)
    first = len(ids) - len(one.body.ids)
    with torch.inference_mode():
        from farspan.mixers.base import Tokens

        row = torch.from_numpy(ids.astype(np.int64))[None]
        tokens = Tokens.plain(1, row.shape[1], first_asked=0)
        features, _ = model.decoder(row, tokens, model.decoder.init_state(1))
        losses = torch.nn.functional.cross_entropy(
            model.decoder.logits(features)[0, :-1], row[0, 1:], reduction="none"
        )
    places, span = (0, 64, 200), 16
    expected = [float(losses[first + p - 1 : first + p - 1 + span].mean()) for p in places]
    assert player.losses(one, places, span) == pytest.approx(expected, abs=1e-4)


def test_lengths_beyond_a_limit_are_told(model):
    player = FarspanModel("tiny", model, limit=1000, limit_reason="too long")
    assert player.why_not(1000) == "" and player.why_not(1001) == "too long"
    assert player.batch_size(1000) == 1  # on a CPU


def test_the_frame_of_a_message_has_document_and_question_in_one_turn():
    tokenizer = make_tokenizer()
    encode, frame = Encoder(tokenizer), Frame.of_message(tokenizer)
    question = Question("Who?", ("x",), "x", prefix=" It was", joint="\n")
    one = Sample(encode("Read.\n"), encode("Ilse."), (question,))
    ids = [*frame.document(one, tokenizer).tolist(), *frame.prompt(question, tokenizer)]
    text = tokenizer.decode(ids, skip_special=False)
    expected = "<|im_start|>user\nRead.\nIlse.\nWho?<|im_end|>\n<|im_start|>assistant\nIt was"
    assert text == expected
