"""Marks of photos: saved whole after every change, gone on with, and checked as they are made."""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from annotate_parts import UR10, Client, desk, photographed
from cli_parts import jointloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jointloop.annotate.advice import Guess, guessed, order
from jointloop.annotate.book import Book, Page
from jointloop.annotate.errors import AnnotateError
from jointloop.annotate.server import Desk, app, bound
from jointloop.common.files import part_of
from trainer.evaluation.coco import read_coco
from trainer.inference.closer import Look, Window
from trainer.pose.shots import Shot

JOINTS = len(UR10.keypoints)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Shot]]:
    folder = tmp_path_factory.mktemp("annotate")
    return folder, photographed(folder)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def table(photos: tuple[Path, list[Shot]], said: list[str]) -> Desk:
    folder, shots = photos
    for path in folder.glob("labels*.json"):
        path.unlink()
    return desk(folder, shots, [0.9, 0.2, 0.5], said)


@pytest.fixture
def client(table: Desk) -> Client:
    return Client(app(table))


def marks(shot: Shot, done: bool = False) -> dict[str, Any]:
    return {"pixels": shot.pixels.round(2).tolist(), "flags": [2] * JOINTS, "done": done}


def test_pictures_come_in_the_order_of_how_unsure_the_detector_is(client: Client) -> None:
    session = client.get("/api/session").json()
    assert session["order"] == [1, 2, 0]
    assert session["keypoints"] == list(UR10.keypoint_names)
    assert order([None, Guess([None], [0.4]), None]) == [0, 2, 1]
    picture = client.get("/api/picture/1")
    assert picture.headers["content-type"] == "image/jpeg"


def test_marks_are_in_the_file_before_the_answer_and_other_tools_read_them(
    client: Client, table: Desk, photos: tuple[Path, list[Shot]]
) -> None:
    _, shots = photos
    assert client.put("/api/marks/1", json=marks(shots[1], done=True)).json()["done"] == 1
    assert not part_of(table.out).exists()
    read = read_coco(table.out, UR10.keypoint_names, "ur10")
    assert len(read.images) == 1  # others would count as ones without a robot
    np.testing.assert_allclose(read.images[0].pixels, shots[1].pixels, atol=0.01)
    assert read.images[0].load().shape == (240, 320, 3)


def test_a_page_that_is_opened_again_goes_on_where_it_stopped(
    client: Client, table: Desk, photos: tuple[Path, list[Shot]]
) -> None:
    folder, shots = photos
    page = marks(shots[2], done=True)
    page["pixels"][3], page["flags"][3], page["flags"][4] = None, 0, 1
    client.put("/api/marks/2", json=page)
    again = Client(app(desk(folder, shots, [0.9, 0.2, 0.5], [])))
    pictures = again.get("/api/session").json()["pictures"]
    assert pictures[2]["marks"] == page
    assert pictures[0]["marks"]["flags"] == [0] * JOINTS


def test_everybody_has_a_file_of_their_own(
    client: Client, table: Desk, photos: tuple[Path, list[Shot]]
) -> None:
    _, shots = photos
    client.put("/api/marks/0?by=ann", json=marks(shots[0]))
    client.put("/api/marks/1?by=bob", json=marks(shots[1]))
    assert sorted(p.name for p in table.out.parent.glob("labels*.json")) == [
        "labels-ann.json",
        "labels-bob.json",
    ]
    assert client.get("/api/session?by=bob").json()["pictures"][0]["marks"]["flags"][0] == 0
    assert client.get("/api/session?by=../x").status_code == 400


