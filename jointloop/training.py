"""Verbs of the loop: demo, train, inspect; each imports what it needs when it is called."""

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from blender_scenes.spec import Device, Engine, JointloopError
from jointloop.app import app, out, ready

if TYPE_CHECKING:
    from trainer.config import Config
    from trainer.sitting import Sitting


@app.command
def demo(
    *,
    run: Path = Path("runs/demo"),
    minutes: float = 4.0,
    workers: int = 2,
    engine: Engine = "cycles",
) -> int:
    """Close the loop once: Blender workers, feedback on, preset tiny, then the report.

    Args:
        run: Folder of the run; an earlier one is moved aside.
        minutes: Training time, after the held-out set is rendered.
        workers: Simulators to start.
        engine: cycles, eevee and workbench render with Blender; stick draws the robot as sticks.
    """
    if run.exists():
        aside = next(p for i in range(1, 10_000) if not (p := Path(f"{run}-{i}")).exists())
        run.rename(aside)
        out.print(f"moved the earlier {run} to {aside}", markup=False)
    return train("tiny", run=run, workers=workers, minutes=minutes, engine=engine)


@app.command
def train(
    preset: tyro.conf.Positional[str],
    *,
    run: Path | None = None,
    workers: int | None = None,
    bind: str | None = None,
    from_: Annotated[Path | None, tyro.conf.arg(name="from")] = None,
    feedback: bool = True,
    epochs: int | None = None,
    minutes: float | None = None,
    robot: str | None = None,
    size: str | None = None,
    seed: int | None = None,
    learning_rate: float | None = None,
    precision: Literal["auto", "32", "bf16", "fp16"] | None = None,
    engine: Engine = "cycles",
    render_device: Device = "cpu",
    samples: int = 4,
    variety: str | None = None,
    backgrounds: Path | None = None,
    backbone: Path | None = None,
    weights: Path | None = None,
    augment: Literal["none", "light", "full"] | None = None,
    device: str = "auto",
    processes: int = 1,
    resume: bool = False,
    overfit_one_batch: bool = False,
    check_data: bool = False,
    timeout: float = 300.0,
    tensorboard: bool = True,
    insecure: bool = False,
    keys: Path | None = None,
) -> int:
    """Train a joint detector in the closed loop, on simulators or on a recording.

    Args:
        preset: What `jointloop presets` lists: tiny (CPU, minutes), small, light, vgg-up or
            heindl2019 (the paper's network, GPU).
        run: Folder of the run.
        workers: Simulators to start here.
        bind: Where simulators started elsewhere connect, such as tcp://127.0.0.1:5555; the port
            after it is taken too.
        from_: Folder of a recording to train from, in place of simulators; it decides on robot,
            size and variety.
        feedback: Bend the prior towards what is still wrong.
        epochs: Epochs to train, in place of the preset's.
        minutes: Training time, in place of epochs.
        robot: Robot, in place of the preset's.
        size: Image size WIDTHxHEIGHT, in place of the preset's.
        seed: Seed of all draws and of the weights.
        learning_rate: Peak learning rate, in place of the preset's.
        precision: Of the forward pass: 32, bf16, fp16, or auto: 16 bits on a GPU.
        engine: Of simulators started here: cycles, eevee and workbench render with Blender, stick
            draws sticks.
        render_device: That Blender renders on in simulators started here: cpu or gpu.
        samples: Cycles' samples per pixel, of simulators started here.
        variety: calm, full, or a TOML file, in place of the preset's.
        backgrounds: Folder of your own pictures to stand behind the robot, for simulators started
            here and for augmentation that replaces backgrounds.
        augment: How much training images are changed, in place of the preset's; full replaces
            backgrounds as well.
        backbone: File of torchvision's weights that the backbone begins with, .pth or .safetensors:
            vgg19 for heindl2019 and vgg-up, mobilenet_v2 for light.
        weights: Detector that the whole network begins with, of the same preset and keypoints:
            best.safetensors of another run, say for another size, variety or relative of the robot.
        device: To train on: cpu, cuda, cuda:N, or auto: a GPU where there is one.
        processes: That share every batch, on this machine; with cuda, each has a GPU of its own.
        resume: Go on with the run in the folder as it began; only epochs or minutes may change.
        overfit_one_batch: In place of a run, check that the network can learn a single batch by
            heart: about a minute for tiny. Leaves no run folder; exit code 1 if it cannot.
        check_data: In place of a run, check a few training batches as the trainer sees them,
            augmented, and draw them into check-data.png. Exit code 1 if something is wrong.
        timeout: Longest wait for a sample, and of processes for each other [s].
        tensorboard: Write event files for TensorBoard into the run's folder, where it is installed.
        insecure: Listen to other machines without keys, unencrypted.
        keys: Folder that `jointloop keys` made.
    """
    from simulator.transport import Security
    from simulator.variety import variety as variety_named
    from simulator.worker import WorkerOptions
    from trainer import session
    from trainer.presets import preset as named_preset
    from trainer.progress import Progress
    from trainer.runs import Run
    from trainer.sitting import Sitting
    from trainer.start import Start
    from trainer.team import is_member, start_together, started_together

    if processes < 1:
        raise JointloopError(f"processes is {processes}; expected at least 1")
    several = processes > 1 or started_together()
    if (run is not None, overfit_one_batch, check_data).count(True) != 1 or (
        not run and (resume or several)
    ):
        raise JointloopError(
            "give --run DIR for a run, or one of --overfit-one-batch and --check-data, which leave "
            "no run folder, have nothing to resume and take one process"
        )
    start_together(processes, sys.argv[1:])
    if is_member():
        with contextlib.suppress(KeyboardInterrupt):  # the lead says so
            session.follow(device, timeout)
        return 0
    run = run or Path("check-data" if check_data else "overfit-one-batch")
    _check_source(workers, bind, from_, (robot, size, variety))
    if workers:
        ready(engine, render_device)
    changes = {
        "robot": robot,
        "size": size,
        "seed": seed,
        "epochs": epochs,
        "minutes": minutes,
        "feedback": feedback,
        "learning_rate": learning_rate,
        "precision": precision,
        "augment": augment,
        "backgrounds": None if backgrounds is None else str(backgrounds),
        "variety": None if variety is None else variety_named(variety),
        "backbone": backbone and backbone.name,
        "weights": weights and weights.name,
    }
    if resume:
        config = Run.open(run).config.resumed(preset, changes)
    else:
        config = named_preset(preset).changed(**changes)
    if from_ and backgrounds and not config.augment.background:
        raise JointloopError(
            "--backgrounds is the recording's; with --from, leave it out or have augmentation "
            "replace backgrounds: --augment full"
        )
    sitting = Sitting(
        folder=run,
        workers=workers,
        bind=bind or "tcp://127.0.0.1:*",
        recording=from_,
        start=Start(backbone, weights),
        worker=WorkerOptions(
            "", engine=engine, device=render_device, samples=samples, backgrounds=backgrounds
        ),
        resume=resume,
        timeout=timeout,
        tensorboard=tensorboard,
        device=device,
        security=Security(insecure, keys),
    )
    if overfit_one_batch or check_data:
        from jointloop import looking

        return looking.check_data(config, sitting) if check_data else _rehearse(config, sitting)
    try:
        with Progress(out) as progress:
            summary = session.train(config, sitting, progress)
    except KeyboardInterrupt:
        if (run / "last.state.pt").exists():
            out.print(
                f"{run} keeps everything up to its last epoch; --resume goes on", markup=False
            )
        raise
    _print_summary(summary, run)
    return 0


