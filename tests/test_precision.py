"""Laws of the number formats."""

import pytest
import torch

from trainer.config.presets import PRESETS, preset
from trainer.learning.precision import DTYPES, autocast, resolved
from trainer.models import build

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def test_what_is_asked_for_is_what_one_gets():
    assert resolved("32", CUDA) == "32"
    assert resolved("bf16", CPU) == resolved("bf16", CUDA) == "bf16"
    assert resolved("fp16", CPU) == resolved("fp16", CUDA) == "fp16"


def test_auto_is_32_bits_without_a_gpu():
    assert resolved("auto", CPU) == "32"
    assert resolved("auto", torch.device("mps")) == "32"


@pytest.mark.parametrize(("supported", "expected"), [(True, "bf16"), (False, "fp16")])
def test_auto_is_bf16_on_a_gpu_that_has_it_else_fp16(monkeypatch, supported, expected):
    def answer(including_emulation):
        assert not including_emulation
        return supported

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", answer)
    assert resolved("auto", CUDA) == expected


@pytest.mark.parametrize("precision", ["32", "bf16", "fp16"])
def test_layers_compute_in_the_format(precision):
    layer = torch.nn.Linear(3, 2)
    with autocast(precision, CPU):
        assert layer(torch.ones(1, 3)).dtype == (DTYPES[precision] or torch.float32)
    assert layer.weight.dtype == torch.float32


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_beliefs_keep_the_sharpness_of_32_bits(name):
    # A belief that 16 bits round to one has no gradient any more, however wrong it is.
    network = build(preset(name).network, 2).eval()
    images = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    with torch.no_grad(), autocast("bf16", CPU):
        beliefs = network(images)
    assert all(belief.dtype == torch.float32 for belief in beliefs)
    assert all(belief.max() < 1 for belief in beliefs)