def test_what_the_file_has_of_other_pictures_stays(
    client: Client, table: Desk, photos: tuple[Path, list[Shot]]
) -> None:
    folder, shots = photos
    client.put("/api/marks/0", json=marks(shots[0]))
    fewer = desk(folder, shots, [0.9, 0.2, 0.5], [])
    fewer.photos = fewer.photos[1:]
    fewer.guesses = fewer.guesses[1:]
    book = fewer.book("")
    book.turn(0, Page.of(marks(shots[1]), JOINTS))
    read = read_coco(table.out, UR10.keypoint_names, "ur10")
    places = {image.name: image.pixels for image in read.images}
    assert len(places) == 2
    for i in (0, 1):
        name = f"photos/{shots[i].name}.png"
        np.testing.assert_allclose(places[name], shots[i].pixels, atol=0.01)


def test_a_box_that_was_drawn_by_hand_stays(
    client: Client, table: Desk, photos: tuple[Path, list[Shot]]
) -> None:
    folder, shots = photos
    client.put("/api/marks/0", json=marks(shots[0]))
    said = json.loads(table.out.read_text())
    said["annotations"][0]["bbox"] = [1, 2, 300, 200]
    table.out.write_text(json.dumps(said))
    book = desk(folder, shots, [0.9, 0.2, 0.5], []).book("")
    book.turn(0, Page.of(marks(shots[0], done=True), JOINTS))
    assert json.loads(table.out.read_text())["annotations"][0]["bbox"] == [1, 2, 300, 200]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.none(),
        st.integers(),
        st.fixed_dictionaries(
            {
                "pixels": st.lists(st.one_of(st.none(), st.lists(st.floats(), max_size=3))),
                "flags": st.lists(st.integers(-1, 4)),
                "done": st.one_of(st.booleans(), st.none()),
            }
        ),
    )
)
def test_marks_that_make_no_sense_are_refused_in_one_line(said: Any) -> None:
    with pytest.raises(AnnotateError) as error:
        Page.of(said, JOINTS)
    assert "\n" not in str(error.value)


def test_what_a_browser_says_wrongly_is_one_line_and_nothing_is_lost(
    client: Client, table: Desk, said: list[str], photos: tuple[Path, list[Shot]]
) -> None:
    _, shots = photos
    client.put("/api/marks/0", json=marks(shots[0]))
    before = table.out.read_bytes()
    said.clear()
    for answer in (
        client.put(
            "/api/marks/0", content=b'{"pixels": [[1,', headers={"content-type": "application/json"}
        ),
        client.put("/api/marks/0", content=b"x=1"),
        client.put("/api/marks/9", json=marks(shots[0])),
        client.put("/api/marks/0", json=marks(shots[0]) | {"flags": [2]}),
    ):
        assert answer.status_code == 400
        assert answer.json()["error"]
    assert len(said) == 4
    assert table.out.read_bytes() == before
    assert client.get("/api/session", headers={"host": "evil.example"}).status_code == 400


def test_a_browser_that_leaves_in_the_middle_is_one_line_and_nothing_is_lost(
    client: Client, table: Desk, said: list[str], photos: tuple[Path, list[Shot]]
) -> None:
    _, shots = photos
    client.put("/api/marks/0", json=marks(shots[0]))
    before = table.out.read_bytes()
    said.clear()
    parts = iter(
        [
            {"type": "http.request", "body": b'{"pixels": [[1, ', "more_body": True},
            {"type": "http.disconnect"},
        ]
    )

    async def receive() -> Any:
        return next(parts)

    async def send(message: Any) -> None:
        """Nobody is there."""

    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "PUT", "path": "/api/marks/0", "headers": headers}
    scope |= {"query_string": b"", "root_path": "", "http_version": "1.1", "scheme": "http"}
    asyncio.run(app(table)(scope, receive, send))
    assert said == ["note: a browser left while it said something; what was saved before stays"]
    assert table.out.read_bytes() == before