@app.command
def inspect(run: tyro.conf.Positional[Path]) -> int:
    """Write and name the report of a run, finished or not, and its pictures.

    Args:
        run: Folder of the run.
    """
    from feedback.report import write_pictures, write_report

    out.print(f"report    {write_report(run)}", markup=False)
    for picture in write_pictures(run):
        out.print(f"picture   {picture}", markup=False)
    return 0


def _rehearse(config: "Config", sitting: "Sitting") -> int:
    """The exit code of a batch learnt by heart, or not."""
    from trainer.progress import Progress
    from trainer.rehearse import rehearse

    with Progress(out) as progress:
        learnt = rehearse(config, sitting, progress)
    out.print(str(learnt), markup=False)
    return 0 if learnt.passed else 1


def _check_source(
    workers: int | None, bind: str | None, from_: Path | None, images: tuple[str | None, ...]
) -> None:
    """Samples have one source, and a recording's images are what they are."""
    if (workers, bind, from_).count(None) != 2:
        raise JointloopError(
            "give one of --workers N to start simulators here, --bind ADDRESS to wait for others, "
            "and --from DIR to train from a recording"
        )
    if from_ and any(images):
        raise JointloopError(
            "--robot, --size and --variety are the recording's; leave them out with --from"
        )


def _print_summary(summary: dict[str, Any], run: Path) -> None:
    """The report's name and the three figures people ask for."""
    from feedback.report import write_report
    from trainer.record import error_line

    samples, prior = summary["samples"], summary["prior"]
    before, after = summary["before"], summary["after"]
    report = write_report(run)
    rendered = f"{samples['rendered']} rendered"
    if pool := summary.get("pool"):
        rendered = f"{pool['samples']} recorded, worth {pool['effective']:.0f} at the last prior"
    out.print(
        f"\nsamples   {rendered}; {samples['consumed']} trained on ({samples['new']} different "
        "ones)"
    )
    for name, error in (("before", before), ("after", after)):
        out.print(f"{name:<9} held out: {error_line(error)}")
    entropy = " ".join(f"{value:.2f}" for value in prior["entropy"])
    out.print(
        f"prior     {prior['versions']} versions, moved {prior['total_variation_mean']:.1%} of its "
        f"mass; entropy per joint {entropy} (1 is uniform)"
    )
    out.print(f"summary   {run / 'summary.json'}\nreport    {report}", markup=False)
