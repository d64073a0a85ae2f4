"""Laws of run folders."""

import contextlib
import dataclasses
import json

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.robot import Robot
from trainer.batch import Batch
from trainer.config.config import ConfigError
from trainer.config.presets import preset
from trainer.models import build
from trainer.runs.checkpoint import Checkpoint, RunError
from trainer.runs.folder import RunFolder
from trainer.weights.file import WeightsError, WeightsInfo, open_network

CONFIG = preset("tiny")
INFO = WeightsInfo.of(CONFIG, Robot.named("ur10"))
JOINTS = len(INFO.keypoints)

NOTHING = Checkpoint({}, {}, {})


def network(seed=0, config=CONFIG.network, joints=JOINTS):
    torch.manual_seed(seed)
    return build(config, joints)


def equal(a, b):
    mine, theirs = a.state_dict(), b.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(v, theirs[k]) for k, v in mine.items())


@pytest.fixture
def run(tmp_path):
    return RunFolder.create(tmp_path / "runs" / "one", CONFIG)


def test_a_run_keeps_its_config(run):
    assert RunFolder.open(run.folder).config == CONFIG


def test_an_empty_folder_may_become_a_run(tmp_path):
    assert RunFolder.create(tmp_path, CONFIG).folder == tmp_path


def test_a_run_is_never_overwritten(run):
    (run.folder / "last.state.pt").write_bytes(b"weights")
    with pytest.raises(RunError, match=r"one already holds a run; .* --resume"):
        RunFolder.create(run.folder, CONFIG)
    run.write_summary({})
    with pytest.raises(RunError, match="already holds a finished run"):
        RunFolder.create(run.folder, CONFIG)


def test_a_run_stopped_before_its_first_checkpoint_is_begun_anew(run):
    run.append_metrics({"epoch": 0})
    run.close()
    again = RunFolder.create(run.folder, CONFIG)
    assert again.metrics() == []


@pytest.mark.parametrize("name", ["last.safetensors", "last.state.pt.part", "report.html.part"])
def test_a_run_killed_within_its_first_checkpoint_is_begun_anew(run, name):
    run.append_metrics({"epoch": 0})
    (run.folder / name).write_bytes(b"of the untrained network")
    run.close()
    RunFolder.create(run.folder, CONFIG).close()
    assert {path.name for path in run.folder.iterdir()} == {"config.json", "lock"}


def test_a_run_killed_at_its_first_write_is_begun_anew(tmp_path):
    (tmp_path / "config.json.part").write_text('{"sch')
    RunFolder.create(tmp_path, CONFIG)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "lock"}


def test_trained_weights_without_their_checkpoint_are_left_alone(run):
    for epoch in range(2):
        run.append_metrics({"epoch": epoch})
    (run.folder / "last.safetensors").write_bytes(b"weights")
    run.close()
    with pytest.raises(RunError, match="already holds a run"):
        RunFolder.create(run.folder, CONFIG)


def test_a_folder_that_only_looks_like_a_run_is_left_alone(tmp_path):
    (tmp_path / "config.json").write_text('{"mine": 1}')
    with pytest.raises(RunError, match="already holds"):
        RunFolder.create(tmp_path, CONFIG)
    (tmp_path / "config.json").write_text(CONFIG.to_json())
    (tmp_path / "gallery").mkdir()
    with pytest.raises(RunError, match="already holds"):
        RunFolder.create(tmp_path, CONFIG)


