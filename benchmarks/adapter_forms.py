"""The adapter's difference in low rank, at the bytes that its quantised form takes.

python benchmarks/adapter_forms.py src/farspan/weights/reader.safetensors
"""

from __future__ import annotations

import argparse

import torch

from farspan.models.adapter import (
    dequantise_delta,
    load_adapter,
    low_rank_delta,
    quantise_delta,
    relative_error,
)


def main() -> None:
    """Prints the mean relative squared error of both forms over all matrices.

    The stored difference stands for the trained one, so the quantised form is measured by
    quantising it once more, at half a bit less so that its grid is another.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path")
    adapter = load_adapter(parser.parse_args().path)
    low_rank, quantised = [], []
    for packed in adapter.deltas.values():
        delta = dequantise_delta(packed)
        rows, columns = delta.shape
        rank = max(1, int(packed.bits / 16 * rows * columns / (rows + columns)))
        up, down = low_rank_delta(delta, rank)
        low_rank.append(relative_error(delta, up.float() @ down.float()))
        again = quantise_delta(delta, packed.bits - 0.5)
        quantised.append(relative_error(delta, dequantise_delta(again)))
    print(f"low rank, same bytes: {torch.tensor(low_rank).mean():.3f}")
    print(f"quantised, half a bit less: {torch.tensor(quantised).mean():.3f}")


if __name__ == "__main__":
    main()
