"""explain: which hidden variables a run's loss hangs on."""

from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from jointloop.cli.app import say
from jointloop.common.errors import JointloopError

if TYPE_CHECKING:
    from trainer.evaluation.explain.shares import Share


def explain(
    run: tyro.conf.Positional[Path], out: Path | None = None, top: int = 12, seed: int = 0
) -> int:
    """Say which hidden variables tell the loss: pose, camera, light, surroundings, each in parts.

    The best weights are judged on the run's held-out set. A share is what a variable foretells of
    the variance of the loss on samples left out; shares of variables that go together overlap.

    Args:
        run: Folder of the run, finished or not.
        out: JSON file for all shares and their levels; explain.json in the run's folder by default.
            A picture of them goes beside it, as SVG.
        top: Variables that are printed and drawn, those with the largest shares.
        seed: Of folds and bootstrap.
    """
    from jointloop.common.files import write_json, write_text
    from trainer.evaluation.explain.figure import figure
    from trainer.runs.explained import explained

    if top < 1:
        raise JointloopError(f"top is {top}; expected at least 1")
    if seed < 0:
        raise JointloopError(f"seed is {seed}; expected at least 0")
    out = out or run / "explain.json"
    if out.suffix != ".json":
        raise JointloopError(f"out is {out}; expected a name that ends in .json")
    found = explained(run, seed)
    write_json(out, found.as_json())
    groups, single = found.groups, found.single[:top]
    say(f"{len(found.losses)} held-out samples, mean loss {found.losses.mean():.3f}")
    for share in [*groups, *single]:
        say(_line(share))
    picture = out.with_suffix(".svg")
    write_text(picture, figure(groups, single, f"{run.name}: what the loss hangs on"))
    say(f"shares    {out}\npicture   {picture}")
    return 0


def _line(share: "Share") -> str:
    low, high = (f"{100 * end:.0f}" if end is not None else "-" for end in share.interval)
    line = f"{share.name:<28}{100 * share.share:6.1f} % [{low}, {high}]"
    if not share.levels or (share.interval[0] or 0.0) <= 0.0:
        return line
    best, worst = (pick(share.levels, key=lambda level: level[2]) for pick in (min, max))
    return f"{line}  {best[0]}: {best[2]:.2f}, {worst[0]}: {worst[2]:.2f}"
