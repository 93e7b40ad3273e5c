"""The mesh: which rank does which part of the work, along four axes."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from farspan.errors import RequestError

AXES = ("pipeline", "data", "sequence", "tensor")
PATIENCE = timedelta(seconds=50)
"""How long an exchange waits for a rank before it fails; a run ends within a minute of a loss."""


@dataclass(frozen=True)
class MeshShape:
    """Ranks along each axis; the innermost, `tensor`, should be GPUs of one host."""

    data: int = 1
    sequence: int = 1
    tensor: int = 1
    pipeline: int = 1

    def __post_init__(self) -> None:
        for name, count in asdict(self).items():
            if count < 1:
                raise RequestError(f"mesh: {name} is {count}, must be 1 or more")

    @property
    def ranks(self) -> int:
        """Ranks in all."""
        return self.data * self.sequence * self.tensor * self.pipeline

    @classmethod
    def parse(cls, text: str) -> MeshShape:
        """From `data=2,sequence=4`; axes left out have one rank."""
        sizes: dict[str, int] = {}
        for part in filter(None, (piece.strip() for piece in text.split(","))):
            name, _, count = part.partition("=")
            if name not in AXES or not count.isdigit() or name in sizes:
                raise RequestError(
                    f"mesh {text!r}: {part!r} is not one of {', '.join(AXES)} with a number, "
                    "as in data=2,sequence=4"
                )
            sizes[name] = int(count)
        return cls(**sizes)


@dataclass(frozen=True)
class Mesh:
    """Groups of ranks by axis. Parameters are sharded over data and sequence ranks together."""

    shape: MeshShape
    devices: DeviceMesh
    parameters: DeviceMesh
    device: torch.device

    @property
    def sequence(self) -> dist.ProcessGroup:
        """The ranks that share this rank's rows."""
        return self.devices["sequence"].get_group()

    @property
    def tensor(self) -> dist.ProcessGroup:
        """The ranks that share this rank's heads."""
        return self.devices["tensor"].get_group()

    @property
    def everyone(self) -> dist.ProcessGroup:
        """Data and sequence ranks: those whose losses add up."""
        return self.parameters.get_group()

    @property
    def data_rank(self) -> int:
        """Which share of a batch's rows this rank has."""
        return self.devices.get_local_rank("data")

    @property
    def is_first(self) -> bool:
        """Whether this rank speaks for all: it logs and names files."""
        return dist.get_rank() == 0


def start_mesh(shape: MeshShape | None = None, device: str = "cpu") -> Mesh:
    """The mesh of all ranks that torchrun started, or of this process alone.

    Without a shape all ranks are data ranks. Raises `RequestError` if the shape does not have as
    many ranks as were started.
    """
    place = _start_ranks(device)
    world = dist.get_world_size()
    shape = shape or MeshShape(data=world)
    if shape.ranks != world:
        raise RequestError(
            f"the mesh {shape} has {shape.ranks} ranks and {world} were started; start as many "
            f"with torchrun --nproc-per-node {shape.ranks}, or change the mesh"
        )
    sizes = tuple(getattr(shape, axis) for axis in AXES)
    devices = init_device_mesh(place.type, sizes, mesh_dim_names=AXES)
    parameters = devices["data", "sequence"]._flatten("parameters")
    return Mesh(shape, devices, parameters, place)


def _start_ranks(device: str) -> torch.device:
    """Joins the ranks of the environment; a process alone becomes a group of one."""
    place = torch.device(device)
    if place.type == "cuda":
        place = torch.device("cuda", int(os.environ.get("LOCAL_RANK", place.index or 0)))
        torch.cuda.set_device(place)
    if not dist.is_initialized():
        backend = "cpu:gloo,cuda:nccl" if place.type == "cuda" else "gloo"
        if "RANK" in os.environ:
            dist.init_process_group(backend, timeout=PATIENCE)
        else:
            dist.init_process_group(
                backend, store=dist.HashStore(), rank=0, world_size=1, timeout=PATIENCE
            )
    return place
