"""Whether a dataset may be trained on: what three steps said of it, taken together and tied to its bytes."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from voxloop.config import StrictModel
from voxloop.errors import IntegrityError
from voxloop.store.atomic import write_file
from voxloop.store.digests import canonical_json, code_digest
from voxloop.store.job_store import read_record, verify_result
from voxloop.verdict import Verdict

ACCEPTANCE_NAME = "acceptance.json"
REPORTS = {"validate": "report.json", "leakage": "leakage.json", "poison": "poison.json"}
"""The steps that judge a dataset, and the file in which each says its verdict."""
KEPT_AS = {"validate": "data_report", "leakage": "leakage", "poison": "poison"}
"""The folder under which each report is kept with the acceptance, and in MLflow."""


@dataclass(frozen=True)
class Question:
    """What a step must have been asked for its answer to count.

    Args:
        inputs: Digest of every input, None for one that was not given.
        config: Its resolved configuration, as the commit has it: an answer to a softened rule does not count.
    """

    inputs: Mapping[str, str | None]
    config: Mapping[str, object]


class Acceptance(StrictModel):
    """The content of `acceptance.json`.

    Args:
        task: Family the data are for.
        poison_policy: The file of configs/poison they were audited by.
        verdict: `FAIL` when one step failed it, `PASS` when all passed it.
        dataset_digest: Digest of the dataset all of this is about.
        said: What each step said, as far as it can be believed.
        doubts: Why a step was not believed.
        seal: HMAC-SHA256 of all the others under the runner's key.
    """

    task: str
    poison_policy: str
    verdict: Verdict
    dataset_digest: str
    said: dict[str, Verdict]
    doubts: tuple[str, ...]
    seal: str = ""

    def sealed(self, secret: bytes) -> Acceptance:
        """Return the acceptance with the seal that `secret` makes."""
        return self.model_copy(update={"seal": self._seal(secret)})

    def is_authentic(self, secret: bytes) -> bool:
        """Return whether the seal is the one `secret` makes."""
        return hmac.compare_digest(self.seal, self._seal(secret))

    def _seal(self, secret: bytes) -> str:
        fields = self.model_dump(mode="json", exclude={"seal"})
        return hmac.new(secret, canonical_json(fields).encode(), "sha256").hexdigest()

    def write(self, folder: Path) -> None:
        """Write `acceptance.json` into `folder`."""
        text = json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False)
        write_file(folder / ACCEPTANCE_NAME, text + "\n")

    def lines(self) -> list[str]:
        """Return the verdict, what each step said, and the doubts, a line each."""
        said = ", ".join(f"{step} {verdict}" for step, verdict in self.said.items())
        return [f"dataset {self.dataset_digest[:12]} {self.verdict}: {said}", *(f"  {doubt}" for doubt in self.doubts)]


def combine_reports(
    reports: Mapping[str, Path], questions: Mapping[str, Question], secret: bytes
) -> tuple[dict[str, Verdict], tuple[str, ...]]:
    """Return what the steps of `REPORTS` said, and why one of them is not believed.

    A report that is missing, malformed, not sealed by this runner, changed since, made by other code or the answer to
    another question is not believed: `CANNOT_TELL`.

    Args:
        reports: The folder each step wrote.
        questions: What each must have been asked.
        secret: The runner's key.
    """
    said: dict[str, Verdict] = {}
    doubts = []
    for step, file in REPORTS.items():
        try:
            said[step] = read_verdict(step, reports[step], file)
            if said[step] is Verdict.PASS:
                _believe(step, reports[step], questions[step], secret)
        except IntegrityError as doubt:
            said[step] = Verdict.CANNOT_TELL
            doubts.append(f"{step}: {doubt}")
    return said, tuple(doubts)


def read_verdict(step: str, folder: Path, file: str) -> Verdict:
    """Return the verdict that a report states.

    Raises:
        IntegrityError: There is none.
    """
    try:
        return Verdict(json.loads((folder / file).read_text(encoding="utf-8"))["verdict"])
    except (OSError, ValueError, KeyError, TypeError) as unreadable:
        raise IntegrityError(
            f"{folder / file} states no verdict ({type(unreadable).__name__})",
            rule=f"`voxloop {step}` writes it",
            remedy="name the folder that it wrote",
        ) from None


def _believe(step: str, folder: Path, question: Question, secret: bytes) -> None:
    """Raise `IntegrityError` unless this runner made the report, asked just that, and nobody changed it."""
    record = read_record(folder)
    if record is None:
        raise IntegrityError(f"{folder} has no record", rule=f"`voxloop {step}` leaves one", remedy="run it again")
    verify_result(folder, step, record.key, secret)
    differs = [name for name, digest in question.inputs.items() if record.inputs.get(name) != digest]
    differs += [name for name, value in question.config.items() if not _same(record.config.get(name), value)]
    differs += ["code"] if record.code != code_digest() else []
    if differs:
        raise IntegrityError(
            f"{folder} was made with another {' and '.join(differs)}",
            rule="only the answer to the question of the commit counts, of these data and what is in force now",
            remedy=f"run `voxloop {step}` again, without --set",
        )


def _same(one: object, other: object) -> bool:
    return canonical_json(one) == canonical_json(other)


def load_acceptance(folder: Path, secret: bytes) -> Acceptance:
    """Read the `acceptance.json` that `accept` wrote.

    Args:
        folder: What `accept` wrote.
        secret: The runner's key.

    Raises:
        IntegrityError: It is none, or another one than this runner wrote.
    """
    try:
        accepted = Acceptance.model_validate_json((folder / ACCEPTANCE_NAME).read_bytes())
    except (OSError, ValueError) as unreadable:
        raise IntegrityError(
            f"{folder} holds no acceptance ({type(unreadable).__name__})",
            rule="`voxloop accept` writes it",
            remedy="name the folder that it wrote",
        ) from None
    if not accepted.is_authentic(secret):
        raise IntegrityError(
            f"{folder / ACCEPTANCE_NAME} carries a seal this runner did not make",
            rule="what was said of the data is not edited",
            remedy="run `voxloop accept` again",
        )
    return accepted
