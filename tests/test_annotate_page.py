"""The page for marking in a browser: with the pointer, with keys alone, across a reload."""

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from annotate_parts import UR10, desk, photographed
from playwright import sync_api

from jointloop.annotate.server import HOST, Desk, app, bound
from trainer.evaluation.coco import read_coco
from trainer.pose.shots import Shot

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PATIENCE_MS = 120_000
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium is installed: apt install chromium"),
    pytest.mark.filterwarnings("default"),  # of uvicorn's and playwright's own
]
NAMES = UR10.keypoint_names


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Desk, list[Shot]]]:
    folder = tmp_path_factory.mktemp("page")
    shots = photographed(folder)
    table = desk(folder, shots, [0.9, 0.2, 0.5], [])
    listening = bound(0)
    server = uvicorn.Server(uvicorn.Config(app(table), log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    yield f"http://{HOST}:{listening.getsockname()[1]}/", table, shots
    server.should_exit = True
    thread.join(timeout=30)
    listening.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any, served: tuple[str, Desk, list[Shot]]) -> Iterator[Any]:
    url, table, _ = served
    table._books.clear()
    for path in table.out.parent.glob("labels*.json"):
        path.unlink()
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE_MS)
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.goto(url)
    opened.wait_for_selector("#keypoints tr.guess")  # the detector has looked
    yield opened
    assert faults == []
    context.close()


def row(page: Any, name: str) -> Any:
    return page.locator(f"tr[data-keypoint={name}]")


def place_of(page: Any, name: str) -> list[float]:
    text = row(page, name).locator("td").nth(2).inner_text()
    return [float(part) for part in text.split(",")]


def saved(page: Any) -> None:
    page.wait_for_function("document.getElementById('saved').textContent.startsWith('saved')")


def on_screen(page: Any, x: float, y: float) -> tuple[float, float]:
    """Where a pixel of the picture is shown when the whole picture is."""
    box = page.locator("#view").bounding_box()
    scale = min(box["width"] / 320, box["height"] / 240, 8)
    return (
        box["x"] + (x - 159.5) * scale + box["width"] / 2,
        box["y"] + (y - 119.5) * scale + box["height"] / 2,
    )


def read(table: Desk) -> list[np.ndarray]:
    return [image.pixels for image in read_coco(table.out, NAMES, "ur10").images]


def test_guesses_become_marks_are_saved_and_are_there_after_a_reload(
    page: Any, served: tuple[str, Desk, list[Shot]]
) -> None:
    _, table, shots = served
    assert shots[1].name in page.locator("#name").inner_text()  # the one that is least sure
    assert "guess" in row(page, "elbow").inner_text()
    page.keyboard.press("a")
    saved(page)
    np.testing.assert_allclose(read(table)[0], shots[1].pixels, atol=0.01)
    page.reload()
    page.wait_for_selector("tr[data-keypoint=elbow]")
    assert "visible" in row(page, "elbow").inner_text()
    np.testing.assert_allclose(place_of(page, "elbow"), shots[1].pixels[2], atol=0.06)


def test_a_mark_that_is_dragged_away_turns_red_with_its_residual_and_back(
    page: Any, served: tuple[str, Desk, list[Shot]]
) -> None:
    _, _, shots = served
    page.keyboard.press("a")
    saved(page)
    page.wait_for_function("document.getElementById('advice').textContent.includes('has these')")
    true = shots[1].pixels[2]
    way = np.where(true > (160, 120), -60, 60)
    away = true + way
    page.mouse.move(*on_screen(page, *true))
    page.mouse.down()
    for share in (0.3, 0.7, 1.0):
        page.mouse.move(*on_screen(page, *(true + share * way)))
    page.mouse.up()
    page.wait_for_selector("tr.red")
    np.testing.assert_allclose(place_of(page, "elbow"), away, atol=1.5)
    page.wait_for_function("document.querySelector('tr.red td:last-child').textContent > 2.5")
    page.keyboard.press("u")
    page.wait_for_function("!document.querySelector('tr.red')")
    np.testing.assert_allclose(place_of(page, "elbow"), true, atol=0.06)


