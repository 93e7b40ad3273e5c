"""Makes transformers know farspan's models, whichever of both is imported first.

Nothing of transformers or torch is imported here: that waits until transformers' own table of
configs is there.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

TABLE = "transformers.models.auto.configuration_auto"
"""The module that knows which config class belongs to a `model_type`."""

OLDEST = 5
"""The first major version of transformers with the interface that the model is written for."""


def install() -> None:
    """Registers now, or as soon as transformers' table is imported."""
    if TABLE in sys.modules:
        _register()
    elif not any(isinstance(finder, _AfterTable) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AfterTable())


def _register() -> None:
    """Adds farspan's config to the table; older versions of transformers are left alone."""
    version = str(getattr(sys.modules["transformers"], "__version__", "0"))
    if int(version.partition(".")[0]) < OLDEST:
        return
    from transformers import AutoConfig

    from farspan.models.automodel.config import FarspanConfig

    AutoConfig.register(FarspanConfig.model_type, FarspanConfig, exist_ok=True)


class _AfterTable(MetaPathFinder):
    """Finds the table as everyone else does, and registers once it has been run."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != TABLE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            loader: Any = spec.loader
            run = loader.exec_module

            def run_and_register(module: ModuleType) -> None:
                run(module)
                _register()

            loader.exec_module = run_and_register
        return spec
