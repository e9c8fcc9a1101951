"""`voxloop read-labels`: labels that people gave to a list of `voxloop worth-labelling`, into quarantine."""

from __future__ import annotations

from pathlib import Path

from voxloop.errors import InputError


def read_labels(family: str, folder: Path, *, by: str) -> None:
    """Read a filled-in list back: each label goes into the quarantine of feedback, under the name of who gave it.

    A row without a label is passed over; one whose label is none, or whose answer is not in the prediction log, is
    named with the reason. Reading the same table again changes nothing, and a changed label corrects the one before.
    `voxloop collect` makes a corpus of them; production is not measured by them, for the list is of what the model was
    unsure of.

    Args:
        family: Whose answers.
        folder: As `voxloop worth-labelling` wrote it, `worth_labelling.csv` filled in.
        by: Who listened and decided, such as anna or anna@example.org; it stands on every label.

    Raises:
        InputError: There is no such family or name, the table is malformed, or labels were refused, after the others
            were taken.
    """
    from voxloop.monitoring.feedback import name_person
    from voxloop.monitoring.returned_labels import return_labels
    from voxloop.settings import get_settings, now
    from voxloop.tasks import require_task

    require_task(family)
    settings, key_id = get_settings(), name_person(by)
    found = return_labels(folder, settings.predictions, settings.feedback, family, key_id=key_id, at=now())
    for request, why in found.refused:
        print(f"refused: {request}: {why}", flush=True)
    counts = f"{found.taken} labels taken, {found.known} known before, {found.empty} rows without one"
    print(f"{family}: {counts}, {len(found.refused)} refused", flush=True)
    if found.refused:
        request, why = found.refused[0]
        raise InputError(
            f"{len(found.refused)} of {len(found.refused) + found.taken + found.known} labels are none; "
            f"the first is of {request}: {why}",
            rule="a label is what the family answers, of an answer in the log",
            remedy="correct these rows and read the table again: what was taken is not taken twice",
        )
