"""Compares the instructions of a call through each layer with those of the baseline.

    cargo bench -q -p buttress-benches --features instructions --bench instructions \
        -- --output-format=json | python3 .ci/check_instructions.py

Fails where one needs over 5 % more, and where one is not in the baseline or is no more measured. Whoever
means it so writes the baseline anew, by the same command with `--write`. With `--can-compare` it reads nothing,
and says whether the baseline is of this toolchain: another compiles the same source to other instructions.
"""

import json
import pathlib
import subprocess
import sys
import tomllib

BASELINE = pathlib.Path(__file__).parent.parent / "benches" / "baseline.toml"
TOLERATED = 1.05
HEAD = """\
# The instructions of one call, by `.ci/check_instructions.py`, which says how to write it anew.
"""


def toolchain():
    said = subprocess.run(["rustc", "--version", "--verbose"], capture_output=True, text=True, check=True)
    lines = said.stdout.splitlines()
    host = next(line.removeprefix("host: ") for line in lines if line.startswith("host: "))
    return f"{lines[0]} on {host}"


def measured(lines):
    """By name, of what gungraun says: a JSON object a line, one for each benchmark."""
    found = {}
    for line in filter(str.strip, lines):
        summary = json.loads(line)
        name = f"{summary['function_name']}.{summary['id']}"
        for profile in summary["profiles"]:
            if profile["tool"] == "Callgrind":
                found[name] = profile["data"]["total"]["metrics"]["Ir"]["values"]["new"]
    return found


def compare(before, now):
    """Lines to print, and whether all is well."""
    told, well = [], True
    for name in sorted(before.keys() | now.keys()):
        old, new = before.get(name), now.get(name)
        if old is None or new is None:
            well = False
            where = "the baseline" if old is None else "what was measured"
            told.append(f"BROKEN {name}: not in {where}")
        elif new > old * TOLERATED:
            well = False
            told.append(f"BROKEN {name}: {old} -> {new} ({new / old - 1:+.1%})")
        else:
            told.append(f"kept   {name}: {old} -> {new} ({new / old - 1:+.1%})")
    return told, well


def main():
    if sys.argv[1:] == ["--can-compare"]:
        baseline = tomllib.loads(BASELINE.read_text())
        if baseline["toolchain"] != toolchain():
            print(f"the baseline is of {baseline['toolchain']}, and this is {toolchain()}")
            return 1
        return 0
    now = measured(sys.stdin)
    if not now:
        print("nothing was measured")
        return 1
    if sys.argv[1:] == ["--write"]:
        lines = [f'"{name}" = {count}' for name, count in sorted(now.items())]
        BASELINE.write_text(
            HEAD + f'toolchain = "{toolchain()}"\n\n[instructions]\n' + "\n".join(lines) + "\n"
        )
        print(BASELINE.read_text(), end="")
        return 0
    told, well = compare(tomllib.loads(BASELINE.read_text())["instructions"], now)
    print("\n".join(told))
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
