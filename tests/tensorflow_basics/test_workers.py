"""Workers starts processes that find each other and never leaves one behind; check_tf_config names what is wrong.

The scripts here do without TensorFlow, which takes seconds to import; the last test trains with it.
"""

import contextlib
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from tensorflow_basics.workers import Workers, check_tf_config

TIMEOUT = 120  # seconds; a busy computer may be slow, and nothing here waits so long if all is well


@pytest.fixture
def script(tmp_path):
    """Write a script and return its path."""

    def write(text):
        path = tmp_path / "script.py"
        path.write_text("import os, sys, time\n" + textwrap.dedent(text))
        return path

    return write


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with contextlib.suppress(FileNotFoundError), open(f"/proc/{pid}/stat") as stat:  # a zombie has ended
        return stat.read().rpartition(")")[2].split()[0] != "Z"
    return True


def wait_until(condition):
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def assert_gone(pids):
    assert pids
    wait_until(lambda: not any(alive(pid) for pid in pids))


ENDLESS = "print('started')\ntime.sleep(3600)"


# --- success ------------------------------------------------------------------------------------------------------------


def test_every_worker_gets_its_config_arguments_and_environment(script):
    path = script("""
        import json
        print(json.dumps([json.loads(os.environ["TF_CONFIG"]), sys.argv, os.environ["GREETING"], __name__]))
        print("to stderr", file=sys.stderr)
    """)
    with Workers(path, 3, arguments=["a b", 7], environment={"GREETING": "hello"}) as workers:
        results = workers.wait(TIMEOUT)
        assert results == workers.close()
    assert [result.returncode for result in results] == [0, 0, 0]
    addresses = set()
    for index, result in enumerate(results):
        first, second = result.output.splitlines()
        config, argv, greeting, name = json.loads(first)
        assert (argv, greeting, name, second) == ([str(path), "a b", "7"], "hello", "__main__", "to stderr")
        assert config["task"] == {"type": "worker", "index": index}
        assert check_tf_config({"TF_CONFIG": json.dumps(config)}) == (config["cluster"]["worker"], index)
        addresses.add(tuple(config["cluster"]["worker"]))
    (addresses,) = addresses  # one cluster
    assert len(set(addresses)) == 3 and all(address.startswith("localhost:") for address in addresses)


def test_a_script_imports_what_lies_beside_it(script, tmp_path):
    (tmp_path / "neighbour.py").write_text("name = 'beside'")
    with Workers(script("import neighbour; print(neighbour.name)"), 1) as workers:
        assert workers.wait(TIMEOUT)[0].output == "beside\n"


def test_output_can_be_read_while_a_worker_runs_and_afterwards(script):
    path = script("print('grüße')\nwhile not os.path.exists(sys.argv[1]): time.sleep(0.02)\nprint('end')")
    flag = path.with_name("flag")
    with Workers(path, 1, arguments=[flag], environment={"PYTHONUTF8": "1"}) as workers:
        wait_until(lambda: workers.output(0) == "grüße\n")
        flag.touch()
        workers.wait(TIMEOUT)
        assert workers.output(0) == "grüße\nend\n"


def test_a_worker_writes_without_limit(script):
    with Workers(script("print('x' * 1_000_000)"), 1) as workers:  # more than a pipe holds
        assert len(workers.wait(TIMEOUT)[0].output) == 1_000_001


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a port is free, not reserved")
def test_nobody_else_gets_a_port_and_a_server_that_allows_it_can_listen(script):
    with Workers(script(ENDLESS), 2) as one, Workers(script(ENDLESS), 2) as two:
        for workers in (one, two):
            wait_until(lambda w=workers: all(w.output(i) for i in range(2)))
        ports = [int(a.rpartition(":")[2]) for w in (one, two) for a in config_of(w.pids[0])["cluster"]["worker"]]
        assert len(set(ports)) == 4
        for port in ports:
            with socket.socket() as other, pytest.raises(OSError, match="in use"):
                other.bind(("localhost", port))
            with socket.socket() as server:
                server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                server.bind(("", port))
                server.listen()
    with socket.socket() as other:  # given back
        other.bind(("localhost", ports[0]))


