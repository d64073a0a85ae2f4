"""The number format of the forward pass: 32 bits, or 16 where the device is faster at them.

Weights, losses, their averages and the validation are in 32 bits always. fp16 holds numbers from
6e-8 to 65504, so its gradients are scaled to lie within (Micikevicius et al., "Mixed Precision
Training", ICLR 2018); bf16 has the range of 32 bits and needs no scaling.
"""

import torch

from trainer.config.config import Precision

DTYPES = {"32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
"""What autocast computes in; None leaves it off."""


def resolved(wanted: Precision, device: torch.device) -> Precision:
    """The format that is meant: of `auto`, bf16 or else fp16 on a CUDA GPU and 32 elsewhere."""
    if wanted != "auto":
        return wanted
    if device.type != "cuda":
        return "32"
    # Emulated bf16 is slower than fp16.
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def autocast(precision: Precision, device: torch.device) -> torch.autocast:
    """The context of a forward pass in that format, a resolved one."""
    dtype = DTYPES[precision]
    return torch.autocast(device.type, dtype, enabled=dtype is not None)
