"""Every hour: give the newest features to the feature store and carry them online.

`voxloop features-publish --online` adds the newest result of `voxloop features` to the offline source, applies the
declarations of `feature_repo/`, and writes to the online store what is newer than what it has. With nothing new it
changes nothing. The nightly run computes features after it has read its corpus; the next full hour finds them.

### Triage notes

* **`publish` failed, exit 2.** The last line of the log names what is wrong: a folder that holds no features, a Redis
  that refuses the password (`VOXLOOP_REDIS_PASSWORD`), a moment that cannot be read. What is online stays in service.
* **`publish` failed, exit 4.** The published tables have other columns than the features: the code is newer than they
  are. The runbook says how to publish all features again.
* **`publish` failed, exit 1.** `feast apply` refused the declarations: somebody has changed `feature_repo/`.
* **`publish` is retrying.** Redis does not answer, or SQLite is held by another process.
* **Features are old although every run succeeds.** The log says `nothing to publish`, or names the folder it took: has
  the step features run since?
* Safe to start again at any time, also with the parameter `at` in the past: nothing newer is ever taken back.

More in docs/runbooks/materialize-features.md.
"""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, Param, dag, get_current_context, task

from voxloop.runners.command import DRAFT, run_command
from voxloop.runners.failure_notice import tell_on_call


@dag(
    dag_id="materialize_features",
    # Twenty past: the nightly run starts on the hour.
    schedule=CronTriggerTimetable("20 * * * *", timezone="UTC", run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    doc_md=__doc__,
    tags=["features"],
    default_args={
        "owner": "speech-models",
        "on_failure_callback": tell_on_call,
        "retries": 3,
        "retry_delay": timedelta(seconds=30),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=5),
        "execution_timeout": timedelta(minutes=50),  # one run at a time: a hung one would block the next hour
    },
    params={
        "features": Param(
            None, type=["null", "string"], description="folder of features; null: the newest result", **DRAFT
        ),
        "at": Param(None, type=["null", "string"], description="known at this moment, ISO 8601; null: now", **DRAFT),
    },
)
def materialize_features() -> None:
    """Publish the newest features and carry them online."""

    @task
    def publish() -> str:
        params = get_current_context()["params"]
        folder = [str(params["features"])] if params["features"] is not None else []
        moment = ["--at", str(params["at"])] if params["at"] is not None else []
        return run_command(["features-publish", *folder, "--online", *moment])

    publish()


materialize_features()
