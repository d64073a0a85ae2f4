"""Weights that come with Jointloop: in `weights/` of a checkout, inside an installed package."""

from pathlib import Path

from trainer.weights.file import WeightsError

HERE = Path(__file__).parent
FOLDERS = (HERE.parents[1] / "weights", HERE / "shipped")
"""Of a checkout, and of a wheel (see pyproject.toml)."""


def shipped_weights(name: str = "ur10") -> Path:
    """The file of weights of that name.

    Raises:
        WeightsError: none of that name came along.
    """
    for folder in FOLDERS:
        path = folder / f"{name}.safetensors"
        if path.is_file():
            return path
    raise WeightsError(
        f"no weights {name!r} came with this installation; give --weights FILE, such as "
        "runs/NAME/best.safetensors"
    )
