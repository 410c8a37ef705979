"""Start real vLLM servers in seconds: each is forked from a process that has done vLLM's imports.

    .cache/vllm/env/bin/python tools/vllm_fork.py

Prints `ready`; then, for each line of arguments to `vllm` on stdin, the process id of a server that leads a process
group of its own: SIGKILL to the group is a crash of the whole server. What differs from `vllm serve`: its processes
are forked, where vLLM would spawn them and import everything three times; and they sleep while they wait for each
other, where vLLM's turn in circles for a second, which on two cores is half of what there is. Who sleeps looks again
every 10 ms: a wake-up can be lost between them, and vLLM's look after five seconds, in the midst of an answer.
"""

import contextlib
import importlib
import multiprocessing
import os
import signal
import sys

IMPORTS = (
    "vllm.entrypoints.cli.main",
    "vllm.entrypoints.cli.serve",
    "vllm.entrypoints.openai.api_server",
    "vllm.v1.engine.async_llm",
    "vllm.v1.engine.core",
    "vllm.v1.executor.multiproc_executor",
    "vllm.v1.worker.cpu_worker",
    "vllm.v1.worker.cpu_model_runner",
    "vllm.model_executor.models.llama",
    "vllm.model_executor.model_loader.default_loader",
    "transformers",
    "torch._dynamo",
    "torch._inductor",
)
LOOK_MS = 10
"""How often a process of vLLM's that sleeps looks whether another has written."""


def main() -> None:
    """Import, then fork a server for each line."""
    cli, *_ = [importlib.import_module(name) for name in IMPORTS]
    waiting = importlib.import_module("vllm.distributed.device_communicators.shm_broadcast")
    waiting.SpinCondition.__init__.__defaults__ = (0,)  # its only default: seconds to turn before it sleeps
    context = multiprocessing.get_context
    waiting.SHM_READER_RECHECK_INTERVAL_MS = LOOK_MS
    print("ready", flush=True)
    servers: list[int] = []
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os.setpgid(0, 0)  # no session: Linux may share out the CPU by sessions, and it has its starter's share
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(2, 1)
            multiprocessing.get_context = lambda _method=None: context("fork")
            sys.argv = ["vllm", *line.split()]
            cli.main()
            os._exit(0)
        servers.append(pid)
        print(pid, flush=True)
    for pid in servers:  # whoever asked for them is gone
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
