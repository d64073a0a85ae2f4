"""How the processes of one run are started by torchrun, and find each other."""

import importlib.util
import logging
import os
import signal
import sys
from collections.abc import Sequence

import torch

from trainer.distributed.team import Team, TeamError

MISSING = "several processes need Lightning Fabric: pip install 'jointloop[distributed]'"


def started_together() -> bool:
    """Whether torchrun started this process beside others."""
    return torch.distributed.is_torchelastic_launched() and int(os.environ["WORLD_SIZE"]) > 1


def start_together(processes: int, arguments: Sequence[str]) -> None:
    """Become torchrun, which starts `jointloop` with these arguments as so many processes.

    Where one is enough, or torchrun is at work already, nothing happens.

    Raises:
        TeamError: Lightning Fabric is not installed.
        SystemExit: the processes have ended; what there is to say, the lead has said.
    """
    if processes < 2 or started_together():
        return
    if importlib.util.find_spec("lightning_fabric") is None:
        raise TeamError(MISSING)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    for part in ("multiprocessing.api", "agent.server.api"):  # which report every signal
        logging.getLogger(f"torch.distributed.elastic.{part}").setLevel(logging.CRITICAL)
    signal.set_wakeup_fd(-1)  # torchrun ends the processes below it in its own time
    # After the dashes torchrun looks for no options of its own: it would take --run for one.
    ours = ["-m", "--", "jointloop", *arguments]
    try:
        torchrun(["--standalone", "--nproc-per-node", str(processes), *ours])
    except SignalException:
        sys.exit(130)
    except ChildFailedError as error:
        sys.exit(error.get_first_failure()[1].exitcode)
    sys.exit(0)


def is_member() -> bool:
    """Whether another process has the lead."""
    return started_together() and int(os.environ["RANK"]) > 0


def gather(device: str, timeout: float) -> Team:
    """The team of this process: all that torchrun started, or itself alone.

    Args:
        device: cpu, cuda (a GPU for each process), or auto.
        timeout: longest wait for the others within a step [s].

    Raises:
        TeamError: they cannot train together here.
    """
    if not started_together():
        return Team()
    try:
        from trainer.distributed.fabric_team import FabricTeam
    except ModuleNotFoundError as error:
        if error.name != "lightning_fabric":
            raise
        raise TeamError(MISSING) from None
    return FabricTeam(device, timeout)
