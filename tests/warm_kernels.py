"""Kernels that start with the heavy libraries loaded: each is forked from one process that has imported them.

A kernel and its imports of TensorFlow, PyTorch and others cost about 8 s of CPU, and a test run starts some thirty
kernels. A fork costs a tenth of a second. Nothing has been computed before the fork and no thread has been started, so a
forked kernel differs from a fresh one in what `sys.modules` holds, and in nothing else. Python's own server for forking
(`multiprocessing`'s "forkserver") does the work. Linux only: elsewhere these libraries do not survive a fork.
"""

import functools
import gc
import multiprocessing
import os
import subprocess
import sys

from jupyter_client.launcher import launch_kernel
from jupyter_client.provisioning import local_provisioner

# Triton first, see conftest.py. Not ipykernel.kernelapp: it reads at its import whose child it is.
PRELOADED = [
    "triton",
    "torch._dynamo",
    "tensorflow",
    "sklearn.linear_model",
    "pandas",
    "sympy",
    "networkx",
    "ipykernel.ipkernel",
]


@functools.cache
def needs_fresh_imports(path):
    """Whether the notebook at `path` chooses how a library is loaded, which in a fork has been done already."""
    return 'os.environ[\\"KERAS_BACKEND\\"] =' in path.read_text(encoding="utf-8")


class WarmKernels:
    """While entered, Jupyter's kernels are forked; those started while `cold` is true are new processes."""

    def __init__(self):
        self.cold = False

    def __enter__(self):
        if sys.platform == "linux":
            self._context = multiprocessing.get_context("forkserver")
            self._context.set_forkserver_preload(PRELOADED)
            fresh = [sys.executable, "-c", "import sys; print(*sys.path[1:], sep='\\0', end='')"]
            self._path = subprocess.run(fresh, capture_output=True, text=True, check=True).stdout.split("\0")
        self._before, local_provisioner.launch_kernel = local_provisioner.launch_kernel, self.launch
        return self

    def __exit__(self, *error):
        local_provisioner.launch_kernel = self._before

    def launch(self, command, *, env, cwd=None, stdout=None, stderr=None, **others):
        """What `jupyter_client.launcher.launch_kernel` does, by a fork; returns what is used of `subprocess.Popen`."""
        if self.cold or sys.platform != "linux" or "ipykernel_launcher" not in command:
            return launch_kernel(command, env=env, cwd=cwd, stdout=stdout, stderr=stderr, **others)
        arguments = command[command.index("ipykernel_launcher") :]
        silent = subprocess.DEVNULL in (stdout, stderr)
        in_own_session, here = self._context.Pipe(duplex=False)
        kernel = _Kernel(
            self._context.Process(target=_run, args=(arguments, env, cwd, self._path, silent, here), daemon=True)
        )
        here.close()
        in_own_session.recv()  # until then, a signal to the kernel's group would reach this process
        return kernel


class _Kernel:
    """A `multiprocessing.Process` with the face of a `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, process):
        process.start()
        self.process, self.pid, self.kill, self.terminate = process, process.pid, process.kill, process.terminate

    def poll(self):
        return self.process.exitcode

    def wait(self):
        self.process.join()
        return self.process.exitcode

    def send_signal(self, number):
        os.kill(self.pid, number)


def _run(arguments, env, cwd, path, silent, ready):
    gc.freeze()  # the garbage collector need not go through, and so copy, what was there before the fork
    os.setsid()
    ready.send(True)
    ready.close()
    multiprocessing.current_process().daemon = False  # a notebook may start processes of its own
    os.environ.clear()
    os.environ.update(env, JPY_PARENT_PID=str(os.getppid()))
    if cwd:
        os.chdir(cwd)
    sys.path[:] = path
    sys.argv[:] = arguments
    if silent:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
    from ipykernel.kernelapp import IPKernelApp

    IPKernelApp.launch_instance()
