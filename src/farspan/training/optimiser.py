"""AdamW over float32 master copies of bfloat16 weights.

The forward pass in training is then the one in use, bit for bit; only updates are float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn


class MasterAdamW:
    """AdamW (Loshchilov & Hutter 2017) without weight decay; betas 0.9 and 0.95.

    `scale` gives the factor of the learning rate of a parameter by its name.
    """

    def __init__(
        self,
        named: Iterable[tuple[str, nn.Parameter]],
        scale: Callable[[str], float] = lambda name: 1.0,
    ) -> None:
        self.weights = dict(named)
        self.masters = {
            name: weight.detach().to(torch.float32, copy=True)
            for name, weight in self.weights.items()
        }
        fused = all(master.is_cuda for master in self.masters.values())
        groups: dict[float, list[Tensor]] = {}
        for name, master in self.masters.items():
            groups.setdefault(scale(name), []).append(master)
        self.adam = torch.optim.AdamW(
            [{"params": masters, "scale": factor} for factor, masters in groups.items()],
            betas=(0.9, 0.95),
            weight_decay=0.0,
            fused=fused or None,
        )

    @torch.no_grad()
    def step(self, learning_rate: float, clip: float) -> Tensor:
        """One update from the weights' gradients, which are cleared; returns their norm."""
        for name, weight in self.weights.items():
            gradient = weight.grad
            self.masters[name].grad = None if gradient is None else gradient.float()
            weight.grad = None
        masters = list(self.masters.values())
        norm = nn.utils.clip_grad_norm_(masters, clip)
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
    def load(self, tensors: dict[str, Tensor]) -> None:
        """Takes up what `tensors` gave."""
        for name, master in self.masters.items():
            master.copy_(tensors[f"master.{name}"])
            self.weights[name].copy_(master)
            state = {}
            for key in ("step", "exp_avg", "exp_avg_sq"):
                stored = tensors.get(f"adam.{key}.{name}")
                if stored is not None:
                    device = master.device if key != "step" or self._fused else "cpu"
                    state[key] = stored.to(device, copy=True)
            if state:
                self.adam.state[master] = state

    @property
    def _fused(self) -> bool:
        return bool(self.adam.param_groups[0]["fused"])
