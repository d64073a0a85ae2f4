"""A process of a fleet that plays a script, light enough to be started time and again.

`python -m scripted_worker JSON`; imports nothing of ours.
"""

import json
import os
import resource
import signal
import sys
import time
from pathlib import Path


def started(folder: Path, worker: int) -> int:
    """How many processes have taken that worker's place so far."""
    mark = folder / str(worker)
    return mark.stat().st_size if mark.exists() else 0


def play(act: str) -> None:
    """One act: a line to say, an exit code, or what it is named."""
    if act.isdigit():
        os._exit(int(act))
    elif act == "hang":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif act == "wait for ever":
        time.sleep(600)
    elif act.startswith("raise "):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.kill(os.getpid(), int(act[6:]))
    elif act == "eat":
        Path("/proc/self/oom_score_adj").write_text("1000")  # it, and no other
        kept = []
        while True:
            kept.append(b"x" * (1 << 22))
    else:
        print(act, flush=True)


def main() -> None:
    """Play the script of this start of this worker; the last one is of all further starts."""
    options = json.loads(sys.argv[1])
    folder, worker = Path(options["folder"]), options["worker"]
    scripts = options["scripts"][worker]
    script = scripts[min(started(folder, worker), len(scripts) - 1)]
    with (folder / str(worker)).open("ab") as mark:
        mark.write(b".")
    for act in script:
        play(act)
    os._exit(0)


if __name__ == "__main__":
    main()
