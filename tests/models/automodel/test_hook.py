"""`import farspan` is light, and the models are known whichever package comes first."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("transformers")

FIRST = """
import sys, farspan
assert not {"torch", "transformers"} & set(sys.modules)
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
print(CONFIG_MAPPING["farspan"].__name__)
"""
LAST = """
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
import farspan
print(CONFIG_MAPPING["farspan"].__name__)
"""


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_is_light_and_later_imports_find_the_models():
    assert run(FIRST) == "FarspanConfig"


def test_transformers_may_come_first():
    assert run(LAST) == "FarspanConfig"
