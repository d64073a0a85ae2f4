"""Laws of training from a recording: the pool follows the prior, and goes on where it was."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recording_parts import SMALL, description, recorded
from rich.console import Console

from feedback.report.report import write_report
from simulator.fleet.watch import Watch
from simulator.labels import belief_map
from simulator.randomization.assignment import Assignment
from simulator.randomization.prior import JointPrior
from simulator.recordings.recording import Recording
from simulator.robot import Robot
from trainer.batch import Batch
from trainer.config.augmentation import AMOUNTS
from trainer.config.config import Config, ConfigError
from trainer.config.presets import preset
from trainer.data import recorded as pools
from trainer.data.recorded import RecordedSource
from trainer.data.recorded import recorded as as_recorded
from trainer.data.resampling import effective, importance, systematic
from trainer.data.source import SourceError
from trainer.open_source import open_source, recorded_source
from trainer.run_options import RunOptions
from trainer.runs.checkpoint import Checkpoint
from trainer.runs.folder import RunFolder
from trainer.session import build_controller, train
from trainer.weights.file import read_info

PRIOR = JointPrior.uniform([0.0, 0.0], [1.0, 1.0], 3)


def bent(*rows: list[float]) -> JointPrior:
    return JointPrior(np.array(rows), PRIOR.lower, PRIOR.upper, 1)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    folder = tmp_path_factory.mktemp("pools") / "recording"
    return recorded(folder, description(samples=72, held_out=12, shard_samples=24), workers=2)


def config_of(recording: Recording, feedback: bool = True, **changes: object) -> Config:
    tiny = preset("tiny").changed(feedback=feedback, epochs=2)
    small = replace(
        tiny, stream=replace(tiny.stream, held_out=12), batch_size=8, epoch_samples=64, **changes
    )
    return pools.recorded(small, recording)


def uniform(recording: Recording) -> JointPrior:
    own = recording.about.assignment
    return JointPrior.uniform(own.lower, own.upper, SMALL.bins)


def pool_of(recording: Recording, feedback: bool = True, **changes: object) -> RecordedSource:
    said: list[str] = []
    config = config_of(recording, feedback, **changes)
    return recorded_source(config, [recording], uniform(recording), said.append)


def hard(recording: Recording, bins: int = 4) -> JointPrior:
    """A prior with most of its mass in the first bins."""
    prior = uniform(recording)
    counts = np.zeros_like(prior.alpha)
    counts[:, :bins] = 40
    return prior.updated(counts)


def names(batch: Batch) -> list[float]:
    """What tells a batch's samples apart."""
    return batch.pixels[:, 0, 0].tolist()


def test_a_weighted_recording_has_the_wanted_distribution() -> None:
    """p(k) w(k) is proportional to q(k), for every combination of bins."""
    recorded, wanted = bent([1, 2, 3], [5, 1, 1]), bent([3, 1, 1], [1, 1, 4])
    bins = np.array(list(itertools.product(range(3), repeat=2)))
    p, q = (
        np.array([m.marginal[0, a] * m.marginal[1, b] for a, b in bins]) for m in (recorded, wanted)
    )
    weighted = p * importance(bins, wanted, recorded)
    np.testing.assert_allclose(weighted / weighted.sum(), q, rtol=1e-12)


def test_no_change_of_the_prior_weighs_all_alike() -> None:
    bins = np.random.default_rng(0).integers(0, 3, (50, 2))
    weights = importance(bins, PRIOR, PRIOR)
    np.testing.assert_allclose(weights, 1 / 50, rtol=1e-12)
    assert effective(weights) == pytest.approx(50)


def test_extreme_priors_give_finite_weights() -> None:
    bins = np.random.default_rng(0).integers(0, 3, (50, 2))
    weights = importance(bins, bent([1e-250, 1, 1], [1e300, 1, 1]), bent([1e300, 1, 1], [1, 1, 1]))
    assert np.isfinite(weights).all()
    assert weights.sum() == pytest.approx(1)


@given(st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=40))
def test_the_effective_size_lies_between_one_and_all(raw: list[float]) -> None:
    weights = np.array(raw) / sum(raw)
    assert 1 - 1e-9 <= effective(weights) <= len(raw) + 1e-9


@given(
    st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=40),
    st.integers(1, 30),
    st.integers(0, 2**32 - 1),
)
def test_systematic_resampling_rounds_the_expected_counts(
    raw: list[float], size: int, seed: int
) -> None:
    weights = np.array(raw) / sum(raw)
    drawn = systematic(weights, size, np.random.default_rng(seed))
    counts = np.bincount(drawn, minlength=len(raw))
    assert drawn.shape == (size,)
    assert (np.abs(counts - size * weights) < 1 + 1e-9).all()


