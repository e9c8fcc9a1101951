"""Run every benchmark, each in its own process, and print one table; the exit code says whether all bounds hold."""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks.report import Finding

BENCHMARKS = (
    "command_help",
    "speaker_world",
    "ingest",
    "manifest",
    "validation",
    "batching",
    "logmel",
    "checkpoint",
    "engine",
    "recogniser_rtf",
    "evaluation",
    "bootstrap",
    "drift",
    "dags",
    "power",
    "coverage",
    "serving",
)


def main() -> int:
    """Measure, print, and return 0 when every bound holds."""
    findings = []
    for name in BENCHMARKS:
        print(f"{name} …", file=sys.stderr, flush=True)
        findings += run_benchmark(name)
    for finding in findings:
        holds = "holds" if finding.holds else "DOES NOT HOLD"
        bound = f"{finding.bound} {finding.target:g}"
        print(f"{finding.what:<60} {finding.ours:10.3f}  ratio {finding.ratio:8.2f} ({bound})  {holds}")
    return 0 if all(finding.holds for finding in findings) else 1


def run_benchmark(name: str) -> list[Finding]:
    """Return what `python -m benchmarks.<name>` found: one for each line of JSON that begins with `{"what"`."""
    done = subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], stdout=subprocess.PIPE, text=True, check=True)
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"what"')]
    assert told, f"{name} found nothing"
    return [Finding(**{key: found[key] for key in ("what", "ours", "peer", "target", "bound")}) for found in told]


if __name__ == "__main__":
    sys.exit(main())
