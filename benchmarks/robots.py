r"""Which of example-robot-data's robots render, and what they are made of.

Every URDF there is described by `simulator.robot.describe` and drawn once, at rest, in a process of
its own that keeps to one thread: Blender's memory grows with what it reads, and a crash is one
robot's.

    python benchmarks/robots.py --json-file benchmarks/results/robots.json \
        --table-file docs/robots-rendered.md --sheet robots.png
"""

import json
import os

# One thread a process, as in a fleet's workers; libraries read this when they are imported.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import figures
import numpy as np

from blender_scenes.robot_scene import RobotScene
from jointloop.common.errors import JointloopError
from simulator.drawing.drawing import contact_sheet, write_png
from simulator.randomization.assignment import Assignment
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings, parse_size
from simulator.randomization.variety import CALM
from simulator.robot import Robot
from simulator.robot.describe import describe
from simulator.robot.description import robots_folder
from simulator.sample_maker import SampleMaker

TIME_LIMIT = 600.0
"""For one robot [s]."""


@dataclass(frozen=True)
class Options:
    """What is drawn, and who takes it."""

    json_file: Path | None = None
    """Takes all figures."""
    table_file: Path | None = None
    """Takes them as Markdown."""
    sheet: Path | None = None
    """PNG that takes all pictures."""
    size: str = "160x120"
    """Of each, WIDTHxHEIGHT."""
    only: str = ""
    """Names of robots hold this."""
    one: Path | None = None
    """Draw this URDF alone, into the sheet, and print its figures."""


def draw(urdf: Path, size: str, picture: Path) -> dict[str, Any]:
    """Describe, build and draw one robot.

    Raises:
        JointloopError: it cannot be used, or nothing of it is seen.
    """
    started = time.perf_counter()
    description = picture.with_suffix(".toml")
    description.write_text(describe(urdf))
    robot = Robot.named(str(description))
    width, height = parse_size(size)
    settings = SampleSettings(robot=str(description), width=width, height=height, variety=CALM)
    rest = np.clip(0.0, robot.lower + 1e-6, robot.upper - 1e-6)
    prior = JointPrior.uniform(rest - 1e-6, rest + 1e-6, settings.bins)
    with SampleMaker(settings, "cycles", spp=8, detail=1.0) as maker:
        assert isinstance(maker.scene, RobotScene)
        made = maker.sample(0, 0, Assignment.of(prior))
        triangles = sum(len(shown.data.polygons) for shown in maker.scene.links.values())
    if made.labels.area < 1:
        raise JointloopError("nothing of it is in the picture")
    write_png(made.image, picture)
    meshes = {visual.mesh for visual in robot.model.visuals if visual.mesh is not None}
    return {
        "links": len(robot.model.links),
        "joints": len(robot.angle_names),
        "keypoints": len(robot.keypoints),
        "meshes": len(meshes),
        "triangles": triangles,
        "seconds": round(time.perf_counter() - started, 1),
        "notes": list(robot.notes),
    }


def attempt(urdf: Path, size: str, picture: Path) -> dict[str, Any]:
    """What `draw` gives in a process of its own, or why it gave nothing."""
    command = [
        sys.executable,
        __file__,
        "--one",
        str(urdf),
        "--size",
        size,
        "--sheet",
        str(picture),
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIME_LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        return {"rendered": False, "reason": f"not within {TIME_LIMIT:.0f} s"}
    if done.returncode == 0:
        return {"rendered": True, **json.loads(done.stdout.strip().splitlines()[-1])}
    lines = done.stderr.strip().splitlines() or [f"its process ended with {done.returncode}"]
    reason = lines[-1].removeprefix(f"URDF {urdf}: ").replace(f"{robots_folder()}/", "")
    return {"rendered": False, "reason": reason}


def table(rows: list[dict[str, Any]]) -> str:
    """The figures as Markdown."""
    rendered = sum(row["rendered"] for row in rows)
    lines = [
        "# Robots that render",
        "",
        f"{rendered} of the {len(rows)} URDFs in `example-robot-data` render, each described by",
        "`simulator.robot.describe` alone (`benchmarks/robots.py`). Seconds are those of one image",
        "of all triangles, on one thread, with reading and building.",
        "",
        "| robot | links | joints that move | meshes | triangles | seconds | rendered | notes |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        numbers = [
            row.get(key, "") for key in ("links", "joints", "meshes", "triangles", "seconds")
        ]
        verdict = "yes" if row["rendered"] else f"no: {row['reason']}"
        notes = "; ".join(row.get("notes", ())).replace("|", "\\|")
        lines.append(f"| {' | '.join(map(str, [row['robot'], *numbers, verdict, notes]))} |")
    return "\n".join(lines) + "\n"


def walk(size: str, only: str, sheet: Path | None) -> list[dict[str, Any]]:
    """One row for each robot."""
    folder, rows, pictures = robots_folder(), [], []
    with tempfile.TemporaryDirectory() as scratch:
        for number, urdf in enumerate(sorted(folder.rglob("*.urdf"))):
            name = str(urdf.relative_to(folder))
            if only not in name:
                continue
            picture = Path(scratch) / f"{number}.png"
            row = {"robot": name, **attempt(urdf, size, picture)}
            row["notes"] = [n.replace(str(folder) + "/", "") for n in row.get("notes", ())]
            rows.append(row)
            print(row.get("reason") or f"{row['seconds']} s", name, sep="  ", flush=True)
            if row["rendered"]:
                pictures.append(_titled(cv2.imread(str(picture))[..., ::-1], urdf.stem))
    if sheet is not None and pictures:
        write_png(contact_sheet(pictures), sheet)
    return rows


def _titled(picture: np.ndarray, title: str) -> np.ndarray:
    picture = np.ascontiguousarray(picture)
    cv2.putText(picture, title, (3, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (255, 255, 255), 1)
    return picture


def main(options: Options) -> None:
    """Draw every robot and say which are seen."""
    if options.one is not None:
        try:
            print(json.dumps(draw(options.one, options.size, options.sheet or Path("robot.png"))))
        except JointloopError as error:
            sys.exit(str(error))  # the reason alone, for the table
        return
    rows = walk(options.size, options.only, options.sheet)
    print(f"{sum(row['rendered'] for row in rows)} of {len(rows)} robots rendered")
    figures.write(options.json_file, {"cores": os.cpu_count(), "results": rows})
    if options.table_file:
        options.table_file.write_text(table(rows))


if __name__ == "__main__":
    figures.run(main, Options)