def test_systematic_resampling_has_no_bias() -> None:
    weights = np.array([0.5, 0.3, 0.15, 0.05])
    rng = np.random.default_rng(1)
    drawn = np.concatenate([systematic(weights, 3, rng) for _ in range(6000)])
    share = np.bincount(drawn, minlength=4) / drawn.size
    np.testing.assert_allclose(share, weights, atol=0.01)


def test_batches_follow_the_prior(recording: Recording) -> None:
    prior = hard(recording)
    source = pool_of(recording)
    source.send(Assignment.of(uniform(recording)))
    flat = np.concatenate([source.batch(8).bins for _ in range(40)])
    source.send(Assignment.of(prior))
    bowed = np.concatenate([source.batch(8).bins for _ in range(40)])
    assert (bowed < 4).mean() > (flat < 4).mean() + 0.15
    source.close()


def test_half_of_the_draws_stay_with_the_first_prior_as_in_a_fleet(recording: Recording) -> None:
    source = pool_of(recording)
    source.send(Assignment.of(uniform(recording)))
    all_of_it = source.traffic()["pool"]
    assert all_of_it["effective"] == all_of_it["effective_adaptive"] == all_of_it["samples"] == 60
    source.send(Assignment.of(hard(recording)))
    pool = source.traffic()["pool"]
    assert pool["effective_adaptive"] < pool["effective"] < 60
    assert f"worth {pool['effective']:.0f} of 60" in source.note()
    source.close()


def test_without_feedback_every_sample_comes_once_before_any_comes_again(
    recording: Recording,
) -> None:
    source = pool_of(recording, feedback=False)
    drawn = [name for _ in range(15) for name in names(source.batch(8))]  # two passes of 60
    first, second = drawn[:60], drawn[60:]
    assert len(set(first)) == len(set(second)) == 60
    assert first != second
    assert source.counts.new == 60
    assert source.note() == ""
    source.close()


def test_the_held_out_set_is_the_recordings_and_never_trained_on(recording: Recording) -> None:
    source = pool_of(recording, feedback=False)
    held = source.hold(12, Assignment.of(uniform(recording)))
    assert [sample.hidden.provenance.index for sample in held] == list(range(12))
    assert {sample.hidden.provenance.split for sample in held} == {"heldout"}
    apart = {sample.labels.pixels[0, 0] for sample in held}
    assert not apart & {name for _ in range(8) for name in names(source.batch(8))}
    source.close()


def test_a_recording_that_holds_nothing_out_gives_its_first_samples(tmp_path: Path) -> None:
    plain = recorded(tmp_path / "plain", description(samples=24, held_out=0))
    said: list[str] = []
    source = recorded_source(config_of(plain, feedback=False), [plain], uniform(plain), said.append)
    held = source.hold(12, Assignment.of(uniform(plain)))
    assert [sample.hidden.provenance.index for sample in held] == list(range(12))
    apart = {sample.labels.pixels[0, 0] for sample in held}
    assert not apart & {name for _ in range(3) for name in names(source.batch(8))}
    assert any("holds no sample out" in line for line in said)
    source.close()


def test_masks_are_the_recordings_and_full_where_it_has_none(
    recording: Recording, tmp_path: Path
) -> None:
    masks = pool_of(recording).batch(8).masks
    assert masks.shape == (8, SMALL.height, SMALL.width)
    assert ((masks == 0).float().mean(dim=(1, 2)) > 0).all()
    about = msgspec.structs.replace(description(samples=24, held_out=12), schema=1)
    old = recorded(tmp_path / "old", about)
    assert (pool_of(old).batch(8).masks == 255).all()
    with pytest.raises(SourceError, match=r"old holds no masks.*augment.background is 0.5"):
        pool_of(old, augment=AMOUNTS["full"])


def test_belief_maps_have_the_stride_and_sigma_of_the_run(recording: Recording) -> None:
    config = config_of(recording)
    settings = replace(config.settings, stride=8, sigma=0.75)
    source = recorded_source(
        replace(config, settings=settings), [recording], uniform(recording), print
    )
    batch = source.batch(8)
    for i in range(8):
        own = belief_map(batch.pixels[i], batch.visibility[i] > 0, 64, 48, 8, 0.75)
        np.testing.assert_array_equal(batch.beliefs[i], own)
    source.close()