def test_the_keyboard_alone_marks_a_picture(
    page: Any, served: tuple[str, Desk, list[Shot]]
) -> None:
    _, table, shots = served
    page.keyboard.press("3")
    for _ in range(2):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    page.keyboard.press("Alt+ArrowLeft")
    page.keyboard.press("Tab")
    page.keyboard.press("h")
    page.keyboard.press("7")
    page.keyboard.press("o")
    saved(page)
    true = shots[1].pixels
    np.testing.assert_allclose(place_of(page, "elbow"), true[2] + (1.9, 10), atol=0.06)
    assert "hidden" in row(page, "wrist_1").inner_text()
    assert "–" in row(page, "tool_flange").inner_text()
    page.keyboard.press("u")
    page.keyboard.press("r")
    page.keyboard.press("Enter")
    page.wait_for_function(
        f"document.getElementById('name').textContent.includes('{shots[2].name}')"
    )
    saved(page)
    time.sleep(0.2)
    flags = read_coco(table.out, NAMES, "ur10").images[0].visibility
    assert flags.tolist() == [2, 2, 2, 1, 2, 2, 0]
    assert table.book("").pages[1].done
    page.keyboard.press("b")
    page.wait_for_function(
        f"document.getElementById('name').textContent.includes('{shots[1].name}')"
    )


def test_the_view_goes_to_800_percent_and_no_nearer(page: Any) -> None:
    for _ in range(30):
        page.keyboard.press("+")
    assert page.locator("#where").inner_text() == "800 %"
    assert page.locator("#loupe").is_visible()
    page.keyboard.press("l")
    assert not page.locator("#loupe").is_visible()
    page.keyboard.press("0")
    assert page.locator("#where").inner_text() != "800 %"


def test_help_names_every_key(page: Any) -> None:
    page.keyboard.press("?")
    text = page.locator("#help").inner_text()
    for words in ("undo", "800 %", "proposals", "Enter", "Tab"):
        assert words in text


def test_what_could_not_be_saved_is_saved_when_the_server_is_back(
    page: Any, served: tuple[str, Desk, list[Shot]]
) -> None:
    _, table, shots = served
    page.route("**/api/marks/**", lambda route: route.abort())
    page.locator("#view").focus()
    failed = page.locator("#saved.failed")
    deadline = time.monotonic() + PATIENCE_MS / 1000
    while not failed.count() and time.monotonic() < deadline:
        page.keyboard.press("a")  # again: the picture may have come only now
        page.wait_for_timeout(500)
    assert failed.count()
    assert not table.out.exists()
    page.unroute("**/api/marks/**")
    page.reload()  # even the page may go in between
    page.wait_for_selector("tr[data-keypoint=elbow]")
    saved(page)
    np.testing.assert_allclose(read(table)[0], shots[1].pixels, atol=0.01)


def test_a_person_who_says_a_name_has_a_file_of_their_own(
    page: Any, served: tuple[str, Desk, list[Shot]]
) -> None:
    _, table, _ = served
    page.fill("#by", "ann")
    page.locator("#by").press("Enter")
    page.wait_for_timeout(500)
    page.locator("#view").focus()
    page.keyboard.press("a")
    saved(page)
    assert [p.name for p in table.out.parent.glob("labels*.json")] == ["labels-ann.json"]
    page.evaluate("localStorage.clear()")


def test_pictures_are_not_handed_to_other_hosts(browser: Any, served: Any, tmp_path: Path) -> None:
    url, _, _ = served
    context = browser.new_context()
    answer = context.request.get(f"{url}api/session", headers={"Host": "evil.example"})
    assert answer.status == 400
    context.close()