def test_other_files_are_never_overwritten(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(RunError, match="already holds other files"):
        RunFolder.create(tmp_path, CONFIG)
    with pytest.raises(RunError, match="already holds a file"):
        RunFolder.create(tmp_path / "thesis.tex", CONFIG)


def test_only_an_unfinished_run_can_be_resumed(run, tmp_path):
    with pytest.raises(RunError, match="no checkpoint yet"):
        RunFolder.resume(run.folder)
    (run.folder / "last.state.pt").write_bytes(b"state")
    with pytest.raises(RunError, match="in use by another trainer"):
        RunFolder.resume(run.folder)
    run.close()
    assert RunFolder.resume(run.folder).config == CONFIG
    run.write_summary({"epochs": 1})
    assert run.finished
    with pytest.raises(RunError, match=r"finished run; .* --weights .*last\.safetensors"):
        RunFolder.resume(run.folder)
    with pytest.raises(RunError, match="holds no run"):
        RunFolder.resume(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 4}, "epochs is 4, but .* has done 5; expected more"),
        ({"minutes": 1.0}, r"minutes is 1, but .* has trained for 2\.0; expected more"),
    ],
)
def test_a_resumed_run_is_not_cut_short(run, change, message):
    (run.folder / "last.state.pt").write_bytes(b"state")
    run.append_metrics({"epoch": 5, "seconds": 120.0})
    run.close()
    with pytest.raises(RunError, match=message):
        RunFolder.resume(run.folder, CONFIG.changed(**change))
    assert RunFolder.open(run.folder).config == CONFIG
    for more in ({"epochs": 5}, {"minutes": 2.5}):
        longer = CONFIG.changed(**more)
        RunFolder.resume(run.folder, longer).close()
        assert RunFolder.open(run.folder).config == longer


def test_a_folder_where_a_trainer_is_at_work_is_not_vacant(run):
    with pytest.raises(RunError, match="in use by another trainer"):
        RunFolder.check_vacant(run.folder)
    run.close()
    RunFolder.check_vacant(run.folder)


def test_a_damaged_config_is_a_clear_error(run):
    (run.folder / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"config.json: preset is missing; expected text"):
        RunFolder.open(run.folder)


def test_metrics_are_appended_in_order(run):
    assert run.metrics() == []
    rows = [{"epoch": i, "held_out": {"median_percent": None}} for i in range(3)]
    for row in rows:
        run.append_metrics(row)
    assert run.metrics() == rows


def test_a_line_cut_short_by_a_crash_is_left_out(run):
    run.append_metrics({"epoch": 0})
    with (run.folder / "metrics.jsonl").open("a") as file:
        file.write('{"epo')
    assert run.metrics() == [{"epoch": 0}]


def test_metrics_are_strict_json(run):
    with pytest.raises(ValueError, match="JSON compliant"):
        run.append_metrics({"loss": float("nan")})
    assert run.metrics() == []


def test_the_held_out_set_comes_back_as_it_was(run):
    rng = np.random.default_rng(0)
    batch = Batch(
        torch.from_numpy(rng.integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)).permute(0, 3, 1, 2),
        torch.from_numpy(rng.integers(0, 256, (2, 8, 8), dtype=np.uint8)),
        torch.from_numpy(rng.integers(0, 256, (2, 3, 2, 2), dtype=np.uint8)),
        np.where(np.arange(12).reshape(2, 3, 2) == 5, np.nan, 1.5),
        np.array([[0, 1, 2], [2, 2, 2]], np.uint8),
        rng.integers(0, 16, (2, 6)),
        np.array([1.0, 0.0]),
    )
    run.save_held_out(batch)
    back = run.load_held_out()
    for field in dataclasses.fields(Batch):
        was, now = (np.asarray(getattr(b, field.name)) for b in (batch, back))
        assert was.dtype == now.dtype
        assert np.array_equal(was, now, equal_nan=was.dtype == float)


def test_a_missing_or_damaged_held_out_set_is_a_clear_error(run):
    with pytest.raises(RunError, match=r"cannot read the held-out set .*heldout.npz"):
        run.load_held_out()
    (run.folder / "heldout.npz").write_bytes(b"PK not really")
    with pytest.raises(RunError, match="cannot read the held-out set"):
        run.load_held_out()


def test_a_checkpoint_comes_back_as_it_was(run):
    moved = {"lr": 0.1, "state": {0: torch.arange(3.0)}}
    loop = {"epoch": 3, "source": {"next_index": {0: 12}}}
    checkpoint = Checkpoint({"optimiser": moved, "steps": 7}, loop, {"cpu": torch.get_rng_state()})
    run.save_checkpoint(network(), INFO, checkpoint, best=False)
    back = run.load_checkpoint(INFO)
    assert back.loop == checkpoint.loop
    assert back.learner["steps"] == 7
    assert torch.equal(back.learner["optimiser"]["state"][0], torch.arange(3.0))
    assert torch.equal(back.draws["cpu"], checkpoint.draws["cpu"])


