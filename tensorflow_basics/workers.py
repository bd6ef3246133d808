"""Worker processes of one training cluster on this machine, and the TF_CONFIG that tells each who the others are.

On several machines nobody starts the processes for you: copy the script to each, set TF_CONFIG there (same cluster, its own
index), and start it. `check_tf_config` in the script finds a wrong one before TensorFlow waits for it in vain.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import weakref
from pathlib import Path
from typing import NamedTuple

from tensorflow_basics.checks import check_int, check_number


class Result(NamedTuple):
    """How a worker ended: its exit code (negative: the signal that killed it) and all that it printed."""

    returncode: int
    output: str


class Workers:
    """Start one process for each worker; none outlives this object, its ``with`` block, or this process.

    Every worker runs ``python script *arguments`` with a TF_CONFIG of its own and a port of its own on localhost. What it
    prints, errors included, is kept. A worker also ends when the process that started it is gone, even if that was killed.
    An interrupt (Ctrl-C) reaches the starter alone, and ends the workers if it ends the starter or its waiting for them.

    Parameters
    ----------
    script : str or Path
        Python file to run. Its standard input is taken: it closes when this process is gone.
    n_workers : int
        Number of processes, 1 or more.
    arguments : sequence
        Passed to the script, as strings.
    environment : dict of str, optional
        Variables to set besides those of this process.

    Raises
    ------
    FileNotFoundError
        If there is no such script.
    TypeError, ValueError
        If `n_workers` is not an integer of at least 1.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     script = Path(folder, "hello.py")
    ...     _ = script.write_text("import json, os; print(json.loads(os.environ['TF_CONFIG'])['task'])")
    ...     with Workers(script, 2) as workers:
    ...         [result.output for result in workers.wait(timeout=60)]
    ["{'type': 'worker', 'index': 0}\\n", "{'type': 'worker', 'index': 1}\\n"]
    """

    def __init__(self, script, n_workers=2, *, arguments=(), environment=None):
        check_int("n_workers", n_workers, 1)
        script = Path(script)
        if not script.is_file():
            raise FileNotFoundError(f"script {script} does not exist")
        command = [sys.executable, "-P", "-u", "-c", _PRELUDE, str(script), *map(str, arguments)]
        self._results = None
        self._processes = []
        self._open = contextlib.ExitStack()  # what close() gives back: ports, folder of the logs, processes (first)
        self._finalizer = weakref.finalize(self, self._open.close)  # when this object or Python ends
        try:
            ports = self._open.enter_context(_reserved_ports(n_workers))
            addresses = [f"localhost:{port}" for port in ports]
            self._logs = Path(self._open.enter_context(tempfile.TemporaryDirectory()))
            self._open.callback(_stop, self._processes)
            for index in range(n_workers):
                config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
                variables = os.environ | (environment or {}) | {"TF_CONFIG": json.dumps(config)}
                with open(self._log(index), "wb") as log:
                    process = subprocess.Popen(
                        command,
                        env=variables,
                        stdin=subprocess.PIPE,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,  # an interrupt is for this process: the notebook goes on, and so do they
                    )
                self._processes.append(process)
        except BaseException:
            self._finalizer()
            raise

    @property
    def pids(self):
        """Process ids, by index."""
        return [process.pid for process in self._processes]

    def output(self, index):
        """What worker `index` has printed so far."""
        if self._results is not None:
            return self._results[index].output
        return self._log(index).read_text(errors="replace")

    def kill(self, index):
        """End worker `index` at once, as a power cut would."""
        self._processes[index].kill()

    def wait(self, timeout, *, check=True, grace=10):
        """Wait until all workers have ended.

        Parameters
        ----------
        timeout : float
            Seconds to wait at most, above 0 and finite.
        check : bool
            Whether it is an error if a worker fails.
        grace : float
            Seconds, 0 or more and finite, that the others, which may wait for it, get after a worker has failed; then they
            are stopped.

        Returns
        -------
        list of Result
            By index.

        Raises
        ------
        TypeError, ValueError
            If `timeout` or `grace` is not a number or out of range; the workers run on.
        TimeoutError
            If no worker failed, and one still runs after `timeout`; all are stopped, and the message shows the end of each
            log.
        RuntimeError
            If `check` and a worker failed; the message shows the end of each log.
        """
        check_number("timeout", timeout, 0, above=True)
        check_number("grace", grace, 0)
        start, first_failure = time.monotonic(), None
        try:
            while any(process.poll() is None for process in self._processes):
                now = time.monotonic()
                if first_failure is None and self._failed():
                    first_failure = now
                if now > start + timeout or (first_failure is not None and now > first_failure + grace):
                    break
                time.sleep(0.05)
            failed = self._failed()
            ended = all(process.poll() is not None for process in self._processes)
        finally:  # also when the reader interrupts
            results = self.close()
        logs = "\n".join(f"--- worker {i}, exit code {r.returncode}\n{r.output[-1500:]}" for i, r in enumerate(results))
        if failed and check:
            raise RuntimeError(f"a worker failed:\n{logs}")
        if not ended and not failed:
            raise TimeoutError(f"the workers did not end within {timeout} s and were stopped:\n{logs}")
        return results

    def _failed(self):
        return any(process.poll() for process in self._processes)  # an exit code other than 0

    def _log(self, index):
        return self._logs / f"{index}.log"

    def close(self):
        """Stop what still runs, and return the list of results, the same one each time."""
        if self._results is None:
            _stop(self._processes)
            self._results = [Result(p.returncode, self.output(i)) for i, p in enumerate(self._processes)]
            self._finalizer()
        return self._results

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


# Like `python script`, but ends when its standard input closes: its starter is gone. A thread sees to that, except while C
# code holds Python's lock, as TensorFlow's does when it waits for other workers. So Linux also sends a signal (SIGIO).
_PRELUDE = """
import os, runpy, sys, threading
if sys.platform == "linux":
    from fcntl import F_GETFL, F_SETFL, F_SETOWN, fcntl
    fcntl(0, F_SETOWN, os.getpid())
    fcntl(0, F_SETFL, fcntl(0, F_GETFL) | os.O_ASYNC)
