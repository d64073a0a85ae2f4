"""What a sample costs: rates of one worker and of two, CPU time, and where the time goes.

`python benchmarks/render.py --json FILE` also writes the figures. Every ratio is of times taken on
the same frames in the same run, of processes that keep to one thread. `plain` is Blender as a
script would use it: all triangles, the whole frame, an HDRI as the world with Blender's own
sampling, a PNG file; it is spared the threads that spin beside a frame (`blender_scenes.blender`).
"""

import os

# One thread a process, as in a fleet's workers; libraries read this when they are imported.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import figures
import numpy as np

from simulator.fleet.fleet import Fleet
from simulator.fleet.worker import WorkerOptions
from simulator.randomization import hidden
from simulator.randomization.assignment import Assignment
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings, parse_size
from simulator.randomization.variety import CALM, Variety
from simulator.sample import simulate
from simulator.sample_maker import SampleMaker
from simulator.transport import Hub
from simulator.transport.codec import Codec
from simulator.transport.messages import SCHEMA

STAGES = ("draw", "sync", "render", "read", "composite", "labels", "publish")
WARM_UP = 5


@dataclass(frozen=True)
class Options:
    """What is measured, at every size."""

    sizes: tuple[str, ...] = ("160x120", "320x240", "640x480")
    """Of images, WIDTHxHEIGHT."""
    spp: int = WorkerOptions("").spp
    """Cycles' samples per pixel."""
    variety: Literal["calm", "full", "real"] = "calm"
    """Of the scenes."""
    frames: int = 40
    """That the stages are timed on."""
    plain_frames: int = 8
    """That plain Blender is timed on."""
    seconds: float = 20.0
    """Of each rate."""
    json: Path | None = None
    """File to write the figures to as well."""


def settings_of(size: str, variety: str) -> SampleSettings:
    """Settings of that size and variety."""
    width, height = parse_size(size)
    return SampleSettings(
        width=width, height=height, variety=CALM if variety == "calm" else Variety()
    )


def prior_of(maker: SampleMaker) -> JointPrior:
    """The uniform prior of the maker's robot."""
    robot = maker.robot
    return JointPrior.uniform(robot.lower, robot.upper, maker.settings.bins)


def stages(settings: SampleSettings, spp: int, count: int) -> dict[str, Any]:
    """Median wall time of every stage of one process's samples, and CPU time per sample [s]."""
    rows, cpu = [], []
    with SampleMaker(settings, "cycles", spp) as maker:
        prior = prior_of(maker)
        codec = Codec("benchmark", settings, maker.robot, prior)
        for index in range(WARM_UP + count):
            started, burnt = time.perf_counter(), time.process_time()
            drawn = hidden.draw(maker.robot, settings, Assignment.of(prior), 0, index)
            posed = time.perf_counter()
            made = simulate(maker.scene, maker.robot, settings, drawn)
            done = time.perf_counter()
            codec.encode(made, bytes(16), index)
            sent = time.perf_counter()
            labelled = done - posed - sum(made.seconds.values())
            rows.append(
                {
                    **made.seconds,
                    "draw": posed - started,
                    "labels": labelled,
                    "publish": sent - done,
                }
            )
            cpu.append(time.process_time() - burnt)
    kept = rows[WARM_UP:]
    medians = {name: float(np.median([row[name] for row in kept])) for name in STAGES}
    total = [sum(row.values()) for row in kept]
    bare = [row["render"] for row in kept]
    return {
        "stage_seconds": medians,
        "over_render": float(np.sum(total) / np.sum(bare)) - 1,
        "cpu_seconds": float(np.mean(cpu[WARM_UP:])),
    }


def rate(settings: SampleSettings, spp: int, workers: int, seconds: float) -> float:
    """Samples a second that arrive at a trainer which consumes them at once."""
    with SampleMaker(settings, "stick") as maker:
        robot, prior = maker.robot, prior_of(maker)
    options = WorkerOptions("", spp=spp)
    with Hub("tcp://127.0.0.1:0", "benchmark", settings, robot, Assignment.of(prior)) as hub:
        options = WorkerOptions(hub.local_address, spp=spp)
        with Fleet(workers, options, say=lambda line: None) as fleet:
            arrived: dict[int, int] = dict.fromkeys(range(workers), 0)
            started = time.monotonic()
            counted = 0
            while time.monotonic() - started < seconds or min(arrived.values()) < WARM_UP:
                fleet.poll()
                warm = min(arrived.values()) >= WARM_UP
                for received in hub.poll(0.1):
                    hub.consumed(received.worker)
                    arrived[received.worker] += 1
                    counted += warm
                if not warm:
                    started = time.monotonic()
            return counted / (time.monotonic() - started)


