"""Softmax regression beside scikit-learn and Keras, each to about 0.90 test accuracy on the 1,000 digits.

    pytest tests/benchmarks --benchmark-enable -n 0 --benchmark-columns=median,iqr,rounds

The number in parentheses is the ratio to the fastest. Without ``--benchmark-enable`` each runs once and is only checked.
"""

import warnings

import numpy as np
import pytest
import tensorflow as tf
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from architectures import datasets
from architectures.logistic_regression import SoftmaxRegression

EPOCHS, BATCH_SIZE, LEARNING_RATE = 3, 32, 0.8  # the fewest epochs to 0.90
ITERATIONS = 25  # of L-BFGS: likewise


@pytest.fixture(scope="module")
def digits():
    (x_train, y_train), (x_test, y_test) = datasets.mnist(dtype="float32")
    return x_train.reshape(-1, 784), y_train, x_test.reshape(-1, 784), y_test


def ours(x, y):
    model = SoftmaxRegression(784, 10)
    model.fit(x, y, epochs=EPOCHS, batch_size=BATCH_SIZE, learning_rate=LEARNING_RATE)
    return model.predict


def scikit_learn(x, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LogisticRegression(C=np.inf, max_iter=ITERATIONS).fit(x, y).predict


def scikit_learn_float64(x, y):
    return scikit_learn(x.astype(np.float64), y)


def keras_fit(x, y):
    import keras

    keras.utils.set_random_seed(0)  # of the shuffling; without it, accuracy is 0.893 to 0.908
    model = keras.Sequential([keras.layers.Input([784]), keras.layers.Dense(10, kernel_initializer="zeros")])
    schedule = keras.optimizers.schedules.PolynomialDecay(LEARNING_RATE, EPOCHS * len(x) // BATCH_SIZE, 0.0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(schedule), loss)
    model.fit(x, y, epochs=EPOCHS, batch_size=BATCH_SIZE, verbose=0)
    return lambda x: tf.argmax(model(x), axis=1)


@pytest.mark.benchmark(group="softmax regression to about 0.90 test accuracy, 4,000 digits")
@pytest.mark.parametrize("train", [ours, scikit_learn, scikit_learn_float64, keras_fit], ids=lambda train: train.__name__)
def test_time_to_accuracy(train, digits, benchmark):
    x_train, y_train, x_test, y_test = digits
    predict = benchmark.pedantic(train, args=(x_train, y_train), rounds=11, warmup_rounds=1)
    assert np.mean(np.asarray(predict(x_test)) == y_test) >= 0.89
