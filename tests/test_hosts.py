"""Three hosts for real: a trainer on one, simulators on two others, keys, and a link that is cut.

Each host is a network namespace that a process of ours holds, so that nothing of them outlives the
test, however it ends; where that is not permitted, this is skipped and says so.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "faults"))

from harm import reckon
from rig import Event

from simulator.transport import write_keys

HERE = Path(__file__).parent
TIED = ("setpriv", "--pdeathsig", "KILL")
"""Begins a command that ends when this process does."""
PORT = 5555
SILENCE_S = 60.0
CUT_S = 30.0
"""Longer than a connection lives without a heartbeat."""
LONGEST_S = 400.0
"""For what busy machines take their time."""


@dataclass(frozen=True)
class Host:
    """A network of its own."""

    pid: int
    """Of the process that holds it."""

    def on(self, *words: str) -> tuple[str, ...]:
        """A command, as it is given to this host."""
        return ("nsenter", "--target", str(self.pid), "--net", *words)

    def ip(self, words: str) -> None:
        """Configure its network."""
        subprocess.run(self.on("ip", *words.split()), check=True, capture_output=True)


@contextmanager
def running(*words: str, log: Path | None = None) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that ends with the block, or with this process."""
    paths = (str(HERE.parent), str(HERE), os.environ.get("PYTHONPATH", ""))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    with ExitStack() as stack:
        out = stack.enter_context(log.open("ab")) if log else subprocess.DEVNULL
        process = subprocess.Popen([*TIED, *words], stdout=out, stderr=out, env=environment)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()


@contextmanager
def host() -> Iterator[Host]:
    """One host, with nothing but its loopback."""
    with running("unshare", "--net", "sleep", "infinity") as holder:
        made, own = Host(holder.pid), os.readlink("/proc/self/ns/net")
        deadline = time.monotonic() + 10
        while os.readlink(f"/proc/{holder.pid}/ns/net") == own:
            if holder.poll() is not None or time.monotonic() > deadline:
                raise PermissionError("a network namespace")
            time.sleep(0.05)
        made.ip("link set lo up")
        yield made


@pytest.fixture
def hosts() -> Iterator[list[Host]]:
    """A trainer's host, and two of simulators that each have a link to it: 10.77.N.0/24."""
    with ExitStack() as stack:
        try:
            trainer, *others = made = [stack.enter_context(host()) for _ in range(3)]
            for number, other in enumerate(others, 1):
                peer = f"peer name wire netns {other.pid}"
                trainer.ip(f"link add down{number} type veth {peer}")
                for end, name, last in ((trainer, f"down{number}", 1), (other, "wire", 2)):
                    end.ip(f"address add 10.77.{number}.{last}/24 dev {name}")
                    end.ip(f"link set dev {name} up")
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no network namespaces are permitted here: {error}")
        yield made


@dataclass
class Run:
    """A run under way and what it has written down so far."""

    trace: Path
    processes: list["subprocess.Popen[bytes]"]

    def events(self) -> list[Event]:
        """All of them."""
        whole = self.trace.read_text().splitlines(keepends=True)
        told = [json.loads(line) for line in whole if line.endswith("\n")]
        return [Event(each.pop("event"), each.pop("time"), each) for each in told]

    def makers(self, since: float = 0.0) -> dict[str, int]:
        """Processes that samples arrived from, with their worker ids."""
        came = [e for e in self.events() if e.event == "arrived" and e.time >= since]
        return {e.about["instance"]: e.about["maker"] for e in came}

    def wait(self, done: Callable[[], bool]) -> None:
        """Until it is so; all processes must go on meanwhile."""
        deadline = time.monotonic() + LONGEST_S
        while not done():
            assert time.monotonic() < deadline, self.makers()
            assert [process.poll() for process in self.processes] == [None] * 3
            time.sleep(0.2)


@contextmanager
def begun(hosts: list[Host], folder: Path) -> Iterator[Run]:
    """A run on these hosts, two simulators on each but the first."""
    write_keys(folder / "keys")
    trace, keys = folder / "trace.jsonl", str(folder / "keys")
    trace.touch()
    sitting = (str(HERE / "faults/sitting.py"), str(folder / "run"), f"tcp://0.0.0.0:{PORT}")
    words = [(sys.executable, *sitting, str(trace), f"{SILENCE_S:g}", keys)]
    for number in range(1, len(hosts)):
        connect = f"--connect tcp://10.77.{number}.1:{PORT} --workers 2 --engine stick"
        fleet = ("-m", "jointloop", "simulate", *connect.split(), "--keys", keys)
        words.append((sys.executable, *fleet))
    with ExitStack() as stack:
        processes = [
            stack.enter_context(running(*each.on(*given), log=folder / f"{number}.log"))
            for number, (each, given) in enumerate(zip(hosts, words, strict=True))
        ]
        yield Run(trace, processes)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_host_that_is_cut_off_comes_back_and_every_sample_arrives_once(
    hosts: list[Host], tmp_path: Path
) -> None:
    with begun(hosts, tmp_path) as run:
        run.wait(lambda: len(run.makers()) == 4)
        first = run.makers()
        hosts[1].ip("link set dev wire down")
        cut = time.time()
        run.wait(lambda: time.time() > cut + CUT_S)
        left = run.makers(cut + CUT_S / 2)
        assert len(left) == 2  # the other host goes on alone
        hosts[1].ip("link set dev wire up")
        run.wait(lambda: len(run.makers().keys() - first.keys()) >= 2)
        back = {run.makers()[each] for each in run.makers().keys() - first.keys()}
        assert back == {first[each] for each in first.keys() - left.keys()}
        (tmp_path / "run.enough").touch()
        codes = [process.wait(LONGEST_S) for process in run.processes]
        events = run.events()
    logs = [(tmp_path / f"{number}.log").read_text() for number in range(3)]
    assert codes == [0, 0, 0], logs
    summary: dict[str, Any] = json.loads((tmp_path / "run/summary.json").read_text())
    samples = reckon(events, summary)
    assert samples["expected"] == samples["delivered"] > 64
    for name in ("lost", "doubled", "different", "missing_by_the_run", "doubled_by_the_run"):
        assert samples[name] == 0, samples
    assert summary["delivery"]["workers_joined"] >= 6
    assert summary["delivery"]["workers_lost"] >= 2
