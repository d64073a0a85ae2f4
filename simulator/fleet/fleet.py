"""Several simulator processes, kept alive."""

import math
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from typing import Self

from jointloop.common.errors import JointloopError
from simulator.fleet.ends import End, Exit, Reason, Starved, told
from simulator.fleet.member import Member
from simulator.fleet.process import ProcessOptions
from simulator.fleet.words import Herald, Word

STOP_S = 2.0
"""Between asking workers to stop and ending them; everything ends within five seconds."""
LONGEST_PAUSE_S = 60.0
"""Before a worker is started again."""
SILENCE_S = 180.0
"""A worker that shows no life for so long is hung."""
LOOK_S = 10.0
"""What one look at a worker counts at most: its fleet may have been stopped, and it with it."""
SOME_GIVEN_UP = 3
"""Exit code of a command that ended well, though with fewer workers than it began with."""
HOPELESS = (Exit.FAILED, Exit.REFUSED, Exit.NO_BLENDER, Exit.UNCONNECTED)
"""Ends that would only repeat themselves."""


class FleetError(JointloopError):
    """Workers cannot be started or kept running."""


class Fleet:
    """N worker processes; those that die or hang are started again.

    A worker that cannot work, or that dies time and again without delivering anything, is given up,
    and the others go on. A worker ends with the process that made the fleet, even if that is
    killed; make the fleet in a thread that lives as long as it.

    Args:
        workers: how many.
        options: of each; ids, slots and parent are filled in.
        say: takes a line of progress.
        pause_s: before a worker that died, or lost its trainer, is started again; doubles with
            every time in a row that it delivered nothing, up to a minute.
        max_failures: deaths of one worker in a row without delivering anything, before giving it
            up.
        silence_s: after so long without a sign of life a worker is ended and replaced.
        ended: takes the end of every process but those that are stopped here.

    Raises:
        FleetError: a number is out of its range.
    """

    def __init__(
        self,
        workers: int,
        options: ProcessOptions,
        *,
        say: Callable[[str], None] = print,
        pause_s: float = 1.0,
        max_failures: int = 5,
        silence_s: float = SILENCE_S,
        ended: Callable[[End], None] = lambda end: None,
    ) -> None:
        if not 1 <= workers <= 1024:
            raise FleetError(f"workers is {workers}; expected 1 to 1024")
        if not silence_s > 0:
            raise FleetError(f"silence is {silence_s:g} s; expected more than 0")
        self._options = replace(options, parent=os.getpid())
        self._say = say
        self._herald = Herald(say)
        self._pause_s = pause_s
        self._max_failures = max_failures
        self._silence_s = silence_s
        self._ended = ended
        self._starved = Starved()
        self._looked = time.monotonic()
        self._dismissed = False
        """The trainer said goodbye."""
        self.troubles: Counter[str] = Counter()
        """Processes that ended otherwise than they should, by reason."""
        first = options.worker or 0
        self.members = [Member(first + i) for i in range(workers)]

    def __enter__(self) -> Self:
        self.poll()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def running(self) -> int:
        """Processes there are now."""
        return sum(member.process is not None for member in self.members)

    @property
    def ended(self) -> bool:
        """Whether no worker runs nor will be started again."""
        return all(member.ended for member in self.members)

    @property
    def retired(self) -> dict[int, str]:
        """The workers that were given up, by number, and why."""
        return {m.number: m.retired for m in self.members if m.retired}

    def poll(self) -> None:
        """Start who is due, pass on what workers say, and see who ended or hangs. Never blocks.

        Raises:
            FleetError: no worker is left that can work; says why.
        """
        now = time.monotonic()
        since, self._looked = min(now - self._looked, LOOK_S), now
        self._starved.look()
        for member in self.members:
            self._listen(member)
            if member.process is None:
                if now >= member.restart_at:
                    self._start(member)
            elif (code := member.process.poll()) is not None:
                self._listen(member)
                killed = code == -signal.SIGKILL and member.by_fleet is None
                starved = killed and self._starved.claim()
                end = member.release(code, starved)
                if end.trouble:
                    self.troubles[str(end.reason)] += 1
                self._ended(end)
                self._decide(member, code, end)
            else:
                self._watch(member, since)
        if self._dismissed:
            self._send_home()

    def run(self, meanwhile: Callable[[], None] = lambda: None) -> int:
        """Work until the trainer is done, or Ctrl-C or SIGTERM; gives an exit code.

        A trainer that is gone is waited for.

        Args:
            meanwhile: called time and again.

        Raises:
            FleetError: as in `poll`.
        """
        previous = signal.signal(signal.SIGTERM, _interrupt)
        try:
            with self:
                while not self.ended:
                    self.poll()
                    meanwhile()
                    time.sleep(0.1)
        except KeyboardInterrupt:
            last = "stopped"
        else:
            last = "all workers ended"
        finally:
            signal.signal(signal.SIGTERM, previous)
        for line in filter(None, (told(self.troubles), last)):
            self._say(line)
        return SOME_GIVEN_UP if self.retired else 0

    def stop(self) -> None:
        """End all workers: ask, wait a while, then kill."""
        deadline = time.monotonic() + STOP_S
        for member in self.members:
            member.restart_at = math.inf
            if member.process:
                member.process.terminate()
        for member in self.members:
            if member.process is None:
                continue
            try:
                code = member.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                member.process.kill()
                code = member.process.wait()
            self._listen(member)
            member.release(code)

    def _start(self, member: Member) -> None:
        try:
            member.start(self._options)
        except OSError as error:
            raise FleetError(f"worker {member.number} cannot be started: {error}") from error

    def _listen(self, member: Member) -> None:
        """Pass on the whole lines that a worker wrote since."""
        for line in member.lines():
            word = self._herald.pass_on(member.number, line)
            member.joined |= word is Word.JOINED
            member.delivered |= word is Word.DELIVERED
            member.alone |= word is Word.TRAINER
            self._dismissed |= word is Word.GOODBYE

    def _watch(self, member: Member, seconds: float) -> None:
        """End a worker that hangs; its place is taken as if it had died."""
        member.watch(seconds)
        if member.silent_s > self._silence_s and member.process:
            self._say(f"worker {member.number} showed no life for {self._silence_s:g} s: ended")
            member.process.kill()
            member.silent_s, member.by_fleet = 0.0, Reason.HUNG

    def _send_home(self) -> None:
        """The run is over: none waits for it any longer; who works hears the goodbye itself."""
        for member in self.members:
            member.restart_at = math.inf
            if member.process and not member.joined:
                member.by_fleet = Reason.DONE
                member.process.terminate()

    def _decide(self, member: Member, code: int, end: End) -> None:
        """What follows from a worker's end."""
        name = f"worker {member.number}"
        if code == Exit.DONE or self._dismissed:
            return
        if code in HOPELESS:
            self._retire(member, f"{name} cannot work")
            return
        pause = 0.0
        if member.vain:
            pause = min(self._pause_s * 2.0 ** (member.vain - 1), LONGEST_PAUSE_S)
        if code == Exit.RECYCLE:
            self._say(f"{name} is replaced by a fresh one")
        elif code != Exit.TRAINER_GONE:  # of which one of them has told
            how = end.detail if end.reason is Reason.FAULT else str(end)
            member.failures += not member.delivered
            if member.failures > self._max_failures:
                failed = f"{name} died {member.failures} times in a row ({how})"
                self._retire(member, f"{failed} and delivered nothing")
                return
            pause = max(pause, self._pause_s)
            self._say(f"{name} died ({how}); starting again in {pause:g} s")
        if code != Exit.TRAINER_GONE:
            self._herald.forget(member.number)
        member.restart_at = time.monotonic() + pause

    def _retire(self, member: Member, reason: str) -> None:
        """Give a worker up; the others go on."""
        member.retired = f"{reason}; its last words: {member.last_words}"
        if len(self.retired) == len(self.members):
            self.stop()
            raise FleetError(member.retired)
        left = sum(not other.ended for other in self.members)
        self._say(f"{member.retired}; given up, {left} go on")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
