"""Laws of naming a device."""

import pytest
import torch

from jointloop.common.settings import ConfigError
from trainer.learning.device import device_named


def test_auto_is_a_gpu_where_there_is_one():
    assert device_named("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert device_named("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["tpu", "cuda:99", ""])
def test_a_device_that_is_not_there_is_named(name):
    with pytest.raises(ConfigError, match=f"device {name!r} cannot be used"):
        device_named(name)
