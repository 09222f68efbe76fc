#!/usr/bin/env python3
"""Runs the examples in the README against a new server.

    tests/clients/readme.py ADDRESS

An example is a fenced block of language `sh` whose first command is `grpcurl` or `buf curl`. The blocks
run in the order of the README, each in a shell of its own that stops at the first failing command; the
default address in them is replaced by ADDRESS. A block whose info string is `sh fails` has to fail.
"""

import pathlib
import re
import subprocess
import sys

README = pathlib.Path(__file__).resolve().parents[2] / "README.md"
DEFAULT_ADDRESS = re.compile(r"(127\.0\.0\.1|localhost):50051")
FENCED = re.compile(r"^[ \t]*```(sh|sh fails)[ \t]*\n(.*?)^[ \t]*```[ \t]*$", re.MULTILINE | re.DOTALL)
TIMEOUT_S = 60


def examples(text):
    for info, block in FENCED.findall(text):
        commands = [line.strip() for line in block.splitlines() if line.strip() and not line.strip().startswith("#")]
        if commands and commands[0].startswith(("grpcurl ", "buf curl ")):
            yield info == "sh fails", block


def run(block, address):
    script = "set -eu\n" + DEFAULT_ADDRESS.sub(address, block)
    return subprocess.run(["bash", "-c", script], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    found = list(examples(README.read_text(encoding="utf-8")))
    if not found:
        sys.exit("FAIL the README has no example that begins with grpcurl")
    for fails, block in found:
        done = run(block, sys.argv[1])
        if (done.returncode != 0) != fails:
            wanted = "should fail" if fails else f"failed with exit code {done.returncode}"
            sys.exit(f"FAIL an example of the README {wanted}:\n{block}\n{done.stdout}{done.stderr}")
        print(f"  ok {block.strip().splitlines()[0]}")
    print(f"{len(found)} examples of the README ran as they should")


if __name__ == "__main__":
    main()
