import contextlib
import dataclasses
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulator_parts import PRIOR, ROBOT, SETTINGS, sample

from blender_scenes.spec import MAX_PROPS
from simulator.labels import VISIBLE, belief_map
from simulator.randomization.assignment import Assignment
from simulator.randomization.dress import DressVariety
from simulator.randomization.hidden import Hidden, Other, draw
from simulator.randomization.variety import CameraVariety, DistractorVariety, Variety
from simulator.sample import Labels, Sample
from simulator.transport.codec import HEADER_LIMIT, Codec, Header, topic
from simulator.transport.messages import SCHEMA, WireError, decode_from_trainer, decode_from_worker

CODEC = Codec("run", SETTINGS, ROBOT, PRIOR)
INSTANCE = bytes(range(16))
HIDDEN = [field.name for field in dataclasses.fields(Hidden)]
PROP = {
    "kind": "box",
    "position": [0.0, 0.0, 1.0],
    "rotation": [0.0, 0.0, 0.0],
    "size": [0.1, 0.1, 0.1],
    "color": [0.5, 0.5, 0.5],
    "roughness": 0.5,
    "metallic": 0.0,
}
OTHER = {"name": "ur10", "q": [0.0] * 6, "place": [1.0, 0.0], "yaw": 0.0}


def frames_of(made: Sample, sequence: int = 3) -> list[bytes]:
    return [bytes(frame) for frame in CODEC.encode(made, INSTANCE, sequence)]


def with_header(**changes: Any) -> list[bytes]:
    """A valid message but for these entries of its header; a__b is entry b of entry a."""
    frames = frames_of(sample())
    header = msgspec.msgpack.decode(frames[1])
    for path, value in changes.items():
        *outer, last = path.split("__")
        entry = header
        for key in outer:
            entry = entry[key]
        entry[last] = value
    frames[1] = msgspec.msgpack.encode(header)
    return frames


def reason_of(frames: list[Any]) -> str:
    with pytest.raises(WireError) as caught:
        CODEC.decode(frames)
    assert "\n" not in str(caught.value)
    return caught.value.reason


@pytest.mark.parametrize("index", range(20))
def test_decoding_undoes_encoding(index: int):
    made = sample(index, worker=2, version=5, split="heldout")
    arrived = CODEC.decode(frames_of(made))
    assert (arrived.instance, arrived.sequence) == (INSTANCE, 3)
    assert arrived.sample.hidden == made.hidden
    assert arrived.sample.seconds == made.seconds
    for whole in ("image", "mask", "belief"):
        got, sent = getattr(arrived.sample, whole), getattr(made, whole)
        assert got.dtype == sent.dtype
        np.testing.assert_array_equal(got, sent)
    for field in dataclasses.fields(Labels):
        got, sent = getattr(arrived.sample.labels, field.name), getattr(made.labels, field.name)
        assert np.asarray(got).dtype == np.asarray(sent).dtype
        np.testing.assert_array_equal(got, sent)


@given(seed=st.integers(0, 2**32 - 1), sigma=st.floats(0.5, 5))
@settings(max_examples=50, deadline=None)
def test_belief_maps_lose_nothing_on_the_wire(seed: int, sigma: float):
    rng = np.random.default_rng(seed)
    joints = len(ROBOT.keypoint_names)
    pixels = rng.uniform((0, 0), (SETTINGS.width, SETTINGS.height), (joints, 2))
    belief = belief_map(
        pixels, np.ones(joints), SETTINGS.width, SETTINGS.height, SETTINGS.stride, sigma
    )
    arrived = CODEC.decode(frames_of(replace(sample(), belief=belief)))
    np.testing.assert_array_equal(arrived.sample.belief, belief)


def test_image_belief_and_mask_are_not_copied():
    frames = frames_of(sample())
    arrived = CODEC.decode(frames).sample
    assert np.shares_memory(arrived.image, np.frombuffer(frames[2], np.uint8))
    assert np.shares_memory(arrived.belief, np.frombuffer(frames[3], np.uint8))
    assert np.shares_memory(arrived.mask, np.frombuffer(frames[4], np.uint8))


