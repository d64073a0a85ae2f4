"""Training samples as they arrive: fair between workers, reused where simulators are slow."""

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from jointloop.common.draws import random_source
from simulator.fleet.fleet import Fleet, FleetError
from simulator.randomization.assignment import Assignment
from simulator.randomization.poses import PoseCounts
from simulator.sample import Sample
from simulator.transport import Delivery, Hub, Order, Received, Standing
from trainer.batch import Batch, stack
from trainer.config.config import StreamConfig
from trainer.data.account import Absence, Account, standing_of
from trainer.data.source import SourceCounts, SourceError

DRAWS = 0x6C697665
"""What tells apart the random numbers that choose among buffered samples."""
PATIENCE = 10.0
"""Seconds of waiting after which the source says that it waits."""


@dataclass
class _Kept:
    sample: Sample
    uses: int = field(default=1)


class LiveSource:
    """Batches from the hub's workers.

    A batch takes what is new, in turn from every worker, and fills up from a bounded buffer of
    recent samples; each may be used `max_uses` times. A worker may send one more for every new
    sample taken; or, where the newest count, for every one that arrives: then what arrived first is
    dropped as soon as more than its credits wait.
    """

    def __init__(
        self,
        hub: Hub,
        config: StreamConfig,
        *,
        seed: int = 0,
        timeout: float = 300.0,
        fleet: Fleet | None = None,
        say: Callable[[str], None] = print,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        """Read from a hub.

        Args:
            hub: where simulators connect; the caller closes it.
            config: buffer and reuse.
            seed: of the choice among buffered samples.
            timeout: longest wait without any sample [s].
            fleet: of simulators started here, to be kept alive; the caller stops it.
            say: takes a line for the user.
            meanwhile: called time and again while samples are taken and waited for.
        """
        self.hub = hub
        self.counts = SourceCounts()
        self.poses = PoseCounts()
        self._account = Account()
        self._earlier = Delivery()
        self._dropped = 0
        self._config = config
        self._seed = seed
        self._timeout = timeout
        self._fleet = fleet
        self._say = say
        self._meanwhile = meanwhile
        self._new: dict[int, deque[Received]] = {}
        self._turn = 0
        self._taken: Counter[int] = Counter()  # by worker, and not ordered anew yet
        self._kept: deque[_Kept] = deque(maxlen=config.buffer if config.max_uses > 1 else 0)
        self._absence = Absence()
        self._noted = 0
        """Of the samples trained on without simulators, those that an epoch's line has told of."""
        self._here = 0
        """Simulators at the last look."""

    def hold(self, count: int, terms: Assignment) -> list[Sample]:
        """Held-out samples: the next `count`, drawn by these terms and kept from training.

        Raises:
            SourceError: none arrives within the time-out.
        """
        self.hub.assign(terms)
        self.hub.limit_outstanding(self.hub.delivery.received + count)
        held: list[Sample] = []
        said = time.monotonic()
        while len(held) < count:
            self._await_new()
            while len(held) < count and (sample := self._take_new()) is not None:
                self._account.hold(sample.hidden.provenance)
                held.append(sample)
            self._order_more()
            if time.monotonic() - said > PATIENCE:
                said = time.monotonic()
                self._say(f"held-out set: {len(held)} of {count} samples")
        return held

    def send(self, terms: Assignment) -> None:
        """An epoch begins: training samples are ordered by these terms from now on."""
        self._account.begin(terms.version)
        self.hub.assign(terms)
        self.hub.limit_outstanding(None)  # that a held-out set needed

    def batch(self, size: int) -> Batch:
        """The next training batch.

        Raises:
            SourceError: too few samples arrive within the time-out.
        """
        self._watch()
        self._receive(0.0)
        chosen: list[_Kept] = []
        self._add_new(chosen, size)
        while len(chosen) + len(spare := self._reusable(chosen)) < size:
            self.counts.waited += self._await_new()
            self._add_new(chosen, size)
        if short := size - len(chosen):
            rng = random_source(self._seed, DRAWS, self.counts.consumed)
            for i in rng.choice(len(spare), short, replace=False):
                spare[i].uses += 1
                chosen.append(spare[i])
        self.counts.consumed += size
        if self._absence.times and not self._here:
            self._absence.consumed += size
        return stack([kept.sample for kept in chosen])

    @property
    def standing(self) -> Standing:
        """Where the run's orders stand: what arrived and was not used is still wanted.

        It would be lost with this process.
        """
        standing, waiting = self.hub.standing, self._waiting()
        if self._config.delivery == "latest":
            return standing
        return replace(standing, wanted=(*waiting, *standing.wanted))

    def _waiting(self) -> list[Order]:
        """What samples are that arrived and were not used."""
        queued = (received for samples in self._new.values() for received in samples)
        return [received.order for received in queued if received.order]

    def note(self) -> str:
        """How many samples since the last epoch were trained on while no simulator was there."""
        alone = self._absence.consumed - self._noted
        self._noted = self._absence.consumed
        return f"no simulator for {alone} samples trained on" if alone else ""

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs, as plain values."""
        return {
            "counts": asdict(self.counts),
            "poses": asdict(self.poses),
            "orders": self.standing.to_plain(),
            "aside": self._account.state_dict(),
            "delivery": self._delivery.to_json(),
            "absence": asdict(self._absence),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`; the hub takes `standing_of` it before simulators connect.

        Raises:
            SourceError: the run's samples came from a recording.
        """
        self._account.load_state(state.get("aside"), standing_of(state))
        self.counts = SourceCounts(**state["counts"])
        self.poses = PoseCounts(**state.get("poses", {}))  # older runs have none
        self._absence = Absence(**state.get("absence", {}))  # likewise
        self._noted = self._absence.consumed
        self._earlier = Delivery(**state["delivery"])

    @property
    def _delivery(self) -> Delivery:
        """Of all starts of the run."""
        return self._earlier.plus(replace(self.hub.delivery, dropped=self._dropped))

    def traffic(self) -> dict[str, Any]:
        """What came of samples and workers, as plain numbers for the run's metrics."""
        workers, delivery = self.hub.workers, self._delivery
        return {
            "samples_rendered": max(delivery.rendered, delivery.received),
            "samples_received": delivery.received,
            "samples_consumed": self.counts.consumed,
            "samples_new": self.counts.new,
            "delivery": delivery.to_json(),
            **self._account.traffic(self.standing),
            "workers": {
                id: {
                    "adaptive": worker.adaptive,
                    "alive": worker.alive,
                    "received": worker.received,
                    "prior_version": worker.prior_version,
                    "rss_mb": round(worker.rss / 2**20),
                }
                for id, worker in workers.items()
            },
            "simulators": {
                "given_up": self._fleet.retired if self._fleet else {},
                "ended_early": dict(self._fleet.troubles) if self._fleet else {},
                "times_all_left": self._absence.times,
                "samples_consumed_without": self._absence.consumed,
            },
            **self.poses.traffic(),
        }

    def _add_new(self, chosen: list[_Kept], size: int) -> None:
        while len(chosen) < size and (sample := self._take_new()) is not None:
            source = sample.hidden.provenance
            self._account.use(source, self.hub.follows(source.worker))
            chosen.append(_Kept(sample))
            self._kept.append(chosen[-1])
            self.counts.new += 1
        self._order_more()

    def _reusable(self, chosen: list[_Kept]) -> list[_Kept]:
        taken = {id(kept) for kept in chosen}
        most = self._config.max_uses
        return [k for k in self._kept if k.uses < most and id(k) not in taken]

    def _order_more(self) -> None:
        """Of each worker, as many as were taken since."""
        if self._config.delivery == "complete":
            for worker, count in self._taken.items():
                self.hub.consumed(worker, count)
        self._taken.clear()

    def _take_new(self) -> Sample | None:
        """One new sample, from the workers in turn."""
        waiting = sorted(worker for worker, samples in self._new.items() if samples)
        if not waiting:
            return None
        worker = next((w for w in waiting if w >= self._turn), waiting[0])
        self._turn = worker + 1
        self._taken[worker] += 1
        sample = self._new[worker].popleft().sample
        self.poses.count(sample.hidden.provenance)
        return sample

    def _await_new(self) -> float:
        """Block until at least one new sample is here; the seconds that took."""
        started = said = time.monotonic()
        while not any(self._new.values()):
            now = time.monotonic()
            if now - started > self._timeout:
                raise SourceError(f"no sample arrived for {self._timeout:.0f} s; {self._state()}")
            if now - said > PATIENCE:
                said = now
                self._say(f"waiting for samples for {now - started:.0f} s; {self._state()}")
            self._watch()
            self._receive(0.2)
        return time.monotonic() - started

    def _watch(self) -> None:
        """Keep simulators started here alive.

        Raises:
            FleetError: none is left.
        """
        if self._fleet is None:
            return
        self._fleet.poll()
        if self._fleet.ended:
            raise FleetError("all simulators have ended; their last words stand above")

    def _receive(self, wait: float) -> None:
        for received in self.hub.poll(wait):
            waiting = self._new.setdefault(received.worker, deque())
            waiting.append(received)
            if self._config.delivery == "latest":
                self.hub.consumed(received.worker)
                if len(waiting) > self._config.credits:
                    waiting.popleft()
                    self._dropped += 1
        self._look_around()
        self._meanwhile()

    def _look_around(self) -> None:
        """Say so when the last simulator leaves, and when the first is back."""
        before = self._here
        self._here = sum(worker.alive for worker in self.hub.workers.values())
        if before and not self._here:
            self._absence.times += 1
            here = sum(map(len, self._new.values())) + len(self._reusable([]))
            goes_on = f"training goes on with {here} samples" if here else "training waits for one"
            self._say(
                f"no simulator left: {goes_on}; start one with "
                f"`jointloop simulate --connect {self.hub.address}`"
            )
        elif self._here and not before and self._absence.times:
            self._say(f"simulators are back: {self._here}")

    def _state(self) -> str:
        if not self.hub.workers:
            return (
                f"no simulator has connected to {self.hub.address}; start one with "
                f"`jointloop simulate --connect {self.hub.address}`"
            )
        here = sum(worker.alive for worker in self.hub.workers.values())
        if not here:
            return (
                f"all {len(self.hub.workers)} simulators have left {self.hub.address}; start one "
                f"with `jointloop simulate --connect {self.hub.address}`"
            )
        rejected = self.hub.delivery.rejected
        reasons = ", ".join(f"{count} for {reason}" for reason, count in rejected.items())
        more = f"; messages refused: {reasons}" if reasons else ""
        return f"{here} simulators connected to {self.hub.address}{more}"
