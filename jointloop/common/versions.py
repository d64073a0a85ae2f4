"""What is installed here."""

from importlib.metadata import PackageNotFoundError, version

NONE = "not installed"


def installed(name: str) -> str:
    """Version of an installed package, or that there is none."""
    try:
        return version(name)
    except PackageNotFoundError:
        return NONE
