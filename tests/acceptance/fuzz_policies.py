"""Policy files that went through a shredder: each is in force whole, or not at all and the last good one stays.

python -m tests.acceptance.fuzz_policies [--count N] [--seed S]   prints the figures; 1 if a promise broke
"""

import argparse
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from gateway.config.policy_file import read
from gateway.config.yaml_file import YamlFileError
from gateway.control.publish.policy_compiler import PolicyReader
from gateway.control.publish.policy_folder import Compiled, PolicyFolder
from policies import describe as meaning
from policies import routing
from policies.compile import decision_rules
from policies.plan import plan
from policies.plan_text import text
from policies.stage_plan import Traffic
from policies.surroundings import KnownUpstream, Surroundings

Pick = Callable[[int], int]
"""n -> a number from 0 to n - 1."""

EXAMPLES = Path(__file__).parents[2] / "policies" / "examples"
SURROUNDINGS = Surroundings(
    {
        name: KnownUpstream(has_background_key=True, is_priced=True)
        for name in ("openai", "openai-ours", "azure", "vllm", "claude")
    }
)
NAME = "fuzzed.yaml"
SPLINTERS = (
    "", " ", "\n", "\t", ":", ": ", "- ", "{", "}", "[", "]", "&a ", "*a", "!!x ", "|\n", ">-\n", "---\n", "...\n", "#",
    "'", '"', "\\", "%", "$", "${X}", "~", "null", "true", "off", "0", "-1", "1e999", ".5", "0.05", "5%", "0%", "101%",
    "100%", "1h", "-1h", "1.2x", "$5/day", "800ms", "shadow", "é", "\u2028", "\x00", "\ud800", "\U0001f600",
    "<<: *a", "a" * 2000, "[" * 50, "9" * 40, "n>1", "header:x", "judge", "openai", "vllm",
    "split", "mon-fri", "9-17", "-0.02", "gpt-*", "metadata:x",
)  # fmt: skip


def mutate(source: str, pick: Pick) -> str:
    """`source` after one to four accidents."""
    for _ in range(1 + pick(4)):
        source = _ACCIDENTS[pick(len(_ACCIDENTS))](source, pick)
    return source


def _cut(source: str, pick: Pick) -> str:
    at = pick(len(source) + 1)
    return source[:at] + source[at + pick(12) :]


def _insert(source: str, pick: Pick) -> str:
    at = pick(len(source) + 1)
    return source[:at] + SPLINTERS[pick(len(SPLINTERS))] + source[at:]


def _replace_word(source: str, pick: Pick) -> str:
    words = source.split(" ")
    words[pick(len(words))] = SPLINTERS[pick(len(SPLINTERS))]
    return " ".join(words)


def _swap_words(source: str, pick: Pick) -> str:
    words = source.split(" ")
    one, two = pick(len(words)), pick(len(words))
    words[one], words[two] = words[two], words[one]
    return " ".join(words)


def _move_line(source: str, pick: Pick) -> str:
    lines = source.splitlines(keepends=True) or [""]
    line = lines.pop(pick(len(lines)))
    lines.insert(pick(len(lines) + 1), line)
    return "".join(lines)


def _repeat_line(source: str, pick: Pick) -> str:
    lines = source.splitlines(keepends=True) or [""]
    lines.insert(pick(len(lines) + 1), lines[pick(len(lines))])
    return "".join(lines)


def _indent(source: str, pick: Pick) -> str:
    lines = source.splitlines(keepends=True) or [""]
    at = pick(len(lines))
    lines[at] = " " * pick(5) + lines[at].lstrip()
    return "".join(lines)


def _end_early(source: str, pick: Pick) -> str:
    return source[: pick(len(source) + 1)]


_ACCIDENTS = (_cut, _insert, _insert, _replace_word, _replace_word, _swap_words, _move_line, _repeat_line, _indent,
              _end_early)  # fmt: skip


class Shredder:
    """A folder with one policy file, rewritten again and again under the controller's own reader."""

    def __init__(self, folder: Path) -> None:
        self.counts = Counter[str]()
        self.watched = PolicyFolder(folder, PolicyReader(SURROUNDINGS, str(EXAMPLES)).compile)
        self.sources = [path.read_text(encoding="utf-8") for path in sorted(EXAMPLES.glob("*.yaml"))]
        self._path = folder / NAME
        self._ticks = 0

    def shred(self, pick: Pick) -> None:
        """One mutated file.

        Raises:
            AssertionError: it was neither taken whole nor refused whole. Any other exception is a crash.
        """
        before = self.watched.routes()
        mutated = mutate(self.sources[pick(len(self.sources))], pick)
        self._write(mutated)
        self.watched.read()
        (file,) = self.watched.files
        if file.error is None:
            assert file.compiled is not None
            _check_whole(file.compiled, mutated)
            self.counts["taken"] += 1
        else:
            assert self.watched.routes() == before, "a refused file changed what is in force"
            assert NAME in file.error
            self.counts["refused"] += 1

    def _write(self, mutated: str) -> None:
        self._path.write_bytes(mutated.encode("utf-8", "surrogatepass"))
        self._ticks += 1
        os.utime(self._path, ns=(self._ticks, self._ticks))  # a new text within one tick of the file system's clock


def _check_whole(compiled: Compiled, source: str) -> None:
    """What was taken must be usable to the last value: as a table, as rules, as words, as a plan."""
    loaded = read(source, NAME, SURROUNDINGS)
    rules = decision_rules(loaded.policy, SURROUNDINGS)
    upstreams = tuple(routing.Upstream(name, "http://127.0.0.1") for name in SURROUNDINGS.upstreams)
    table = routing.Table(1, routing.Lease(0.0), upstreams, "openai", routes=(compiled.route,))
    assert routing.decode(routing.encode(table)) == table
    assert compiled.route.weight_ppm == 0, "a file that loads moves no traffic"
    assert meaning.text(loaded.policy, rules)
    assert text(plan(None, (loaded.policy, rules), Traffic(1000.0)))


def refusals(source: str) -> list[str]:
    """What a text is refused for; nothing if it is fine."""
    try:
        read(source, NAME, SURROUNDINGS)
    except YamlFileError as error:
        return [str(problem) for problem in error.problems]
    return []


def _batch(seed: int, count: int) -> Counter[str]:
    generator = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        shredder = Shredder(Path(folder))
        for _ in range(count):
            state = generator.bit_generator.state
            try:
                shredder.shred(lambda n: int(generator.integers(n)))
            except Exception as error:
                raise RuntimeError(f"seed {seed}, after {shredder.counts.total()} files, {state}") from error
    return shredder.counts


def main() -> int:
    """Shred many files in two processes and print what became of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000, help="how many mutated files")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    batches = max(1, arguments.count // 1000)
    sizes = [arguments.count // batches] * batches
    seeds = range(arguments.seed, arguments.seed + batches)
    with ProcessPoolExecutor(2) as pool:
        counts = sum(pool.map(_batch, seeds, sizes), Counter[str]())
    sys.stdout.write(
        f"{counts.total()} mutated policy files: {counts['taken']} taken whole, {counts['refused']} refused with their "
        "place, the last good one in force each time; 0 crashes, 0 half-applied\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
