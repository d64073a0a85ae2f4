"""Laws of Blender's import."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.blender

WORK = """
import os, time
before = os.sched_getaffinity(0)
from simulator.randomization.assignment import Assignment
from simulator.randomization.prior import JointPrior
from simulator.randomization.settings import SampleSettings
from simulator.sample_maker import SampleMaker
with SampleMaker(SampleSettings(width=320, height=240), "cycles", spp=8) as maker:
    prior = JointPrior.uniform(maker.robot.lower, maker.robot.upper, 16)
    maker.sample(0, 0, Assignment.of(prior))
    wall, cpu = time.perf_counter(), time.process_time()
    for index in range(4):
        maker.sample(0, index, Assignment.of(prior))
    print((time.process_time() - cpu) / (time.perf_counter() - wall))
print(before == os.sched_getaffinity(0))
"""


@pytest.fixture(scope="module")
def said():
    # OpenCV and numpy may use threads of their own; it is Blender's that are counted.
    env = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", WORK], env=env, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_rendering_burns_no_second_processor(said):
    assert float(said[-2]) < 1.2


def test_the_process_may_run_everywhere_afterwards(said):
    assert said[-1] == "True"
