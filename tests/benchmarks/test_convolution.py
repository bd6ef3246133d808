"""Convolution and pooling beside TensorFlow's, at the shapes of MNIST: batch 64, 28 x 28, "same" padding, float32.

    pytest tests/benchmarks/test_convolution.py --benchmark-enable -n 0 --benchmark-columns=median,iqr,rounds

"forward" is the output, "train" the output and the gradients by the pictures and the kernel, "first layer" those by the
kernel alone, as in a network whose first layer it is. The number in parentheses is the ratio to the fastest. Without
``--benchmark-enable`` each runs once and is only checked.

pytest switches TensorFlow's oneDNN kernels off. As a script this file prints ratios of CPU times, all by turns, also of
both sides compiled by XLA, with or without these kernels (a fresh installation has them on):

    OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 TF_ENABLE_ONEDNN_OPTS=0 python tests/benchmarks/test_convolution.py
"""

import os
import time

import numpy as np
import pytest
import tensorflow as tf

from architectures.convolution import avg_pool2d, conv2d, max_pool2d

SHAPES = {"1-16, 3x3": (1, 16, 3), "1-16, 5x5": (1, 16, 5), "16-32, 3x3": (16, 32, 3), "16-32, 5x5": (16, 32, 5)}
TASKS = {"forward": [], "train": [0, 1], "first layer": [1]}  # which of x and kernel a gradient is asked for


def ours(x, kernel):
    return conv2d(x, kernel, padding="same")


def library(x, kernel):
    return tf.nn.conv2d(x, kernel, 1, "SAME")


WAYS = {"ours": (ours, None), "ours, XLA": (ours, True), "tf.nn": (library, None), "tf.nn, XLA": (library, True)}


def in_graph(function, wanted, jit=None):
    """A graph of (dy, *arguments) that returns the output and the wanted gradients."""

    def run(dy, *arguments):
        watched = [arguments[i] for i in wanted]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(watched)
            y = function(*arguments)
        return [y, *(tape.gradient(y, watched, dy) if watched else [])]

    return tf.function(run, jit_compile=jit)


def data(channels, filters, k):
    rng = np.random.default_rng(0)
    shapes = (64, 28, 28, filters), (64, 28, 28, channels), (k, k, channels, filters)
    return [tf.constant(rng.normal(size=shape), tf.float32) for shape in shapes]


@pytest.mark.parametrize("way", ["ours", "tf.nn"])  # compiling takes long: see `ratios`
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("shape", SHAPES)
def test_convolution(shape, task, way, benchmark):
    benchmark.group = f"convolution {shape}, {task}"
    function, jit = WAYS[way]
    arguments = data(*SHAPES[shape])
    results = benchmark.pedantic(in_graph(function, TASKS[task], jit), arguments, rounds=15, warmup_rounds=2)
    for result, right in zip(results, in_graph(library, TASKS[task])(*arguments), strict=True):
        largest = np.abs(right).max()
        np.testing.assert_allclose(result / largest, right / largest, rtol=0, atol=1e-5)


POOLS = {
    "max 2x2, ours": max_pool2d,
    "max 2x2, tf.nn": lambda x: tf.nn.max_pool2d(x, 2, 2, "VALID"),
    "avg 2x2, ours": avg_pool2d,
    "avg 2x2, tf.nn": lambda x: tf.nn.avg_pool2d(x, 2, 2, "VALID"),
}


@pytest.mark.parametrize("pool", POOLS)
@pytest.mark.parametrize("task", ["forward", "train"])
def test_pooling(task, pool, benchmark):
    kind, _ = pool.split(", ")
    benchmark.group = f"pooling {kind}, 16 channels, {task}"
    dy, x = (tf.nn.relu(tf.random.stateless_normal([64, n, n, 16], [n, 0])) for n in (14, 28))
    wanted = [0] if task == "train" else []
    results = benchmark.pedantic(in_graph(POOLS[pool], wanted), (dy, x), rounds=15, warmup_rounds=2)
    for result, right in zip(results, in_graph(POOLS[f"{kind}, tf.nn"], wanted)(dy, x), strict=True):
        np.testing.assert_allclose(result, right, rtol=1e-5, atol=1e-6)


def ratios(rounds=15):
    """Print the median CPU time of each way as a multiple of tf.nn.conv2d's."""
    for name, shape in SHAPES.items():
        arguments = data(*shape)
        for task, wanted in TASKS.items():
            graphs = {way: in_graph(function, wanted, jit) for way, (function, jit) in WAYS.items()}
            seconds = {way: [] for way in WAYS}
            for round_ in range(rounds + 2):
                for way, graph in graphs.items():
                    start = time.process_time()
                    graph(*arguments)
                    if round_ >= 2:  # the first traces and compiles
                        seconds[way].append(time.process_time() - start)
            medians = {way: np.median(values) for way, values in seconds.items()}
            line = "   ".join(f"{way} {median / medians['tf.nn']:.2f}" for way, median in medians.items())
            print(f"{name:11} {task:12} tf.nn {1000 * medians['tf.nn']:6.2f} ms   {line}", flush=True)


if __name__ == "__main__":
    print("oneDNN", os.environ.get("TF_ENABLE_ONEDNN_OPTS", "as installed"), " threads", os.environ.get("OMP_NUM_THREADS"))
    ratios()
