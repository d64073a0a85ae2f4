"""Several processes as one team, by Lightning Fabric: gloo between CPUs, NCCL between GPUs.

What the lead tells its members travels over a gloo group of its own, which waits as long as it
takes: a member is idle while the lead holds samples out, judges or writes. That the other side has
ended shows as a closed connection, at once. Within a step every wait has a time-out.

Batch norm: on GPUs its statistics are those of the whole batch (SyncBatchNorm); PyTorch has no such
layer for CPUs, where every process normalises its share by the share's own statistics. The running
statistics, which are judged and saved, are the lead's in either case. The moving average of the
weights is the same in every process, since the weights are.
"""

import io
import logging
import os
import signal
import warnings
from datetime import timedelta
from types import TracebackType
from typing import Any

import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor
from torch.nn import SyncBatchNorm

from jointloop.common.errors import first_line
from trainer.batch import Batch
from trainer.distributed.team import Forward, Team, TeamError
from trainer.models import BeliefNetwork

IDLE = timedelta(days=30)
"""Longest wait of a member for the lead, which shows by a closed connection that it has ended."""


class FabricTeam(Team):
    """All processes that torchrun started.

    They meet at once, and part when the context ends.

    Args:
        device: cpu, cuda (a GPU for each process), or auto.
        timeout: longest wait for the others within a step [s].

    Raises:
        TeamError: there is no GPU for every process, or a process does not answer.
    """

    def __init__(self, device: str, timeout: float) -> None:
        self.local = int(os.environ["LOCAL_WORLD_SIZE"])
        self.size = int(os.environ["WORLD_SIZE"])
        self._timeout = timedelta(seconds=timeout)
        accelerator = _accelerator(device, self.local)
        strategy = DDPStrategy(
            process_group_backend="gloo" if accelerator == "cpu" else "cpu:gloo,cuda:nccl",
            timeout=self._timeout,
        )
        self._fabric = Fabric(
            accelerator=accelerator,
            devices=self.local,
            num_nodes=self.size // self.local,
            strategy=strategy,
        )
        # A gradient in another layout than its bucket costs a copy, nothing else.
        warnings.filterwarnings("ignore", "Grad strides do not match", UserWarning)
        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
        logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
        self._fabric.launch()
        self.rank = self._fabric.global_rank
        self.device = self._fabric.device
        orders = dist.new_group(backend="gloo", timeout=IDLE)
        assert isinstance(orders, dist.ProcessGroup)  # this process is in it
        self._orders = orders
        if self.rank:  # Ctrl-C reaches all processes at once: the lead says when it is over
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self.rank and error is None:
            self._tell_all({})  # else members see that the connection closes
        dist.destroy_process_group()
        if isinstance(error, RuntimeError) and _of_connections(error):
            whom = "the lead" if self.rank else "a process"
            raise TeamError(
                f"{whom} of this training has ended or does not answer: {first_line(error)}"
            ) from None

    def note(self) -> str:
        """See `Team.note`."""
        norm = "of the whole batch" if self._fabric.device.type == "cuda" else "by share"
        return f"{self.size} processes share every batch; batch norm {norm}"

    def begin(self, config: str, learner: dict[str, Any]) -> None:
        """See `Team.begin`."""
        self._tell_all({"config": config, "learner": learner})

    def beginning(self) -> dict[str, Any]:
        """See `Team.beginning`."""
        return self._hear()

    def share(self) -> tuple[Batch, float] | None:
        """See `Team.share`."""
        if not (order := self._hear()):
            return None
        arrays = {name: tensor.numpy() for name, tensor in order["batch"].items()}
        return Batch.of(arrays), order["progress"]

    def wrap(self, network: BeliefNetwork) -> Forward:
        """See `Team.wrap`."""
        if self._fabric.device.type == "cuda":
            SyncBatchNorm.convert_sync_batchnorm(network)
        return self._fabric.setup_module(network)

    def deal(self, batch: Batch, progress: float) -> Batch:
        """See `Team.deal`."""
        if self.rank:
            return batch
        mine, *others = batch.chunks(len(batch) // self.size)
        for rank, share in enumerate(others, start=1):
            arrays = share.arrays().items()
            tensors = {name: torch.from_numpy(array).clone() for name, array in arrays}
            self._tell(rank, {"batch": tensors, "progress": progress})
        return mine

    def mean(self, values: Tensor) -> Tensor:
        """See `Team.mean`; they travel over gloo, whose waits end when a process does."""
        total = values.detach().cpu()
        dist.all_reduce(total)
        return (total / self.size).to(values.device)

    def _tell_all(self, message: dict[str, Any]) -> None:
        for rank in range(1, self.size):
            self._tell(rank, message)

    def _tell(self, rank: int, message: dict[str, Any]) -> None:
        """Send plain values and tensors; they are read with `weights_only=True`."""
        buffer = io.BytesIO()
        torch.save(message, buffer)
        data = torch.frombuffer(buffer.getbuffer(), dtype=torch.uint8)
        for part in (torch.tensor([len(data)]), data):
            work = dist.isend(part, rank, group=self._orders)
            assert work is not None  # both ends are in the group
            work.wait(self._timeout)

    def _hear(self) -> dict[str, Any]:
        """What the lead says; nothing where it has ended."""
        size = torch.zeros(1, dtype=torch.int64)
        try:
            dist.recv(size, 0, group=self._orders)
            data = torch.empty(int(size), dtype=torch.uint8)
            dist.recv(data, 0, group=self._orders)
        except RuntimeError as error:
            if not _of_connections(error):
                raise
            return {}
        return torch.load(io.BytesIO(data.numpy().tobytes()), map_location="cpu", weights_only=True)


def _accelerator(device: str, processes: int) -> str:
    """cpu or cuda.

    Raises:
        TeamError: there are fewer GPUs than processes, or one was named for all.
    """
    gpus = torch.cuda.device_count()
    if device == "cpu" or (device == "auto" and not gpus):
        return "cpu"
    if device not in ("auto", "cuda"):
        raise TeamError(f"device is {device!r}; several processes take cpu, or cuda: a GPU each")
    if gpus < processes:
        raise TeamError(
            f"{processes} processes need a GPU each and this machine has {gpus}; start fewer, or "
            "say --device cpu"
        )
    return "cuda"


def _of_connections(error: RuntimeError) -> bool:
    """Whether gloo or NCCL failed, rather than anything else that raises RuntimeError."""
    return any(word in str(error) for word in ("gloo", "NCCL", "Connection", "Timed out"))
