"""Where training's random numbers come from: torch's generators, which a resume sets back.

All other draws follow from the seed and a count, and need no state: a recording's,
the simulators'.
"""

import torch
from torch import Tensor


def seed(number: int) -> None:
    """Begin all of torch's generators anew."""
    torch.manual_seed(number)


def state_dict(device: torch.device) -> dict[str, Tensor]:
    """Where the generators of the CPU and of a device stand."""
    state = {"cpu": torch.get_rng_state()}
    return state | {"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else state


def load_state(state: dict[str, Tensor], device: torch.device) -> None:
    """Go on from `state_dict`; a device that is new to the run keeps its seed."""
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
