"""Take samples from a running fleet with pyzmq and msgpack alone: a trainer in fifty lines.

python examples/listen_to_fleet.py [FOLDER]

It speaks the wire as docs/reference/wire.md describes it and imports nothing of Jointloop; any
language with ZeroMQ and MessagePack can do the same.
"""

import subprocess
import sys
from pathlib import Path

import msgpack
import numpy as np
import zmq

SCHEMA, RUN, SAMPLES, BINS = 7, "listener", 6, 16
RANGE = [np.pi] * 6  # of the UR10's joints, either way from zero [rad]
out = Path(sys.argv[1] if len(sys.argv) > 1 else "out/listen_to_fleet")
out.mkdir(parents=True, exist_ok=True)

context = zmq.Context()
control, data = context.socket(zmq.ROUTER), context.socket(zmq.SUB)
port = control.bind_to_random_port("tcp://127.0.0.1")
data_port = data.bind_to_random_port("tcp://127.0.0.1")
data.subscribe(RUN.encode() + b"\0")
poller = zmq.Poller()
poller.register(control, zmq.POLLIN)
poller.register(data, zmq.POLLIN)

prior = {"alpha": [[1.0] * BINS] * 6, "lower": [-u for u in RANGE], "upper": RANGE, "version": 0}
welcome = {
    "type": "welcome",
    "run": RUN,
    "worker": 0,
    "adaptive": True,
    "settings": {"robot": "ur10", "width": 160, "height": 120, "bins": BINS, "seed": 7},
    "data_port": data_port,
    "terms": prior | {"split": "train"},
}


def send(peer: bytes, message: dict) -> None:
    """One control message to one simulator."""
    control.send_multipart([peer, msgpack.packb(message)])


simulate = "-m jointloop simulate --workers 1 --engine stick --connect"
fleet = subprocess.Popen([sys.executable, *simulate.split(), f"tcp://127.0.0.1:{port}"])
peer, taken = b"", 0
while taken < SAMPLES:
    ready = dict(poller.poll(60_000))
    if not ready:
        fleet.terminate()
        raise SystemExit("no simulator came within a minute")
    if control in ready:
        peer, frame = control.recv_multipart()
        message = msgpack.unpackb(frame)
        print({key: value for key, value in message.items() if key != "instance"})
        if message["type"] == "hello":
            assert message["schema"] == SCHEMA
            send(peer, welcome)
            send(peer, {"type": "make", "samples": [[0, 0], [0, 1]]})  # it may be two ahead of us
    if data in ready:
        topic, header, *blocks, seal = data.recv_multipart()
        if not blocks:  # a mark, that says how many samples were sent
            continue
        image, belief, mask = blocks
        about = msgpack.unpackb(header)
        pixels, belief_map, coverage = (
            np.frombuffer(frame, about[name]["dtype"]).reshape(about[name]["shape"])
            for name, frame in (("image", image), ("belief", belief), ("mask", mask))
        )
        peak = np.unravel_index(belief_map[0].argmax(), belief_map[0].shape)
        print(
            f"{about['sequence']}: {about['keypoints'][0]} at {np.round(about['pixels'][0], 1)}, "
            f"brightest cell {peak[::-1]}, {(coverage > 127).mean():.0%} of the image covered"
        )
        height, width, _ = pixels.shape
        ppm = b"P6 %d %d 255\n" % (width, height) + image
        (out / f"{about['sequence']}.ppm").write_bytes(ppm)
        taken += 1
        send(
            peer, {"type": "make", "samples": [[0, taken + 1]]}
        )  # one is used up; another may come

send(peer, {"type": "bye", "reason": "that is enough"})
fleet.wait(60)
context.destroy(linger=1000)
print(f"wrote {taken} images into {out}")
