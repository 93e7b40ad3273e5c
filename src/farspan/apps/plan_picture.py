"""The picture of an estimate: masks of each kind of layer, state and operations by layer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from farspan.apps.plan import Estimate
from farspan.errors import RequestError
from farspan.evaluation.masks import CELLS, Mask
from farspan.units import show_length

if TYPE_CHECKING:
    from farspan.models.cost import PlanCost

INK, PALE = "#1f4e79", "#c9d6e4"


def draw(estimate: Estimate, path: Path) -> None:
    """Writes a PNG. `RequestError` for another ending, or without matplotlib."""
    if path.suffix != ".png":
        raise RequestError(f"{path} is no picture; name a file that ends in .png")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise RequestError("pictures need matplotlib: pip install 'farspan[plot]'") from error
    kinds = len(estimate.masks)
    width = max(9.0, 2.6 * kinds)
    figure = Figure(figsize=(width, 6.4), layout="constrained", dpi=130)
    top, bottom = cast(Any, figure.subfigures(2, 1, height_ratios=(1.15, 1)))
    for axes, (name, mask) in zip(
        top.subplots(1, kinds, squeeze=False)[0], estimate.masks.items(), strict=True
    ):
        _mask(axes, name, mask)
    left, right = bottom.subplots(1, 2)
    _bars(left, estimate, "state_bytes", "state, MiB", 2**20)
    _bars(right, estimate, "flops", "operations, 10¹² FLOPs", 1e12)
    title = f"{estimate.model}, {show_length(estimate.cost.tokens)} tokens in {estimate.dtype}"
    figure.suptitle(f"{title}\nabove, what each kind of layer depends on; below, by layer")
    try:
        figure.savefig(path)
    except OSError as error:
        raise RequestError(f"{path} cannot be written ({error.strerror})") from error


def _mask(axes: Any, name: str, mask: Mask) -> None:
    """Queries downwards, keys to the right, darker where more depends."""
    shown = mask.strength.clamp(1e-4, 1).log10().masked_fill(mask.strength == 0, float("nan"))
    axes.imshow(shown.numpy(), cmap="Blues", vmin=-4, vmax=0, interpolation="nearest")
    axes.set_title(name, fontsize=10)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel(f"key; a cell is {mask.scale} tokens" if mask.scale > 1 else "key", fontsize=8)
    axes.set_ylabel("query", fontsize=8)
    if mask.asked_from < CELLS:
        axes.axhline(mask.asked_from - 0.5, color="#b03a2e", linewidth=0.8)
        axes.text(CELLS - 0.5, mask.asked_from - 1, "asked below", color="#b03a2e", fontsize=7,
                  ha="right", va="bottom")  # fmt: skip


def _bars(axes: Any, estimate: Estimate, field: str, label: str, unit: float) -> None:
    """A bar a layer on a logarithmic scale, full attention pale behind it."""

    def values(cost: PlanCost) -> list[float]:
        return [getattr(layer, field) / unit for layer in cost.layers]

    own, full = values(estimate.cost), values(estimate.full)
    place = range(len(own))
    axes.bar(place, full, color=PALE, width=0.9, label="full attention")
    axes.bar(place, own, color=INK, width=0.6, label="this plan")
    axes.set_yscale("log")
    least = min(x for x in (*own, *full) if x > 0)
    axes.set_ylim(bottom=least / 3, top=max(*own, *full) * 8)
    axes.set_xlabel("layer", fontsize=8)
    axes.set_ylabel(label, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False, ncols=2, loc="upper right")
