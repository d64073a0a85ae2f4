"""The command line: a user's mistake ends as one clear line and a code other than 0."""

import json
import math
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from cli_parts import jointloop, line_of, started
from clock_parts import PATIENCE_S
from recording_parts import description, recorded
from simulator_parts import hub_at

import trainer.learning.learner
from simulator.fleet.ends import Exit
from simulator.fleet.fleet import SOME_GIVEN_UP
from simulator.fleet.member import Member
from simulator.fleet.process import ProcessOptions
from simulator.transport import Security, write_keys
from trainer.config.presets import PRESETS, preset
from trainer.runs.folder import RunFolder


def free_port() -> int:
    """A port that is free together with the one after it."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "huge", "--workers", "1"], "'huge'"),
        (["train", "tiny"], "--workers N"),
        (["train", "tiny", "--workers", "1", "--overfit-one-batch"], "--run DIR"),
        (["train", "tiny", "--workers", "1", "--from", "recording"], "give one of --workers N"),
        (["train", "tiny", "--from", "nowhere"], "nowhere holds no recording"),
        (["train", "tiny", "--from", "recording", "--robot", "ur5"], "--robot"),
        (["train", "tiny", "--workers", "1", "--robot", "ur11"], "'ur11'"),
        (["train", "tiny", "--workers", "1", "--size", "big"], "WIDTHxHEIGHT"),
        (["train", "tiny", "--workers", "1", "--epochs", "0"], "epochs is 0"),
        (["train", "tiny", "--workers", "1", "--minutes", "0"], "minutes"),
        (["train", "tiny", "--workers", "0"], "workers is 0"),
        (["train", "tiny", "--workers", "1", "--backbone", "v.pth"], "backbone of tiny takes no"),
        (["train", "light", "--workers", "1", "--backbone", "v.pth"], "v.pth: No such file"),
        (["train", "tiny", "--workers", "1", "--device", "tpu"], "'tpu'"),
        (["train", "tiny", "--workers", "1", "--resume"], "holds no run"),
        (["train", "tiny", "--bind", "tcp://0.0.0.0:5555"], "--insecure"),
        (["train", "tiny", "--bind", "127.0.0.1:5555"], "tcp://"),
    ],
)
def test_a_mistake_in_train_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert jointloop(*words, "--run", str(tmp_path / "run")) == 2
    error = capsys.readouterr().err.strip()
    assert message in error
    assert len(error.splitlines()) == 1
    # A mistake leaves no folder that would be in the way of the next try.
    assert not (tmp_path / "run").exists()


def test_a_port_in_use_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        code = jointloop("train", "tiny", "--bind", address, "--run", str(tmp_path / "run"))
    assert code == 2
    assert address in capsys.readouterr().err


def test_no_simulator_is_said_with_where_to_connect(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    words = ["train", "tiny", "--bind", address, "--timeout", "0.5", "--run", str(tmp_path / "r")]
    assert jointloop(*words) == 2
    assert f"jointloop simulate --connect {address}" in capsys.readouterr().err


@pytest.mark.parametrize("trainer_first", [True, False])
def test_trainer_and_simulators_start_in_either_order(tmp_path: Path, trainer_first: bool) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    run = str(tmp_path / "run")
    trainer = ["train", "tiny", "--run", run, "--bind", address, "--minutes", "0.05"]
    trainer += ["--size", "64x48"]
    simulator = ["simulate", "--connect", address, "--workers", "2", "--engine", "stick"]
    one, other = (trainer, simulator) if trainer_first else (simulator, trainer)
    with started(*one) as first:
        waits = "listening for simulators" if trainer_first else "waiting for a trainer"
        line_of(first, waits)
        with started(*other) as second:
            outputs = [p.communicate(timeout=PATIENCE_S)[0] for p in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), outputs
    assert (tmp_path / "run" / "report.html").is_file()


def test_a_run_that_had_to_give_a_simulator_up_ends_well_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cannot = tmp_path / "cannot"
    cannot.write_text(f"#!/bin/sh\necho no such thing\nexit {Exit.FAILED.value}\n")
    cannot.chmod(0o755)
    start = Member.start

    def start_but_the_first(member: Member, options: ProcessOptions) -> None:
        with monkeypatch.context() as only:
            if member.number == 0:
                only.setattr(sys, "executable", str(cannot))
            start(member, options)

    monkeypatch.setattr(Member, "start", start_but_the_first)
    run = tmp_path / "run"
    words = ["train", "tiny", "--run", str(run), "--workers", "2", "--engine", "stick"]
    assert jointloop(*words, "--size", "64x48", "--minutes", "0.05") == SOME_GIVEN_UP
    given_up = json.loads((run / "summary.json").read_text())["simulators"]["given_up"]
    assert given_up == {"0": "worker 0 cannot work; its last words: no such thing"}
    told = capsys.readouterr().out
    assert f"{given_up['0']}; given up, 1 go on" in " ".join(told.split())
    assert "absence   given up: worker 0" in told


def test_ctrl_c_ends_trainer_and_simulators_and_keeps_the_run(tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ["train", "tiny", "--run", str(run), "--workers", "2", "--engine", "stick"]
    with started(*words, "--size", "64x48") as process:
        line_of(process, "epoch 1:")  # what epoch 0 left is written, and all is imported
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=PATIENCE_S)[0]
    assert process.returncode == 130, output
    assert "Traceback" not in output
    assert "--resume" in output
    assert len(children) == 2
    assert psutil.wait_procs(children, timeout=PATIENCE_S)[1] == []
    assert not list(run.glob("*.part"))


def test_inspect_of_no_run_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert jointloop("inspect", str(tmp_path)) == 2
    assert "holds no run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--connect", "127.0.0.1:5555"], "tcp://"),
        (["--connect", "tcp://10.0.0.9:5555"], "--insecure"),
        (["--connect", "tcp://127.0.0.1:5555", "--keys", "nowhere"], "no key file"),
    ],
)
def test_a_mistake_in_simulate_is_one_line_before_anything_starts(
    capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert jointloop("simulate", "--engine", "stick", *words) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert len((shown.out + shown.err).strip().splitlines()) == 1


def test_keys_are_made_in_a_folder_that_both_sides_take(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "keys"
    assert jointloop("keys", str(folder)) == 0
    assert capsys.readouterr().out == f"keys: {folder}; pass it to both sides as --keys\n"
    assert jointloop("keys", str(folder)) == 2
    assert "holds keys already" in capsys.readouterr().err
    far = ["--connect", "tcp://127.0.0.1:9", "--keys", str(folder), "--timeout", "0.5"]
    assert jointloop("simulate", "--engine", "stick", *far) == 2  # let through, and nobody there
    assert "no trainer at tcp://127.0.0.1:9" in capsys.readouterr().err


FAR_SIMULATE = ("simulate", "--engine", "stick", "--connect", "tcp://127.0.0.1:9", "--timeout", "1")
FAR_TRAIN = ("train", "tiny", "--bind", "tcp://127.0.0.1:0", "--timeout", "1")


@pytest.mark.parametrize(
    ("verb", "own", "other"),
    [(FAR_SIMULATE, "simulator", "trainer"), (FAR_TRAIN, "trainer", "simulator")],
    ids=["simulate", "train"],
)
def test_keys_that_are_not_as_they_should_be_are_named_and_nothing_starts(
    verb: tuple[str, ...],
    own: str,
    other: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    keys = tmp_path / "keys"
    write_keys(keys)
    secret, public = keys / f"{own}.key_secret", keys / f"{other}.key"
    run = ["--run", "run"] if "train" in verb else []

    def told() -> str:
        assert jointloop(*verb, *run, "--keys", str(keys)) == 2
        shown = capsys.readouterr()
        (line,) = (shown.out + shown.err).strip().splitlines()
        assert not (tmp_path / "run").exists()
        return line

    for mode in (0o644, 0o604, 0o620, 0o606):
        secret.chmod(mode)
        assert f"{secret} can be read or changed by others, its mode is {mode:04o}" in told()
    secret.chmod(0o600)
    whole = secret.read_text()
    for spoilt in ("", "no key\n", whole.replace("secret-key", "other-key")):
        secret.write_text(spoilt)
        assert f"key file {secret} cannot be read" in told()
    secret.write_text(whole)
    public.rename(keys / "elsewhere")
    assert f"no key file {public}" in told()
    secret.unlink()
    assert "no key file" in told()


def test_a_fleet_with_keys_of_others_ends_with_one_line(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("ours", "theirs"):
        write_keys(tmp_path / name)
    (tmp_path / "theirs/trainer.key").write_bytes((tmp_path / "ours/trainer.key").read_bytes())
    with hub_at(security=Security(keys=tmp_path / "ours")) as hub:
        words = ["--connect", hub.address, "--keys", str(tmp_path / "theirs")]
        assert jointloop("simulate", "--engine", "stick", *words) == 2
        assert hub.delivery.workers_joined == 0
    shown = capfd.readouterr()
    assert "Traceback" not in shown.out
    (line,) = shown.err.strip().splitlines()
    assert f"the trainer at {hub.address} does not know this side's keys" in line


def test_a_loss_that_is_not_finite_ends_in_one_line_and_keeps_the_last_epoch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = recorded(tmp_path / "sticks", description(samples=24)).folder
    few = replace(preset("tiny"), epoch_samples=16, epochs=3)  # two steps an epoch
    monkeypatch.setitem(PRESETS, "tiny", lambda: few)
    run, sound = tmp_path / "run", trainer.learning.learner.training_loss
    words = ["train", "tiny", "--from", str(source), "--run", str(run), "--device", "cpu"]
    steps = 0

    def broken(*arguments: Any) -> Any:
        nonlocal steps
        steps += 1
        return sound(*arguments) * (math.nan if steps > 3 else 1.0)

    monkeypatch.setattr("trainer.learning.learner.training_loss", broken)
    assert jointloop(*words) == 2
    error = capsys.readouterr().err.strip()
    assert len(error.splitlines()) == 1
    assert "at step 3 the loss is nan" in error
    assert "--learning-rate under 0.006" in error
    assert f"{run} keeps epoch 1" in error
    assert [row["epoch"] for row in RunFolder.open(run).metrics()] == [0, 1]
    assert RunFolder.open(run).metrics()[-1]["steps"] == 2

    monkeypatch.setattr("trainer.learning.learner.training_loss", sound)
    assert jointloop(*words, "--resume") == 0
    assert [row["epoch"] for row in RunFolder.open(run).metrics()] == [0, 1, 2, 3]


def test_pictures_of_a_recording_are_replaced_by_augmentation_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = str(tmp_path)
    words = ("train", "tiny", "--run", f"{here}/run", "--from", here, "--backgrounds", here)
    assert jointloop(*words) == 2
    assert "--augment full" in capsys.readouterr().err
    assert jointloop(*words, "--augment", "full") == 2
    assert "holds no recording" in capsys.readouterr().err


def test_a_batch_that_is_not_learnt_is_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = recorded(tmp_path / "sticks", description()).folder
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("trainer.preflight.overfit.STEPS", 8)
    words = ["train", "tiny", "--overfit-one-batch", "--from", str(source), "--device", "cpu"]
    assert jointloop(*words) == 1
    assert capsys.readouterr().out.strip().splitlines()[-1].startswith("fail: loss")
    assert [path.name for path in tmp_path.iterdir()] == ["sticks"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_of_an_import_ends_the_program(number: int, tmp_path: Path) -> None:
    swallows = (
        f"try:\n    os.kill(os.getpid(), {int(number)})\nexcept KeyboardInterrupt:\n    pass\n"
    )
    (tmp_path / "swallows.py").write_text(f"import os\n{swallows}")
    verb = "import jointloop.cli.entry as c; c.run = lambda _: __import__('swallows'); c.main()"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.append({str(tmp_path)!r}); {verb}"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert (done.returncode, done.stderr.strip()) == (130, "jointloop: stopped")


def test_a_reader_who_has_seen_enough_is_no_error() -> None:
    command = f"{sys.executable} -m jointloop presets | head -n 1"
    told = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert told.stderr == ""
    assert len(told.stdout.splitlines()) == 1
