"""The sockets between a trainer and its simulators; nothing else imports zmq.

Trainers bind (`Hub`), simulators connect (`Link`): fleets come and go, behind any NAT. Two
connections each: control both ways, and samples from the simulators to the trainer.
"""

from simulator.addresses import TransportError
from simulator.delivery import Delivery
from simulator.roster import Received, Worker
from simulator.security import Security
from simulator.transport.hub import Hub
from simulator.transport.link import Link, RefusedError, TrainerGoneError
from simulator.transport.sockets import write_keys

__all__ = [
    "Delivery",
    "Hub",
    "Link",
    "Received",
    "RefusedError",
    "Security",
    "TrainerGoneError",
    "TransportError",
    "Worker",
    "write_keys",
]
