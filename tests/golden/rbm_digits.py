"""Golden figures of scikit-learn's BernoulliRBM on its own digits.

Writes the 1797 pictures of 8 x 8 pixels to `tests/golden/rbm_digits.bin` (one byte a pixel, 0 to 16) and to `tests/golden/rbm_digits.json`
the settings and the mean pseudo-log-likelihood that BernoulliRBM comes to, for several seeds: with every pixel flipped in turn, and by its
own estimate with one pixel of each picture. The tests of the Boltzmann machines train with the same settings on the same rows.

    python3 -m venv v && v/bin/pip install scikit-learn==1.8.0
    v/bin/python tests/golden/rbm_digits.py
"""

import json
import pathlib

import numpy
from sklearn.datasets import load_digits
from sklearn.neural_network import BernoulliRBM

HERE = pathlib.Path(__file__).parent
SETTINGS = {"n_components": 64, "learning_rate": 0.05, "batch_size": 10, "n_iter": 20}
SEEDS = range(5)


def every_pixel(rbm, rows):
    """Mean over the rows of the sum over pixels of ln p(pixel | the others), by free energies."""
    inputs = rows @ rbm.components_.T + rbm.intercept_hidden_
    own = numpy.logaddexp(0, inputs).sum(axis=1)
    total = 0.0
    for pixel in range(rows.shape[1]):
        turn = 1 - 2 * rows[:, pixel]
        flipped = numpy.logaddexp(0, inputs + turn[:, None] * rbm.components_[None, :, pixel]).sum(axis=1)
        gain = flipped - own + turn * rbm.intercept_visible_[pixel]
        total -= numpy.logaddexp(0, gain).sum()
    return total / len(rows)


pixels = load_digits().data.astype("uint8")
(HERE / "rbm_digits.bin").write_bytes(pixels.tobytes())
rows = pixels / 16.0
answers = {"settings": SETTINGS, "every_pixel": [], "own_estimate": []}
for seed in SEEDS:
    rbm = BernoulliRBM(random_state=seed, **SETTINGS).fit(rows)
    answers["every_pixel"].append(every_pixel(rbm, rows))
    # Given a number it would look at the same pixels each time.
    rbm.random_state = numpy.random.RandomState(seed)
    answers["own_estimate"].append(float(numpy.mean([rbm.score_samples(rows).mean() for _ in range(50)])))
(HERE / "rbm_digits.json").write_text(json.dumps(answers, indent=1) + "\n", encoding="utf-8")
