"""How workers are watched from a command line: lines of JSON, metrics, and the table."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from jointloop.cli.app import out
from jointloop.cli.helped import helped
from jointloop.common.errors import JointloopError

if TYPE_CHECKING:
    from simulator.fleet.watch import Screen, Watch


@helped
@dataclass(frozen=True)
class WatchOptions:
    """What shows how workers stand, beside the table on a terminal."""

    log_json: Path | None = None
    """File that JSON lines on workers, their ends and all that is said are appended to; - for the
    standard output, and what else is said goes to the standard error."""
    metrics_port: int | None = None
    """Serve metrics for Prometheus at this port; 0 takes a free one. Needs
    `pip install 'jointloop[metrics]'`."""
    metrics_host: str = "127.0.0.1"
    """Address to serve them at; by default, for this machine alone. They are not encrypted."""

    @contextlib.contextmanager
    def open(self, text: str = "starting") -> Iterator["Watch"]:
        """What shows it, for as long as the block lasts.

        Args:
            text: passing line to begin with, on a terminal.

        Raises:
            JointloopError: the file cannot be written, or the port not be taken.
        """
        from simulator.fleet.json_log import STDOUT, JsonLog
        from simulator.fleet.watch import Watch

        with contextlib.ExitStack() as stack:
            screens: list[Screen] = []
            if self.log_json is not None:
                screens.append(log := JsonLog(self.log_json))
                stack.callback(log.close)
            address = self._serve(stack, screens)
            if self.log_json == STDOUT:
                stack.callback(setattr, out, "stderr", out.stderr)
                out.stderr = True
            watch = stack.enter_context(Watch(out, text, screens))
            if address:
                watch.say(f"metrics at {address}")
            yield watch

    def _serve(self, stack: contextlib.ExitStack, screens: "list[Screen]") -> str:
        """Serve metrics if they are wanted; where."""
        if self.metrics_port is None:
            return ""
        if find_spec("prometheus_client") is None:
            raise JointloopError(
                "metrics need prometheus-client: pip install 'jointloop[metrics]', or leave out "
                "--metrics-port"
            )
        from simulator.fleet.metrics import Metrics

        screens.append(metrics := Metrics(self.metrics_port, self.metrics_host))
        stack.callback(metrics.close)
        return metrics.address


UNWATCHED = WatchOptions()
