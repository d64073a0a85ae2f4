"""From keypoints to poses: exact ones give back the truth, noisy ones err as the answer says."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.robot import Robot
from trainer.pose.accuracy import Found, Truth, accuracy, angle_errors
from trainer.pose.problem import Lens, Problem, State, View, base_points
from trainer.pose.solve import solve

UR10 = Robot.named("ur10")
LENS = Lens(np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]]), np.zeros(5))
BENT = Lens(LENS.K, np.array([-0.2, 0.05, 0.001, -0.002, 0.0]))
OBSERVABLE = ["elbow_joint", "wrist_1_joint", "wrist_2_joint"]
Q = np.array([0.3, -1.2, 1.4, -0.6, 0.9, 0.4])


def looking_at(azimuth: float = 0.5, far: float = 2.5) -> np.ndarray:
    """T_camera_base of a camera that looks at the arm from the side."""
    eye = far * np.array([np.cos(azimuth), np.sin(azimuth), 0.4])
    forward = np.array([0.2, 0, 0.5]) - eye
    z = forward / np.linalg.norm(forward)
    x = np.cross(z, [0, 0, 1.0])
    x /= np.linalg.norm(x)
    T = np.eye(4)
    T[:3, :3] = np.stack([x, np.cross(z, x), z])
    T[:3, 3] = -T[:3, :3] @ eye
    return T


def view(
    T: np.ndarray, q: np.ndarray, lens: Lens = LENS, noise: float = 0.0, seed: int = 0, **at: int
) -> View:
    local = base_points(UR10, q) @ T[:3, :3].T + T[:3, 3]
    pixels = lens.project(local)[0]
    pixels = pixels + noise * np.random.default_rng(seed).normal(size=pixels.shape)
    return View(pixels, np.ones(len(pixels)), **at)


def problem(
    *views: View, known: bool, lenses: tuple[Lens, ...] = (LENS,), instants: int = 1
) -> Problem:
    return Problem(UR10, lenses, views, np.full((instants, 6), not known))


def poses(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.uniform(-2.5, 2.5, (count, 6))


@pytest.mark.parametrize("lens", [LENS, BENT], ids=["pinhole", "lens"])
def test_derivatives_are_those_of_the_residuals(lens: Lens) -> None:
    T = looking_at()
    two = Problem(
        UR10,
        (lens, lens),
        (view(T, Q), replace(view(T, Q), camera=1, instant=1)),
        np.array([[True] * 6, [True, False] * 3]),
        refine_K=True,
    )
    state = State(np.stack([T, looking_at(0.9)]), np.stack([lens.K] * 2), np.stack([Q, -Q]))
    step = np.random.default_rng(0).normal(scale=0.1, size=two.size)
    by = np.eye(two.size) * 1e-6
    differences = [
        two.residuals(two.move(state, step + d)) - two.residuals(two.move(state, step - d))
        for d in by
    ]
    expected = np.stack(differences, axis=1) / 2e-6
    np.testing.assert_allclose(two.jacobian(state, step), expected, rtol=1e-4, atol=1e-3)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000), azimuth=st.floats(-3, 3))
def test_exact_keypoints_and_angles_give_the_base_back(seed: int, azimuth: float) -> None:
    T, q = looking_at(azimuth), poses(np.random.default_rng(seed), 1)
    answer = solve(problem(view(T, q[0], BENT), known=True, lenses=(BENT,)), q)
    assert answer.solutions
    np.testing.assert_allclose(answer.solutions[0].state.T_camera_base[0], T, atol=1e-5)
    assert not answer.untold.any()


def test_one_keypoint_far_off_does_not_move_the_base() -> None:
    T = looking_at()
    seen = view(T, Q)
    seen.pixels[3] += 80
    answer = solve(problem(seen, known=True), Q[None])
    np.testing.assert_allclose(answer.solutions[0].state.T_camera_base[0], T, atol=0.03)


def test_angles_that_keypoints_can_tell_are_found_and_the_others_are_named() -> None:
    answer = solve(problem(view(looking_at(), Q), known=False), np.zeros((1, 6)))
    told = [n for n, u in zip(UR10.angle_names, answer.untold[0], strict=True) if not u]
    assert told == OBSERVABLE
    assert answer.base_untold  # a turn of the base looks as one of the first joint
    off = answer.solutions[0].state.q[0] - Q
    assert np.degrees(np.abs(off[~answer.untold[0]])).max() < 0.1
    assert np.isnan(answer.solutions[0].q_std[answer.untold]).all()


def test_a_keypoint_that_is_not_seen_takes_its_angle_along() -> None:
    seen = view(looking_at(), Q)
    seen.weights[UR10.keypoint_names.index("tool_flange")] = 0
    answer = solve(problem(seen, known=False), np.zeros((1, 6)))
    assert answer.untold[0][UR10.angle_names.index("wrist_2_joint")]


def test_noise_errs_as_the_stated_deviations_say_with_known_angles() -> None:
    T, errors = looking_at(), []
    for seed in range(40):
        answer = solve(problem(view(T, Q, noise=1.0, seed=seed), known=True), Q[None])
        best = answer.solutions[0]
        off = best.state.T_camera_base[0, :3, 3] - T[:3, 3]
        errors.append(np.linalg.norm(off) / best.shift_std[0])
    # Of three axes the worst has deviation 1; the others have less.
    assert 0.6 < np.sqrt(np.mean(np.square(errors))) < 1.75


def test_noise_errs_as_the_stated_deviations_say_with_unknown_angles() -> None:
    T, scaled = looking_at(), []
    for seed in range(10):
        answer = solve(problem(view(T, Q, noise=1.0, seed=seed), known=False), np.zeros((1, 6)))
        told = ~answer.untold[0]
        off = [(s.state.q[0] - Q)[told] / s.q_std[0][told] for s in answer.solutions]
        scaled.append(min(off, key=lambda one: float(np.abs(one).max())))
    assert 0.4 < np.mean(np.square(scaled)) < 2.0


def test_the_order_of_frames_changes_nothing() -> None:
    T, q = looking_at(), poses(np.random.default_rng(3), 6)
    order = [4, 2, 5, 0, 1, 3]
    found = []
    for chosen in (range(6), order):
        views = [view(T, q[i], noise=1.0, seed=i, instant=t) for t, i in enumerate(chosen)]
        answer = solve(problem(*views, known=True, instants=6), q[list(chosen)])
        found.append(answer.solutions[0].state.T_camera_base)
    np.testing.assert_allclose(*found, atol=1e-5)


def test_more_frames_of_a_still_camera_tell_more() -> None:
    T, q = looking_at(), poses(np.random.default_rng(5), 8)
    views = [view(T, q[i], noise=1.0, seed=i, instant=i) for i in range(8)]
    one = solve(problem(views[0], known=True), q[:1]).solutions[0]
    all_ = solve(problem(*views, known=True, instants=8), q).solutions[0]
    assert all_.shift_std[0] < one.shift_std[0] / 2


def test_K_is_found_with_the_pose_where_it_is_asked_for() -> None:
    T, q = looking_at(), poses(np.random.default_rng(7), 8)
    views = tuple(view(T, q[i], instant=i) for i in range(8))
    wrong = Lens(LENS.K + np.array([[25.0, 0, 6], [0, 25, -6], [0, 0, 0]]), LENS.distortion)
    asked = replace(problem(*views, known=True, lenses=(wrong,), instants=8), refine_K=True)
    state = solve(asked, q).solutions[0].state
    np.testing.assert_allclose(state.K[0], LENS.K, atol=0.01)
    np.testing.assert_allclose(state.T_camera_base[0], T, atol=1e-4)


def test_two_cameras_tell_angles_better_than_one() -> None:
    Ts = looking_at(0.5), looking_at(1.7)
    views = [view(T, Q, noise=0.5, seed=c, camera=c) for c, T in enumerate(Ts)]
    one = solve(problem(views[0], known=False), np.zeros((1, 6)))
    both = solve(problem(*views, known=False, lenses=(LENS, LENS)), np.zeros((1, 6)))
    told = ~both.untold[0]
    assert (both.solutions[0].q_std[0][told] < one.solutions[0].q_std[0][told]).all()
    between = [T @ np.linalg.inv(other) for T, other in (Ts, both.solutions[0].state.T_camera_base)]
    np.testing.assert_allclose(*between, atol=0.1)


def test_angles_of_several_frames_of_a_still_camera_are_found() -> None:
    T, q = looking_at(), np.stack([Q, Q + 0.3, Q - 0.2])
    views = [view(T, one, instant=t) for t, one in enumerate(q)]
    answer = solve(problem(*views, known=False, instants=3), np.zeros((3, 6)))
    off = np.abs(answer.solutions[0].state.q - q)[~answer.untold]
    assert np.degrees(off).max() < 0.1
    untold = {n for n, u in zip(UR10.angle_names, answer.untold.any(axis=0), strict=True) if u}
    assert "shoulder_pan_joint" in untold
    assert untold.isdisjoint(OBSERVABLE)


def test_a_degenerate_view_is_said_and_gets_no_pose() -> None:
    seen = view(looking_at(), Q)
    few = replace(seen, weights=np.array([1.0, 1, 1, 0, 0, 0, 0]))
    line = np.stack([np.linspace(100, 500, 7), np.linspace(100, 300, 7)], axis=1)
    for bad in (few, View(line, np.ones(7)), View(np.full((7, 2), 200.0), np.ones(7))):
        for known in (True, False):
            answer = solve(problem(bad, known=known), Q[None])
            assert not answer.solutions or answer.solutions[0].squares > 100
    assert "3 keypoints" in solve(problem(few, known=True), Q[None]).why


def test_keypoints_on_a_line_in_space_leave_the_pose_open() -> None:
    straight = replace(UR10, keypoints=tuple(k for k in UR10.keypoints[:1] for _ in range(5)))
    keypoints = tuple(
        replace(k, offset=np.array([0.1 * i, 0, 0])) for i, k in enumerate(straight.keypoints)
    )
    line = replace(UR10, keypoints=keypoints)
    T = looking_at()
    local = base_points(line, Q) @ T[:3, :3].T + T[:3, 3]
    seen = View(LENS.project(local)[0], np.ones(5))
    answer = solve(Problem(line, (LENS,), (seen,), np.zeros((1, 6), bool)), Q[None])
    assert not answer.solutions
    assert "on a line" in answer.why


def test_figures_have_their_denominators() -> None:
    truth = Truth(looking_at(), Q)
    moved = truth.T_camera_base.copy()
    moved[0, 3] += 0.05
    told = np.array([False, False, True, True, True, False])
    q = np.where(told, Q + np.radians(2), Q)
    found = [
        Found(truth, True, truth.T_camera_base, Q, told),
        Found(truth, True, moved, Q, told),
        Found(truth, True),
        Found(truth, False),
    ]
    figures = accuracy(UR10, found)
    assert (figures["images"], figures["possible"], figures["posed"]) == (4, 3, 2)
    assert figures["add_mm"]["value"] == pytest.approx(25)
    assert figures["add_auc"]["value"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert figures["add_auc"]["n"] == 3
    assert figures["mpjpe_mm"]["value"] == pytest.approx(0, abs=1e-9)
    assert figures["angle_error_deg"]["median"] == {"value": 0, "interval": [0, 0], "n": 6}
    errors = angle_errors(UR10, replace(found[0], q=q + 2 * np.pi * told))
    np.testing.assert_allclose(errors[told], 2)
    assert np.isnan(errors[~told]).all()
