"""Who may talk to whom: open on one machine, keys elsewhere."""

import stat
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
            TransportError: there is none, or others can read what is secret.
        """
        folder = self.keys or Path()
        path = folder / f"{name}.key{'_secret' if secret else ''}"
        if not path.is_file():
            raise TransportError(
                f"no key file {path}; `jointloop keys {folder}` makes a folder of keys, "
                "to be copied to both sides"
            )
        if secret:
            _check_private(path)
        return path


def _check_private(path: Path) -> None:
    """Refuse a secret that is none.

    The group may read what root owns: so orchestrators hand secrets to a program's own user.

    Raises:
        TransportError: others than its owner can read or change it.
    """
    found = path.stat()
    allowed = 0o740 if found.st_uid == 0 else 0o700
    if stat.S_IMODE(found.st_mode) & ~allowed & 0o777:
        raise TransportError(
            f"key file {path} can be read or changed by others, its mode is "
            f"{stat.S_IMODE(found.st_mode):04o}; expected 0600: chmod 600 {path}, or make new keys "
            "if somebody may have read it"
        )
