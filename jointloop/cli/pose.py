"""pose: where the robot's base stands before the camera, and how the robot is bent."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro

from jointloop.cli.app import out as console
from jointloop.cli.app import say
from jointloop.cli.known import angles, check_joints, with_lens
from jointloop.common.errors import JointloopError

if TYPE_CHECKING:
    from simulator.robot import Robot
    from trainer.inference.closer import Closer
    from trainer.pose.find import Poses
    from trainer.pose.shots import Shot


@dataclass(frozen=True)
class _Looking:
    """How pictures are looked at."""

    weights: Path | None
    threshold: float
    device: str

    def closer(self) -> "Closer":
        from trainer.inference.closer import Closer
        from trainer.inference.detector import Detector
        from trainer.weights.shipped import shipped_weights

        return Closer(Detector.open(self.weights or shipped_weights(), self.device))


def pose(
    inputs: tyro.conf.Positional[tuple[Path, ...]],
    *,
    out: Path,
    robot: str | None = None,
    K: str | None = None,
    joints: str | None = None,
    angles_in: Literal["deg", "rad"] | None = None,
    still: bool = False,
    cameras: Path | None = None,
    refine_K: bool = False,
    detect: bool = False,
    weights: Path | None = None,
    images: Path | None = None,
    noise: float = 1.0,
    threshold: float = 0.1,
    pictures: int = 100,
    device: str = "auto",
    seed: int = 0,
) -> int:
    """Find where the robot's base stands before the camera, and its joint angles.

    Args:
        inputs: Pictures or folders of them, which the detector looks at; or one file or folder that
            has keypoints: coco_keypoints.json of `predict`, a COCO file of labels, a recording.
        out: A new folder: takes poses.json, and pictures with the robot laid over them.
        robot: Name or TOML file of the robot; by default the detector's or the recording's.
        K: Intrinsics fx,fy,cx,cy [px], or a JSON or YAML file of OpenCV or ROS; a recording has its
            own.
        joints: Joint angles: a CSV file with named columns, JSON lines, or a ROS bag; `truth` takes
            a recording's own. Without, they are found as well.
        angles_in: Unit of the angles in that file: deg or rad.
        still: All images are of one camera that stands still before one base.
        cameras: Several cameras that stand still: a JSON or YAML file that maps each one's name to
            its images (a pattern), K and distortion_coefficients.
        refine_K: Find fx, fy, cx and cy as well, from all images of a still camera.
        detect: Look at the pictures of a recording or of labels with the detector.
        weights: Of the detector; by default those that come with Jointloop.
        images: Folder that names of images in a file begin from.
        noise: Standard deviation of keypoints along x and y [px]: what answers fit alike, and how
            far angles are known, follows from it.
        threshold: Score from which a keypoint of the detector counts as found.
        pictures: How many are drawn at most.
        device: Of the detector: cpu, cuda, cuda:N, or auto.
        seed: Of the bootstrap.
    """
    from jointloop.common.folders import new_folder
    from jointloop.common.progress import Progress
    from trainer.pose.arrange import Rig, apart, around, together
    from trainer.pose.find import find_poses

    _check(noise, joints, angles_in, refine_K, still or cameras is not None)
    looking = _Looking(weights, threshold, device)
    rig = None if cameras is None else Rig.read(cameras)
    with Progress(console) as progress:
        known, shots = _shots(inputs, robot, images, detect, looking, progress.update)
        if rig is None:
            shots = with_lens(shots, K, needed=True)
        q = angles(known, shots, joints, angles_in)
        if rig is not None:
            tasks = around(known, shots, q, noise, refine_K, rig)
        elif still:
            tasks = together(known, shots, q, noise, refine_K)
        else:
            tasks = apart(known, shots, q, noise)
        new_folder(out)
        poses = find_poses(known, shots, tasks, out, pictures, seed, progress.update)
    _say(poses, len(shots), seed)
    say(f"poses     {out / 'poses.json'}")
    return 0


def _check(
    noise: float, joints: str | None, angles_in: str | None, refine_K: bool, still: bool
) -> None:
    """Options that contradict each other.

    Raises:
        JointloopError: these do.
    """
    if not 0 < noise < float("inf"):
        raise JointloopError(f"noise is {noise}; expected more than 0 px")
    check_joints(joints, angles_in)
    if refine_K and not still:
        raise JointloopError("--refine-K takes all images of a camera that stands still: --still")


def _shots(
    inputs: tuple[Path, ...],
    robot: str | None,
    images: Path | None,
    detect: bool,
    looking: _Looking,
    update: Callable[[str], None],
) -> tuple["Robot", list["Shot"]]:
    """The robot, and its keypoints in all images."""
    from simulator.recordings.recording import Recording
    from simulator.robot import Robot
    from trainer.pose import shots as kinds

    first = inputs[0] if inputs else Path()
    if len(inputs) == 1 and (Recording.is_at(first) or first.suffix.lower() == ".json"):
        if Recording.is_at(first):
            known, shots = kinds.of_recording(first, robot)
        else:
            known, shots = kinds.of_file(first, robot, images)
        if not detect:
            return known, shots
        closer = _closer(looking, known)
        found = []
        for i, shot in enumerate(shots):
            found.append(kinds.detected(shot, shot.load(), closer, looking.threshold))
            update(f"looked at {i + 1} of {len(shots)}")
        return known, found
    closer = looking.closer()
    known = Robot.named(robot or closer.info.robot)
    _check_robot(closer, known)
    return known, kinds.of_pictures(inputs, closer, looking.threshold, say)


def _closer(looking: _Looking, robot: "Robot") -> "Closer":
    closer = looking.closer()
    _check_robot(closer, robot)
    return closer


def _check_robot(closer: "Closer", robot: "Robot") -> None:
    """The detector has to know this robot's keypoints.

    Raises:
        JointloopError: it knows others.
    """
    if (closer.info.robot, closer.info.keypoints) != (robot.name, robot.keypoint_names):
        raise JointloopError(
            f"the detector finds robot {closer.info.robot}, but the pose is of robot {robot.name}"
        )


def _say(poses: "Poses", images: int, seed: int) -> None:
    """What was found, in a few lines."""
    say(f"{poses.posed} of {images} images have a pose")
    for why, count in poses.whys.items():
        say(f"  {count} have none: {why}")
    for name, count in poses.untold.items():
        say(f"  {name} cannot be told from the keypoints of {count} images")
    if (known := poses.accuracy(seed)) is None:
        return
    angle = known["angle_error_deg"]
    for title, one, factor in (
        ("ADD, median [mm]", known["add_mm"], 1.0),
        ("ADD-AUC to 0.1 m [%]", known["add_auc"], 100.0),
        ("MPJPE [mm]", known["mpjpe_mm"], 1.0),
        ("angles, median [deg]", angle["median"], 1.0),
        *((f"  {name}", one, 1.0) for name, one in angle["joints"].items()),
    ):
        if one["value"] is not None:
            ends = one["interval"] or (None, None)
            span = " to ".join("–" if end is None else f"{factor * end:.3f}" for end in ends)
            say(f"{title:<24}{factor * one['value']:>10.3f}  [{span}]  n {one['n']}")
