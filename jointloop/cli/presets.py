"""presets: lists what a run can begin as."""

from rich.table import Table

from jointloop.cli.app import out


def presets() -> int:
    """List the presets: what their networks cost and see, and what they are for.

    `jointloop config NAME` prints every setting of one.
    """
    from simulator.robot import Robot
    from trainer.config.config import PRETRAINED
    from trainer.config.presets import PRESETS, PURPOSES, preset
    from trainer.models import estimate

    table = Table("preset", "image", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("params", "GMAC", "stride", "sees"):
        table.add_column(heading, justify="right")
    table.add_column("--backbone")
    table.add_column("for")
    for name in PRESETS:
        config = preset(name)
        s = config.settings
        found = estimate(config.network, len(Robot.named(s.robot).keypoints), s.width, s.height)
        table.add_row(
            name,
            s.size,
            f"{found.parameters / 1e6:.2f} M",
            f"{found.macs / 1e9:.2f}",
            str(found.stride),
            str(found.receptive_field),
            PRETRAINED.get(config.network.family, ""),
            PURPOSES[name],
        )
    out.print(table)
    out.print("GMAC: billions of multiply-accumulates for one image; stride: pixels per cell of a")
    out.print("belief map; sees: pixels along a side of what such a cell can see")
    return 0
