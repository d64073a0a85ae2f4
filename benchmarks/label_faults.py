"""How many faults in labels `check-labels --data` finds, and how many it sees where there are none.

A recording's labels get the error of marks (`--noise`), then, in 5 % of the pictures each, one
fault: two keypoints swapped, one shifted by 5 % of the diagonal, one flag wrong. Every picture is
looked at `--rounds` times, with other errors and faults. A fault over 4 sigmas:

    shift    shows in the residuals of the best pose by more than 4 standard deviations, to first
             order: where the other marks leave a keypoint's place open, it cannot
    swap     the marks that are swapped lie more than 4 standard deviations apart
    flag     marked as visible where the robot hides it; that something else hides what is marked as
             hidden cannot be excluded

    python benchmarks/label_faults.py --data data/calm --json benchmarks/results/label_faults.json
"""

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import figures
import numpy as np

from blender_scenes.spec import SPP
from jointloop.common.errors import JointloopError
from simulator.labels import HIDDEN, VISIBLE, in_frame
from simulator.randomization.settings import SampleSettings, parse_size
from simulator.randomization.variety import CALM
from simulator.recordings.recorder import record
from simulator.recordings.recording import Recording, describe
from simulator.recordings.replay import rendering_here
from simulator.robot import Robot
from trainer.pose.marks.explain import shows
from trainer.pose.marks.faults import Looked, look, people_err
from trainer.pose.marks.flags import Sight
from trainer.pose.marks.many import Eye, Fit, Guesses
from trainer.pose.problem import Array
from trainer.pose.shots import Shot, of_recording

SHARE = 0.05
"""Of pictures, that get each kind of fault."""
SHIFT = 0.05
"""Of the diagonal."""
OVER = 4.0
"""Standard deviations."""
FOUND_BAR, FALSE_BAR = 0.95, 0.02
KINDS = {"swap": "swapped", "shift": "off", "flag": "flag"}
"""Of faults, and what they are called when they are found."""


@dataclass(frozen=True)
class Options:
    """What is measured."""

    data: Path | None = None
    """A recording; without, one of sticks is made."""
    samples: int = 200
    """Of sticks."""
    rounds: int = 3
    """Times that every picture is looked at."""
    noise: float | None = 1.0
    """Standard deviation of marks along x and y [px]; none: what people err by."""
    known: tuple[Literal["K", "joints"], ...] = ("K",)
    """Of every picture: its intrinsics, its joint angles."""
    size: str = "256x192"
    """Of sticks' pictures, WIDTHxHEIGHT."""
    seed: int = 0
    """Of errors and faults."""
    json: Path | None = None
    """File to write the figures to as well."""


@dataclass(frozen=True, eq=False)
class Made:
    """A picture with a fault, or without one."""

    shot: Shot
    kind: str
    """Of the fault; empty where there is none."""
    keypoints: tuple[int, ...]
    over: bool
    """Whether it is over 4 sigmas."""


def made(robot: Robot, shot: Shot, kind: str, std: Array, size: Any, rng: Any, fit: Fit) -> Made:
    """The shot's labels with the error of marks and a fault of that kind."""
    noisy = shot.pixels + rng.normal(size=shot.pixels.shape) * std[:, None]
    assert shot.flags is not None
    assert shot.truth is not None
    used = np.flatnonzero(shot.weights > 0)
    marked = replace(shot, pixels=noisy)
    if kind == "swap":
        i, j = sorted(rng.choice(used, 2, replace=False).tolist())
        pixels = noisy.copy()
        pixels[[i, j]] = noisy[[j, i]]
        apart = np.linalg.norm(noisy[i] - noisy[j]) / np.hypot(std[i], std[j])
        return Made(replace(marked, pixels=pixels), kind, (i, j), bool(apart > OVER))
    if kind == "shift":
        j, change = int(rng.choice(used)), np.zeros_like(noisy)
        while not in_frame((noisy + change)[[j]], *size)[0] or not change.any():
            way = rng.normal(size=2)
            change[j] = SHIFT * np.hypot(*size) * way / np.linalg.norm(way)
        zoom = shot.lens.K[0, 0] / fit.eye.lens.K[0, 0] if shot.lens else 1.0
        true = Guesses(
            shot.truth.T_camera_base[None], shot.truth.q[None], np.full(1, zoom), np.zeros(1)
        )
        weights = np.where(shot.weights > 0, 1 / std, 0.0)
        over = shows(fit, true, weights, change) > OVER
        return Made(replace(marked, pixels=noisy + change), kind, (j,), over)
    if kind == "flag":
        j = int(rng.choice(used))
        flags = shot.flags.copy()
        flags[j] = HIDDEN + VISIBLE - flags[j]
        return Made(replace(marked, flags=flags), kind, (j,), bool(flags[j] == VISIBLE))
    return Made(marked, "", (), False)