def test_a_mask_covers_what_is_drawn_before_the_background():
    made = sample()
    assert made.mask.shape == made.image.shape[:2]
    inside = made.labels.visibility == VISIBLE
    assert inside.any()
    for x, y in np.rint(made.labels.pixels[inside]).astype(int):
        assert made.mask[y, x] == 255
    assert 0 < (made.mask == 0).mean() < 1


def test_keypoints_behind_the_camera_arrive_as_nan():
    made = sample()
    labels = replace(
        made.labels,
        pixels=np.vstack([[[np.nan, np.nan]], made.labels.pixels[1:]]),
        visibility=np.concatenate([[0], made.labels.visibility[1:]]).astype(np.uint8),
    )
    got = CODEC.decode(frames_of(replace(made, labels=labels))).sample.labels
    np.testing.assert_array_equal(got.pixels, labels.pixels)


def test_no_topic_begins_with_another():
    assert not topic("run-2").startswith(topic("run"))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"schema": SCHEMA + 1}, "schema"),
        ({"schema": "1"}, "header"),
        ({"robot": "panda"}, "robot"),
        ({"keypoints": ["a"] * 7}, "keypoints"),
        ({"keypoints": ["a"] * 65}, "header"),
        ({"color_space": "linear"}, "header"),
        ({"image__dtype": "float64"}, "header"),
        ({"image__shape": [48, 64, 4]}, "image"),
        ({"image__shape": [-48, -64, 3]}, "image"),
        ({"image__shape": [48]}, "header"),
        ({"belief__shape": [1, 12, 16]}, "belief"),
        ({"mask__shape": [48, 64, 1]}, "mask"),
        ({"mask__shape": [64, 48]}, "mask"),
        ({"mask__dtype": "bool"}, "header"),
        ({"instance": b"short"}, "header"),
        ({"sequence": -1}, "header"),
        ({"sequence": 2**64 - 1}, "header"),
        ({"visibility": [3] * 6}, "labels"),
        ({"visibility": [2] * 64}, "labels"),
        ({"visibility": [2**63] * 6}, "labels"),
        ({"pixels": [[float("nan")] * 2] * 6, "visibility": [2] * 6}, "labels"),
        ({"pixels": [[-1.0, 5.0]] * 6, "visibility": [1] * 6}, "labels"),
        ({"points": [[float("inf")] * 3] * 6}, "labels"),
        ({"box": [0, 0, 65, 48]}, "labels"),
        ({"box": [float("nan")] * 4}, "labels"),
        ({"area": -1.0}, "labels"),
        ({"area": 64 * 48 + 1.0}, "labels"),
        ({"seconds": {"render": float("nan")}}, "labels"),
        ({"hidden__bins": [0] * 5}, "hidden"),
        ({"hidden__bins": [16] * 6}, "hidden"),
        ({"hidden__bins": [-1] * 6}, "hidden"),
        ({"hidden__q": [0.0] * 65}, "header"),
        ({"hidden__q": [float("nan")] * 6}, "hidden"),
        ({"hidden__q": [100.0] * 6}, "hidden"),
        ({"hidden__exposure": float("inf")}, "hidden"),
        ({"hidden__exposure": "bright"}, "header"),
        ({"hidden__materials": []}, "header"),
        ({"hidden__noise_seed": 2**31}, "header"),
        ({"hidden__environment__hdri": "/etc/passwd"}, "hidden"),
        ({"hidden__environment__hdri": "photo.jpg"}, "hidden"),
        ({"hidden__background__image": "photo.jpg"}, "hidden"),
        ({"hidden__background__theme": "sea"}, "header"),
        ({"hidden__stand__kind": "pillar"}, "header"),
        ({"hidden__stand__yaw": float("nan")}, "hidden"),
        ({"hidden__props": [PROP] * (MAX_PROPS + 1)}, "header"),
        ({"hidden__props": [PROP | {"kind": "robot"}]}, "header"),
        ({"hidden__props": [PROP | {"size": [0.1, 0.1, float("inf")]}]}, "hidden"),
        ({"hidden__others": [OTHER]}, "hidden"),
        ({"hidden__others": [OTHER] * 9}, "header"),
        ({"hidden__sensor__jpeg": "high"}, "header"),
        ({"hidden__sensor__noise": float("nan")}, "hidden"),
        ({"hidden__view__distortion": [float("nan")] * 5}, "hidden"),
        ({"hidden__view__distortion": [0.0] * 4}, "header"),
        ({"hidden__provenance__split": "test"}, "header"),
        ({"hidden__provenance__worker": -1}, "hidden"),
        ({"hidden__provenance__index": 2**63}, "hidden"),
        ({"hidden__view__distance": 1e308}, "camera"),
        ({"K": [[1.0, 0, 0], [0, 1, 0], [0, 0, 1]]}, "camera"),
        ({"K": [[float("nan")] * 3] * 3}, "camera"),
        ({"T_world_camera": [[float("inf")] * 4] * 4}, "camera"),
        ({"more": 1}, "header"),
        ({"seconds": {str(i): 0.0 for i in range(33)}}, "header"),
    ],
)
def test_a_wrong_entry_is_refused_by_name(changes: dict[str, Any], reason: str):
    assert reason_of(with_header(**changes)) == reason