def config_of(pid):
    with open(f"/proc/{pid}/environ") as environment:
        variables = dict(entry.split("=", 1) for entry in environment.read().split("\0") if "=" in entry)
    return json.loads(variables["TF_CONFIG"])


# --- failure ------------------------------------------------------------------------------------------------------------


def test_a_failing_worker_is_an_error_with_its_log_and_stops_the_others(script):
    workers = Workers(
        script("print('before')\nassert '\"index\": 1' not in os.environ['TF_CONFIG'], 'broken'\ntime.sleep(3600)")
    )
    pids, start = workers.pids, time.monotonic()
    with pytest.raises(RuntimeError) as caught:
        workers.wait(TIMEOUT, grace=0.5)
    assert time.monotonic() - start < TIMEOUT / 2
    message = str(caught.value)
    assert "a worker failed" in message and "--- worker 1, exit code 1" in message
    assert "before\nTraceback" in message and "AssertionError: broken" in message
    assert_gone(pids)


def test_a_failure_is_no_error_if_the_caller_says_so(script):
    path = script("""
        print("before")
        time.sleep(3600 if '"index": 0' in os.environ["TF_CONFIG"] else 0)
        sys.exit(3)
    """)
    with Workers(path) as workers:
        first, second = workers.wait(TIMEOUT, check=False, grace=0.5)
    assert first.returncode not in (0, 3) and second == (3, "before\n")  # the first was stopped


def test_the_others_may_end_by_themselves_within_the_grace(script):
    path = script("""
        if '"index": 1' in os.environ["TF_CONFIG"]:
            sys.exit(3)
        time.sleep(0.5)
    """)
    with Workers(path) as workers:
        assert [result.returncode for result in workers.wait(TIMEOUT, check=False, grace=TIMEOUT)] == [0, 3]


def test_a_killed_worker_looks_killed(script):
    with Workers(script(ENDLESS)) as workers:
        wait_until(lambda: workers.output(1) == "started\n")
        workers.kill(1)
        first, second = workers.wait(TIMEOUT, check=False, grace=0)
    assert first.returncode != 0 and second.output == "started\n"
    if os.name == "posix":
        assert second.returncode == -signal.SIGKILL


def test_a_worker_that_never_ends_is_stopped_and_its_log_shown(script):
    workers = Workers(script("print('waiting for a worker that never comes')\ntime.sleep(3600)"))
    wait_until(lambda: all(workers.output(i) for i in range(2)))
    pids = workers.pids
    with pytest.raises(TimeoutError, match=r"did not end within 0\.2 s") as caught:
        workers.wait(0.2)
    assert str(caught.value).count("waiting for a worker that never comes") == 2
    assert_gone(pids)


# --- no process is left behind ------------------------------------------------------------------------------------------


def test_close_and_with_leave_no_process(script):
    workers = Workers(script(ENDLESS))
    pids = workers.pids
    assert all(alive(pid) for pid in pids)
    assert len(workers.close()) == 2
    assert_gone(pids)
    with pytest.raises(ZeroDivisionError), Workers(script(ENDLESS)) as workers:
        pids = workers.pids
        _ = 1 / 0
    assert_gone(pids)


def test_garbage_collection_leaves_no_process(script):
    workers = Workers(script(ENDLESS))
    pids = workers.pids
    del workers
    gc.collect()
    assert_gone(pids)


def test_an_interrupted_wait_leaves_no_process(script, monkeypatch):
    def interrupt(seconds):
        raise KeyboardInterrupt

    workers = Workers(script(ENDLESS))
    pids = workers.pids
    with monkeypatch.context() as patch:
        patch.setattr("tensorflow_basics.workers.time.sleep", interrupt)
        with pytest.raises(KeyboardInterrupt):
            workers.wait(TIMEOUT)
    assert_gone(pids)


def test_a_failed_start_leaves_no_process(script, monkeypatch):
    started, popen = [], subprocess.Popen

    def second_fails(*args, **kwargs):
        if started:
            raise OSError("no more processes")
        started.append(popen(*args, **kwargs))
        return started[0]

    monkeypatch.setattr("tensorflow_basics.workers.subprocess.Popen", second_fails)
    with pytest.raises(OSError, match="no more processes") as caught:  # its traceback keeps the object alive
        Workers(script(ENDLESS))
    assert_gone([process.pid for process in started])
    del caught