def counted(robot: Robot, one: Made, looked: Looked, counts: dict[str, Counter[str]]) -> None:
    """Add what was found to the counts."""
    names = {robot.keypoint_names[j] for j in one.keypoints}
    row = counts[one.kind or "none"]
    row["pictures"] += 1
    row["checked"] += looked.checked
    row["said"] += bool(looked.faults)
    if not one.kind:
        row.update(fault.kind for fault in looked.faults)
        return
    named = any(f.kind == KINDS[one.kind] and {*f.keypoints} == names for f in looked.faults)
    kinds = {"flag"} if one.kind == "flag" else {"swapped", "off", "unexplained"}
    found = any(f.kind in kinds for f in looked.faults)
    row["found"] += found
    row["named"] += named
    if one.over and looked.checked:
        row["over"] += 1
        row["over_found"] += found
        row["over_named"] += named


def measure(options: Options) -> tuple[dict[str, Any], dict[str, bool]]:
    """Counts by kind of fault, and which bars hold."""
    if options.data is None:
        with TemporaryDirectory() as folder:
            data = sticks(Path(folder) / "sticks", options)
            return measured(options, *of_recording(data, None))
    return measured(options, *of_recording(options.data, None))


def sticks(folder: Path, options: Options) -> Path:
    """A recording of sticks."""
    width, height = parse_size(options.size)
    settings = SampleSettings(width=width, height=height, variety=CALM)
    rendering = rendering_here("stick", SPP, settings)
    recording = Recording.create(folder, describe(settings, rendering, options.samples, 0, 256))
    record(recording, 1, say=lambda line: None)
    return folder


def measured(
    options: Options, robot: Robot, shots: list[Shot]
) -> tuple[dict[str, Any], dict[str, bool]]:
    """Likewise, over pictures."""
    sight, rng = Sight(robot), np.random.default_rng(options.seed)
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    kinds, chance = [*KINDS, ""], [SHARE] * len(KINDS) + [1 - SHARE * len(KINDS)]
    for _ in range(options.rounds):
        for shot in shots:
            if (shot.weights > 0).sum() < 2 or shot.truth is None:
                continue
            height, width = shot.load().shape[:2]
            own = shot if "K" in options.known else replace(shot, lens=None)
            q = shot.truth.q if "joints" in options.known else None
            eye = Eye.unknown(width, height) if own.lens is None else Eye(own.lens)
            fit = Fit(robot, eye, np.full(len(robot.angle_names), q is None))
            joints = len(robot.keypoints)
            std = (
                people_err(robot, shot) if options.noise is None else np.full(joints, options.noise)
            )
            kind = str(rng.choice(kinds, p=chance))
            one = made(robot, shot, kind, std, (width, height), rng, fit)
            one = replace(one, shot=replace(one.shot, lens=own.lens))
            # Marks near the border may err out of the picture; that is no fault here.
            looked = look(robot, one.shot, (width, height), sight, options.noise, q)
            kept = tuple(f for f in looked.faults if f.kind != "outside")
            counted(robot, one, replace(looked, faults=kept), counts)
    rates = {kind: dict(counts[kind]) for kind in (*KINDS, "none")}
    clean = counts["none"]
    bars = {
        kind: counts[kind]["over_found"] >= max(FOUND_BAR * counts[kind]["over"], 1)
        for kind in ("swap", "shift")
    }
    bars["false alarms"] = clean["said"] < FALSE_BAR * clean["pictures"]
    return rates, bars


def main(options: Options) -> None:
    """Measure, print, write."""
    if options.rounds < 1:
        raise JointloopError(f"rounds is {options.rounds}; expected at least 1")
    rates, bars = measure(options)
    print(
        f"{'':<8}{'pictures':>9}{'found':>7}{'named':>7}"
        f"{'over 4 sigmas':>15}{'found':>7}{'named':>7}"
    )
    for kind in KINDS:
        row = Counter(rates[kind])
        cells = [row["pictures"], row["found"], row["named"]]
        over = [row["over"], row["over_found"], row["over_named"]]
        print(
            f"{kind:<8}{cells[0]:>9}{cells[1]:>7}{cells[2]:>7}{over[0]:>15}{over[1]:>7}{over[2]:>7}"
        )
    clean = Counter(rates["none"])
    print(f"of {clean['pictures']} pictures without a fault, {clean['said']} are called faulty")
    for name, holds in bars.items():
        print(f"{name}: the bar {'holds' if holds else 'is missed'}")
    found = {"results": rates, "bars": bars, "share": SHARE, "shift": SHIFT, "over_sigmas": OVER}
    asked = {"rounds": options.rounds, "noise_px": options.noise, "known": list(options.known)}
    figures.write(options.json, asked | found | {"machine": figures.machine()})


if __name__ == "__main__":
    figures.run(main, Options)
