"""The learned mixer starts as its window, trains all it adds, and refuses what cannot be."""

from __future__ import annotations

import pytest
import torch

from farspan.errors import RequestError
from farspan.mixers.base import Tokens
from farspan.mixers.learned import Learned
from farspan.mixers.window import Window
from tests.mixers.laws import D_MODEL, ROTARY, SHAPE


def test_a_new_layer_is_its_window_exactly():
    torch.manual_seed(0)
    learned = Learned(4, top=3, window=5, pool=2).build(SHAPE, ROTARY)
    window = Window(5).build(SHAPE, ROTARY)
    window.load_state_dict(learned.state_dict(), strict=False)
    x, tokens = torch.randn(2, 30, D_MODEL), Tokens.plain(2, 30)
    first, second = (m(x, tokens, m.init_state(2))[0] for m in (learned, window))
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_training_moves_everything_it_adds():
    torch.manual_seed(0)
    mixer = Learned(4, top=3, window=5, pool=2).build(SHAPE, ROTARY)
    added = ("place_key", "place_value", "pooling", "gates.weight", "gates.bias", "amount")
    start = {name: mixer.get_parameter(name).clone() for name in added}
    optimiser = torch.optim.SGD(mixer.parameters(), lr=0.5)
    x, target = torch.randn(2, 1, 40, D_MODEL)
    for _ in range(4):
        y = mixer(x, Tokens.plain(1, 40), mixer.init_state(1))[0]
        optimiser.zero_grad()
        (y - target).square().mean().backward()
        optimiser.step()
    still = [name for name in added if torch.equal(mixer.get_parameter(name), start[name])]
    assert still == []


def test_it_learns_to_find_what_its_window_cannot_see():
    """Four names with a value each stand far back; only the other branches reach the asked one."""
    torch.manual_seed(0)
    n, rows = 32, torch.arange(32)
    mixer = Learned(4, top=4, window=2, pool=2, position="none").build(SHAPE, ROTARY)
    optimiser = torch.optim.Adam(mixer.parameters(), lr=0.03)
    losses = []
    for _ in range(100):
        x = torch.zeros(n, 21, D_MODEL)
        names, asked = torch.rand(n, 4).argsort(1), torch.randint(0, 4, (n,))
        value = torch.randint(0, 2, (n, 4)) * 2.0 - 1
        x[rows.unsqueeze(1), torch.arange(4) * 4, names] = 2.0
        x[:, 0:16:4, 8] = value
        x[rows, 20, asked] = 2.0
        x[:, 20, 9] = 2.0
        y = mixer(x, Tokens.plain(n, 21), mixer.init_state(n))[0][:, 20, 10]
        loss = (y - value[names == asked.unsqueeze(1)]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.detach())
    assert torch.stack(losses[:10]).mean() > 0.7
    assert torch.stack(losses[-10:]).mean() < 0.1


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Learned(64, top=2), "at least 3"),
        (lambda: Learned(64, pool=48), "divide"),
        (lambda: Learned(64, pool=0), "divide"),
        (lambda: Learned(64, window=0), "window"),
    ],
)
def test_bad_settings_are_refused(make, said):
    with pytest.raises(RequestError, match=said):
        make()
