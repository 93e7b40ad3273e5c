"""The two recurrences over plain tensors, token by token."""

from __future__ import annotations

import torch


def additive_steps(q, k, v, log_decay, mem):
    """Reads `[B, T, H, E]` and the last memory."""
    reads = []
    group = q.shape[2] // k.shape[2]
    for t in range(q.shape[1]):
        if log_decay is not None:
            mem = log_decay[:, t].exp().unsqueeze(-1) * mem
        mem = mem + k[:, t].unsqueeze(-1) * v[:, t].unsqueeze(-2)
        reads.append(torch.einsum("bhd,bhde->bhe", q[:, t], mem.repeat_interleave(group, 1)))
    return torch.stack(reads, 1), mem


def delta_steps(q, k, v, write, log_decay, mem):
    """Reads `[B, T, H, E]` and the last memory."""
    reads = []
    group = q.shape[2] // k.shape[2]
    for t in range(q.shape[1]):
        if log_decay is not None:
            mem = log_decay[:, t, :, None, None].exp() * mem
        held = torch.einsum("bgd,bgde->bge", k[:, t], mem)
        change = write[:, t].unsqueeze(-1) * (v[:, t] - held)
        mem = mem + k[:, t].unsqueeze(-1) * change.unsqueeze(-2)
        reads.append(torch.einsum("bhd,bhde->bhe", q[:, t], mem.repeat_interleave(group, 1)))
    return torch.stack(reads, 1), mem
