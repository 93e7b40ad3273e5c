"""The official client, unchanged, against a live server."""

import json

import openai
import pytest

from farspan.engine.generate import generate
from farspan.engine.sampling import Sampling
from tests.server.conftest import wait_for


@pytest.fixture(scope="module")
def client(live):
    return openai.OpenAI(base_url=f"{live.url}/v1", api_key="none", max_retries=0)


HELLO = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who fell?"}]


def expected(live, max_tokens):
    model = live.service.model
    text = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWho fell?<|im_end|>\n"
    ids = model.tokenizer.encode(text + "<|im_start|>assistant\n")
    sampling = Sampling(max_tokens=max_tokens)
    found = generate(
        model.decoder,
        ids,
        model.decoder.init_state(),
        stop_ids=model.tokenizer.eos_ids,
        sampling=sampling,
    )
    return model.tokenizer.decode(list(found))


def test_chat_is_that_of_the_model(live, client):
    found = client.chat.completions.create(
        model="tiny", messages=HELLO, max_tokens=12, temperature=0
    )
    assert found.choices[0].message.content == expected(live, 12)
    assert found.choices[0].finish_reason in ("length", "stop")
    assert found.usage.prompt_tokens + found.usage.completion_tokens == found.usage.total_tokens


def test_a_stream_joins_to_the_whole_and_tells_usage(live, client):
    pieces, usage, reasons = [], None, []
    for chunk in client.chat.completions.create(
        model="tiny",
        messages=HELLO,
        max_completion_tokens=12,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    ):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            pieces.append(choice.delta.content or "")
            reasons.append(choice.finish_reason)
    assert "".join(pieces) == expected(live, 12)
    assert usage.completion_tokens <= 12 and [r for r in reasons if r]


def test_completions_take_texts_and_tokens_and_n(client):
    one = client.completions.create(model="tiny", prompt="The ferry", max_tokens=6, temperature=0)
    ids = client.post("/../tokenize", body={"prompt": "The ferry"}, cast_to=object)["tokens"]
    two = client.completions.create(model="tiny", prompt=[ids, ids], max_tokens=6, temperature=0)
    assert [c.text for c in two.choices] == [one.choices[0].text] * 2
    many = client.completions.create(
        model="tiny", prompt="The ferry", n=3, seed=4, temperature=9.0, max_tokens=6, logprobs=2
    )
    assert len({c.text for c in many.choices}) > 1
    assert all(len(c.logprobs.tokens) == len(c.logprobs.token_logprobs) for c in many.choices)
    again = client.completions.create(
        model="tiny", prompt="The ferry", n=3, seed=4, temperature=9.0, max_tokens=6
    )
    assert [c.text for c in again.choices] == [c.text for c in many.choices]
    echoed = client.completions.create(
        model="tiny", prompt="The ferry", echo=True, max_tokens=6, temperature=0, stream=True
    )
    text = "".join(c.text for chunk in echoed for c in chunk.choices)
    assert text == "The ferry" + one.choices[0].text


def test_chat_logprobs(client):
    found = client.chat.completions.create(
        model="tiny", messages=HELLO, max_tokens=3, logprobs=True, top_logprobs=2, temperature=0
    )
    content = found.choices[0].logprobs.content
    assert len(content) == found.usage.completion_tokens
    assert all(t.top_logprobs[0].logprob == pytest.approx(t.logprob) for t in content)


def test_a_schema_is_kept_to(client):
    schema = {
        "type": "object",
        "properties": {"goat": {"enum": ["Button", "Ilse"]}},
        "required": ["goat"],
        "additionalProperties": False,
    }
    found = client.chat.completions.create(
        model="tiny",
        messages=HELLO,
        max_tokens=60,
        response_format={"type": "json_schema", "json_schema": {"name": "g", "schema": schema}},
    )
    assert json.loads(found.choices[0].message.content)["goat"] in ("Button", "Ilse")


def test_the_next_turn_goes_on_from_the_last(client):
    first = client.completions.create(model="tiny", prompt="One goat was on", max_tokens=4)
    assert first.usage.prompt_tokens_details.cached_tokens == 0
    second = client.completions.create(model="tiny", prompt="One goat was on board", max_tokens=4)
    assert second.usage.prompt_tokens_details.cached_tokens > 0


@pytest.mark.parametrize(
    ("change", "status", "param"),
    [
        ({"model": "other"}, 404, "model"),
        ({"temperature": -1}, 400, "temperature"),
        ({"n": 10**6}, 400, "n"),
        ({"max_tokens": 10**5}, 400, None),
        ({"messages": []}, 400, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400, None),
        ({"tools": [{"type": "function"}]}, 400, "tools"),
        ({"logit_bias": {"5": 3}}, 400, "logit_bias"),
        ({"stop": ["a"] * 17}, 400, None),
        ({"document": "doc-0"}, 404, "document"),
        ({"top_logprobs": 50}, 400, "top_logprobs"),
        ({"response_format": {"type": "json_schema"}}, 400, "response_format.json_schema"),
    ],
)
def test_errors_name_the_field_and_the_next_request_works(client, change, status, param):
    body = {"model": "tiny", "messages": HELLO, "max_tokens": 2} | change
    with pytest.raises(openai.APIStatusError) as caught:
        client.post("/chat/completions", body=body, cast_to=object)
    assert caught.value.status_code == status
    assert caught.value.body["message"] and caught.value.body["type"]
    if param is not None:
        assert caught.value.param == param
    assert client.models.list().data[0].id == "tiny"


def test_an_error_on_the_way_ends_the_stream(client):
    body = {"model": "tiny", "prompt": "x" * 6000, "stream": True, "max_tokens": 2}
    with pytest.raises(openai.APIError, match="longer than"):
        list(client.completions.create(**body))


def test_who_leaves_early_is_forgotten(live, client):
    stream = client.completions.create(
        model="tiny", prompt="The", max_tokens=4000, stream=True, extra_body={"ignore_eos": True}
    )
    next(iter(stream))
    assert live.service.scheduler.load().running == 1
    stream.close()
    wait_for(lambda: live.service.scheduler.load().running == 0)
