"""Linear attention: memories of fixed size, read after every token."""

from farspan.mixers.linear.additive import additive
from farspan.mixers.linear.delta import delta_rule
from farspan.mixers.linear.kinds import DeltaRule, GatedLinear, KernelAttention, Retention
from farspan.mixers.linear.mixer import LinearMixer
from farspan.mixers.linear.spec import Delta, GatedDelta, Gla, Linear, Retain
from farspan.mixers.linear.state import LinearState

__all__ = [
    "Delta",
    "DeltaRule",
    "GatedDelta",
    "GatedLinear",
    "Gla",
    "KernelAttention",
    "Linear",
    "LinearMixer",
    "LinearState",
    "Retain",
    "Retention",
    "additive",
    "delta_rule",
]
