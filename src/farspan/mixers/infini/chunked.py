"""Infini-attention: exact local attention, and a compressive memory of everything before.

Axes: b row, t token of the chunk, s token of a segment, n segment, h query head, g key-value
(memory) head, d feature.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from farspan.errors import RequestError
from farspan.mixers.attention import attention_flops, causal_attention
from farspan.mixers.base import AttentionMixer, AttentionShape, Tokens
from farspan.mixers.infini.memory import Memory, MemoryRule, Segments, memory_dtype
from farspan.mixers.window.chunked import Kept, as_kept, keep_recent, nothing_kept
from farspan.positions.rotary import Rotary, rotate

GATE_START = -2.0
"""The gates' raw value before training: the memory has 12 % of a head, and a true gradient."""


@dataclass(frozen=True)
class InfiniState:
    """The memory of all whole segments, and the last tokens before their keys are rotated.

    `recent.v_bshd` holds, behind a value's features, the token's raw gates. `document_b` int32
    names the document that the memory is of.
    """

    memory: Memory
    recent: Kept
    document_b: Tensor


class HeadGate(nn.Module):
    """A number a head; a module of its own, so that adapters can keep it beside the weights."""

    def __init__(self, n_heads: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((n_heads,), GATE_START))

    def forward(self) -> Tensor:
        """The raw values `[H]`."""
        return self.weight


