from pathlib import Path

import pytest

from simulator.transport.addresses import Address, TransportError
from simulator.transport.security import Security


@pytest.mark.parametrize(
    "text",
    ["tcp://127.0.0.1:5555", "tcp://host.example:1", "tcp://[::1]:5555", "tcp://*:5", "ipc:///a/b"],
)
def test_an_address_reads_back_as_itself(text: str):
    assert str(Address.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "127.0.0.1:5555", "tcp://127.0.0.1", "tcp://:5", "tcp://a:65536", "tcp://a:-1", "ipc://",
     "udp://a:5", "tcp://a:5\n", "http://a:5", "tcp://a:5/x", "inproc://x"],
)  # fmt: skip
def test_another_form_is_refused_with_an_example(text: str):
    with pytest.raises(TransportError, match=r"tcp://127\.0\.0\.1:5555"):
        Address.parse(text)


@pytest.mark.parametrize(
    ("text", "private"),
    [("tcp://127.0.0.1:1", True), ("tcp://127.8.9.1:1", True), ("tcp://localhost:1", True),
     ("tcp://[::1]:1", True), ("ipc:///x", True), ("tcp://0.0.0.0:1", False), ("tcp://*:1", False),
     ("tcp://[::]:1", False), ("tcp://10.0.0.1:1", False), ("tcp://127.evil.example:1", False)],
)  # fmt: skip
def test_only_this_machine_is_private(text: str, private: bool):
    assert Address.parse(text).private is private


def test_an_open_address_names_both_ways_out():
    with pytest.raises(TransportError, match="keys") as caught:
        Security().check(Address.parse("tcp://0.0.0.0:5555"))
    assert "--insecure" in str(caught.value)
    Security(insecure=True).check(Address.parse("tcp://0.0.0.0:5555"))
    Security(keys=Path("keys")).check(Address.parse("tcp://0.0.0.0:5555"))


def test_data_lies_beside_control():
    assert str(Address.parse("tcp://a:5555").data()) == "tcp://a:5556"
    assert str(Address.parse("tcp://a:*").data()) == "tcp://a:*"
    assert str(Address.parse("ipc:///x").data()) == "ipc:///x.data"
    with pytest.raises(TransportError, match="65536"):
        Address.parse("tcp://a:65535").data()


def test_everywhere_is_reached_through_the_loopback():
    assert str(Address.parse("tcp://0.0.0.0:5").reachable) == "tcp://127.0.0.1:5"
    assert str(Address.parse("tcp://[::]:5").reachable) == "tcp://[::1]:5"
    assert str(Address.parse("tcp://10.0.0.1:5").reachable) == "tcp://10.0.0.1:5"
