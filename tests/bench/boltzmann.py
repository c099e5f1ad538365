"""A restricted Boltzmann machine of Relevo beside scikit-learn's BernoulliRBM and a plain PyTorch loop, on one machine in one run.

Makes 10,000 rows of 784 bits (blurred noise, cut at a threshold: blobs as in pictures), and trains 500 hidden units on batches of 100 with
one Gibbs step in each: contrastive divergence, and for BernoulliRBM its own persistent chains, which cost the same. All compute in
fp32 with two threads, each in a process of its own, in turn; the first epoch of a process warms up and does not count. Prints the median
of the rounds and how many times as long the others take.

    python3 -m pip install --target packages scikit-learn==1.8.0 torch==2.11.0
    PYTHONPATH=packages python3 tests/bench/boltzmann.py PROGRAM [ROUNDS]
"""

import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROWS, VISIBLE, HIDDEN, BATCH, EPOCHS, THREADS, RATE = 10_000, 784, 500, 100, 4, 2, 0.05


def make(path):
    import numpy

    chance = numpy.random.default_rng(42)
    noise = chance.normal(size=(ROWS, 28, 28)).astype("float32")
    for axis in (1, 2):
        noise = sum(numpy.roll(noise, shift, axis) for shift in range(-2, 3))
    (noise > 4.0).astype("float32").tofile(path)


def read(path):
    import numpy

    return numpy.fromfile(path, dtype="float32").reshape(-1, VISIBLE)


def timed(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def scikit_learn(path):
    from sklearn.neural_network import BernoulliRBM

    rows = read(path)
    rbm = BernoulliRBM(n_components=HIDDEN, learning_rate=RATE, batch_size=BATCH, n_iter=1, random_state=42)
    return [timed(lambda: rbm.fit(rows)) for _ in range(EPOCHS)]


def pytorch(path):
    """The loop as textbooks have it."""
    import torch

    torch.set_num_threads(THREADS)
    torch.manual_seed(42)
    rows = torch.from_numpy(read(path))
    weight = torch.randn(VISIBLE, HIDDEN) * 0.01
    visible_bias, hidden_bias = torch.zeros(VISIBLE), torch.zeros(HIDDEN)

    @torch.no_grad()
    def epoch():
        nonlocal weight, visible_bias, hidden_bias
        for data in rows.split(BATCH):
            hidden = torch.sigmoid(data @ weight + hidden_bias)
            states = torch.bernoulli(hidden)
            visible_states = torch.bernoulli(torch.sigmoid(states @ weight.t() + visible_bias))
            hidden_end = torch.sigmoid(visible_states @ weight + hidden_bias)
            weight += RATE * (data.t() @ hidden - visible_states.t() @ hidden_end) / len(data)
            visible_bias += RATE * (data - visible_states).mean(0)
            hidden_bias += RATE * (hidden - hidden_end).mean(0)

    return [timed(epoch) for _ in range(EPOCHS)]


def relevo(program, path, sampler):
    command = [program, "--bench", path, VISIBLE, HIDDEN, BATCH, EPOCHS, THREADS, sampler]
    answer = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True)
    return json.loads(answer.stdout)["seconds"]


def in_python(way, path):
    environment = os.environ | {"OPENBLAS_NUM_THREADS": str(THREADS), "OMP_NUM_THREADS": str(THREADS)}
    command = [sys.executable, __file__, "--way", way, str(path)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(answer.stdout)


def main():
    if sys.argv[1] == "--way":
        print(json.dumps({"sklearn": scikit_learn, "pytorch": pytorch}[sys.argv[2]](sys.argv[3])))
        return
    program, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5
    folder = pathlib.Path(tempfile.mkdtemp(prefix="relevo-boltzmann-"))
    try:
        path = folder / "rows.f32"
        make(path)
        ways = {
            "Relevo CD-1": lambda: relevo(program, path, "cd"),
            "Relevo PCD-1": lambda: relevo(program, path, "pcd"),
            "PyTorch CD-1": lambda: in_python("pytorch", path),
            "BernoulliRBM": lambda: in_python("sklearn", path),
        }
        seconds = {name: [] for name in ways}
        for _ in range(rounds):
            for name, run in ways.items():
                seconds[name].append(statistics.median(run()[1:]))
    finally:
        shutil.rmtree(folder)
    print(f"{ROWS} x {VISIBLE}, {HIDDEN} hidden, batches of {BATCH}, {THREADS} threads; seconds per epoch, median of {rounds} rounds")
    ours = statistics.median(seconds["Relevo CD-1"])
    for name, took in seconds.items():
        ratios = [theirs / own for theirs, own in zip(took, seconds["Relevo CD-1"])]
        middle = statistics.median(took)
        print(
            f"  {name:13} {middle:7.3f} s ({min(took):.3f} to {max(took):.3f})  {middle / ours:5.2f} times"
            f"  ({min(ratios):.2f} to {max(ratios):.2f} within a round)"
        )


if __name__ == "__main__":
    main()
