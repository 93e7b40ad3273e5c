"""The mixers that a layer plan can name."""

from __future__ import annotations

from farspan.mixers.full import Full
from farspan.mixers.infini import Infini
from farspan.mixers.recall import Recall
from farspan.mixers.spec import MixerSpec
from farspan.mixers.window import Window

MIXERS: dict[str, type[MixerSpec]] = {spec.kind: spec for spec in (Full, Window, Recall, Infini)}
