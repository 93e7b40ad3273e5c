"""What this process uses."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path


def peak_memory_bytes(device: str = "cpu") -> int:
    """The most memory this process has held: resident, or on a CUDA device allocated by torch."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss would count the process that started this one
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def reset_peak_memory(device: str = "cpu") -> None:
    """Counts the most memory anew from here on, where the system allows it (Linux, CUDA)."""
    if device.startswith("cuda"):
        import torch

        torch.cuda.reset_peak_memory_stats(device)
        return
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