def start_starter(tmp_path, path, end, **options):
    """A process that starts two workers, prints their ids, and then does `end`."""
    starter = tmp_path / "starter.py"
    starter.write_text(
        "import os, signal, sys, time\nfrom tensorflow_basics.workers import Workers\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # tests in the background ignore it, and so would this
        f"workers = Workers({str(path)!r}, 2)\n"
        "while not all(workers.output(i) for i in range(2)): time.sleep(0.02)\n"
        f"print(*workers.pids, flush=True)\n{end}\n"
    )
    environment = os.environ | {"TMPDIR": str(tmp_path)}  # a killed starter leaves its logs there
    return subprocess.Popen(
        [sys.executable, str(starter)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        **options,
    )


@pytest.mark.parametrize(
    "end",
    ["os.kill(os.getpid(), 9)", "os.kill(os.getpid(), 15)", "os._exit(0)", "sys.exit()", "raise KeyboardInterrupt"],
)
def test_workers_end_when_their_starter_does_whatever_ends_it(script, tmp_path, end):
    with start_starter(tmp_path, script(ENDLESS), end) as starter:
        try:
            output, _ = starter.communicate(timeout=TIMEOUT)
        finally:
            starter.kill()
    assert_gone([int(pid) for pid in output.split()])


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only Python code is ended")
def test_workers_end_with_their_starter_even_while_c_code_holds_pythons_lock(script, tmp_path):
    """So does TensorFlow's while it waits for the other workers, and it waits long."""
    path = script("import ctypes\nprint('started')\nctypes.PyDLL(None).sleep(3600)")  # PyDLL: keeps the lock
    with start_starter(tmp_path, path, "time.sleep(0.2)\nos.kill(os.getpid(), 9)") as starter:
        try:
            output, _ = starter.communicate(timeout=TIMEOUT)
        finally:
            starter.kill()
    assert_gone([int(pid) for pid in output.split()])


def test_an_interrupt_from_outside_ends_workers_and_starter(script, tmp_path):
    with start_starter(tmp_path, script(ENDLESS), f"workers.wait({TIMEOUT})") as starter:
        try:
            pids = [int(pid) for pid in starter.stdout.readline().split()]
            starter.send_signal(signal.SIGINT)
            starter.wait(TIMEOUT)
        finally:
            starter.kill()
    assert_gone(pids)


@pytest.mark.skipif(os.name != "posix", reason="there are no process groups elsewhere")
def test_an_interrupt_of_the_starters_group_reaches_the_starter_alone(script, tmp_path):
    """Jupyter interrupts a cell this way; workers started by another cell go on."""
    end = (  # says that it is inside `try`: an interrupt before that would end it
        "try:\n    print('ready', flush=True)\n    time.sleep(3600)\n"
        "except KeyboardInterrupt:\n    print('interrupted', flush=True)\ntime.sleep(3600)"
    )
    with start_starter(tmp_path, script(ENDLESS), end, start_new_session=True) as starter:
        try:
            pids = [int(pid) for pid in starter.stdout.readline().split()]
            assert starter.stdout.readline() == "ready\n"
            os.killpg(starter.pid, signal.SIGINT)
            assert starter.stdout.readline() == "interrupted\n"
            time.sleep(0.2)
            assert len(pids) == 2 and all(alive(pid) for pid in pids)
        finally:
            starter.kill()
    assert_gone(pids)


# --- bad input ----------------------------------------------------------------------------------------------------------


def test_bad_arguments_are_refused_by_name(script, tmp_path):
    path = script(ENDLESS)
    with pytest.raises(FileNotFoundError, match=r"nowhere\.py does not exist"):
        Workers(tmp_path / "nowhere.py")
    for n_workers in (0, -1):
        with pytest.raises(ValueError, match="n_workers must be at least 1"):
            Workers(path, n_workers)
    for n_workers in (2.0, "2", True, None):
        with pytest.raises(TypeError, match="n_workers must be an int"):
            Workers(path, n_workers)
    with Workers(path, 1) as workers:
        for timeout in (0, -1, float("nan"), float("inf")):
            with pytest.raises(ValueError, match="timeout must be above 0 and finite"):
                workers.wait(timeout)
        for grace in (-1, float("nan"), float("inf")):
            with pytest.raises(ValueError, match="grace must be at least 0 and finite"):
                workers.wait(TIMEOUT, grace=grace)
        for arguments in ({"timeout": "10"}, {"timeout": None}, {"timeout": 1, "grace": None}):
            with pytest.raises(TypeError, match="must be a number, got "):
                workers.wait(**arguments)


TASK = {"type": "worker", "index": 0}


def config(workers=("a:1", "b:2"), task=TASK, **others):
    return json.dumps({"cluster": {"worker": list(workers), **others}, "task": task})


def test_a_right_tf_config_is_read(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", config(["10.0.0.5:12345", "node-2.local:65535"], TASK | {"index": 1}))
    assert check_tf_config() == (["10.0.0.5:12345", "node-2.local:65535"], 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "TF_CONFIG is not set"),
        ("", "TF_CONFIG is not set"),
        ("{'cluster': {}}", "not JSON"),  # Python's quotes
        ("[1, 2]", r"needs cluster\.worker"),
        ('{"cluster": ["a:1"], "task": {}}', r"needs cluster\.worker"),
        (config([]), r"needs cluster\.worker"),
        ('{"cluster": {"worker": "a:1"}, "task": {}}', r"needs cluster\.worker"),
        (config(chief=["c:3"]), "workers only"),
        (config(["a"]), "'host:port', got 'a'"),
        (config(["a:"]), "'host:port', got 'a:'"),
        (config([":1"]), "'host:port', got ':1'"),
        (config(["a:port"]), "'host:port', got 'a:port'"),
        (config(["a:0"]), "'host:port', got 'a:0'"),
        (config(["a:65536"]), "'host:port', got 'a:65536'"),
        (config(["a:²"]), "'host:port', got 'a:²'"),
        (config([1]), "'host:port', got 1"),
        (config([None]), "'host:port', got None"),
        (config(["a:1", "b:2", "a:1"]), "the same address"),
        (config(task=None), "needs task"),
        (config(task={"type": "chief", "index": 0}), "needs task"),
        (config(task={"type": "worker"}), "needs task"),
        (config(task={"type": "worker", "index": "0"}), "needs task"),
        (config(task={"type": "worker", "index": True}), "needs task"),
        (config(task={"type": "worker", "index": 2}), r"index 2 is not among the 2 workers, 0 to 1"),
        (config(task={"type": "worker", "index": -1}), r"index -1 is not among"),
    ],
)
def test_a_wrong_tf_config_is_refused_with_what_is_wrong(text, message):
    with pytest.raises(ValueError, match=message):
        check_tf_config({} if text is None else {"TF_CONFIG": text})