@pytest.mark.parametrize("feedback", [True, False])
def test_a_pool_goes_on_where_it_was(recording: Recording, feedback: bool) -> None:
    one, other = (pool_of(recording, feedback) for _ in range(2))
    one.send(Assignment.of(hard(recording)))
    for _ in range(9):
        one.batch(8)
    state = json.loads(json.dumps(one.state_dict()))
    expected = [names(one.batch(8)) for _ in range(9)]
    other.load_state(state)
    other.send(Assignment.of(hard(recording)))
    assert [names(other.batch(8)) for _ in range(9)] == expected
    assert (one.counts.new, one.counts.consumed) == (other.counts.new, other.counts.consumed)
    one.close()
    other.close()


def test_the_seed_decides_on_the_order(recording: Recording) -> None:
    first, second = (pool_of(recording, feedback=False, seed=seed) for seed in (0, 1))
    assert names(first.batch(8)) != names(second.batch(8))
    first.close()
    second.close()


def test_a_recording_of_other_settings_is_refused(recording: Recording) -> None:
    config = config_of(recording)
    other = replace(config, settings=replace(config.settings, width=96))
    with pytest.raises(SourceError, match="was recorded with width 64; the run has 96"):
        recorded_source(other, [recording], uniform(recording), print)


def test_too_small_a_recording_is_refused(tmp_path: Path) -> None:
    few = recorded(tmp_path / "few", description(samples=12, held_out=6))
    with pytest.raises(SourceError, match=r"6 training samples .* at least a batch of 8"):
        recorded_source(config_of(few), [few], uniform(few), print)


def test_what_is_complete_can_be_trained_on(recording: Recording, tmp_path: Path) -> None:
    partly = Recording.create(tmp_path / "partly", recording.about)
    for shard in (0, 2):
        partly.path(shard).write_bytes(recording.path(shard).read_bytes())
    said: list[str] = []
    source = recorded_source(config_of(partly), [partly], uniform(partly), said.append)
    assert said == [
        f"{partly.folder}: 36 samples to train on, 12 held out; 1 of 3 shards are missing"
    ]
    state = source.state_dict()
    source.close()
    whole = pool_of(recording)
    with pytest.raises(SourceError, match="has 60 training samples; the run began with 36"):
        whole.load_state(state)
    whole.close()


