"""What every rank needs, imported once by the server that ranks are forked from."""

import importlib

for name in ("hypothesis", "pytest", "farspan.parallel.sequence.ways", "farspan.training.loop"):
    importlib.import_module(name)
