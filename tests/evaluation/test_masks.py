"""Masks that are found by differentiating are those that the mixers are defined by."""

from __future__ import annotations

import pytest
import torch

from farspan.evaluation.masks import CELLS, SHADES, probe_mask
from farspan.mixers.registry import MIXERS
from farspan.models.plan import parse_plan

T, S = torch.arange(CELLS).unsqueeze(1), torch.arange(CELLS).unsqueeze(0)


def mask(text: str):
    return probe_mask(parse_plan(text, 1).layers[0])


@pytest.mark.parametrize(
    ("text", "sees", "scale"),
    [
        ("full", S <= T, 1),
        ("full(position=none)", S <= T, 1),
        ("window(512)", (S <= T) & (T - S < 8), 64),
        ("window(512, sinks=64)", (S <= T) & ((T - S < 8) | (S < 1)), 64),
        ("window(6)", (S <= T) & (T - S < 6), 1),
        ("recall(512)", (S <= T) & ((T - S < 8) | (T >= 24)), 64),
        ("strided(512, stride=256)", (S <= T) & ((T - S < 8) | (S % 4 == 0)), 64),
        ("fixed(128, columns=16)", (S <= T) & ((T // 8 == S // 8) | (S % 8 == 7)), 16),
        ("dilated(32, dilation=4)", (S <= T) & ((T - S) % 4 == 0) & (T - S < 8), 16),
        ("global(512, tokens=64)", (S <= T) & ((T - S < 8) | (S < 1)), 64),
        ("heads(window(64)|full)", S <= T, 8),
        ("learned(512, top=4, window=512, pool=256)", S <= T, 64),
        ("infini(512, window=256)", (S <= T) & ((T - S < 4) | (S < T // 8 * 8)), 64),
        ("infini(512)", S <= T, 64),
    ],
)
def test_what_is_seen_is_what_the_mixer_promises(text, sees, scale):
    found = mask(text)
    assert torch.equal(found.strength > 0, sees) and found.scale == scale
    assert found.asked_from == (24 if text.startswith("recall") else CELLS)


@pytest.mark.parametrize("kind", MIXERS)
def test_every_mixer_has_a_causal_mask_and_a_picture(kind):
    found = probe_mask(MIXERS[kind]())
    assert bool((found.strength.diagonal() > 0).all())
    assert int((found.strength > 0).triu(1).sum()) == 0
    lines = found.lines()
    assert len(lines) == CELLS // 2 and {len(line) for line in lines} == {CELLS}
    assert set("".join(lines)) <= set(SHADES) and lines[-1][-1] == "█" and lines[0][-1] == " "


def test_blocks_are_chosen_and_the_own_one_is_darkest():
    strength = mask("moba(512, top=8)").strength
    assert 0 < strength[31, :24].mean() < strength[31, 24:].mean()


def test_a_memory_is_paler_than_the_segment():
    strength = mask("infini(512)").strength
    assert strength[20, 16:20].mean() > 3 * strength[20, :8].mean()