def watch():
    while os.read(0, 1):
        pass
    os._exit(1)
threading.Thread(target=watch, daemon=True).start()
sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[0])))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def _stop(processes):
    for process in processes:
        process.kill()  # nothing happens to one that has ended
    for process in processes:
        process.wait()
        process.stdin.close()


@contextlib.contextmanager
def _reserved_ports(n):
    """`n` different TCP ports of localhost that nobody else gets as long as the context lasts.

    Linux lets a server take a port that somebody has bound, if both allow it (SO_REUSEADDR, which TensorFlow's server
    sets) and only one listens. To everybody who asks for any free port it is taken. Elsewhere it is merely free now.
    """
    with contextlib.ExitStack() as sockets:
        ports = []
        for _ in range(n):
            one = sockets.enter_context(socket.socket())
            if sys.platform == "linux":
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(("localhost", 0))
            ports.append(one.getsockname()[1])
        if sys.platform != "linux":
            sockets.close()
        yield ports


def check_tf_config(environment=None):
    """Read TF_CONFIG, and refuse what TensorFlow would wait for in vain.

    Parameters
    ----------
    environment : mapping, optional
        Where to look; this process's environment if left out.

    Returns
    -------
    addresses : list of str
        ``host:port`` of every worker.
    index : int
        Which of them this process is.

    Raises
    ------
    ValueError
        If TF_CONFIG is missing, is not JSON, names no workers, an address twice or without a port, or a task that the
        cluster does not have. (Clusters with tasks other than workers, which TensorFlow knows too, are refused.)
    """
    text = (os.environ if environment is None else environment).get("TF_CONFIG")
    if not text:
        raise ValueError('TF_CONFIG is not set; it needs {"cluster": {"worker": ["host:port", ...]}, "task": {...}}')
    try:
        config = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"TF_CONFIG is not JSON ({error}): {text!r}") from error
    config = config if isinstance(config, dict) else {}
    cluster, task = config.get("cluster"), config.get("task")
    addresses = cluster.get("worker") if isinstance(cluster, dict) else None
    if not isinstance(addresses, list) or not addresses:
        raise ValueError(f"TF_CONFIG needs cluster.worker, a list of 'host:port', got {text!r}")
    if len(cluster) > 1:
        raise ValueError(f"TF_CONFIG: the cluster may hold workers only, got {sorted(cluster)}")
    for address in addresses:
        host, _, port = address.rpartition(":") if isinstance(address, str) else ("", "", "")
        if not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
            raise ValueError(f"TF_CONFIG: a worker's address must be 'host:port', got {address!r}")
    if len(set(addresses)) < len(addresses):
        raise ValueError(f"TF_CONFIG: two workers have the same address: {addresses}")
    index = task.get("index") if isinstance(task, dict) else None
    if not isinstance(task, dict) or task.get("type") != "worker" or isinstance(index, bool) or not isinstance(index, int):
        raise ValueError(f'TF_CONFIG needs task: {{"type": "worker", "index": ...}}, got {task!r}')
    if not 0 <= index < len(addresses):
        raise ValueError(
            f"TF_CONFIG: task.index {index} is not among the {len(addresses)} workers, 0 to {len(addresses) - 1}"
        )
    return addresses, index
