"""Changes to an input that keep its form: a decoder that is given noise looks no further."""

import json
import random
from collections.abc import Callable
from typing import Any

import msgspec

ODD = (
    *(
        None,
        True,
        0,
        -1,
        1,
        255,
        2**31,
        2**63 - 1,
        -(2**63),
        2**64 - 1,
        10**30,
        1e308,
        -0.0,
        5e-324,
    ),
    *(
        float("nan"),
        float("inf"),
        "",
        "\0",
        "\n",
        "\x1b[2J",
        "x" * 70,
        "../x",
        "/dev/zero",
        "\ud800",
    ),
    *([], {}, [[]], {"": None}, [0] * 40, b"", bytes(16)),
)
"""What nobody expects."""
Tree = Any
Form = tuple[Callable[[bytes], Tree], Callable[[Tree], bytes]]


def packed(tree: Tree) -> bytes:
    return msgspec.msgpack.encode(tree)


def written(tree: Tree) -> bytes:
    return json.dumps(tree, default=repr).encode("utf-8", "surrogatepass")


MESSAGE_PACK: Form = (msgspec.msgpack.decode, packed)
JSON: Form = (json.loads, written)
FORMS = {
    **dict.fromkeys(("worker", "trainer", "header"), MESSAGE_PACK),
    **dict.fromkeys(("dataset", "entry", "metadata", "prior", "history", "config"), JSON),
}
"""Of inputs that are trees; the others are bytes."""


def places(tree: Tree) -> list[tuple[Tree, Any]]:
    """Every container in a tree with each of its keys."""
    found: list[tuple[Tree, Any]] = []
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict | list):
            keys = list(node) if isinstance(node, dict) else range(len(node))
            found += ((node, key) for key in keys)
            waiting += (node[key] for key in keys)
    return found


def changed(tree: Tree, rng: random.Random) -> Tree:
    """A tree with something in it replaced, left out, doubled or taken from elsewhere."""
    root = [tree]
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        found = places(root)
        node, key = rng.choice(found)
        how = rng.randrange(6)
        if how == 0 and node is not root:
            del node[key]
        elif how == 1 and isinstance(node, list):
            node[key:key] = [node[key]] * rng.choice((1, 1, 40, 300))
        elif how == 2:
            other, there = rng.choice(found)
            node[key] = json.loads(written(other[there])) if other is not node else other[there]
        elif isinstance(number := node[key], int | float) and how < 5:
            node[key] = rng.choice((-number, number + 1, number * 2, number / 3, float(number)))
        else:
            node[key] = rng.choice(ODD)
    return root[0]


def mutated(data: bytes, form: Form, rng: random.Random) -> bytes:
    """An input of the same form.

    Raises:
        ValueError: it has none, or what came out has none.
    """
    read, write = form
    try:
        return write(changed(read(data), rng))
    except (msgspec.MsgspecError, OverflowError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(str(error)) from None
