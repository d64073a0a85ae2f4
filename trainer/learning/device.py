"""What PyTorch computes on, by the name a user gives it."""

import torch

from jointloop.common.errors import first_line
from jointloop.common.settings import ConfigError


def device_named(name: str) -> torch.device:
    """The device of that name; auto is a GPU where there is one.

    Raises:
        ConfigError: there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.zeros(1, device=name)
        return torch.device(name)
    except (RuntimeError, AssertionError) as error:
        reason = first_line(error)
        if "device type" in reason:  # PyTorch lists two dozen of them
            reason = "expected cpu, cuda, cuda:N or auto"
        raise ConfigError(f"device {name!r} cannot be used: {reason}; try cpu") from None
