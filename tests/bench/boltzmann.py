"""A restricted Boltzmann machine of Relevo beside scikit-learn's BernoulliRBM and a plain PyTorch loop, on one machine in one run.

Makes 10,000 rows of 784 bits (blurred noise, cut at a threshold: blobs as in pictures), and trains 500 hidden units on batches of 100 with
one Gibbs step in each: contrastive divergence, and for BernoulliRBM its own persistent chains, which cost the same. BernoulliRBM computes in
the precision of its rows, which is double unless somebody asks for less: both are measured; the others compute in fp32. Two threads (or
one), each way in a process of its own, in turn; the first epoch of a process warms up and does not count. Prints the median and the
fastest of all epochs, and how many times as long the others take by both.

Threads of OpenMP go to sleep soon (`GOMP_SPINCOUNT=1000`), as a worker has them do: by default they wait awake for long, and whatever else the
machine does at the time decides the figures. One thread is the figure to trust on a machine that has other things to do.

    python3 -m pip install --target packages scikit-learn==1.8.0 torch==2.11.0
    PYTHONPATH=packages python3 tests/bench/boltzmann.py PROGRAM [ROUNDS [THREADS]]
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

ROWS, VISIBLE, HIDDEN, BATCH, EPOCHS, RATE = 10_000, 784, 500, 100, 6, 0.05
THREADS = int(os.environ.get("OMP_NUM_THREADS", 2))


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


def scikit_learn(path, precision):
    from sklearn.neural_network import BernoulliRBM

    rows = read(path).astype(precision)
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


WAYS = {
    "pytorch": pytorch,
    "sklearn32": lambda path: scikit_learn(path, "float32"),
    "sklearn64": lambda path: scikit_learn(path, "float64"),
}


def told(command, threads):
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = os.environ | dict.fromkeys(names, str(threads)) | {"GOMP_SPINCOUNT": "1000"}
    command = [str(part) for part in command]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return json.loads(answer.stdout)


def relevo(program, path, sampler, dtype, threads):
    return told([program, "--bench", path, VISIBLE, HIDDEN, BATCH, EPOCHS, threads, sampler, dtype], threads)["seconds"]


def in_python(way, path, threads):
    return told([sys.executable, __file__, "--way", way, path], threads)


def main():
    if sys.argv[1] == "--way":
        print(json.dumps(WAYS[sys.argv[2]](sys.argv[3])))
        return
    program = sys.argv[1]
    rounds, threads = (int(given) for given in (sys.argv[2:] + ["5", "2"][len(sys.argv) - 2 :]))
    folder = pathlib.Path(tempfile.mkdtemp(prefix="relevo-boltzmann-"))
    try:
        path = folder / "rows.f32"
        make(path)
        ways = {
            "Relevo CD-1": lambda: relevo(program, path, "cd", "fp32", threads),
            "Relevo CD-1, bf16": lambda: relevo(program, path, "cd", "bf16", threads),
            "Relevo PCD-1": lambda: relevo(program, path, "pcd", "fp32", threads),
            "Relevo PCD-1, bf16": lambda: relevo(program, path, "pcd", "bf16", threads),
            "PyTorch CD-1": lambda: in_python("pytorch", path, threads),
            "BernoulliRBM, fp32": lambda: in_python("sklearn32", path, threads),
            "BernoulliRBM, fp64": lambda: in_python("sklearn64", path, threads),
        }
        seconds = {name: [] for name in ways}
        for _ in range(rounds):
            for name, run in ways.items():
                seconds[name].extend(run()[1:])
    finally:
        shutil.rmtree(folder)
    print(f"{ROWS} x {VISIBLE}, {HIDDEN} hidden, batches of {BATCH}, {threads} threads; seconds per epoch, median of {rounds} rounds")
    ours = seconds["Relevo CD-1"]
    for name, took in seconds.items():
        median, fastest = statistics.median(took), min(took)
        print(
            f"  {name:18} median {median:.3f} s, {median / statistics.median(ours):.2f} times"
            f"   fastest {fastest:.3f} s, {fastest / min(ours):.2f} times"
        )


if __name__ == "__main__":
    main()
