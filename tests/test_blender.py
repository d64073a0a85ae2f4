"""Laws of Blender's import."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.blender

WORK = """
import os, time
before = os.sched_getaffinity(0)
from simulator.hidden import Assignment
from simulator.prior import JointPrior
from simulator.settings import Settings
from simulator.studio import Studio
with Studio(Settings(width=320, height=240), "cycles", samples=8) as studio:
    prior = JointPrior.uniform(studio.robot.lower, studio.robot.upper, 16)
    studio.sample(0, 0, Assignment(prior))
    wall, cpu = time.perf_counter(), time.process_time()
    for index in range(4):
        studio.sample(0, index, Assignment(prior))
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
