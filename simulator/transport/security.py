"""Who may talk to whom: open on one machine, keys elsewhere."""

from dataclasses import dataclass
from pathlib import Path

from simulator.transport.addresses import Address, TransportError

TRAINER, SIMULATOR = "trainer", "simulator"


@dataclass(frozen=True)
class Security:
    """How a connection that leaves the machine is kept safe.

    Addresses on the loopback and ipc are open. Any other needs `keys`, or `insecure`.
    """

    insecure: bool = False
    """Let anyone who reaches the address take part, unencrypted."""
    keys: Path | None = None
    """Folder of `write_keys`. The simulators' copy needs no trainer.key_secret, and vice versa."""

    def check(self, address: Address) -> None:
        """Refuse an unprotected address.

        Raises:
            TransportError: the address can be reached from outside and neither way was chosen.
        """
        if not (address.private or self.keys or self.insecure):
            raise TransportError(
                f"address {address} can be reached from other machines: give a folder of keys "
                "(made by `jointloop keys`, copied to both sides), or --insecure to leave it "
                "open and unencrypted"
            )

    def certificate(self, name: str, *, secret: bool) -> Path:
        """The key file of the trainer or the simulators.

        Raises:
            TransportError: there is none.
        """
        folder = self.keys or Path()
        path = folder / f"{name}.key{'_secret' if secret else ''}"
        if not path.is_file():
            raise TransportError(
                f"no key file {path}; `jointloop keys {folder}` makes a folder of keys, "
                "to be copied to both sides"
            )
        return path
