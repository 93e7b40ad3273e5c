import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from farspan.engine.sampling import Sampler, Sampling, choose
from farspan.errors import RequestError


def test_sampling_is_repeatable_and_follows_the_scores():
    logits = torch.tensor([0.0, 2.0, 1.0, -50.0])
    chance = torch.Generator().manual_seed(1)
    drawn = [choose(logits, Sampling(temperature=1.0), chance) for _ in range(4000)]
    share = torch.bincount(torch.tensor(drawn), minlength=4) / 4000
    torch.testing.assert_close(share, torch.softmax(logits, 0), atol=0.03, rtol=0)
    chance = torch.Generator().manual_seed(1)
    again = [choose(logits, Sampling(temperature=1.0), chance) for _ in range(4000)]
    assert again == drawn
    few = {choose(logits, Sampling(temperature=1.0, top_p=0.7), chance) for _ in range(200)}
    assert few == {1, 2}
    assert {choose(logits, Sampling(temperature=1.0, top_p=0.1), chance) for _ in range(50)} == {1}
    assert choose(logits, Sampling(), chance) == 1


@pytest.mark.parametrize(
    "values",
    [
        {"max_tokens": 0},
        {"temperature": -1.0},
        {"top_p": 0.0},
        {"top_p": 1.5},
        {"min_p": 2.0},
        {"top_k": -1},
        {"repetition": 0.0},
        {"presence": 3.0},
        {"stop": ("",)},
        {"logprobs": 21},
    ],
)
def test_bad_sampling_is_refused(values):
    with pytest.raises(RequestError, match="must be"):
        Sampling(**values)


def test_top_k_and_min_p_keep_the_likeliest():
    logits = torch.tensor([0.0, 2.0, 1.0, -50.0])
    chance = torch.Generator().manual_seed(1)
    few = {choose(logits, Sampling(temperature=1.0, top_k=2), chance) for _ in range(200)}
    assert few == {1, 2}
    few = {choose(logits, Sampling(temperature=1.0, min_p=0.3), chance) for _ in range(200)}
    assert few == {1, 2}  # exp(-2) = 0.14 of the likeliest is left out


@given(st.integers(0, 2**31), st.floats(0.01, 0.99))
def test_top_p_is_that_of_the_whole_sorted_vocabulary(seed, mass):
    chance = torch.Generator().manual_seed(seed)
    logits = torch.randn(2000, generator=chance) * 0.2  # flat: more than HEAD tokens are needed
    share, order = torch.softmax(logits.double(), -1).sort(descending=True)
    allowed = set(order[: int((share.cumsum(-1) - share < mass).sum())].tolist())
    drawn = {choose(logits, Sampling(temperature=1.0, top_p=mass), chance) for _ in range(5)}
    assert drawn <= allowed


def test_penalties_follow_their_definitions():
    logits = torch.tensor([2.0, -1.0, 1.0])
    sampler = Sampler(Sampling(repetition=2.0, presence=0.5, frequency=0.25), prompt=[0])
    for token in (1, 1):
        sampler.note(token)
    found = sampler._penalised(logits)
    torch.testing.assert_close(found, torch.tensor([1.0, -2.0 - 0.5 - 0.5, 1.0]))
    assert logits.tolist() == [2.0, -1.0, 1.0]


def test_logprobs_are_those_of_the_scores():
    logits = torch.tensor([0.0, 2.0, 1.0])
    choice = Sampler(Sampling(logprobs=2)).choose(logits)
    share = torch.log_softmax(logits, -1)
    assert choice.token == 1 and choice.logprob == pytest.approx(float(share[1]))
    assert [token for token, _ in choice.top] == [1, 2]
    assert Sampler(Sampling()).choose(logits).logprob is None
