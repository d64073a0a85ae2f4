"""Finds the files that a URDF's meshes name."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from blender_scenes.mesh_files import MESHES
from simulator.robot.errors import RobotError
from simulator.robot.xacro import EXPAND


@dataclass(frozen=True)
class MeshFinder:
    """Knows where the meshes of one URDF may lie."""

    urdf: Path
    packages: Mapping[str, Path]
    """Folders of ROS packages; others are looked for above the URDF and where ROS has them."""

    def find(self, name: str, where: str) -> Path:
        """The file that a mesh names: package://PACKAGE/REST, file://PATH, or beside the URDF.

        Args:
            name: as it stands in the URDF.
            where: what the mesh belongs to, for errors.

        Raises:
            RobotError: there is none, or it is of a kind that is not known.
        """
        scheme, _, rest = name.strip().replace("\\", "/").rpartition("://")  # Windows writes \\
        if scheme in ("package", "model"):
            package, _, inside = unquote(rest).partition("/")
            folders = self._folders_of(package)
            if not folders:
                raise RobotError(
                    f"{where}: no folder of package {package!r} ({name}); tell where it is in the "
                    f"robot's TOML file: packages = {{ {package} = 'FOLDER' }}"
                )
            tried = [folder / inside for folder in folders]
        elif scheme in ("file", ""):
            tried = [self.urdf.parent / unquote(rest), self.urdf.parent / rest]
        else:
            raise RobotError(f"{where}: mesh {name!r}; package://, file:// or a path are known")
        found = next((path for path in tried if path.is_file()), None)
        if found is None:
            looked = ", ".join(dict.fromkeys(map(str, tried)))
            unexpanded = f"; {EXPAND}" if "${" in name or "$(" in name else ""
            raise RobotError(f"{where}: mesh {name!r} is missing; looked for {looked}{unexpanded}")
        if found.suffix.lower() not in MESHES:
            raise RobotError(f"{where}: mesh {found}; {', '.join(MESHES)} are known")
        return found

    def _folders_of(self, package: str) -> list[Path]:
        """Folders that may hold a package, the likeliest first."""
        if package in self.packages:
            return [self.packages[package]]
        above = [p if p.name == package else p / package for p in self.urdf.resolve().parents]
        ros = _folders("ROS_PACKAGE_PATH") + [p / "share" for p in _folders("AMENT_PREFIX_PATH")]
        named = [p if p.name == package else p / package for p in ros]
        return [folder for folder in (*above, *named) if folder.is_dir()]


def _folders(variable: str) -> list[Path]:
    return [Path(part) for part in os.environ.get(variable, "").split(os.pathsep) if part]
