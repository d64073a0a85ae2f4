"""Ctrl-C and SIGTERM end every command within five seconds, and leave no process behind."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from cli_parts import line_of, started
from clock_parts import PATIENCE_S
from simulator_parts import hub_at, poll_until

from jointloop.cli.ending import GRACE_S, STOPPED

END_S = 5.0
"""From the signal to the end of the last process."""
SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


def below(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def ends_in_time(process: "subprocess.Popen[str]", number: int, processes: int) -> str:
    """Stop a command and see that nothing of it is left after `END_S`; what it said since."""
    children = below(process)
    assert len(children) == processes
    stopped = time.monotonic()
    process.send_signal(number)
    said = process.communicate(timeout=PATIENCE_S)[0]
    psutil.wait_procs(children, timeout=PATIENCE_S)
    assert time.monotonic() - stopped < END_S, said
    return said


def await_samples(process: "subprocess.Popen[str]", log: Path) -> None:
    """Wait until workers are at work, by the command's own lines of JSON."""
    deadline = time.monotonic() + PATIENCE_S
    while not (log.exists() and '"state": "working"' in log.read_text()):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.05)


@SIGNALS
def test_train_ends_with_its_workers(tmp_path: Path, number: int) -> None:
    log = tmp_path / "log"
    words = ["train", "tiny", "--run", str(tmp_path / "run"), "--workers", "2"]
    words += ["--engine", "stick", "--size", "64x48", "--log-json", str(log)]
    with started(*words) as process:
        await_samples(process, log)
        assert "Traceback" not in ends_in_time(process, number, 2)
        assert process.returncode == STOPPED


@SIGNALS
def test_simulate_ends_with_its_workers(number: int) -> None:
    with hub_at() as hub:
        words = ["--workers", "2", "--engine", "stick"]
        with started("simulate", "--connect", hub.address, *words) as process:
            poll_until(hub, lambda got: len({r.worker for r in got}) == 2)
            said = ends_in_time(process, number, 2)
            assert said.splitlines()[-1] == "stopped"
            assert process.returncode == 0


@SIGNALS
def test_simulate_ends_while_it_waits(number: int) -> None:
    with started("simulate", "--connect", "tcp://127.0.0.1:9", "--engine", "stick") as process:
        line_of(process, "waiting for a trainer")
        ends_in_time(process, number, 1)
        assert process.returncode == 0


@SIGNALS
def test_record_ends_with_its_processes(tmp_path: Path, number: int) -> None:
    log = tmp_path / "log"
    words = ["--out", str(tmp_path / "r"), "--samples", "100000", "--engine", "stick"]
    with started("record", *words, "--log-json", str(log)) as process:
        await_samples(process, log)
        assert "--resume" in ends_in_time(process, number, 2)
        assert process.returncode == STOPPED


@SIGNALS
def test_gallery_ends_and_keeps_what_is_drawn(tmp_path: Path, number: int) -> None:
    out = tmp_path / "g.png"
    words = ["--out", str(out), "--samples", "100000", "--size", "64x48", "--engine", "stick"]
    with started("gallery", *words) as process:
        line_of(process, "of 100000 samples")
        ends_in_time(process, number, 0)
        assert process.returncode == STOPPED


@pytest.mark.blender
def test_a_worker_in_the_midst_of_a_long_image_is_no_exception(tmp_path: Path) -> None:
    log = tmp_path / "log"
    words = ["--out", str(tmp_path / "r"), "--samples", "8", "--workers", "1"]
    words += ["--size", "1600x1200", "--spp", "4096", "--log-json", str(log)]
    with started("record", *words) as process:
        deadline = time.monotonic() + PATIENCE_S
        while not (workers := below(process)) or workers[0].num_threads() < 4:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        ends_in_time(process, signal.SIGINT, 1)
        assert process.returncode == STOPPED


def test_native_code_that_hears_no_signal_is_ended_with_all_below_it() -> None:
    deaf = (
        "import ctypes, subprocess, sys\n"
        "import jointloop.cli.entry as entry\n"
        "def run(_):\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "    print('deaf', flush=True)\n"
        "    lock, mutex = ctypes.CDLL(None).pthread_mutex_lock, ctypes.create_string_buffer(64)\n"
        "    while True: lock(mutex)\n"  # the second time, for ever
        "entry.run = run\n"
        "entry.main()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", deaf],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        line_of(process, "deaf")
        assert ends_in_time(process, signal.SIGTERM, 1).strip() == "jointloop: stopped"
        assert process.returncode == STOPPED


def test_who_ends_in_time_is_left_alone() -> None:
    calm = (
        "import os, signal, threading, time\n"
        "from jointloop.cli.ending import in_time\n"
        "signal.signal(signal.SIGTERM, lambda *_: None)\n"
        "with in_time(threading.Event()):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        f"time.sleep({GRACE_S + 1})\n"
        "print('whole')\n"
    )
    done = subprocess.run([sys.executable, "-c", calm], capture_output=True, text=True, check=True)
    assert done.stdout == "whole\n"
