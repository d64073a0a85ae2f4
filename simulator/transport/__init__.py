"""The sockets between a trainer and its simulators; nothing else imports zmq.

Trainers bind (`Hub`), simulators connect (`Link`): fleets come and go, behind any NAT. Two
connections each: control both ways, and samples from the simulators to the trainer.
"""

from pathlib import Path

from simulator.transport.addresses import Address, TransportError
from simulator.transport.codec import Received
from simulator.transport.delivery import Delivery
from simulator.transport.handshakes import RefusedError
from simulator.transport.hub import Hub
from simulator.transport.link import Link, TrainerGoneError
from simulator.transport.orders import Order, Orders, Standing, is_adaptive
from simulator.transport.security import SIMULATOR, TRAINER, Security
from simulator.transport.sockets import load_pair, load_public, write_keys
from simulator.transport.worker import Worker

__all__ = [
    "Delivery",
    "Hub",
    "Link",
    "Order",
    "Orders",
    "Received",
    "RefusedError",
    "Security",
    "Standing",
    "TrainerGoneError",
    "TransportError",
    "Worker",
    "check_way",
    "is_adaptive",
    "write_keys",
]


def check_way(address: str, insecure: bool, keys: Path | None) -> None:
    """Refuse what no simulator could connect by, before any is started.

    Raises:
        TransportError: the address cannot be used, or needs keys that are not there.
    """
    security = Security(insecure, keys)
    security.check(Address.parse(address))
    if keys:
        load_pair(security.certificate(SIMULATOR, secret=True))
        load_public(security.certificate(TRAINER, secret=False))