def bare_floats(hint: Any, path: str) -> Iterator[str]:
    """Where within a type a number may be infinite or none."""
    if hint is float:
        yield path
    elif get_origin(hint) is Annotated:
        inner, *bounds = get_args(hint)
        bounded = any(isinstance(b, msgspec.Meta) and b.ge is not None for b in bounds)
        yield from () if inner is float and bounded else bare_floats(inner, path)
    elif dataclasses.is_dataclass(hint) or hasattr(hint, "__struct_fields__"):
        for name, part in get_type_hints(hint, include_extras=True).items():
            yield from bare_floats(part, f"{path}.{name}")
    else:
        for part in get_args(hint):
            yield from bare_floats(part, path)


def test_every_number_but_a_pixel_is_finite_by_its_type():
    assert set(bare_floats(Header, "")) == {".pixels"}


@pytest.mark.parametrize(
    ("image", "fits"),
    [
        ("my photo.jpg", True),
        ("..jpg", True),
        ("x" * 1024, True),
        ("x" * 1025, False),
        ("of mine/kitchen/my photo.jpg", True),
        ("", False),
        ("..", False),
        ("../photo.jpg", False),
        ("/etc/passwd", False),
        ("a\0b", False),
        ("a//b.jpg", False),
        ("a/../b.jpg", False),
        ("a/./b.jpg", False),
        ("a/", False),
    ],
)
def test_a_photo_is_a_path_below_its_folder(image: str, fits: bool):
    frames = with_header(hidden__background__theme="photos", hidden__background__image=image)
    if fits:
        assert CODEC.decode(frames).sample.hidden.background.image == image
    else:
        assert reason_of(frames) == "hidden"


def test_further_robots_are_those_of_the_settings():
    distractors = DistractorVariety(robots=("ur10",), robot_share=1)
    settings = replace(SETTINGS, variety=Variety(distractors=distractors))
    codec = Codec("run", settings, ROBOT, PRIOR)
    frames = with_header(hidden__others=[OTHER], hidden__props=[PROP] * MAX_PROPS)
    hidden = codec.decode(frames).sample.hidden
    assert hidden.others == (Other("ur10", (0.0,) * 6, (1.0, 0.0), 0.0),)
    assert len(hidden.props) == MAX_PROPS
    long = with_header(hidden__others=[OTHER | {"q": [0.0] * 65}])
    with pytest.raises(WireError, match="65 joints"):
        codec.decode(long)
    with pytest.raises(WireError, match="'panda' is none of"):
        codec.decode(with_header(hidden__others=[OTHER | {"name": "panda"}]))


