"""Infini-attention, token by token."""

from __future__ import annotations

import torch
from torch import Tensor

from farspan.mixers.base import Tokens
from farspan.mixers.infini.chunked import InfiniAttention
from farspan.mixers.infini.gated_delta import GatedDeltaRule
from farspan.mixers.infini.gated_mean import GatedMeanRule
from farspan.mixers.infini.kernelised import DeltaRule
from farspan.mixers.naive import assemble, mix_one, raw_projections, turn, visible


def naive_infini(mixer: InfiniAttention, x_btc: Tensor, tokens: Tokens) -> Tensor:
    """`[B, T, C]` to `[B, T, C]` for a whole sequence: local attention and a memory a document."""
    q, k, v = raw_projections(mixer, x_btc)
    gates = mixer.gates(x_btc).unflatten(-1, (v.shape[2], -1)) if mixer.gates is not None else None
    rows: list[list[Tensor | None]] = []
    for b in range(x_btc.shape[0]):
        place = tokens.position_bt[b].tolist()
        segment = [p // mixer.segment for p in place]
        row: list[Tensor | None] = []
        for t in range(x_btc.shape[1]):
            seen = visible(tokens, b, t)
            if not seen:
                row.append(None)
                continue
            near = [s for s in seen if segment[s] == segment[t]]
            if mixer.window:
                near = seen[-mixer.window :]
            keys = torch.stack([turn(mixer, k[b, s], place[s] - place[t]) for s in near])
            local = mix_one(turn(mixer, q[b, t], 0), keys, v[b, near])
            old = [s for s in seen if segment[s] < segment[t]]
            if old:
                memory = NaiveMemory(mixer)
                for name in sorted({segment[s] for s in old}):
                    part = [s for s in old if segment[s] == name]
                    memory.write(k[b, part], v[b, part], None if gates is None else gates[b, part])
                share = mixer.gate().sigmoid().unsqueeze(-1)
                local = (1 - share) * local + share * memory.read(q[b, t])
            row.append(local)
        rows.append(row)
    return assemble(mixer, rows, x_btc)


class NaiveMemory:
    """The memory of one sequence, a head at a time, a token at a time."""

    def __init__(self, mixer: InfiniAttention) -> None:
        self.rule = mixer.rule
        self.heads = mixer.shape.n_kv_heads
        like = mixer.gate.weight
        rows, columns = self.rule.size
        self.matrix = [like.new_zeros(rows, columns) for _ in range(self.heads)]
        self.total = [like.new_zeros(rows) for _ in range(self.heads)]

    def write(self, k_sgd: Tensor, v_sgd: Tensor, gates_sgf: Tensor | None) -> None:
        """One segment."""
        for g in range(self.heads):
            k, v = k_sgd[:, g], v_sgd[:, g]
            if isinstance(self.rule, GatedDeltaRule):
                assert gates_sgf is not None
                self._write_tokens(self.rule, g, k, v, gates_sgf[:, g])
            elif isinstance(self.rule, GatedMeanRule):
                self._write_slots(self.rule, g, k, v)
            else:
                self._write_kernelised(g, k, v)

    def read(self, q_hd: Tensor) -> Tensor:
        """What each query head finds, `[H, D]`."""
        group = q_hd.shape[0] // self.heads
        return torch.stack([self._read(h // group, q_hd[h]) for h in range(q_hd.shape[0])])

    def _write_kernelised(self, g: int, k: Tensor, v: Tensor) -> None:
        old, total = self.matrix[g], self.total[g]
        for s in range(len(k)):
            f, value = _elu1(k[s]), v[s]
            if isinstance(self.rule, DeltaRule) and bool(total.any()):
                value = value - f @ old / (f @ total)
            self.matrix[g] = self.matrix[g] + torch.outer(f, value)
            self.total[g] = self.total[g] + f

    def _write_tokens(
        self, rule: GatedDeltaRule, g: int, k: Tensor, v: Tensor, gates: Tensor
    ) -> None:
        for s in range(len(k)):
            key = k[s] / k[s].norm()
            write = gates[s, 0].sigmoid()
            decay = torch.exp(-2 * gates[s, 1].sigmoid() * rule.log_rate[g].exp())
            old = self.matrix[g]
            old = decay * (old - write * torch.outer(key, key @ old))
            self.matrix[g] = old + write * torch.outer(key, v[s])

    def _write_slots(self, rule: GatedMeanRule, g: int, k: Tensor, v: Tensor) -> None:
        drawn = [(rule.address[g] @ x * len(x) ** -0.5).softmax(-1) for x in k]
        slots = []
        for d in range(rule.d_state):
            count = torch.stack([w[d] for w in drawn]).sum()
            mean = (
                torch.stack(
                    [w[d] * (x @ rule.compress[g]) for w, x in zip(drawn, v, strict=True)]
                ).sum(0)
                / count
            )
            gate = count / (count + rule.log_tau[g, d].exp())
            slots.append((1 - gate) * self.matrix[g][d] + gate * mean)
        self.matrix[g] = torch.stack(slots)

    def _read(self, g: int, q: Tensor) -> Tensor:
        if isinstance(self.rule, GatedDeltaRule):
            return q / q.norm() @ self.matrix[g]
        if isinstance(self.rule, GatedMeanRule):
            drawn = (self.rule.address[g] @ q * len(q) ** -0.5).softmax(-1)
            return drawn @ self.matrix[g] @ self.rule.expand[g]
        f = _elu1(q)
        return f @ self.matrix[g] / (f @ self.total[g])


def _elu1(x: Tensor) -> Tensor:
    return torch.nn.functional.elu(x) + 1
