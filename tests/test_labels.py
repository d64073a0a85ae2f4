"""Projection, visibility and belief maps."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import labels
from simulator.labels import LEVELS
from simulator.randomization import hidden
from simulator.randomization.assignment import Assignment
from simulator.robot import Robot


def fitted_peak(belief: np.ndarray, stride: int) -> tuple[float, float]:
    """Keypoint of a noiseless Gaussian map: the log of it is a parabola, fitted exactly."""
    row, column = np.unravel_index(belief.argmax(), belief.shape)
    row = int(np.clip(row, 1, belief.shape[0] - 2))
    column = int(np.clip(column, 1, belief.shape[1] - 2))
    log = np.log(np.maximum(belief.astype(np.float64), 1e-9))

    def vertex(low: float, mid: float, high: float) -> float:
        return 0.5 * (low - high) / (low - 2 * mid + high)

    x = column + vertex(*log[row, column - 1 : column + 2])
    y = row + vertex(*log[row - 1 : row + 2, column])
    return (x + 0.5) * stride - 0.5, (y + 0.5) * stride - 0.5


@given(st.floats(6, 150), st.floats(6, 110), st.sampled_from([1, 2, 4]), st.floats(1.2, 3))
@settings(max_examples=200)
def test_peak_of_belief_is_the_keypoint(x: float, y: float, stride: int, sigma: float) -> None:
    belief = labels.belief_map([[x, y]], [True], 160, 120, stride, sigma)
    found = fitted_peak(belief[0] / LEVELS, stride)
    # What is left is the rounding to 1/255: in cells, hence the stride.
    np.testing.assert_allclose(found, (x, y), atol=0.0125 * stride * sigma**2 + 0.01)


@given(st.floats(-30, 190), st.floats(-30, 150))
def test_levels_are_the_nearest_to_the_belief(x: float, y: float) -> None:
    levels = labels.belief_map([[x, y]], [True], 160, 120, 4, 1.5)[0]
    assert levels.dtype == np.uint8
    cx, cy = (x + 0.5) / 4 - 0.5, (y + 0.5) / 4 - 0.5
    column, row = np.arange(40), np.arange(30)[:, None]
    exact = np.exp(-((column - cx) ** 2 + (row - cy) ** 2) / (2 * 1.5**2))
    np.testing.assert_allclose(levels / LEVELS, exact, atol=0.5 / LEVELS + 1e-12)


def test_a_keypoint_out_of_frame_leaves_its_map_empty() -> None:
    belief = labels.belief_map([[10, 10], [np.nan, np.nan]], [True, False], 32, 32, 4, 1.5)
    assert belief[0].max() > 0.9 * LEVELS
    assert belief[1].max() == 0


def test_cell_centres_are_where_the_convention_says() -> None:
    # Cell 3 of a stride-4 map covers pixels 12 to 15: its centre is 13.5.
    belief = labels.belief_map([[13.5, 5.5]], [True], 32, 32, 4, 1.0)
    assert belief[0, 1, 3] == LEVELS


@given(st.integers(0, 5000))
@settings(max_examples=50, deadline=None)
def test_projection_is_scale_free_and_inverts(index: int) -> None:
    robot = Robot.named("ur10")
    view = hidden.View(3.0, index * 0.37, 0.4, 0.1, (0.1, 0.0, 0.3), 1.4)
    camera = hidden.camera(view, 320, 240)
    rng = np.random.default_rng(index)
    points = robot.keypoints_world(robot.forward(rng.uniform(-3, 3, 6)))
    pixels, depth = labels.project(camera, points)
    rays = np.linalg.solve(camera.K, np.vstack([pixels.T, np.ones(len(pixels))])) * depth
    back = (camera.T_world_camera[:3, :3] @ rays).T + camera.T_world_camera[:3, 3]
    np.testing.assert_allclose(back, points, atol=1e-9)


def test_points_behind_the_camera_have_no_pixel() -> None:
    camera = hidden.camera(hidden.View(3.0, 0.0, 0.0, 0.0, (0.0, 0.0, 0.0), 1.4), 320, 240)
    pixels, depth = labels.project(camera, [[5.0, 0, 0], [0, 0, 0]])
    assert np.isnan(pixels[0]).all()
    assert depth[0] < 0
    assert not labels.in_frame(pixels, 320, 240)[0]


def test_projection_through_a_lens_is_opencvs() -> None:
    lens = (-0.2, 0.03, 0.002, -0.001, 0.0)
    view = hidden.View(3.0, 0.7, 0.4, 0.1, (0.1, 0.0, 0.3), 1.4, lens)
    camera = hidden.camera(view, 320, 240)
    points = np.random.default_rng(0).uniform(-0.8, 0.8, (50, 3))
    T = camera.T_camera_world
    turn, _ = cv2.Rodrigues(T[:3, :3])
    expected, _ = cv2.projectPoints(points, turn, T[:3, 3], camera.K, np.array(lens))
    np.testing.assert_allclose(labels.project(camera, points)[0], expected[:, 0], atol=1e-8)


def test_a_point_far_aside_does_not_fold_back_into_the_frame() -> None:
    lens = (-0.25, 0.0, 0.0, 0.0, 0.0)
    plain, bent = (
        hidden.camera(hidden.View(3.0, 0.0, 0.0, 0.0, (0.0, 0.0, 0.0), 1.4, d), 320, 240)
        for d in ((0.0,) * 5, lens)
    )
    point = [[2.0, 2.0, 0.0]]  # 63 degrees off the axis, where r (1 + k1 r^2) is 0
    pixels, depth = labels.project(bent, point)
    assert depth[0] > 0
    assert np.isfinite(labels.project(plain, point)[0]).all()
    assert np.isnan(pixels).all()
    assert not labels.in_frame(pixels, 320, 240)[0]


def test_the_frame_reaches_half_a_pixel_beyond_the_outer_centres() -> None:
    pixels = np.array([[-0.5, 0], [-0.51, 0], [319.49, 239.49], [319.5, 0], [0, 239.5]])
    assert labels.in_frame(pixels, 320, 240).tolist() == [True, False, True, False, False]


@pytest.mark.parametrize(
    ("link", "before", "expected"),
    [
        ("forearm_link", 0.05, labels.VISIBLE),
        ("upper_arm_link", 0.05, labels.VISIBLE),
        ("forearm_link", 0.5, labels.HIDDEN),
        ("wrist_2_link", 0.05, labels.HIDDEN),
        ("wrist_2_link", -0.05, labels.VISIBLE),
    ],
)
def test_what_stands_before_the_elbow_decides_whether_it_is_seen(
    ur10: Robot, link: str, before: float, expected: int
) -> None:
    camera = hidden.camera(hidden.View(3.0, 0.3, 0.3, 0.0, (0.0, 0.0, 0.5), 1.2), 320, 240)
    points = ur10.keypoints_world(ur10.forward(np.zeros(6)))
    pixels, _ = labels.project(camera, points)
    distance = np.linalg.norm(points - camera.T_world_camera[:3, 3], axis=1)
    links = np.full(len(points), ur10.model.links.index(link))
    seen = labels.visibility(ur10, camera, points, pixels, (distance - before, links))
    assert seen[ur10.keypoint_names.index("elbow")] == expected


def test_hidden_keypoints_exist_and_visible_ones_prevail(ur10: Robot, uniform, sticks) -> None:
    from simulator.randomization.settings import SampleSettings
    from simulator.sample import simulate

    settings = SampleSettings()
    seen = np.concatenate(
        [
            simulate(
                sticks, ur10, settings, hidden.draw(ur10, settings, Assignment.of(uniform), 0, i)
            ).labels.visibility
            for i in range(40)
        ]
    )
    assert (seen == labels.VISIBLE).mean() > 0.5
    assert (seen == labels.HIDDEN).mean() > 0.02
