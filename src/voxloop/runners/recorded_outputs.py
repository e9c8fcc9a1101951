"""What a step wrote held against what it had written before, file by file, by digest.

Some files hold measurements of the machine beside what follows from the inputs: times are others whenever they are
taken. Of these the rest is compared, and the table says what was left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from voxloop.errors import IntegrityError
from voxloop.verdict import Verdict

if TYPE_CHECKING:
    from voxloop.store.step_record import StepRecord


@dataclass(frozen=True)
class Row:
    """One thing compared: what was recorded and what was found now, as digests.

    Args:
        what: An output's file, or what the step was done from.
        recorded: Digest then; empty for a file that was not written.
        found: Digest now.
        left_out: Fields of the file that are measurements of the machine, and were not compared.
        is_output: Whether it is a file the step wrote.
    """

    what: str
    recorded: str
    found: str
    left_out: tuple[str, ...] = ()
    is_output: bool = False

    @property
    def verdict(self) -> Verdict:
        """PASS when both are the same."""
        return Verdict.PASS if self.recorded == self.found else Verdict.FAIL


def compare(record: StepRecord, before: Path, folder: Path) -> list[Row]:
    """Return a row for code and configuration, each input and each output.

    Args:
        record: Of the step then.
        before: The folder it wrote then.
        folder: The one it has written now.

    Raises:
        IntegrityError: A file of then that has to be read was changed.
    """
    from voxloop.store.digests import digest_json
    from voxloop.store.step_record import read_record

    now = read_record(folder)
    assert now is not None  # noqa: S101 - a step has just written it
    names = sorted({*record.outputs, *now.outputs})
    return [
        Row("code", record.code, now.code),
        Row("configuration", digest_json(record.config), digest_json(now.config)),
        *(
            Row(f"input {name}", digest or "", now.inputs[name] or "")
            for name, digest in record.inputs.items()
            if digest
        ),
        *(
            _compare_output(name, record.outputs.get(name, ""), now.outputs.get(name, ""), before, folder)
            for name in names
        ),
    ]


def _compare_output(name: str, recorded: str, found: str, before: Path, folder: Path) -> Row:
    if recorded == found or not recorded or not (fields := _measured_fields(name)):
        return Row(name, recorded, found, is_output=True)
    then = _digest_the_rest(_require_recorded(before, name, recorded), fields)
    return Row(name, then, _digest_the_rest(folder / name, fields), fields, is_output=True)


def draw_table(rows: list[Row]) -> Iterator[str]:
    """Yield the rows as lines of a table."""
    width = max(len(row.what) for row in rows)
    yield f"  {'':<{width}}  verdict  recorded      now"
    for row in rows:
        line = f"  {row.what:<{width}}  {row.verdict:<7}  {row.recorded[:12] or '—':<12}  {row.found[:12] or '—':<12}"
        note = f"  without {', '.join(row.left_out)}" if row.left_out else ""
        yield f"{line}{note}".rstrip()


def judge(step: str, rows: list[Row]) -> None:
    """Say that all outputs are the recorded ones.

    Raises:
        IntegrityError: One is not.
    """
    outputs = [row for row in rows if row.is_output]
    differ = [row.what for row in outputs if row.verdict is Verdict.FAIL]
    if differ:
        code = rows[0].verdict is Verdict.PASS
        raise IntegrityError(
            f"{len(differ)} of {len(outputs)} outputs of {step} are not the recorded ones: {', '.join(differ)}",
            rule="the same inputs, configuration and code give the same bytes"
            + ("" if code else "; the code is another"),
            remedy="compare the folders; libraries or the kind of processor may be others"
            if code
            else "check out the commit of the run",
        )
    parts = [
        f"; of {row.what} all but {', '.join(row.left_out)}, which are measured" for row in outputs if row.left_out
    ]
    print(
        f"{Verdict.PASS}: all {len(outputs)} outputs are the recorded ones, byte for byte{''.join(parts)}", flush=True
    )


def _measured_fields(name: str) -> tuple[str, ...]:
    """Return the fields of an output, by its file's name, that differ whenever it is made; none for most."""
    from voxloop.evaluation.golden import GOLDEN_NAME, MEASURED

    return MEASURED if name == GOLDEN_NAME else ()


def _digest_the_rest(path: Path, fields: tuple[str, ...]) -> str:
    """Return the digest of a JSON object without some of its fields; empty when the file is not there.

    A field that is null is no measurement: whether there is one, is part of the rest.
    """
    from voxloop.store.digests import digest_json
    from voxloop.store.plain_files import read_json_object

    if not path.is_file():
        return ""
    content = read_json_object(path)
    return digest_json({name: value is not None if name in fields else value for name, value in content.items()})


def _require_recorded(folder: Path, name: str, digest: str) -> Path:
    """Return a recorded output that is read again, as its record speaks of it.

    Raises:
        IntegrityError: It was changed.
    """
    from voxloop.store.digests import digest_file

    if not (folder / name).is_file() or digest_file(folder / name) != digest:
        raise IntegrityError(
            f"{folder / name} is not what the step wrote",
            rule=f"its record speaks of {digest[:12]}",
            remedy="what was measured then is lost: run the pipeline again",
        )
    return folder / name
