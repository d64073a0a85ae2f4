"""The verb that lists presets."""

import pytest

from jointloop.cli.presets import presets
from trainer.config.presets import PRESETS, PURPOSES, preset
from trainer.models import estimate


def test_every_preset_is_listed_with_what_it_costs_and_is_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert presets() == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line for line in lines[1:] if line.split()[0] in PRESETS}
    assert list(rows) == list(PRESETS)
    for name, row in rows.items():
        config = preset(name)
        found = estimate(config.network, 7, config.settings.width, config.settings.height)
        for shown in (
            config.settings.size,
            f"{found.parameters / 1e6:.2f} M",
            f"{found.macs / 1e9:.2f}",
            str(found.receptive_field),
            PURPOSES[name],
        ):
            assert shown in row
