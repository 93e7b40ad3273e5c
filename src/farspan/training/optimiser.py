"""AdamW over float32 master copies of bfloat16 weights.

The forward pass in training is then the one in use, bit for bit; only updates are float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from farspan.parallel.fsdp import whole


class MasterAdamW:
    """AdamW (Loshchilov & Hutter 2017), betas 0.9 and 0.95; parameters may be sharded.

    `scale` gives the factor of the learning rate of a parameter by its name; matrices with a
    factor of 1 decay by `weight_decay`, gates and vectors never do.
    """

    def __init__(
        self,
        named: Iterable[tuple[str, nn.Parameter]],
        scale: Callable[[str], float] = lambda name: 1.0,
        weight_decay: float = 0.0,
    ) -> None:
        self.weights = dict(named)
        self.masters = {
            name: weight.detach().to(torch.float32, copy=True)
            for name, weight in self.weights.items()
        }
        fused = all(master.is_cuda for master in self.masters.values())
        groups: dict[tuple[float, float], list[Tensor]] = {}
        for name, master in self.masters.items():
            factor = scale(name)
            decay = weight_decay if master.ndim > 1 and factor == 1.0 else 0.0
            groups.setdefault((factor, decay), []).append(master)
        self.adam = torch.optim.AdamW(
            [
                {"params": masters, "scale": factor, "weight_decay": decay}
                for (factor, decay), masters in groups.items()
            ],
            betas=(0.9, 0.95),
            fused=fused or None,
        )

    @torch.no_grad()
    def step(self, learning_rate: float, clip: float) -> Tensor:
        """One update from the weights' gradients, which are cleared; returns their norm.

        With a norm that is not finite nothing changes.
        """
        for name, weight in self.weights.items():
            gradient = weight.grad
            self.masters[name].grad = None if gradient is None else gradient.float()
            weight.grad = None
        masters = list(self.masters.values())
        norm = whole(nn.utils.clip_grad_norm_(masters, clip))
        if not torch.isfinite(norm):
            return norm
        for group in self.adam.param_groups:
            group["lr"] = learning_rate * group["scale"]
        self.adam.step()
        for name, weight in self.weights.items():
            weight.copy_(self.masters[name])
        return norm

    def tensors(self) -> dict[str, Tensor]:
        """Masters and moments by name, for a checkpoint."""
        found = {f"master.{name}": master for name, master in self.masters.items()}
        for name, master in self.masters.items():
            for key, value in self.adam.state.get(master, {}).items():
                found[f"adam.{key}.{name}"] = torch.as_tensor(value)
        return found

    @torch.no_grad()
    def blank(self) -> dict[str, Tensor]:
        """As `tensors`, with moments of zero where there are none yet: what a load fills."""
        found = self.tensors()
        for name, master in self.masters.items():
            device = master.device if self._fused else "cpu"
            found.setdefault(f"adam.step.{name}", torch.zeros((), device=device))
            for key in ("exp_avg", "exp_avg_sq"):
                found.setdefault(f"adam.{key}.{name}", torch.zeros_like(master))
        return found

    @torch.no_grad()
    def load(self, tensors: dict[str, Tensor]) -> None:
        """Takes up what `tensors` gave."""
        for name, master in self.masters.items():
            master.copy_(tensors[f"master.{name}"])
            self.weights[name].copy_(master)
            state = {}
            for key in ("step", "exp_avg", "exp_avg_sq"):
                stored = tensors.get(f"adam.{key}.{name}")
                if stored is not None:
                    state[key] = stored
            if state:
                self.adam.state[master] = state

    @property
    def _fused(self) -> bool:
        return bool(self.adam.param_groups[0]["fused"])