def test_the_best_weights_stay_when_later_ones_are_worse(run):
    good, worse = network(1), network(2)
    run.save_checkpoint(good, INFO, NOTHING, best=True)
    run.save_checkpoint(worse, INFO, NOTHING, best=False)
    assert equal(open_network(run.folder / "best.safetensors")[0], good)
    assert equal(open_network(run.folder / "last.safetensors")[0], worse)


def test_no_half_written_file_is_left(run):
    run.save_checkpoint(network(), INFO, NOTHING, best=True)
    assert not list(run.folder.glob("*.part"))


def test_a_crash_while_saving_leaves_the_last_good_checkpoint(run, monkeypatch):
    good = network(1)
    state = {"network": good.state_dict()}
    run.save_checkpoint(good, INFO, Checkpoint(state, {"epoch": 1}, {}), best=False)

    def crash(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(
        "trainer.runs.checkpoint.torch.save", crash
    )  # after the weights were replaced
    with pytest.raises(KeyboardInterrupt):
        run.save_checkpoint(network(2), INFO, Checkpoint({}, {"epoch": 2}, {}), best=False)
    back, found = run.load_checkpoint(INFO), network(3)
    assert back.loop == {"epoch": 1}
    found.load_state_dict(back.learner["network"])
    assert equal(found, good)


def test_a_checkpoint_that_would_run_code_is_refused(run):
    run.save_checkpoint(network(), INFO, NOTHING, best=False)
    torch.save({"learner": print, "loop": {}}, run.folder / "last.state.pt")
    with pytest.raises(RunError, match=r"cannot read the checkpoint .*last.state.pt"):
        run.load_checkpoint(INFO)


def test_a_checkpoint_of_another_version_says_so(run):
    run.save_checkpoint(network(), INFO, NOTHING, best=False)
    torch.save({"schema": 1, "learner": {}, "loop": {}}, run.folder / "last.state.pt")
    with pytest.raises(RunError, match="has schema 1, expected 2"):
        run.load_checkpoint(INFO)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(share=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_of_a_checkpoint_is_named_or_changes_nothing(run, share, bit):
    kept = {"weights": torch.arange(300.0), "steps": 7}
    run.save_checkpoint(network(), INFO, Checkpoint(kept, {"epoch": 1}, {}), best=False)
    path = run.folder / "last.state.pt"
    data = bytearray(path.read_bytes())
    data[int(share * len(data))] ^= 1 << bit
    path.write_bytes(data)
    back = None
    with contextlib.suppress(RunError):
        back = run.load_checkpoint(INFO)
    if back is None:
        with pytest.raises(RunError, match=r"cannot read the checkpoint .*last\.state\.pt: "):
            run.load_checkpoint(INFO)
    else:
        assert torch.equal(back.learner["weights"], kept["weights"])
        assert (back.learner["steps"], back.loop, back.draws) == (7, {"epoch": 1}, {})


def test_a_flipped_bit_of_the_weights_beside_a_checkpoint_is_named(run):
    run.save_checkpoint(network(), INFO, NOTHING, best=False)
    path = run.folder / "last.safetensors"
    data = bytearray(path.read_bytes())
    data[-1000] ^= 64
    path.write_bytes(data)
    with pytest.raises(WeightsError, match=r"last\.safetensors: damaged"):
        run.load_checkpoint(INFO)


def test_an_edited_config_is_named_and_a_longer_run_is_none(run):
    run.save_checkpoint(network(), INFO, NOTHING, best=False)
    run.close()
    edited = run.folder / "config.json"
    longer = RunFolder.resume(run.folder, CONFIG.changed(epochs=99))
    longer.load_checkpoint(INFO)
    longer.close()
    edited.write_text(CONFIG.changed(batch_size=CONFIG.batch_size + 1).to_json())
    with pytest.raises(RunError, match=r"config\.json has batch_size \d+, but the run began with"):
        RunFolder.open(run.folder).load_checkpoint(INFO)


def test_a_checkpoint_that_does_not_say_its_config_is_read(run):
    run.save_checkpoint(network(), INFO, NOTHING, best=False)
    path = run.folder / "last.state.pt"
    state = torch.load(path, weights_only=True)
    del state["config"]
    torch.save(state, path)
    assert run.load_checkpoint(INFO) == NOTHING


def test_files_are_plain(run):
    run.write_summary({"median_percent": 1.0})
    assert json.loads((run.folder / "summary.json").read_text()) == {"median_percent": 1.0}
