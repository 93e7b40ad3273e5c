"""The mixers that a layer plan can name."""

from __future__ import annotations

from farspan.mixers.full import Full
from farspan.mixers.heads.spec import Heads
from farspan.mixers.infini import Infini
from farspan.mixers.learned import Learned
from farspan.mixers.linear import Delta, GatedDelta, Gla, Linear, Retain
from farspan.mixers.moba import Moba
from farspan.mixers.patterns import BigBird, Dilate, Fixed, Global, Strided
from farspan.mixers.recall import Recall
from farspan.mixers.spec import MixerSpec
from farspan.mixers.window import Window

_ATTENTION: tuple[type[MixerSpec], ...] = (Full, Window, Recall, Infini)
_PATTERNS: tuple[type[MixerSpec], ...] = (
    Strided,
    Fixed,
    Dilate,
    Global,
    BigBird,
    Moba,
    Learned,
    Heads,
)
_LINEAR: tuple[type[MixerSpec], ...] = (Linear, Retain, Gla, Delta, GatedDelta)

MIXERS: dict[str, type[MixerSpec]] = {spec.kind: spec for spec in _ATTENTION + _PATTERNS + _LINEAR}
