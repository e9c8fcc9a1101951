"""Run every benchmark and print one table; the exit code says whether all bounds hold."""

from __future__ import annotations

import sys

from benchmarks import command_help, speaker_world

BENCHMARKS = (command_help, speaker_world)


def main() -> int:
    """Measure, print, and return 0 when every bound holds."""
    findings = [module.measure() for module in BENCHMARKS]
    for finding in findings:
        holds = "holds" if finding.holds else "DOES NOT HOLD"
        bound = f"{finding.bound} {finding.target:g}"
        print(f"{finding.what:<48} {finding.ours:10.3f}  ratio {finding.ratio:8.2f} ({bound})  {holds}")
    return 0 if all(finding.holds for finding in findings) else 1


if __name__ == "__main__":
    sys.exit(main())