PLAIN = """
import json, sys, time
from blender_scenes.blender import bpy, mathutils
import numpy as np
from simulator.randomization import hidden, prior, settings
from simulator.randomization.assignment import Assignment
from simulator.robot import robot
from blender_scenes.film import aim
from blender_scenes.meshes import quiet
width, height, spp, count = (int(v) for v in sys.argv[1:5])
r, s = robot.Robot.named("ur10"), settings.SampleSettings(width=width, height=height)
p = prior.JointPrior.uniform(r.lower, r.upper, s.bins)
with quiet():
    bpy.ops.wm.read_factory_settings(use_empty=True)
scene, links = bpy.context.scene, []
for visual in r.model.visuals:
    before = set(bpy.data.objects)
    with quiet():
        bpy.ops.wm.collada_import(filepath=str(visual.mesh))
    links.append((visual.link, [o for o in set(bpy.data.objects) - before if o.type == "MESH"]))
sun = bpy.data.objects.new("sun", bpy.data.lights.new("sun", "SUN"))
camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
for block in (sun, camera):
    scene.collection.objects.link(block)
scene.camera, world = camera, bpy.data.worlds.new("world")
scene.world, world.use_nodes = world, True
sky = world.node_tree.nodes.new("ShaderNodeTexEnvironment")
world.node_tree.links.new(sky.outputs[0], world.node_tree.nodes["Background"].inputs[0])
folder = bpy.utils.resource_path("LOCAL") + "/datafiles/studiolights/world/"
scene.render.engine, scene.cycles.samples = "CYCLES", spp
scene.cycles.use_denoising = scene.cycles.use_adaptive_sampling = False
scene.render.threads_mode, scene.render.threads = "FIXED", 1
scene.render.use_persistent_data = True
scene.render.filepath = sys.argv[5]
burnt = []
for index in range(count + 1):
    drawn = hidden.draw(r, s, Assignment.of(p), 0, index)
    frame = hidden.frame(r, drawn, width, height)
    start = time.process_time()
    for link, blocks in links:
        for block in blocks:
            block.matrix_world = mathutils.Matrix(frame.T_world_link[link].tolist())
    aim(camera, frame.camera)
    sky.image = bpy.data.images.load(folder + drawn.environment.hdri + ".exr", check_existing=True)
    with quiet():
        bpy.ops.render.render(write_still=True)
    burnt.append(time.process_time() - start)
print(json.dumps(float(np.mean(burnt[1:]))))
"""


def plain(settings: SampleSettings, spp: int, count: int) -> float:
    """CPU seconds a frame of Blender used plainly, on the same poses and views."""
    words = [str(v) for v in (settings.width, settings.height, spp, count)]
    file = Path(os.environ.get("TMPDIR", "/tmp")) / f"plain-{os.getpid()}.png"
    done = subprocess.run(
        [sys.executable, "-c", PLAIN, *words, str(file)], capture_output=True, text=True, check=True
    )
    file.unlink(missing_ok=True)
    return float(done.stdout.strip().splitlines()[-1])


def measure(size: str, options: Options) -> dict[str, Any]:
    """All figures of one image size."""
    settings, spp = settings_of(size, options.variety), options.spp
    row: dict[str, Any] = {"size": size, **stages(settings, spp, options.frames)}
    for workers in (1, 2):
        row[f"rate_{workers}"] = rate(settings, spp, workers, options.seconds)
    row["plain_cpu_seconds"] = plain(settings, spp, options.plain_frames)
    row["cpu_share_of_plain"] = row["cpu_seconds"] / row["plain_cpu_seconds"]
    return row


def main(options: Options) -> None:
    """Measure and print."""
    cv2.setNumThreads(1)
    results = []
    for size in options.sizes:
        row = measure(size, options)
        results.append(row)
        times = " ".join(f"{k} {1e3 * v:.1f}" for k, v in row["stage_seconds"].items())
        print(
            f"{size}: {row['rate_1']:.1f} samples/s from one worker, {row['rate_2']:.1f} from two; "
            f"{1e3 * row['cpu_seconds']:.0f} ms CPU a sample, {row['cpu_share_of_plain']:.2f} of "
            f"plain Blender's {1e3 * row['plain_cpu_seconds']:.0f}; {row['over_render']:.0%} on "
            f"top of the render call\n    [ms] {times}",
            flush=True,
        )
    taken = {"spp": options.spp, "variety": options.variety, "schema": SCHEMA}
    figures.write(options.json, {**taken, **figures.machine(), "results": results})


if __name__ == "__main__":
    figures.run(main, Options)
