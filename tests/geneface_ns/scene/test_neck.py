"""The neck continued under the collar."""

import numpy as np

from geneface_ns.scene.neck import neck_under_collar


def test_torso_near_the_head_takes_the_heads_colour():
    # Head in rows 0-9 (red, its last row mixed with white), torso below, background on the right.
    image = np.zeros((20, 20, 3), np.uint8)
    image[:9, :15] = (200, 0, 0)
    image[9, :15] = (220, 120, 120)
    image[10:, :15] = (255, 255, 255)
    head = np.zeros((20, 20), np.uint8)
    head[:10, :15] = 255
    covered = np.zeros((20, 20), np.uint8)
    covered[10:, :15] = 255
    under, colour = neck_under_collar(image, head, covered, reach=3)
    assert under[10:12, 2:12].all()
    assert not under[14:].any()
    assert not under[:10].any()
    assert not under[:, 15:].any()
    assert (colour[under] == (200, 0, 0)).all()


def test_without_a_head_nothing_is_continued():
    nothing = np.zeros((8, 8), np.uint8)
    under, _ = neck_under_collar(np.zeros((8, 8, 3), np.uint8), nothing, nothing + 255, reach=3)
    assert not under.any()
