"""Notices as a destination receives them: Apprise's own plugin speaks to a real HTTP server on loopback."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.listener import Listener, listening
from voxloop.adapters.apprise import read_destinations
from voxloop.adapters.notice_desk import NoticeDesk
from voxloop.errors import ConfigError, IntegrityError
from voxloop.jobs.notify import TEMPORARY, notify, tell_people
from voxloop.ledger.book import open_ledger
from voxloop.ledger.entry import REGISTRATION, Draft
from voxloop.notices.config import load_notices_config
from voxloop.notices.notice import Audience, Notice
from voxloop.runners.failure_notice import describe_failure, tell_on_call
from voxloop.settings import Settings, now

SECRET = "s3cret-token"
FAILURE = Notice(Audience.ON_CALL, "failure/nightly/train", "nightly failed", "look", counts=True)


def url_of(receiver: Listener) -> str:
    return f"json://someone:{SECRET}@{receiver.place}/hook"


def heard(receiver: Listener) -> list[dict[str, str]]:
    return [json.loads(body) for _, body in receiver.posts]


@pytest.fixture
def receiver() -> Iterator[Listener]:
    with listening() as server:
        yield server


def write_destinations(settings: Settings, *lines: str) -> Path:
    file = settings.notice_destinations_file
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n")
    file.chmod(0o600)
    return file


def register(settings: Settings, version: int) -> None:
    act = f"{REGISTRATION}/emotion/{version}"
    payload = {"version": version}
    open_ledger(settings).append(
        Draft(kind=REGISTRATION, task="emotion", subject="m" * 64, act=act, payload=payload, at=now())
    )


def test_approvers_are_told_once_of_each_version(
    settings: Settings, receiver: Listener, capsys: pytest.CaptureFixture[str]
) -> None:
    write_destinations(
        settings, "# ours", "", f"approvers, on-call={url_of(receiver)}", f"on-call={url_of(receiver)}?second=yes"
    )
    assert notify() == 0
    assert "nothing waits" in capsys.readouterr().out
    register(settings, 1)
    assert [notify(), notify()] == [0, 0]
    register(settings, 2)
    assert notify() == 0
    assert [told["title"] for told in heard(receiver)] == [
        f"voxloop: emotion version {version} waits for approval" for version in (1, 2)
    ]
    assert f"{settings.mlflow_url}/#/models/emotion/versions/2" in heard(receiver)[1]["message"]
    out, err = capsys.readouterr()
    kept = "".join(path.read_text() for path in settings.notices.rglob("*.json"))
    assert SECRET not in out + err + kept


def test_who_was_not_reached_is_told_next_time(
    settings: Settings, receiver: Listener, capsys: pytest.CaptureFixture[str]
) -> None:
    write_destinations(settings, f"approvers={url_of(receiver)}")
    register(settings, 1)
    receiver.status = 500
    assert notify() == TEMPORARY
    assert "failed: voxloop: emotion version 1 waits for approval -> JSON (line 1)" in capsys.readouterr().out
    receiver.status = 200
    assert [notify(), notify()] == [0, 0]
    assert len(heard(receiver)) == 2


def test_one_that_hangs_is_left_and_the_others_are_told(settings: Settings, receiver: Listener) -> None:
    receiver.seconds = 4.0
    with listening() as other:
        file = write_destinations(settings, f"on-call={url_of(receiver)}", f"on-call={url_of(other)}")
        began = time.monotonic()
        desk = NoticeDesk(settings.notices, read_destinations(file, seconds=0.5), load_notices_config())
        assert [one.state for one in desk.tell([FAILURE], at=1e9)] == ["failed", "sent"]
        assert time.monotonic() - began < 3
        assert len(heard(other)) == 1


def test_a_broken_history_tells_once_too_often(settings: Settings, receiver: Listener) -> None:
    write_destinations(settings, f"on-call={url_of(receiver)}")
    assert [tell_people(FAILURE), tell_people(FAILURE)] == [0, 0]
    assert len(heard(receiver)) == 1
    (kept,) = settings.notices.glob("*.json")
    kept.write_text('{"told": ')
    assert tell_people(FAILURE) == 0
    assert len(heard(receiver)) == 2


class Task:
    dag_id, task_id, try_number = "nightly_retraining", "run_training", 4


def test_a_task_that_failed_for_good_is_told_with_its_place(settings: Settings, receiver: Listener) -> None:
    write_destinations(settings, f"on-call={url_of(receiver)}")
    reason = RuntimeError("voxloop: no space left\nand more")
    tell_on_call({"task_instance": Task(), "run_id": "scheduled__2026", "exception": reason})
    (told,) = heard(receiver)
    assert told["title"] == "voxloop: nightly_retraining failed"
    assert "no space left" in told["message"]
    assert "and more" not in told["message"]
    assert f"{settings.airflow_url}/dags/nightly_retraining/runs/scheduled__2026/tasks/run_training" in told["message"]


@pytest.mark.parametrize(("label", "said"), [("asr", "watch (asr) of "), (None, "watch (1) of ")])
def test_of_a_task_that_is_there_once_a_family_it_is_told_which(label: str | None, said: str) -> None:
    class Mapped(Task):
        dag_id, task_id, map_index, rendered_map_index = "drift_watch", "watch", 1, label

    notice = describe_failure({"task_instance": Mapped(), "run_id": "r", "exception": None})
    assert notice.text.startswith(said)
    assert "/dags/drift_watch/runs/r/tasks/watch/mapped/1\n" in notice.text


def test_a_failure_that_cannot_be_told_raises_nothing(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    write_destinations(settings, "nobody=json://127.0.0.1:1")
    tell_on_call({"task_instance": Task(), "run_id": "r", "exception": None})
    assert "nobody was told: ConfigError" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("nobody=json://127.0.0.1", "line 2: an audience that is not known"),
        ("=json://127.0.0.1", "line 2: an audience that is not known"),
        (f"on-call={SECRET}", "line 2: no URL that Apprise knows"),
        (f"on-call=gopher://{SECRET}", "line 2: no URL that Apprise knows"),
        (SECRET, "line 2: an audience that is not known"),
    ],
)
def test_a_line_that_is_wrong_is_told_by_number_alone(settings: Settings, line: str, why: str) -> None:
    file = write_destinations(settings, "# ours", line)
    with pytest.raises(ConfigError, match=why) as told:
        read_destinations(file, seconds=1)
    assert SECRET not in str(told.value)


def test_a_file_others_may_read_is_refused_and_none_is_nobody(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert notify(test=True) == 0
    assert "nobody is told" in capsys.readouterr().out
    write_destinations(settings, "on-call=json://127.0.0.1").chmod(0o644)
    with pytest.raises(IntegrityError, match="hold passwords"):
        notify(test=True)


def test_a_test_reaches_each_destination(settings: Settings, receiver: Listener) -> None:
    write_destinations(settings, f"approvers={url_of(receiver)}", f"on-call={url_of(receiver)}?second=yes")
    assert notify(test=True) == 0
    assert [told["message"] for told in heard(receiver)] == [
        "Notices for approvers arrive here.",
        "Notices for on-call arrive here.",
    ]
    receiver.status = 403
    assert notify(test=True) == TEMPORARY