def mixed_with(recording: Recording, *others: Recording, feedback: bool = True) -> RecordedSource:
    config = config_of(recording, feedback)
    return recorded_source(config, [recording, *others], uniform(recording), lambda line: None)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Of another seed, with a prior that is not uniform."""
    folder = tmp_path_factory.mktemp("pools") / "other"
    settings = replace(SMALL, seed=5)
    about = description(samples=36, held_out=6, shard_samples=24, settings=settings)
    wanted = hard(Recording(folder, about))
    return recorded(folder, description(36, 6, 24, settings, prior=wanted), workers=2)


def test_mixed_recordings_are_trained_on_in_one_pass(
    recording: Recording, other: Recording
) -> None:
    alone = pool_of(recording, feedback=False)
    source = mixed_with(recording, other, feedback=False)
    held, expected = (one.hold(12, uniform(recording)) for one in (source, alone))
    seen = [name for _ in range(15) for name in names(source.batch(6))]
    theirs = mixed_with(other, feedback=False)
    found = {name for _ in range(10) for name in names(alone.batch(6))}
    found |= {name for _ in range(5) for name in names(theirs.batch(6))}
    assert len(set(seen)) == len(seen) == 60 + 30
    assert set(seen) == found  # held-out samples of neither
    for one, same in zip(held, expected, strict=True):
        np.testing.assert_array_equal(one.image, same.image)
    for one in (source, alone, theirs):
        one.close()


def test_mixed_recordings_keep_their_shares_under_any_prior(
    recording: Recording, other: Recording
) -> None:
    pool = pools.Pool([recording, other], 12)
    for prior in (uniform(recording), hard(recording)):
        weights = pool.weights(prior)
        np.testing.assert_allclose([weights[:60].sum(), weights[60:].sum()], [60 / 90, 30 / 90])


def test_what_is_mixed_is_of_one_size(recording: Recording, tmp_path: Path) -> None:
    small = recorded(tmp_path / "small", description(4, 1, settings=replace(SMALL, width=96)))
    with pytest.raises(SourceError, match=r"with size 96x48, .* with 64x48; what is mixed is of"):
        mixed_with(recording, small)


def test_mixing_needs_a_recording_to_mix_with() -> None:
    with pytest.raises(ConfigError, match="it goes with a recording"):
        RunOptions(Path("run"), mixed=(Path("more"),))


class Lines(Watch):
    def __init__(self, stop_after: int | None = None) -> None:
        super().__init__(Console(quiet=True))
        self.lines: list[str] = []
        self.stop_after = stop_after

    def say(self, text: str) -> None:
        self.lines.append(text)
        if self.stop_after is not None and text.startswith(f"epoch {self.stop_after}:"):
            raise KeyboardInterrupt


def run(recording: Recording, folder: Path, lines: Lines, resume: bool = False) -> dict:
    tiny = preset("tiny").changed(epochs=3)
    config = replace(tiny, stream=replace(tiny.stream, held_out=12), batch_size=8, epoch_samples=64)
    config = RunFolder.open(folder).config if resume else config
    options = RunOptions(folder, recording=recording.folder, device="cpu", resume=resume)
    return train(config, options, lines)


def test_training_from_a_recording_closes_the_loop(recording: Recording, tmp_path: Path) -> None:
    lines = Lines()
    summary = run(recording, tmp_path / "run", lines)
    assert summary["prior"]["versions"] == 3
    assert summary["samples"] == {
        "rendered": 0,
        "received": 72,
        "consumed": 192,
        "new": summary["samples"]["new"],
    }
    assert 1 < summary["pool"]["effective"] < 60
    assert any("pool worth" in line for line in lines.lines)
    rows = [json.loads(r) for r in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["pool"]["effective"] for row in rows][:2] == [60, 60]  # the first prior is uniform
    assert rows[-1]["held_out_loss"] < rows[0]["held_out_loss"]
    assert "Recorded" in write_report(tmp_path / "run").read_text()


def test_a_stopped_run_goes_on_to_the_same_weights(recording: Recording, tmp_path: Path) -> None:
    run(recording, tmp_path / "through", Lines())
    with pytest.raises(KeyboardInterrupt):
        run(recording, tmp_path / "stopped", Lines(stop_after=1))
    run(recording, tmp_path / "stopped", Lines(), resume=True)
    rows = [
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("through", "stopped")
    ]
    assert [row["held_out_loss"] for row in rows[0]] == [row["held_out_loss"] for row in rows[1]]


def test_a_run_does_not_change_from_simulators_to_a_recording(recording: Recording) -> None:
    options = RunOptions(Path("run"), recording=recording.folder, resume=True)
    config = as_recorded(preset("tiny"), recording)
    robot = Robot.named("ur10")
    prior, _ = build_controller(config, robot)
    checkpoint = Checkpoint({}, {"source": {"next_index": {}}}, {})
    with pytest.raises(SourceError, match="began with simulators; go on with --workers N"):
        open_source(config, options, recording, robot, prior, checkpoint, Lines())


def test_a_recording_of_other_settings_is_refused_by_the_one_that_differs(
    recording: Recording,
) -> None:
    config = as_recorded(preset("tiny"), recording)
    variety = config.settings.variety
    other = replace(variety, camera=replace(variety.camera, lens=not variety.camera.lens))
    config = replace(config, settings=replace(config.settings, variety=other))
    prior, _ = build_controller(config, Robot.named("ur10"))
    told = rf"with variety\.camera\.lens {variety.camera.lens}; the run has {other.camera.lens}$"
    with pytest.raises(SourceError, match=told):
        recorded_source(config, [recording], prior, print)


def test_a_network_that_takes_other_sizes_says_how_to_record_anew(recording: Recording) -> None:
    settings = replace(recording.about.settings, width=160, height=120)
    about = msgspec.structs.replace(recording.about, settings=settings)
    other = Recording(recording.folder, about)
    told = r"does not fit: .* such as 160x128; give that as --input-size, or record anew"
    with pytest.raises(SourceError, match=told):
        as_recorded(preset("light"), other)
    config = as_recorded(replace(preset("light"), input_size="160x128"), other)
    assert (config.settings.size, config.size) == ("160x120", (160, 128))


def test_a_run_of_another_input_size_is_judged_and_its_weights_named_at_that(
    recording: Recording, tmp_path: Path
) -> None:
    half = config_of(recording, epochs=1, input_size="48x32")
    assert half.settings.size != "48x32"
    train(half, RunOptions(tmp_path / "run", recording=recording.folder, device="cpu"), Lines())
    info = read_info(tmp_path / "run" / "best.safetensors")
    assert (info.width, info.height) == (48, 32)
    with np.load(tmp_path / "run" / "heldout.npz") as held_out:
        assert held_out["images"].shape[1:] == (3, 32, 48)


def test_a_run_does_not_change_from_recording_to_simulators(
    recording: Recording, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(recording, tmp_path / "run", Lines(stop_after=1))
    with pytest.raises(SourceError, match="began with a recording; go on with --from"):
        train(
            RunFolder.open(tmp_path / "run").config,
            RunOptions(tmp_path / "run", bind="tcp://127.0.0.1:0", resume=True, device="cpu"),
            Lines(),
        )
