"""Fuzzes whatever reads bytes that others wrote: `python tests/fuzz --inputs 1000000`.

Needs atheris (`pip install 'jointloop[fuzz]'`). Each decoder has a process of its own. Exit code 1
where one did anything but return or raise a `JointloopError` of one line; the input is kept.
"""

import random
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent.parent)]
SHARES = {"message": 0.5, "picture": 0.5, "weights": 0.02, "checkpoint": 0.02, "dataset": 0.5}
"""Of inputs, beside those of the others: these take their time."""
LONGEST_S = 30
"""For one input."""
MEMORY_MB = 3000
"""That a process may take."""
LARGEST = 65536
"""Input [bytes]."""


@dataclass(frozen=True)
class Options:
    """How much, of what."""

    inputs: int = 1_000_000
    """In total, shared among the decoders."""
    seed: int = 1
    """Of the changes."""
    only: tuple[str, ...] = ()
    """Names of decoders; all if none is given."""
    found: Path = Path("fuzz-found")
    """Folder for inputs that do harm."""


def share(names: tuple[str, ...], inputs: int) -> dict[str, int]:
    """Inputs of each decoder."""
    shares = {name: SHARES.get(name, 1.0) for name in names}
    whole = sum(shares.values())
    return {name: max(1, round(inputs * own / whole)) for name, own in shares.items()}


def fuzz_one(name: str, arguments: list[str]) -> None:
    """Fuzz one decoder in this process, which ends with it."""
    import atheris

    with atheris.instrument_imports(include=["simulator", "feedback", "trainer", "jointloop"]):
        from mutate import FORMS, mutated
        from targets import TARGETS, holds

        target = TARGETS.get(name)
        if target is None:  # others need no PyTorch, which takes its time
            from trained import TARGETS as ALL

            target = ALL[name]

    def refuse(event: str, about: tuple[object, ...]) -> None:
        if event == "pickle.find_class":
            raise AssertionError(f"unpickles {about}")

    def one(data: bytes) -> None:
        holds(target, data)

    def mutate(data: bytes, largest: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if (form := FORMS.get(name)) and rng.random() < 0.8:
            try:
                return mutated(data, form, rng)[:largest]
            except ValueError:
                pass
        return atheris.Mutate(data, largest)

    sys.addaudithook(refuse)
    atheris.Setup([sys.argv[0], *arguments], one, custom_mutator=mutate)
    atheris.Fuzz()


def fuzz(name: str, inputs: int, options: Options) -> tuple[int, float, bool]:
    """Fuzz one decoder in a process of its own: inputs it was given, seconds, whether it held."""
    from seeds import seeds

    options.found.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(seeds(name)):
            (Path(corpus) / str(number)).write_bytes(seed)
        arguments = (
            f"-runs={inputs} -seed={options.seed} -timeout={LONGEST_S} -max_len={LARGEST} "
            f"-rss_limit_mb={MEMORY_MB} -print_final_stats=1 "
            f"-artifact_prefix={options.found}/{name}-"
        )
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, str(HERE), "--one", name, *arguments.split(), corpus],
            capture_output=True,
            text=True,
            errors="replace",
        )
    count = re.search(r"stat::number_of_executed_units: +(\d+)", done.stderr)
    given = int(count[1]) if count else 0
    if done.returncode or given < inputs:
        print(done.stdout[-2000:], done.stderr[-3000:], sep="\n", flush=True)
    return given, time.monotonic() - begun, not done.returncode and given >= inputs


def main() -> int:
    """Fuzz all; the exit code."""
    if sys.argv[1:2] == ["--one"]:
        fuzz_one(sys.argv[2], sys.argv[3:])
    import tyro
    from trained import TARGETS

    options = tyro.cli(Options, description=__doc__)
    names = options.only or tuple(TARGETS)
    total, good = 0, True
    for name, inputs in share(names, options.inputs).items():
        given, seconds, held = fuzz(name, inputs, options)
        total, good = total + given, good and held
        print(
            f"{name:<12} {given:>9} inputs {seconds:>7.0f} s  {'held' if held else 'FAILED'}",
            flush=True,
        )
    print(f"{total} inputs, {'all held' if good else 'see ' + str(options.found)}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
