"""How fast a device can be at most: operations a second and bytes a second, measured at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

SECONDS = 0.5
"""How long each of the two measurements goes on."""


@dataclass(frozen=True)
class Roofline:
    """The best of several tries of a matrix product and of a copy."""

    flops_per_second: float
    bytes_per_second: float

    def seconds(self, flops: int, traffic_bytes: int) -> float:
        """The least time for so much work: whichever of the two takes longer."""
        return max(flops / self.flops_per_second, traffic_bytes / self.bytes_per_second)


def measure_roofline(device: torch.device, dtype: torch.dtype) -> Roofline:
    """A product of square matrices and a copy beyond the caches, in about a second."""
    on_gpu = device.type == "cuda"
    size, count = (8192, 1 << 30) if on_gpu else (1024, 1 << 26)
    a = torch.ones(size, size, device=device, dtype=dtype)
    source = torch.zeros(count, device=device, dtype=torch.uint8)
    target = torch.empty_like(source)
    product = _best(lambda: torch.mm(a, a), on_gpu)
    copy = _best(lambda: target.copy_(source), on_gpu)
    return Roofline(2 * size**3 / product, 2 * count / copy)


def _best(work: Callable[[], object], on_gpu: bool) -> float:
    """Seconds of the fastest of at least three tries, the first left out."""
    times: list[float] = []
    end = time.perf_counter() + SECONDS
    while len(times) < 4 or time.perf_counter() < end:
        began = time.perf_counter()
        work()
        if on_gpu:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return min(times[1:])
