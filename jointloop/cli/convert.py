"""convert: writes a recording's shards in another format."""

from pathlib import Path
from typing import Literal

import tyro

from jointloop.cli.app import say


def convert(
    recording: tyro.conf.Positional[Path], *, to: Literal["coco", "dream"], out: Path
) -> int:
    """Write a recording's complete shards in another format.

    Args:
        recording: Its folder.
        to: coco writes COCO keypoints, dream writes DREAM's NDDS JSON.
        out: A new folder.
    """
    from simulator.recordings.convert import to_coco, to_dream
    from simulator.recordings.recording import Recording

    write = {"coco": to_coco, "dream": to_dream}[to]
    for line in write(Recording.open(recording), out):
        say(line)
    return 0
