"""What the pages say of messages and files is what the code reads and writes."""

import json
import re
import tomllib
from collections import Counter
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from detector_parts import INFO

from blender_scenes import spec
from feedback.controller import Controller
from feedback.history import FILE, History
from simulator.fleet.ends import Reason
from simulator.fleet.metrics import Metrics
from simulator.fleet.rows import Row, State
from simulator.randomization import hidden
from simulator.randomization.assignment import Assignment
from simulator.randomization.settings import SampleSettings
from simulator.recordings import recipe, recording, sample_files
from simulator.robot import Robot
from simulator.robot.description import Description, KeypointEntry
from simulator.transport import codec, messages, seal
from simulator.transport.hub import PROBE_S, SILENCE_S
from simulator.transport.link import GOODBYE_MS, HELLO_S
from simulator.transport.messages import MAX_CREDITS
from simulator.transport.sockets import HIGH_WATER, LINGER_MS, LONGEST_RETRY_MS

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def section(page: str, heading: str) -> str:
    """A page's text under a heading, up to the next of any level."""
    text = (DOCS / page).read_text()
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", text, re.M | re.S)
    assert found, f"{page} has no heading {heading!r}"
    return found[1]


def first_column(text: str) -> list[str]:
    """The names in code in the first column of a section's table."""
    cells = re.findall(r"^\| (`.*?) \|", text, re.M)
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def names(kind: Any) -> list[str]:
    """What a structure's fields are called where it is written down."""
    if is_dataclass(kind):
        return [field.name for field in fields(kind)]
    return [field.encode_name for field in msgspec.structs.fields(kind)]


TABLES = {
    ("reference/wire.md", "hello"): messages.Hello,
    ("reference/wire.md", "welcome"): messages.Welcome,
    ("reference/wire.md", "refused"): messages.Refused,
    ("reference/wire.md", "make"): messages.Make,
    ("reference/wire.md", "mark"): seal.Mark,
    ("reference/wire.md", "assign"): messages.Assign,
    ("reference/wire.md", "alive"): messages.Alive,
    ("reference/wire.md", "bye"): messages.Bye,
    ("reference/wire.md", "terms"): Assignment,
    ("reference/wire.md", "settings"): SampleSettings,
    ("reference/wire.md", "header"): codec.Header,
    ("reference/hidden.md", "hidden"): hidden.Hidden,
    ("reference/hidden.md", "view"): hidden.View,
    ("reference/hidden.md", "sun"): spec.Sun,
    ("reference/hidden.md", "environment"): spec.Environment,
    ("reference/hidden.md", "materials"): spec.Material,
    ("reference/hidden.md", "background"): spec.Background,
    ("reference/hidden.md", "stand"): spec.Stand,
    ("reference/hidden.md", "props"): spec.Prop,
    ("reference/hidden.md", "others"): hidden.Other,
    ("reference/hidden.md", "sensor"): spec.Sensor,
    ("reference/hidden.md", "film"): spec.Film,
    ("reference/hidden.md", "provenance"): hidden.Provenance,
    ("reference/recording.md", "description"): recording.Description,
    ("reference/recording.md", "robot"): recording.Skeleton,
    ("reference/recording.md", "rendering"): recipe.Rendering,
    ("reference/recording.md", "entry"): sample_files.Entry,
    ("reference/recording.md", "belief"): sample_files.Belief,
    ("reference/recording.md", "recipe"): recipe.Recipe,
}


@pytest.mark.parametrize("place", TABLES, ids=" ".join)
def test_a_page_names_every_field_and_no_other(place: tuple[str, str]) -> None:
    assert first_column(section(*place)) == names(TABLES[place])


def test_every_message_has_a_section() -> None:
    kinds = (*messages.FromWorker.__args__, *messages.FromTrainer.__args__)
    documented = {kind for (page, _), kind in TABLES.items() if page == "reference/wire.md"}
    assert set(kinds) <= documented
    for (page, heading), kind in TABLES.items():
        if kind in kinds:
            assert page == "reference/wire.md"
            assert kind.__struct_config__.tag == heading


