"""Laws of decoding with rivals."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.labels import LEVELS, belief_map
from trainer.beliefs import decode_jointly
from trainer.beliefs.decode import FOUND, decode

SIZE, STRIDE, TEMPERATURE = 224, 4, 0.05
inside = st.tuples(st.floats(4.0, SIZE - 5.0), st.floats(4.0, SIZE - 5.0))


def paint(*points, height=1.0):
    """One map with a peak at each point."""
    maps = belief_map(np.array(points), np.ones(len(points), bool), SIZE, SIZE, STRIDE, 1.5)
    return height * torch.from_numpy(maps).amax(dim=0) / LEVELS


def located(*maps, temperature=TEMPERATURE):
    pixels, scores = decode_jointly.locate(torch.stack(maps)[None], STRIDE, temperature)
    return pixels[0].numpy(), scores[0].numpy()


@given(st.lists(inside, min_size=1, max_size=6), st.floats(0.4, 1.0))
@settings(max_examples=25)
def test_maps_of_one_peak_are_decoded_as_elsewhere(points, height):
    belief = torch.stack([paint(p, height=height) for p in points])
    pixels, scores = located(*belief)
    assert pixels == pytest.approx(decode(belief[None], STRIDE).pixels[0], abs=0.05)
    assert (scores > FOUND).all()


def test_of_two_equal_peaks_the_one_nearer_to_the_sure_keypoints_wins():
    ambiguous = paint((30.0, 30.0), (180.0, 190.0))
    near_first, _ = located(ambiguous, paint((50.0, 40.0)), paint((20.0, 60.0)))
    near_second, _ = located(ambiguous, paint((150.0, 200.0)), paint((200.0, 160.0)))
    assert near_first[0] == pytest.approx((30.0, 30.0), abs=0.05)
    assert near_second[0] == pytest.approx((180.0, 190.0), abs=0.05)


def test_the_sure_keypoints_decide_together():
    ambiguous = paint((20.0, 100.0), (200.0, 100.0))
    sure = [paint((60.0, 90.0)), paint((70.0, 120.0)), paint((205.0, 110.0))]
    pixels, _ = located(ambiguous, *sure)
    assert pixels[0] == pytest.approx((20.0, 100.0), abs=0.05)


def test_a_sure_keypoint_stays_however_far_the_others_are():
    lone = torch.maximum(paint((20.0, 20.0)), paint((200.0, 200.0), height=0.8))
    pixels, scores = located(lone, paint((190.0, 200.0)), paint((200.0, 180.0)))
    assert pixels[0] == pytest.approx((20.0, 20.0), abs=0.05)
    assert scores[0] >= decode_jointly.SURE


def test_a_weak_peak_is_no_rival():
    first = paint((20.0, 20.0), height=0.3)  # unsure: little belief in anything
    weak = torch.maximum(first, paint((200.0, 200.0), height=0.15))
    pixels, scores = located(weak, paint((190.0, 200.0)))
    assert scores[0] < decode_jointly.SURE
    assert pixels[0] == pytest.approx((20.0, 20.0), abs=0.1)


def test_where_none_is_sure_every_map_keeps_its_highest_cell():
    first = torch.maximum(paint((30.0, 30.0)), paint((180.0, 190.0), height=0.99))
    second = torch.maximum(paint((180.0, 180.0)), paint((40.0, 40.0), height=0.99))
    pixels, scores = located(first, second)
    assert (scores < decode_jointly.SURE).all()
    assert pixels == pytest.approx(np.array([(30.0, 30.0), (180.0, 180.0)]), abs=0.05)


def test_two_equal_peaks_have_half_each():
    _, scores = located(paint((29.5, 29.5), (181.5, 189.5)))  # both at the centre of a cell
    assert scores[0] == pytest.approx(0.5, abs=0.01)


def test_an_empty_map_has_no_keypoint():
    _, scores = located(torch.zeros(SIZE // STRIDE, SIZE // STRIDE), paint((50.0, 50.0)))
    assert scores[0] < FOUND < scores[1]


def test_a_higher_temperature_makes_less_sure():
    belief = torch.maximum(paint((30.0, 30.0)), paint((180.0, 190.0), height=0.8))
    scores = [located(belief, temperature=t)[1][0] for t in (0.02, 0.05, 0.1, 0.3)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 0.99
    assert scores[-1] < decode_jointly.SURE


def test_images_are_decoded_apart():
    maps = torch.stack([paint((30.0, 30.0), (180.0, 190.0)), paint((50.0, 40.0))])
    other = torch.stack([paint((60.0, 30.0), (100.0, 190.0)), paint((90.0, 180.0))])
    together, _ = decode_jointly.locate(torch.stack([maps, other]), STRIDE, TEMPERATURE)
    alone = [decode_jointly.locate(m[None], STRIDE, TEMPERATURE)[0][0] for m in (maps, other)]
    assert torch.equal(together, torch.stack(alone))