def test_marks_that_no_pose_has_are_red_with_their_residual(
    client: Client, photos: tuple[Path, list[Shot]]
) -> None:
    _, shots = photos
    page = marks(shots[1])
    fine = client.post("/api/advice/1", json=page).json()
    assert fine["checked"]
    assert not any(fine["red"])
    true = shots[1].pixels[3]
    page["pixels"][3] = (true + np.where(true > (160, 120), -60, 60)).tolist()
    for quick in (True, False):
        wrong = client.post("/api/advice/1", json=page | {"quick": quick}).json()
        assert any(wrong["red"])
    assert wrong["red"][3]
    assert wrong["residuals"][3] > 5
    assert "wrist_1" in wrong["faults"][0]


def test_a_keypoint_that_is_left_out_is_proposed(
    client: Client, photos: tuple[Path, list[Shot]]
) -> None:
    _, shots = photos
    page = marks(shots[1])
    page["pixels"][4], page["flags"][4] = None, 0
    told = client.post("/api/advice/1", json=page).json()
    if told["proposed"][4] is not None:  # else it would be open where it lies
        assert np.hypot(*np.subtract(told["proposed"][4], shots[1].pixels[4])) < 12


def test_the_detector_guesses_what_it_finds_from_the_threshold_on() -> None:
    class Sees:
        def look(self, image: np.ndarray) -> Look:
            pixels = np.array([[1.0, 2.0], [np.nan, 3.0], [4.0, 5.0]])
            scores = np.array([0.9, 0.8, 0.05])
            return Look(pixels, scores, np.zeros((3, 1, 1), np.float32), Window(0, 0, 9, 9))

    class Photo:
        def load(self) -> np.ndarray:
            return np.zeros((9, 9, 3), np.uint8)

    guess = guessed(Sees(), Photo(), 0.1)  # type: ignore[arg-type]
    assert guess.pixels == [(1.0, 2.0), None, None]
    assert guess.scores == [0.9, 0.0, 0.0]


def test_a_port_that_is_taken_is_named() -> None:
    with bound(0) as listening:
        listening.listen()
        with pytest.raises(AnnotateError, match="give another --port"):
            bound(listening.getsockname()[1])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("photos", "--out", "labels.txt"),
            "out is labels.txt; expected a name that ends in .json",
        ),
        (("photos", "--out", "none/labels.json"), "in a folder"),
        (("nowhere", "--out", "labels.json"), "nowhere: there is no such file or folder"),
        (("photos", "--out", "labels.json", "--every", "0"), "every is 0"),
        (("photos", "--out", "labels.json", "--robot", "r2d2"), "r2d2"),
        (("photos", "--out", "other.json"), "has unknown keypoints nose"),
        (("photos", "--out", "two.json"), "annotation 2 is a second one of its image"),
        (("photos", "--out", "broken.json"), "is no COCO keypoints JSON"),
    ],
)
def test_a_mistake_is_one_line(
    photos: tuple[Path, list[Shot]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    message: str,
) -> None:
    folder, _ = photos
    monkeypatch.chdir(folder)
    category = {"id": 1, "name": "dog", "keypoints": ["nose"]}
    image = {"id": 1, "file_name": "a.png"}
    other = {"images": [image], "annotations": [], "categories": [category]}
    Path("other.json").write_text(json.dumps(other))
    robots = [{"id": i, "image_id": 1, "category_id": 1} for i in (1, 2)]
    arm = {"id": 1, "name": "ur10", "keypoints": list(UR10.keypoint_names)}
    two = {"images": [image], "annotations": robots, "categories": [arm]}
    Path("two.json").write_text(json.dumps(two))
    Path("broken.json").write_text("{")
    assert jointloop("annotate", *words, "--no-detect", "--port", "0") == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_a_book_that_can_not_be_written_keeps_the_page(
    table: Desk, photos: tuple[Path, list[Shot]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, shots = photos
    book = Book.open(UR10, table.photos, table.out.parent / "gone" / "labels.json")
    client = Client(app(table))
    table._books[""] = book
    answer = client.put("/api/marks/0", json=marks(shots[0]))
    assert answer.status_code == 400
    assert "cannot write" in answer.json()["error"]
    assert book.pages[0].flags == [2] * JOINTS