def test_the_wires_numbers_are_the_codes() -> None:
    page = (DOCS / "reference/wire.md").read_text()
    for fact in (
        f"**schema {messages.SCHEMA}**",
        f"| `schema` | integer | {messages.SCHEMA} |",  # of a sample's header
        f"| `schema` | integer | | {messages.SCHEMA} |",  # of hello
        f"{HIGH_WATER} messages",
        f"linger | {LINGER_MS // 1000} s",
        f"control: {messages.WORKER_LIMIT // 1024} KiB from simulators, "
        f"{messages.TRAINER_LIMIT // 1024**2} MiB from trainers",
        f"image, belief map and {codec.HEADER_LIMIT // 1024} KiB",
        f"again every {HELLO_S:.0f} s",
        f"up to {LONGEST_RETRY_MS // 1000} s |",
        f"without `bye` within {GOODBYE_MS // 1000} s",
        f"says nothing for {SILENCE_S:.0f} s",
        f"at most {MAX_CREDITS}",
    ):
        assert fact in page
    assert PROBE_S == 1  # "sent every second"


def test_the_page_of_weights_names_what_stands_in_a_file() -> None:
    page = (DOCS / "reference/weights.md").read_text().split("##")[0]
    assert sorted(first_column(page)) == sorted(json.loads(INFO.to_json()))


def test_the_page_of_run_folders_names_what_stands_in_a_prior_history(
    tmp_path: Path, uniform: Any
) -> None:
    History(tmp_path).append(Controller(uniform).observation)
    entry = json.loads((tmp_path / FILE).read_text())
    page = section("reference/run-folder.md", "prior_history.jsonl")
    assert sorted(first_column(page)) == sorted(entry)


def test_the_page_of_robots_names_every_key() -> None:
    keys = [k for k in names(Description) if k != "keypoint"]
    keys += [f"keypoint.{name}" for name in names(KeypointEntry)]
    documented = first_column(section("how-to/robot.md", "The file"))
    shown = {"[[keypoint]]", "link", "joint"}  # where the tables begin
    assert {*documented} - shown == {*keys}


def test_the_page_of_watching_names_every_field_state_and_reason() -> None:
    page = "reference/watching.md"
    assert first_column(section(page, "worker")) == names(Row)
    assert first_column(section(page, "states")) == list(State)
    assert first_column(section(page, "Reasons")) == list(Reason)
    served = {metric.name for metric in unserved()}
    told = {name.removesuffix("_total") for name in first_column(section(page, "Metrics"))}
    assert told == served


def unserved() -> list[Any]:
    """Every metric, without a server."""
    metrics = Metrics.__new__(Metrics)
    metrics._rows, metrics._ends = (), Counter()
    return list(metrics.collect())


def test_the_pages_show_every_example() -> None:
    page = (DOCS / "guide/examples.md").read_text()
    for script in (ROOT / "examples").glob("*.py"):
        assert f'--8<-- "examples/{script.name}"\n' in page


def test_readme_is_short_and_its_links_lead_somewhere() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 125
    for target in re.findall(r"\]\(([^)]+)\)", text):
        assert (ROOT / target).exists(), target


def test_readme_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    from cli_parts import jointloop

    assert jointloop("--help") == 0
    listed = re.search(r"\{([a-z,-]+)\}", capsys.readouterr().out)
    assert listed
    verbs = re.findall(r"^    jointloop ([a-z-]+)", (ROOT / "README.md").read_text(), re.M)
    assert sorted(listed[1].split(",")) == sorted(verbs)


def test_other_words_for_a_belief_map_are_said_once() -> None:
    pages = [*DOCS.rglob("*.md"), ROOT / "README.md"]
    assert sum(page.read_text().count("heatmap") for page in pages) == 1


def test_the_citation_is_of_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"\nversion: {project['version']}\n" in (ROOT / "CITATION.cff").read_text()


def test_a_robots_name_in_the_pages_is_one_that_is_known() -> None:
    page = (DOCS / "guide/images.md").read_text()
    listed = re.search(r"By name: ([a-z0-9, ]+)\.", page)
    assert listed
    for name in listed[1].split(", "):
        assert Robot.named(name).name == name
