"""The rule about golden requests: not much slower or larger than the champion, and silent where nobody speaks."""

from __future__ import annotations

from voxloop.evaluation.case import Case
from voxloop.evaluation.golden import GoldenReport
from voxloop.evaluation.judgement import Reason
from voxloop.evaluation.policy_sections import GoldenRule, Growth
from voxloop.verdict import Verdict

MIB = 2**20


def check_golden(case: Case) -> list[Reason]:
    """The challenger answers golden requests in time and in little memory, and writes next to nothing of silence."""
    rule = case.policy.golden
    if rule is None or rule == GoldenRule():
        return [_say(case, "golden requests", Verdict.PASS, "the policy asks nothing of golden requests")]
    report = case.golden
    if report is None or (problem := _find_stranger(case, report)):
        text = problem if report is not None else "golden requests were not asked; evaluate again"
        return [_say(case, "golden requests", Verdict.CANNOT_TELL, text)]
    found = [] if rule.slowdown is None else [_check_slowdown(case, report, rule.slowdown)]
    if rule.size is not None:
        found += _check_growth(case, "size", (report.challenger_bytes, report.champion_bytes), rule.size)
    if rule.memory is not None:
        taken = (report.challenger_memory_bytes, report.champion_memory_bytes)
        found += _check_growth(case, "memory", taken, rule.memory)
    if rule.words_on_silence is not None:
        found.append(_check_silence(case, report, rule.words_on_silence))
    return found


def _find_stranger(case: Case, report: GoldenReport) -> str:
    champion = case.evaluation.champion
    wanted = (case.evaluation.model_digest, None if champion is None else champion.model_digest)
    same = (report.challenger_digest, report.champion_digest) == wanted
    return "" if same else "golden requests were asked of other models; evaluate again"


def _check_slowdown(case: Case, report: GoldenReport, most: float) -> Reason:
    value = report.slowdown
    if value is None:
        verdict = Verdict.CANNOT_TELL if case.bootstrap is None else Verdict.PASS
        text = f"golden requests take {report.challenger_ms:.1f} ms; there is no champion to be slower than"
        return _say(case, "slowdown", verdict, text, bound=most)
    text = f"golden requests take {value:.2f} times as long as the champion's, the policy allows {most:g}"
    return _say(case, "slowdown", Verdict.PASS if value <= most else Verdict.FAIL, text, value=value, bound=most)


def _check_growth(case: Case, what: str, taken: tuple[int | None, int | None], rule: Growth) -> list[Reason]:
    """Return what is said of bytes of the challenger and of the champion; None where they were not measured."""
    ours, theirs = taken
    if ours is None or (theirs is None and case.evaluation.champion is not None and rule.ratio is not None):
        text = f"the {what} of a model was not measured; evaluate again"
        return [_say(case, what, Verdict.CANNOT_TELL, text)]
    found = []
    if rule.limit_mib is not None:
        value = ours / MIB
        text = f"the {what} is {value:.1f} MiB, the policy allows {rule.limit_mib:g}"
        verdict = Verdict.PASS if value <= rule.limit_mib else Verdict.FAIL
        found.append(_say(case, what, verdict, text, value=value, bound=rule.limit_mib))
    if rule.ratio is not None:
        found.append(_check_ratio(case, what, ours, theirs, rule.ratio))
    return found


def _check_ratio(case: Case, what: str, ours: int, theirs: int | None, most: float) -> Reason:
    if theirs is None:
        verdict = Verdict.CANNOT_TELL if case.bootstrap is None else Verdict.PASS
        text = f"the {what} is {ours / MIB:.1f} MiB; there is no champion to be larger than"
        return _say(case, f"{what} ratio", verdict, text, bound=most)
    value = ours / theirs
    text = f"the {what} is {value:.2f} times the champion's, the policy allows {most:g}"
    verdict = Verdict.PASS if value <= most else Verdict.FAIL
    return _say(case, f"{what} ratio", verdict, text, value=value, bound=most)


def _check_silence(case: Case, report: GoldenReport, most: float) -> Reason:
    value = report.words_on_silence
    if value is None:
        text = "words on silence cannot be counted: the model writes none, or its numbers are not finite"
        return _say(case, "words on silence", Verdict.CANNOT_TELL, text, bound=most)
    text = f"{value:.1f} words a minute where nobody speaks, the policy allows {most:g}"
    return _say(
        case, "words on silence", Verdict.PASS if value <= most else Verdict.FAIL, text, value=value, bound=most
    )


def _say(
    case: Case, measure: str, verdict: Verdict, text: str, *, value: float | None = None, bound: float | None = None
) -> Reason:
    # Golden requests are of no set: like a bootstrap, the reason is put down under the first.
    return case.first.reason("golden", verdict, text, measure=measure, value=value, bound=bound)