class InfiniAttention(AttentionMixer):
    """y = (1 - s) local + s memory, s = sigmoid of one gate a head (Munkhdalai et al. 2024).

    Segments end at multiples of `segment` positions. A query reads the memory of the segments
    before its own; keys and queries of the memory have no positions. `window` 0 is the paper's
    local attention, within the segment; otherwise a sliding window of so many tokens. While the
    memory is empty the layer is its local attention exactly.
    """

    def __init__(
        self,
        shape: AttentionShape,
        rotary: Rotary | None,
        segment: int,
        rule: MemoryRule,
        window: int = 0,
    ) -> None:
        if segment < 1:
            raise RequestError(f"infini({segment}): a segment holds at least 1 token")
        super().__init__(shape, rotary)
        self.segment = segment
        self.window = window
        self.recompute = True
        self.rule = rule
        self.gate = HeadGate(shape.n_heads)
        n_gates = rule.n_gates * shape.n_kv_heads
        self.gates = nn.Linear(shape.d_model, n_gates) if n_gates else None
        self.init_added()

    def init_added(self) -> None:
        """Gates at `GATE_START`; the rule's own gates at one half, whatever the token."""
        with torch.no_grad():
            self.gate.weight.fill_(GATE_START)
            if self.gates is not None:
                self.gates.weight.zero_()
                self.gates.bias.zero_()
        self.rule.init_added()

    def init_state(
        self,
        batch: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> InfiniState:
        """An empty memory and no tokens."""
        dtype = dtype or torch.get_default_dtype()
        place = torch.device(device) if device is not None else None
        memory = self.rule.empty(batch, device=place, dtype=memory_dtype(dtype))
        return InfiniState(
            memory,
            self._no_tokens(batch, device, dtype),
            torch.zeros(batch, dtype=torch.int32, device=device),
        )

    def init_behind(self, before: InfiniState) -> InfiniState:
        """The empty state of the segments behind `before`, which ends at a segment's border."""
        memory = self.rule.part(before.memory)
        device, dtype = before.recent.k_bshd.device, before.recent.k_bshd.dtype
        recent = self._no_tokens(len(before.document_b), device, dtype)
        return InfiniState(memory, recent, before.document_b)

    def project(self, x_btc: Tensor, tokens: Tokens) -> tuple[Tensor, Tensor, Tensor]:
        """Queries and keys before rotation; values with the rule's raw gates behind them."""
        q, k, v = self.split_heads(x_btc)
        q, k = self.normalise(q, k)
        if self.gates is not None:
            gates = self.gates(x_btc).unflatten(-1, (self.shape.n_kv_heads, -1))
            v = torch.cat((v, gates), dim=-1)
        return q, k, v

    def attend(
        self, q_bthd: Tensor, k_bthd: Tensor, v_bthd: Tensor, tokens: Tokens, state: InfiniState
    ) -> tuple[Tensor, InfiniState]:
        """Attends within the segment, reads the memory, and writes the segments that end."""
        chunk = as_kept(k_bthd, v_bthd, tokens)
        recent = keep_recent(state.recent, chunk, self.kept, tokens.is_plain)
        if tokens.is_plain:
            seen = state.recent.cat(chunk)
            y, memory = self._run(q_bthd, seen, tokens, state.memory)
            return y, InfiniState(memory, recent, state.document_b)
        rows = [
            self._row(q_bthd[b : b + 1], state, chunk, b)
            for b in range(tokens.document_bt.shape[0])
        ]
        document = torch.tensor(
            [row[2] for row in rows], dtype=torch.int32, device=state.document_b.device
        )
        memory = Memory.stack([row[1] for row in rows])
        return torch.cat([row[0] for row in rows]), InfiniState(memory, recent, document)

    @property
    def kept(self) -> int:
        """Tokens that the state keeps: an unfinished segment, and what the window reaches."""
        return max(self.segment, self.window) - 1

    def merge(self, first: InfiniState, second: InfiniState) -> InfiniState:
        """The state of two parts; the second comes from `init_behind`, of the same document."""
        recent = keep_recent(first.recent, second.recent, self.kept, plain=False)
        memory = self.rule.merge(first.memory, second.memory)
        return InfiniState(memory, recent, second.document_b)

    def flops(self, n_tokens: int) -> int:
        """Local attention, a read of the memory for each token, a write for each whole segment."""
        shape, whole = self.shape, n_tokens // self.segment
        if self.window:
            local = attention_flops(shape, n_tokens, self.window)
        else:
            local = whole * attention_flops(shape, self.segment)
            local += attention_flops(shape, n_tokens % self.segment)
        reads = n_tokens * shape.n_heads * self.rule.read_flops()
        return local + reads + whole * shape.n_kv_heads * self.rule.write_flops(self.segment)

    def state_bytes(self, n_tokens: int, dtype: torch.dtype = torch.bfloat16) -> int:
        """Fixed once `kept` tokens have passed: matrices, key sums and counts, and those tokens."""
        (rows, columns), groups = self.rule.size, self.shape.n_kv_heads
        numbers = groups * rows * (columns + self.rule.has_total)
        token = groups * (2 * self.shape.head_dim + self.rule.n_gates) * dtype.itemsize + 8
        return numbers * memory_dtype(dtype).itemsize + 12 + min(n_tokens, self.kept) * token

    def _no_tokens(self, batch: int, device: torch.device | str | None, dtype: torch.dtype) -> Kept:
        nothing = nothing_kept(batch, self.shape, device, dtype)
        wide = self.shape.head_dim + self.rule.n_gates
        values = nothing.v_bshd.new_empty(batch, 0, self.shape.n_kv_heads, wide)
        return Kept(nothing.k_bshd, values, nothing.position_bs, nothing.document_bs)

    def _run(
        self, q_bthd: Tensor, seen: Kept, tokens: Tokens, memory: Memory
    ) -> tuple[Tensor, Memory]:
        """A plain chunk; its tokens are the last T of the seen ones."""
        n_tokens, start = q_bthd.shape[1], tokens.start
        offset = seen.k_bshd.shape[1] - n_tokens
        local = self._local(q_bthd, seen, tokens)
        head = min(n_tokens, -start % self.segment)
        tail = (n_tokens - head) % self.segment
        parts = []
        if head:
            parts.append(self._mix(q_bthd[:, :head], local[:, :head], memory))
            if (start + head) % self.segment == 0:
                before = min(offset, start % self.segment)
                ended = self.segments(seen, offset - before, before + head, 1)
                memory = self.rule.write(ended, memory)[1]
        stop = n_tokens - tail
        if stop > head:
            n = (stop - head) // self.segment
            segments = self.segments(seen, offset + head, stop - head, n)
            if tokens.times_bn is not None:
                assert start == 0, "repeats are for rows that are trained in one piece"
                segments = replace(segments, times_bn=tokens.times_bn)
            y, memory = self._through(q_bthd[:, head:stop], local[:, head:stop], segments, memory)
            parts.append(y)
        if tail:
            parts.append(self._mix(q_bthd[:, stop:], local[:, stop:], memory))
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1), memory

    def _mix(self, q_bthd: Tensor, local_bthd: Tensor, memory: Memory) -> Tensor:
        """Local attention and what the memory says, by each head's gate; local alone if empty."""
        found = self.rule.read(q_bthd, memory)
        share = self.gate().to(found.dtype).sigmoid().unsqueeze(-1)
        share = share * (memory.written_b > 0)[:, None, None, None]
        return torch.lerp(local_bthd, found.to(local_bthd.dtype), share.to(local_bthd.dtype))

    def _local(self, q_bthd: Tensor, seen: Kept, tokens: Tokens) -> Tensor:
        """Attention within the segment or the window, with rotated queries and keys."""
        d, n_tokens, start = self.shape.head_dim, q_bthd.shape[1], tokens.start
        inside = self.window - 1 if self.window else start % self.segment
        first = max(0, seen.k_bshd.shape[1] - n_tokens - inside)
        k, v = seen.k_bshd[:, first:], seen.v_bshd[:, first:, :, :d]
        if self.rule.n_gates:
            v = v.contiguous()  # fused kernels want rows that begin at multiples of 16 bytes
        if self.rotary is not None:
            table = tokens.table
            if table is None or k.shape[1] > n_tokens:
                place = torch.arange(k.shape[1], device=k.device) + start + n_tokens - k.shape[1]
                table = self.rotary.table(place.unsqueeze(0), k.dtype)
            k = rotate(k, table)
            q_bthd = rotate(q_bthd, tuple(x[:, -n_tokens:] for x in table))  # type: ignore[arg-type]
        if self.window:
            return causal_attention(q_bthd, k, v, window=self.window)
        return self._within_segments(q_bthd, k, v, start)

    def _within_segments(self, q: Tensor, k: Tensor, v: Tensor, start: int) -> Tensor:
        """Each query sees the keys of its own segment up to itself; whole segments go at once."""
        n_tokens = q.shape[1]
        head = min(n_tokens, -start % self.segment)
        tail = (n_tokens - head) % self.segment
        before = k.shape[1] - n_tokens
        parts = []
        if head:
            stop = before + head
            parts.append(causal_attention(q[:, :head], k[:, :stop], v[:, :stop]))
        if n_tokens > head + tail:
            middle = (
                x[:, offset + head : x.shape[1] - tail].unflatten(1, (-1, self.segment))
                for x, offset in ((q, 0), (k, before), (v, before))
            )
            y = causal_attention(*(x.flatten(0, 1) for x in middle))
            parts.append(y.unflatten(0, (q.shape[0], -1)).flatten(1, 2))
        if tail:
            parts.append(causal_attention(q[:, -tail:], k[:, -tail:], v[:, -tail:]))
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def segments(self, seen: Kept, first: int, size: int, n: int) -> Segments:
        """Tokens `first` to `first + size` of the seen ones as `n` segments."""
        d = self.shape.head_dim
        k = seen.k_bshd[:, first : first + size].unflatten(1, (n, -1))
        v = seen.v_bshd[:, first : first + size].unflatten(1, (n, -1))
        return Segments(k, v[..., :d], v[..., d:])

    def _through(
        self, q: Tensor, local: Tensor, segments: Segments, memory: Memory
    ) -> tuple[Tensor, Memory]:
        """Whole segments, each reading the memory before it.

        In training everything between projections and output is computed again in the backward
        pass, since float32 features take much room; `recompute = False` trades that for speed.
        """

        def step(
            q: Tensor, local: Tensor, k: Tensor, v: Tensor, gates: Tensor
        ) -> tuple[Tensor, Memory]:
            before, after = self.rule.write(Segments(k, v, gates, segments.times_bn), memory)
            n = k.shape[1]
            queries, near = (x.unflatten(1, (n, -1)).flatten(0, 1) for x in (q, local))
            y = self._mix(queries, near, before)
            return y.unflatten(0, (-1, n)).flatten(1, 2), after

        inputs = (q, local, segments.k, segments.v, segments.gates)
        if self.recompute and torch.is_grad_enabled() and any(x.requires_grad for x in inputs):
            return checkpoint(step, *inputs, use_reentrant=False)
        return step(*inputs)

    def _row(
        self, q_bthd: Tensor, state: InfiniState, chunk: Kept, b: int
    ) -> tuple[Tensor, Memory, int]:
        """One row of any chunk: its documents one after the other, padding left out.

        Returns outputs `[1, T, H, D]`, the memory, and the document it is of.
        """
        recent, own = (kept.each(lambda x: x[b : b + 1]) for kept in (state.recent, chunk))
        memory, document = state.memory.row(b), int(state.document_b[b])
        y = torch.zeros_like(q_bthd)
        documents = own.document_bs[0].tolist()
        for name in dict.fromkeys(x for x in documents if x >= 0):
            if name != document:
                memory, document = self.rule.empty_like(memory), name
            before = _select(recent, recent.document_bs[0] == name)
            inside = own.document_bs[0] == name
            seen = before.cat(_select(own, inside))
            start = int(own.position_bs[0, inside][0])
            plain = Tokens.plain(1, int(inside.sum()), start=start, device=y.device)
            y[:, inside], memory = self._run(q_bthd[:, inside], seen, plain, memory)
        return y, memory, document


def _select(kept: Kept, which_s: Tensor) -> Kept:
    """Those tokens of one row that `which_s` marks."""
    return kept.each(lambda x: x[:, which_s])