# --- with TensorFlow ----------------------------------------------------------------------------------------------------


def test_two_processes_train_as_one(script, tmp_path):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(8, 3)), rng.normal(size=8)
    np.savez(tmp_path / "data.npz", x=x, y=y)
    path = script("""
        from tensorflow_basics.workers import check_tf_config
        _, index = check_tf_config()
        import numpy as np, tensorflow as tf
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
        with np.load(sys.argv[1]) as data:
            x, y = data["x"][index::2], data["y"][index::2]
        with strategy.scope():
            w = tf.Variable(tf.zeros([3], tf.float64))
        @tf.function
        def step():
            def replica_step():
                residual = tf.linalg.matvec(x, w) - y
                gradient = 2 * tf.linalg.matvec(x, residual, transpose_a=True) / 8
                w.assign_sub(0.1 * tf.distribute.get_replica_context().all_reduce("SUM", gradient))
            strategy.run(replica_step)
        for _ in range(5):
            step()
        print("w", *w.numpy().tolist())
    """)
    with Workers(path, arguments=[tmp_path / "data.npz"], environment={"TF_NUM_INTRAOP_THREADS": "1"}) as workers:
        results = workers.wait(TIMEOUT)
    w = np.zeros(3)
    for _ in range(5):
        w -= 0.1 * 2 * x.T @ (x @ w - y) / 8
    for result in results:
        (line,) = (line for line in result.output.splitlines() if line.startswith("w "))
        np.testing.assert_allclose([float(word) for word in line.split()[1:]], w, rtol=0, atol=1e-12)
