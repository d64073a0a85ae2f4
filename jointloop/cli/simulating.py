"""Verbs of the simulators' side: doctor, simulate, keys.

Each imports what it needs when it is called: `jointloop simulate` never loads torch.
"""

from pathlib import Path

import tyro

from blender_scenes.spec import Device, Engine
from jointloop.cli.app import app, out, ready


@app.command
def doctor() -> int:
    """Check that this machine has what a run needs, down to rendering one image."""
    from jointloop.cli.doctor import examine

    styles = {"ok": "green", "note": "yellow", "fail": "bold red"}
    failed = False
    for finding in examine():
        failed |= finding.state == "fail"
        out.print(f"[{styles[finding.state]}]{finding.state:>4}[/]  {finding.name:<10}", end="  ")
        out.print(finding.text, markup=False)
    out.print("something is missing" if failed else "ready")
    return 1 if failed else 0


@app.command
def simulate(
    *,
    connect: str,
    workers: int = 1,
    engine: Engine = "cycles",
    device: Device = "cpu",
    samples: int = 4,
    backgrounds: Path | None = None,
    robot: str | None = None,
    size: str | None = None,
    seed: int | None = None,
    timeout: float = 600.0,
    insecure: bool = False,
    keys: Path | None = None,
) -> int:
    """Render for a trainer elsewhere; start before or after it, join or leave in mid-run.

    Args:
        connect: Address of the trainer, such as tcp://127.0.0.1:5555.
        workers: Simulators to start.
        engine: cycles, eevee and workbench render with Blender; stick draws the robot as sticks.
        device: That Blender renders on: cpu or gpu.
        samples: Cycles' samples per pixel.
        backgrounds: Folder of your own pictures to stand behind the robot.
        robot: Take part only in runs with this robot.
        size: Take part only in runs with this image size, WIDTHxHEIGHT.
        seed: Take part only in runs with this seed.
        timeout: Longest wait for the trainer [s].
        insecure: Connect to another machine without keys, unencrypted.
        keys: Folder that `jointloop keys` made.
    """
    from simulator.fleet.fleet import Fleet
    from simulator.fleet.worker import WorkerOptions
    from simulator.transport import check_way

    ready(engine, device)
    check_way(connect, insecure, keys)
    options = WorkerOptions(
        address=connect,
        engine=engine,
        device=device,
        samples=samples,
        backgrounds=backgrounds,
        robot=robot,
        size=_checked_size(size),
        seed=seed,
        wait_s=timeout,
        insecure=insecure,
        keys=keys,
        notes=True,
    )
    return Fleet(workers, options, say=lambda line: out.print(line, markup=False)).run()


@app.command
def keys(folder: tyro.conf.Positional[Path]) -> int:
    """Make the keys that let simulators on other machines connect; copy the folder to both sides.

    Args:
        folder: A new folder.
    """
    from simulator.transport import write_keys

    write_keys(folder)
    out.print(f"keys: {folder}; pass it to both sides as --keys", markup=False)
    return 0


def _checked_size(size: str | None) -> str | None:
    from simulator.randomization.settings import parse_size

    return None if size is None else "{}x{}".format(*parse_size(size))
