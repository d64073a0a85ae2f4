"""Settings on the command line: every one arrives, and every mistake is one line."""

import json
import math
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from cli_parts import jointloop
from config_parts import leaves
from simulator_parts import hub_at

from jointloop.cli.entry import VERBS
from jointloop.common.errors import JointloopError
from jointloop.common.settings import flat, nested, plain
from simulator.randomization.settings import SampleSettings
from simulator.randomization.variety import CALM, FULL
from trainer.config.config import Config
from trainer.config.presets import preset

SETTINGS = [leaf for leaf in leaves() if leaf.path not in ("weights", "expect.log")]
OF_SAMPLES = [leaf for leaf in SETTINGS if leaf.path.startswith("settings.")]


class ArrivedError(JointloopError):
    """What was to be known is known."""


@pytest.fixture
def arrived(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What verbs would have worked with: configs, settings and options."""
    seen: list[Any] = []

    def note(at: int | str):
        def noted(*given: Any, **named: Any) -> None:
            seen.append(named[at] if isinstance(at, str) else given[at])
            raise ArrivedError("arrived")

        return noted

    monkeypatch.setattr("trainer.session.train", note(0))
    monkeypatch.setattr("simulator.sample_maker.SampleMaker.__init__", note(1))
    monkeypatch.setattr("simulator.label_check.measure.check", note(0))
    monkeypatch.setattr("simulator.recordings.recording.describe", note(0))
    monkeypatch.setattr("simulator.recordings.replay.recipe_of", note(0))
    monkeypatch.setattr("simulator.fleet.fleet.Fleet.__init__", note(2))
    return seen


def trained(arrived: list[Any], *words: str) -> Config:
    code = jointloop("train", *words, "--bind", "tcp://127.0.0.1:*", "--run", "never")
    assert code == 2
    return arrived.pop()


def option(path: str) -> str:
    short = path if path == "settings.seed" else path.removeprefix("settings.")
    return "--" + short.replace("_", "-")


@pytest.mark.parametrize("promise", ["complete", "latest"])
def test_what_a_run_promises_of_its_samples_has_a_short_name(
    promise: str, arrived: list[Any]
) -> None:
    assert preset("tiny").stream.delivery == "complete"
    assert trained(arrived, "tiny", "--delivery", promise).stream.delivery == promise
    assert preset("tiny").changed(delivery=promise).stream.delivery == promise


@pytest.mark.parametrize("leaf", SETTINGS, ids=lambda leaf: leaf.path)
def test_every_setting_can_be_given_as_an_option_and_arrives(leaf, arrived: list[Any]) -> None:
    began = preset(leaf.preset)
    (value,) = flat(leaf.other(began)).values()
    config = trained(arrived, leaf.preset, option(leaf.path), *leaf.words(value))
    found = flat(plain(config))
    assert found[leaf.path] == value
    if leaf.path != "seed":  # which is the samples' too
        assert config == began.over(leaf.other(began))


@pytest.mark.parametrize("leaf", leaves(), ids=lambda leaf: leaf.path)
def test_every_setting_can_be_given_in_a_file_and_arrives(
    leaf, arrived: list[Any], tmp_path: Path
) -> None:
    import tomlkit

    began = preset(leaf.preset)
    (value,) = flat(leaf.other(began)).values()
    given = value if isinstance(value, str) else _numbers(leaf.words(value), value)
    file = tmp_path / "my.toml"
    file.write_text(tomlkit.dumps(nested({leaf.path: given})))
    assert trained(arrived, leaf.preset, "--config", str(file)) == began.over(leaf.other(began))


def _numbers(words: list[str], value: Any) -> Any:
    """Words as a TOML file has them."""
    plainly = [word if isinstance(_plain(value), str) else json.loads(word) for word in words]
    return plainly if isinstance(value, tuple) else plainly[0]


def _plain(value: Any) -> Any:
    return value[0] if isinstance(value, tuple) else value


@pytest.mark.parametrize("verb", ["record", "gallery", "check-labels", "replay"])
def test_every_setting_of_samples_can_be_given_where_samples_are_made(
    verb: str, arrived: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    needs = {"record": ("--out", "r", "--samples", "1"), "replay": ("--out", "r", "--index", "0")}
    engine = () if verb == "check-labels" else ("--engine", "stick")
    own = preset("tiny").changed(variety=FULL)
    trees = [leaf.other(own) for leaf in OF_SAMPLES]
    values = {path: value for tree in trees for path, value in flat(tree).items()}
    words = [
        word
        for leaf in OF_SAMPLES
        for word in ("--" + leaf.path[9:].replace("_", "-"), *leaf.words(values[leaf.path]))
    ]
    assert jointloop(verb, *needs.get(verb, ()), *engine, *words) == 2
    found = flat(plain(arrived.pop()), "settings")
    assert found == values


def test_options_count_over_a_file_and_broad_ones_under_single_ones(
    arrived: list[Any], tmp_path: Path
) -> None:
    file = tmp_path / "my.toml"
    file.write_text("[stream]\nbuffer = 64\n[feedback]\nweight = 3\n[settings]\nbins = 8\n")
    words = ("--config", str(file), "--stream.buffer", "512", "--learning-rate", "3e-3")
    config = trained(arrived, "tiny", *words, "--variety", "full", "--augment", "light", "--seed=5")
    assert (config.stream.buffer, config.feedback.weight, config.settings.bins) == (512, 3.0, 8)
    assert config.optimiser.learning_rate == 3e-3
    assert (config.settings.variety, config.seed, config.settings.seed) == (FULL, 5, 5)
    words = ("--variety.camera.elevation", "-10", "40", "--variety.sensor", "off", "--no-feedback")
    config = trained(arrived, "small", "--augment.hue", "7", "--augment", "off", *words)
    assert config.settings.variety.camera.elevation == (math.radians(-10), math.radians(40))
    assert config.settings.variety.camera.azimuth == CALM.camera.azimuth
    assert (config.augment.hue, config.augment.rotation) == (7.0, 0.0)
    assert not config.feedback.enabled


def test_a_runs_config_begins_another_run(arrived: list[Any], tmp_path: Path) -> None:
    began = preset("small").changed(epochs=3, **{"feedback.weight": 4})
    (tmp_path / "config.json").write_text(began.to_json())
    for file in (tmp_path, tmp_path / "config.json"):
        assert trained(arrived, "--config", str(file)) == began
    assert trained(arrived, "--config", str(tmp_path), "--bins", "4").settings.bins == 4


def test_a_files_part_for_simulators_counts_where_samples_are_made(
    arrived: list[Any], tmp_path: Path
) -> None:
    file = tmp_path / "my.toml"
    file.write_text("epochs = 3\n[settings.variety]\nsensor = false\n")
    words = ("gallery", "--out", f"{tmp_path}/g.png", "--engine", "stick", "--config", str(file))
    assert jointloop(*words) == 2
    settings = arrived.pop()
    assert settings.variety.sensor is None
    assert settings.variety.distractors == FULL.distractors
    assert settings.size == "320x240"
    file.write_text('preset = "heindl2019"\n')
    assert jointloop(*words, "--bins", "4") == 2
    settings = arrived.pop()
    assert settings.variety == CALM
    assert settings.bins == 4


def test_a_fleet_wishes_for_what_it_is_given_alone(arrived: list[Any]) -> None:
    words = ("simulate", "--connect", "tcp://127.0.0.1:5555", "--engine", "stick")
    assert jointloop(*words) == 2
    assert arrived.pop().wanted == {}
    assert jointloop(*words, "--size", "64x48", "--variety.camera.roll", "0", "9") == 2
    wanted = {"width": 64, "height": 48, "variety.camera.roll": (0.0, math.radians(9))}
    assert arrived.pop().wanted == wanted
    assert jointloop(*words, "--variety", "calm") == 2
    assert arrived.pop().wanted == flat(plain(CALM), "variety")


def test_a_fleet_that_wishes_for_another_variety_is_refused_by_name() -> None:
    with hub_at() as hub:
        words = ["--engine", "stick", "--variety.camera.elevation", "-10", "40"]
        fleet = subprocess.Popen(
            [sys.executable, "-m", "jointloop", "simulate", "--connect", hub.local_address, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        while fleet.poll() is None:
            hub.poll(0.05)
        assert fleet.returncode == 2
        said = fleet.communicate()[0].strip().splitlines()[-1]
    assert "variety.camera.elevation -10.0 40.0; run 'run' is for variety.camera.elev" in said
    assert "-5.0 60.0" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("trian", "trian: no such verb; nearest: train"),
        ("", "give a verb: demo, train"),
        (
            "train tiny --feedback.wieght 4",
            "feedback.wieght: no such setting; nearest: feedback.we",
        ),
        ("train tiny --feedback.weight x", "feedback.weight is x; expected a number of at least 0"),
        ("train tiny --feedback.select 2", "feedback.select is 2; expected a number of 0 to 1"),
        ("train tiny --network.widths 1 2", "network.widths"),
        ("train tiny --bins 1", "bins is 1; expected a whole number of 2 to 256"),
        ("train tiny --loss.kind l7", "loss.kind is l7; expected one of mse, smooth-l1"),
        ("train tiny --variety.camera.lens maybe", "expected true or false"),
        ("train tiny --variety.sensor maybe", "variety.sensor is maybe; expected on or off"),
        ("train tiny --variety.camera off", "one by one, such as --variety.camera.framing"),
        ("gallery --variety.camera=off", "one by one, such as --variety.camera.framing"),
        ("train tiny --network off", "--network takes no value; give its settings one by"),
        ("train tiny --learning-rte 3", "--learning-rte: no such option; nearest: --learn"),
        ("train tiny --workers x", "--workers is 'x'; expected a whole number, or none"),
        ("train tiny --augment much", "--augment is 'much'; expected one of "),
        ("train tiny small", "'small' has no place here"),
        ("train tiny --run", "--run lacks a value; give --run PATH (Folder of the run)"),
        (
            "train tiny --network.widths 16 64 --workers 1",
            "--network.widths is 16 64; give --network.widths INT INT INT",
        ),
        (
            "gallery --variety.camera.elevation=-10,40",
            "--variety.camera.elevation is -10,40; give --variety.camera.elevation FLOAT FLOAT",
        ),
        (
            "gallery --engine foo",
            "--engine is 'foo'; expected one of cycles, eevee",
        ),
        ("gallery --samples x", "--samples is 'x'; expected a whole number"),
        ("gallery --variety.camera.elevation -10 400", "-10 400; expected 2 numbers, the lower fi"),
        ("gallery --variety.sensor off --variety.sensor.jpeg 1", "sensor is off, but variety.sens"),
        ("record --otu x", "--otu: no such option; nearest: --out"),
        ("record --samples 3", "give --out PATH (Folder of the recording)"),
        ("inspect", "give PATH (Folder of the run)"),
        ("replay --out r --like x.json --bins 4", "bins is given, but --like says all"),
        ("config", "name a preset"),
        ("config nowhere", "no preset 'nowhere'"),
    ],
)
def test_a_mistake_on_the_command_line_is_one_line(
    words: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert jointloop(*words.split()) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert len((shown.out + shown.err).strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--bind tcp://127.0.0.1:* --network.kernel 4", "network.kernel is 4; expected an odd num"),
        ("--bind tcp://127.0.0.1:* --optimiser.beta2 1", "beta2 is 1; expected a number of 0 to 0"),
        ("--bind tcp://127.0.0.1:* --optimiser.ema 1", "ema is 1; expected a number of 0 to 0.999"),
        ("--bind tcp://127.0.0.1:* --epochs 3 --minutes 2", "epochs is 3 and minutes 2; give one"),
        ("--bind tcp://127.0.0.1:* --stride 8", "stride is 8; expected 4, which is the network's"),
        ("--from data --size 320x240", "with --from, leave out --size"),
        ("--from data --width 320", "with --from, leave out --width"),
        ("--from data --variety full", "with --from, leave out --variety"),
        ("--from data --variety.sensor on", "with --from, leave out --variety.sensor"),
    ],
)
def test_what_no_run_can_have_is_one_line_and_leaves_no_folder(
    words: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert jointloop("train", "tiny", "--run", str(tmp_path / "run"), *words.split()) == 2
    shown = capsys.readouterr()
    assert message in shown.err
    assert len((shown.out + shown.err).strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[feedback]\nwieght = 4\n", "feedback.wieght: no such setting; nearest: feedback.weight"),
        ("[feedback]\nweight = 'x'\n", "feedback.weight is 'x'; expected a number of at least 0"),
        ("epochs = 0\n", "epochs is 0; expected a whole number of at least 1"),
        ("epochs = 3.0\n", "epochs is 3.0; expected a whole number"),
        ("feedback = 3\n", "feedback is 3; expected a table"),
        ("epochs = = 3\n", "it is no TOML: Invalid value (at line 1, column 10)"),
        ("schema = 9\n", "schema is 9; expected 1 to 3"),
        ('preset = "huge"\n', "no preset 'huge'"),
    ],
)
def test_a_mistake_in_a_file_is_one_line(
    text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "my.toml"
    file.write_text(text)
    for verb in ("train", "config"):
        words = ("--workers", "1", "--run", f"{tmp_path}/run") if verb == "train" else ()
        name = () if "preset" in text else ("tiny",)
        assert jointloop(verb, *name, "--config", str(file), *words) == 2
        shown = capsys.readouterr()
        assert message in shown.err
        assert len((shown.out + shown.err).strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_config_prints_what_can_be_given_back(
    tmp_path: Path, arrived: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "my.toml"
    for name in ("small", "light"):
        assert jointloop("config", name) == 0
        file.write_text(capsys.readouterr().out)
        assert trained(arrived, "--config", str(file)) == preset(name)
        capsys.readouterr()
    assert jointloop("config", str(file)) == 0
    assert capsys.readouterr().out == file.read_text()


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_every_verb_loads_neither_torch_nor_blender(verb: str) -> None:
    program = (
        "import sys; from jointloop.cli.entry import run\n"
        f"try: run([{verb!r}, '--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'torch', 'bpy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"usage: jointloop {verb}" in done.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_helps_lines_are_full_and_speak_of_no_none(
    verb: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert jointloop(verb, "--help") == 0
    lines = capsys.readouterr().out.splitlines()
    assert not [line for line in lines if "{None}" in line or "None)" in line or "()" in line]
    texts = [line[8:-2].rstrip() if line.startswith("│       ") else "" for line in lines]
    for text, after in pairwise(texts):
        if text and after:
            assert len(text) + 1 + len(after.split()[0]) > 90, f"{text!r} could hold more"


def test_help_shows_the_values_of_the_preset_that_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = {}
    for words in (("tiny",), ("light",), ()):
        assert jointloop("train", *words, "--help") == 0
        text = " ".join(capsys.readouterr().out.replace("│", " ").split())
        shown[words] = text.split("--batch-size INT")[1].split(")")[0]
        assert "Share of the held-out set that high-loss and random" in text
        assert "[deg]" in text
    assert shown[("tiny",)].endswith("default: 8")
    assert shown[("light",)].endswith("default: 32")
    assert shown[()].endswith("default: the preset's")


def test_defaults_of_samples_are_shown_in_degrees(capsys: pytest.CaptureFixture[str]) -> None:
    assert jointloop("gallery", "--help") == 0
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "default: -5.0 60.0)" in text
    assert SampleSettings().variety == CALM
