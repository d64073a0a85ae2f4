import msgspec
import pytest
from simulator_parts import FIRST, SETTINGS, hello, prior

from simulator.randomization.assignment import Assignment
from simulator.transport.messages import (
    WORKER_LIMIT,
    Alive,
    Assign,
    Bye,
    Make,
    Refused,
    Welcome,
    WireError,
    decode_from_trainer,
    decode_from_worker,
    encode,
)

WELCOME = Welcome("run", 1, True, SETTINGS, 5556, FIRST, "latest")


@pytest.mark.parametrize(
    "message",
    [
        hello(worker=3, wanted={"width": 64, "variety.camera.roll": [0, 0.5], "robot": "x"}),
        Alive(3, 2**40),
        Bye("recycle"),
    ],
)
def test_a_simulators_message_reads_back_as_itself(message: object):
    assert decode_from_worker(encode(message)) == message  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "message",
    [
        WELCOME,
        Refused("no"),
        Make(),
        Make(((3, 7), (0, 2**40))),
        Assign(Assignment.of(prior(2), "heldout")),
        Bye(""),
    ],
)
def test_a_trainers_message_reads_back_as_itself(message: object):
    assert decode_from_trainer(encode(message)) == message  # type: ignore[arg-type]


def test_an_assignment_is_called_terms_on_the_wire():
    sent = msgspec.msgpack.decode(encode(WELCOME))
    assert list(sent["terms"]) == ["alpha", "lower", "upper", "version", "split"]
    assert "assignment" not in sent


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        encode(WELCOME),
        encode(hello(instance=b"short")),
        encode(hello(worker=-1)),
        encode(hello(worker=4096)),
        encode(hello(wanted={"robot": "x" * 1025})),
        encode(hello(wanted={f"a{i}": 0 for i in range(200)})),
        encode(hello(wanted={"x" * 65: 0})),
        encode(Alive(-1, 0)),
        encode(Bye("x" * WORKER_LIMIT)),
        b"\x91" * WORKER_LIMIT,
        b"\xdd\xff\xff\xff\xff",
    ],
    ids=range(12),  # frames hold random names, and ids are to be the same in every process
)
def test_anything_else_from_a_simulator_is_refused(frame: bytes):
    with pytest.raises(WireError):
        decode_from_worker(frame)


def test_settings_out_of_range_are_refused():
    broken = msgspec.msgpack.decode(encode(WELCOME))
    broken["settings"]["width"] = 10**9
    with pytest.raises(WireError, match=r"Expected `int` <= 4096 - at `\$.settings.width`"):
        decode_from_trainer(msgspec.msgpack.encode(broken))


def test_a_newer_simulators_hello_is_still_understood():
    newer = msgspec.msgpack.decode(encode(hello(schema=2)))
    newer["colour"] = "red"
    got = decode_from_worker(msgspec.msgpack.encode(newer))
    assert got.schema == 2  # type: ignore[union-attr]
