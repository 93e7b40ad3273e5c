"""What is told of a run: losses by position, speed, use of the machine, memory, gates."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from farspan.mixers.infini import InfiniAttention
from farspan.models.cost import plan_costs
from farspan.models.decoder import Decoder
from farspan.parallel.fsdp import whole
from farspan.parallel.mesh import Mesh
from farspan.training.batch import Batch
from farspan.training.config import TrainConfig

PEAK = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "B200": 2250e12}
"""Published dense bfloat16 operations a second by a part of the GPU's name."""


class Meter:
    """Sums over steps until `row` tells their means and begins anew."""

    def __init__(self, decoder: Decoder, config: TrainConfig, mesh: Mesh) -> None:
        self.decoder, self.config, self.mesh = decoder, config, mesh
        self.flops_a_step: dict[int, int] = {}
        self.skipped = 0
        self._begin()

    def _begin(self) -> None:
        self.sums: list[tuple[Tensor, Tensor]] = []
        self.norms: list[Tensor] = []
        self.tokens = self.flops = self.row_tokens = 0
        self.rate = 0.0
        self.mark = time.monotonic()
        if self.mesh.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()

    def skip(self) -> None:
        """A step that was left out."""
        self.skipped += 1

    def add(
        self, sums: Tensor, weights: Tensor, norm: Tensor, rate: float, batches: list[Batch]
    ) -> None:
        """A step: weighted losses `[batches, BUCKETS]`, their weights, norm and rate."""
        self.sums.append((sums, weights))
        self.norms.append(norm)
        self.rate = rate
        read = batches[0].token_bt
        self.row_tokens = read.shape[1]
        self.tokens += read.numel()
        self.flops += sum(self._flops(batch) for batch in batches)

    def row(self, step: int) -> dict[str, object]:
        """The metrics since the last row; losses are in nats, memory in bytes."""
        seconds = time.monotonic() - self.mark
        found: dict[str, object] = {"step": step, "skipped": self.skipped}
        if self.sums:
            found |= self._losses()
            found["grad_norm"] = float(torch.stack(self.norms).mean())
        found |= {
            "learning_rate": self.rate,
            "row_tokens": self.row_tokens,
            "tokens_per_second": self.tokens / seconds,
            "flops_per_second": self.flops / seconds,
        }
        if self.mesh.device.type == "cuda":
            found["peak_memory_bytes"] = torch.cuda.max_memory_allocated()
            name = torch.cuda.get_device_name()
            peak = next((peak for part, peak in PEAK.items() if part in name), None)
            if peak is not None:
                ranks = self.mesh.parameters.size()
                found["mfu"] = self.flops / seconds / ranks / peak
        found |= gate_summary(self.decoder)
        self._begin()
        return found

    def _losses(self) -> dict[str, object]:
        first = [(sums[0], weights[0]) for sums, weights in self.sums]
        rest = [(sums[1:].sum(0), weights[1:].sum(0)) for sums, weights in self.sums]
        sums, weights = (torch.stack(x).sum(0) for x in zip(*first, strict=True))
        buckets = (sums / weights).tolist()
        text = [float(s.sum() / w.sum()) for s, w in rest if w.sum()]
        return {
            "answer_loss": sum(float(s.sum() / w.sum()) for s, w in first) / len(first),
            "text_loss": sum(text) / len(text) if text else 0.0,
            "loss_by_position": [None if x != x else round(x, 4) for x in buckets],
        }

    def _flops(self, batch: Batch) -> int:
        """Forward and backward: three times the plan's own operations and the head's."""
        rows, length = batch.token_bt.shape
        if length not in self.flops_a_step:
            decoder = self.decoder
            cost = plan_costs(decoder.config, decoder.plan, [length], decoder.dtype, length)[0]
            self.flops_a_step[length] = 3 * cost.flops
        head = 6 * self.decoder.config.vocab_size * self.decoder.config.d_model
        return rows * self.flops_a_step[length] + head * int((batch.weight_bt > 0).sum())


@torch.no_grad()
def gate_summary(decoder: Decoder) -> dict[str, object]:
    """The gates' shares of memory, smallest, median and largest, and a histogram in tenths."""
    mixers = (decoder.layer(i).mixer for i in range(len(decoder.layers)))
    gates = [whole(mixer.gate.weight) for mixer in mixers if isinstance(mixer, InfiniAttention)]
    if not gates:
        return {}
    share = torch.cat([gate.float().sigmoid() for gate in gates]).cpu()
    counts = torch.histc(share, 10, 0, 1).int().tolist()
    low, middle, high = torch.quantile(share, torch.tensor([0.0, 0.5, 1.0])).tolist()
    return {"gates": counts, "gate_range": [round(x, 3) for x in (low, middle, high)]}
