"""What every rank needs, imported once by the server that ranks are forked from."""

import importlib

for name in ("torch.distributed", "hypothesis", "pytest", "farspan.parallel.sequence.ways"):
    importlib.import_module(name)