def test_everything_varied_goes_over_the_wire():
    distractors = DistractorVariety(1, 1, 1, robots=("ur10",), robot_share=1)
    dress = DressVariety(1, cables=1, most_cables=4, bands=1, decals=1, most_patches=8)
    variety = Variety(camera=CameraVariety(lens=True), distractors=distractors, dress=dress)
    settings = replace(SETTINGS, variety=variety)
    codec = Codec("run", settings, ROBOT, PRIOR)
    for index in range(20):
        drawn = draw(ROBOT, settings, Assignment.of(PRIOR), 0, index, photos=("a.jpg", "b.jpg"))
        made = replace(sample(), hidden=drawn)
        frames = [bytes(frame) for frame in codec.encode(made, INSTANCE, index)]
        got = codec.decode(frames).sample.hidden
        assert got == drawn
        assert any(got.view.distortion)
        assert len(got.props) > 8
        assert got.others


def test_a_wrong_frame_is_refused_by_name():
    frames = frames_of(sample())
    assert reason_of(frames[:4]) == "frames"
    assert reason_of([*frames, b""]) == "frames"
    assert reason_of([topic("other"), *frames[1:]]) == "run"
    assert reason_of([*frames[:2], frames[2][:-1], *frames[3:]]) == "size"
    assert reason_of([*frames[:3], frames[3] + b"\0", frames[4]]) == "size"
    assert reason_of([*frames[:4], frames[4][:-1]]) == "size"
    assert reason_of([frames[0], bytes(HEADER_LIMIT + 1), *frames[2:]]) == "size"


@pytest.mark.parametrize(
    "opener", [b"\x91", b"\x81\xa1a", b"\x81\xa6schema", b"\xdd\x00\x00\x00\x01"]
)
def test_deep_nesting_is_refused(opener: bytes):
    frames = frames_of(sample())
    frames[1] = (opener * HEADER_LIMIT)[:HEADER_LIMIT]
    assert reason_of(frames) == "header"


@pytest.mark.parametrize(
    "claim", [b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff"]
)
def test_a_claimed_length_is_not_believed(claim: bytes):
    for key in (b"\xa9keypoints", b"\xa1q", b"\xa9materials", b"\xa7seconds"):
        frames = frames_of(sample())
        start = frames[1].index(key) + len(key)
        frames[1] = frames[1][:start] + claim + frames[1][start:]
        assert reason_of(frames) == "header"


@given(header=st.binary(max_size=200))
@settings(max_examples=1000, deadline=None)
def test_random_bytes_are_refused_as_bad_messages(header: bytes):
    frames = frames_of(sample())
    assert reason_of([frames[0], header, *frames[2:]]) in ("header", "schema")
    for decode in (decode_from_worker, decode_from_trainer):
        with pytest.raises(WireError):
            decode(header)


def test_mutated_messages_are_refused_as_bad_messages_or_read():
    rng = random.Random(0)
    original = frames_of(sample())
    refused = 0
    for _ in range(6000):
        frames = list(original)
        header = bytearray(frames[1])
        for _ in range(rng.randint(1, 4)):
            kind, at = rng.randrange(4), rng.randrange(len(header))
            if kind == 0:
                header[at] = rng.randrange(256)
            elif kind == 1:
                del header[at : at + rng.randint(1, 16)]
            elif kind == 2:
                header[at:at] = rng.randbytes(rng.randint(1, 16))
            else:
                header[at:] = b""
            header = header or bytearray(1)
        frames[1] = bytes(header)
        try:
            CODEC.decode(frames)
        except WireError:
            refused += 1
    assert refused > 3000
    CODEC.decode(original)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
PATHS = [
    *(p for p in msgspec.msgpack.decode(frames_of(sample())[1])),
    *(f"hidden__{name}" for name in HIDDEN),
    "hidden__view__roll",
    "hidden__view__look_at",
    "hidden__sun__color",
    "hidden__stand__size",
    "hidden__sensor__jpeg",
    "hidden__background__place",
    "hidden__view__distortion",
    "hidden__provenance__seed",
]


@given(path=st.sampled_from(PATHS), value=values)
@settings(max_examples=500, deadline=None)
def test_any_value_in_any_place_is_read_or_refused(path: str, value: Any):
    frames = with_header(**{path: value})
    with contextlib.suppress(WireError):
        CODEC.decode(frames)
