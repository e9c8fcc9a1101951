"""The `voxloop` command: a table of names, and one place where errors become one line and an exit code.

A command is a function; its options are the function's arguments and its help is the docstring. Nothing is imported
before it is asked for, so that `voxloop --help` stays under half a second.
"""

from __future__ import annotations

import inspect
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cyclopts import App, CycloptsError, Group

from voxloop import __version__
from voxloop.errors import ConfigError, VoxloopError

STEPS = Group("Steps: pure, reused from the job store", sort_key=1)
ACTS = Group("Acts: always run, safe to run twice", sort_key=2)
PLATFORM = Group("The platform on this machine", sort_key=3)
EXPERIMENTS = Group("Experiments: pipelines, searches, comparisons", sort_key=4)
DATA = Group("The data: look, freeze, erase, tidy", sort_key=5)
RELEASE = Group("Release: who serves, going back, freezing", sort_key=7)
LEDGER = Group("The ledger: what was judged, looked at, decided", sort_key=6)


@dataclass(frozen=True)
class Command:
    """A command's name (two words for one of a family), where its function is, its line in the overview, its group."""

    name: str
    function: str
    line: str
    group: Group


COMMANDS = (
    Command("ingest", "voxloop.jobs.ingest:ingest", "Read a corpus, or the speaker world, into shards.", STEPS),
    Command(
        "validate",
        "voxloop.jobs.validate:validate",
        "Check a dataset by its Great Expectations suite.",
        STEPS,
    ),
    Command("leakage", "voxloop.jobs.leakage:leakage", "Look for test material among the training data.", STEPS),
    Command("poison", "voxloop.jobs.poison:poison", "Look for flipped labels and outliers.", STEPS),
    Command(
        "features", "voxloop.jobs.features:features", "Compute prosody, words and emotion history for Feast.", STEPS
    ),
    Command("train", "voxloop.jobs.train:train", "Train a model of one family.", STEPS),
    Command("export", "voxloop.jobs.export:export", "Write trained weights as ONNX, checked against torch.", STEPS),
    Command("evaluate", "voxloop.jobs.evaluate:evaluate", "Score challenger and champion on the same data.", STEPS),
    Command(
        "fetch-champion",
        "voxloop.jobs.fetch_champion:fetch_champion",
        "Copy the champion out of the registry.",
        ACTS,
    ),
    Command("accept", "voxloop.jobs.accept:accept", "Take the three verdicts on a dataset together.", ACTS),
    Command("gate", "voxloop.jobs.gate:gate", "Judge an evaluation: PASS, FAIL or CANNOT_TELL.", ACTS),
    Command("card", "voxloop.jobs.card:card", "Write the model card of an evaluation, to read in a browser.", ACTS),
    Command("track", "voxloop.jobs.track:track", "Log one training, with its evidence, to MLflow.", ACTS),
    Command("register", "voxloop.jobs.register:register", "Make a PASS a model version, alias challenger.", ACTS),
    Command("deploy", "voxloop.jobs.deploy:deploy", "Put what was approved into service.", ACTS),
    Command("drift", "voxloop.jobs.drift:drift", "Say whether production has drifted, and what to do.", ACTS),
    Command("reconcile", "voxloop.jobs.reconcile:reconcile", "Make MLflow and Triton follow the ledger.", RELEASE),
    Command("rollback", "voxloop.jobs.rollback:rollback", "Go back to the fallback, at once.", RELEASE),
    Command("canary", "voxloop.jobs.canary:canary", "Try an approved version on a few callers.", RELEASE),
    Command("notify", "voxloop.jobs.notify:notify", "Tell approvers what waits for them.", RELEASE),
    Command("route", "voxloop.jobs.route:route", "Print who answers; switch a family off and on.", RELEASE),
    Command("freeze", "voxloop.jobs.freeze:freeze", "Let nothing new into service until a day.", RELEASE),
    Command("unfreeze", "voxloop.jobs.freeze:unfreeze", "End a freeze before its day.", RELEASE),
    Command("ask", "voxloop.jobs.ask:ask", "Ask the served model about one audio file.", ACTS),
    Command(
        "run",
        "voxloop.runners.run:run",
        "Run a pipeline, here or on a cluster, as the settings say.",
        EXPERIMENTS,
    ),
    Command("decide", "voxloop.runners.decide:decide", "Say whether drift is worth a retraining.", EXPERIMENTS),
    Command("retrain", "voxloop.runners.retrain:retrain", "Train a family for a reason, once.", EXPERIMENTS),
    Command("retry", "voxloop.runners.retrain:retry", "Try a failed retraining again, under its id.", EXPERIMENTS),
    Command("rerun", "voxloop.runners.rerun:rerun", "Run one step of a local run again and compare.", EXPERIMENTS),
    Command("replay", "voxloop.runners.replay:replay", "Build a retraining again and compare.", EXPERIMENTS),
    Command("tune", "voxloop.jobs.tune:tune", "Search for the configuration that is best on dev.", EXPERIMENTS),
    Command(
        "compare",
        "voxloop.runners.compare:compare",
        "Hold two or more trainings against each other.",
        EXPERIMENTS,
    ),
    Command("selftest", "voxloop.jobs.selftest:selftest", "Prove that the gates refuse what is bad.", EXPERIMENTS),
    Command(
        "compile",
        "voxloop.runners.compile:compile_pipelines",
        "Write the pipelines as Kubeflow IR YAML.",
        EXPERIMENTS,
    ),
    Command(
        "up",
        "voxloop.local.up:up",
        "Start MLflow, Airflow, Triton and the gateway and wait until they are healthy.",
        PLATFORM,
    ),
    Command("gateway", "voxloop.gateway.serve:gateway", "Answer HTTP requests for the models in service.", PLATFORM),
    Command("keys add", "voxloop.gateway.key_commands:add", "Make an API key and print it, once.", PLATFORM),
    Command("keys list", "voxloop.gateway.key_commands:list_keys", "List the keys, without the keys.", PLATFORM),
    Command("keys revoke", "voxloop.gateway.key_commands:revoke", "Take a key away.", PLATFORM),
    Command("profiles erase", "voxloop.gateway.profile_commands:erase", "Erase a caller's speaker.", PLATFORM),
    Command("users add", "voxloop.approval_app.user_commands:add", "Make an account of MLflow.", PLATFORM),
    Command("users list", "voxloop.approval_app.user_commands:list_users", "List the accounts of MLflow.", PLATFORM),
    Command("users remove", "voxloop.approval_app.user_commands:remove", "Take an account away.", PLATFORM),
    Command("status", "voxloop.local.status:status", "Say what runs, where, and how it is.", PLATFORM),
    Command("down", "voxloop.local.down:down", "Stop all of it.", PLATFORM),
    Command("backup", "voxloop.local.backup:backup", "Copy ledger and MLflow, as one, to a folder.", PLATFORM),
    Command("restore", "voxloop.local.restore:restore", "Put ledger and MLflow back from a backup.", PLATFORM),
    Command(
        "demo",
        "voxloop.local.demo:demo",
        "Two nights of the whole loop, from speech to a served model.",
        PLATFORM,
    ),
    Command(
        "simulate",
        "voxloop.local.simulation.simulate:simulate",
        "Weeks of production in minutes: drifts, decoys, and what became of the model.",
        PLATFORM,
    ),
    Command("corpora", "voxloop.jobs.corpora:corpora", "List the corpora: tasks, licence, layout.", DATA),
    Command(
        "data diff", "voxloop.runners.data_diff:data_diff", "Say what changed between two revisions of data.", DATA
    ),
    Command("collect", "voxloop.jobs.collect:collect", "Make a corpus of labelled answers of production.", DATA),
    Command(
        "worth-labelling",
        "voxloop.jobs.worth_labelling:worth_labelling",
        "List answers worth a label, with their sound.",
        DATA,
    ),
    Command("read-labels", "voxloop.jobs.read_labels:read_labels", "Read a filled-in list of labels back.", DATA),
    Command("evalset cut", "voxloop.jobs.evalset:cut", "Freeze an evaluation set out of new data.", DATA),
    Command("evalset list", "voxloop.jobs.evalset:list_sets", "List the frozen evaluation sets.", DATA),
    Command("evalset verify", "voxloop.jobs.evalset:verify", "Check every byte of the frozen sets.", DATA),
    Command(
        "features-publish", "voxloop.jobs.publish:publish", "Give features to the store, offline and online.", DATA
    ),
    Command(
        "training-features", "voxloop.jobs.training_features:training_features", "Ask what was known of each.", DATA
    ),
    Command("erase", "voxloop.jobs.erase:erase", "Erase a speaker from all data, features and stores.", DATA),
    Command("gc", "voxloop.jobs.gc:gc", "Free what no model and no retraining needs.", DATA),
    Command("explain", "voxloop.jobs.explain:explain", "Say why a model serves: the whole chain.", LEDGER),
    Command("week", "voxloop.jobs.week:week", "Write the report of a week, family by family.", LEDGER),
    Command("ledger verify", "voxloop.jobs.ledger:verify", "Check that nothing was changed or cut off.", LEDGER),
    Command("ledger show", "voxloop.jobs.ledger:show", "Print entries, or who was champion when, and why.", LEDGER),
    Command("ledger looks", "voxloop.jobs.ledger:looks", "Print the looks left on each evaluation set.", LEDGER),
    Command("ledger migrate", "voxloop.jobs.ledger:migrate", "Bring the tables up to date, as their owner.", LEDGER),
    Command("ledger restore-head", "voxloop.jobs.ledger:restore_head", "Answer for a head not kept here.", LEDGER),
)

FAMILIES = {
    "data": "What is in a dataset, and what changed.",
    "evalset": "Frozen evaluation sets: added, never changed.",
    "keys": "API keys of the gateway: make, list, revoke.",
    "ledger": "The append-only book: verify it, read it, count looks.",
    "profiles": "Profiles of callers' speakers: erase one.",
    "users": "Accounts of MLflow: trainers, approvers, viewers.",
}
"""Line of each family of commands in the overview."""


def build_app(asked: str = "") -> App:
    """Return the command-line application with every command registered, none imported.

    Args:
        asked: The command that is about to run: its help is its docstring, the others' the line of the overview.
    """
    app = App(
        name="voxloop",
        version=__version__,
        help="Keep speech models in production fresh: validate, train, gate on evidence, approve, serve.\n\n"
        "`voxloop demo` shows the whole loop; `voxloop COMMAND --help` explains one part of it.\n\n"
        "`--set a.b=c` changes a value of a command's configuration, `--set settings.ports.mlflow=5001` a setting.",
        exit_on_error=False,
        print_error=False,
        result_action="return_value",
    )
    groups = {command.name.split()[0]: command.group for command in COMMANDS}
    families = {name: App(name=name, help=line, group=groups[name]) for name, line in FAMILIES.items()}
    for family in families.values():
        app.command(family)
    for command in COMMANDS:
        group_of, _, name = command.name.rpartition(" ")
        line = None if command.name == asked else command.line
        group = None if group_of else command.group
        families.get(group_of, app).command(command.function, name=name, help=line, group=group)
    return app


def main(tokens: Sequence[str] | None = None) -> None:
    """Run one command; print a known error as one line on stderr and leave with its exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP):  # leave through every `finally`, so that nothing keeps running
        signal.signal(number, lambda received, _frame: sys.exit(128 + received))
    sys.exit(run_command(sys.argv[1:] if tokens is None else tokens))


def run_command(tokens: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    try:
        tokens, overrides = take_overrides(tokens)
        asked = find_command(tokens)
        function, bound, _ = build_app(asked).parse_args(tokens)
        apply_settings(function, bound, overrides)
        answer = function(*bound.args, **bound.kwargs)
    except CycloptsError as wrong:
        return _complain(f"{wrong}; see voxloop {find_command(tokens)} --help", 2)
    except VoxloopError as known:
        return _complain(str(known), known.exit_code)
    except BrokenPipeError:
        return 128 + signal.SIGPIPE  # whoever read our output has left: nothing to tell, nobody to tell it to
    except OSError as refused:
        return _complain(f"{refused}; the system refused it; give a place that can be read and written", 2)
    except KeyboardInterrupt:
        print("voxloop: interrupted", file=sys.stderr, flush=True)
        return 130
    return answer if isinstance(answer, int) and not isinstance(answer, bool) else 0


def take_overrides(tokens: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Separate every `--set a.b=c` from the other tokens: it means the same on every command.

    Raises:
        ConfigError: A `--set` at the very end, with nothing to set.
    """
    rest: list[str] = []
    taken: list[str] = []
    walk = iter(tokens)
    for token in walk:
        name, equals, value = token.partition("=")
        if name != "--set":
            rest.append(token)
            continue
        taken.append(value if equals else next(walk, ""))
        if not taken[-1]:
            raise ConfigError("--set has no value", rule="it reads --set a.b=c", remedy="add what to set")
    return rest, tuple(taken)


def apply_settings(function: Callable[..., object], bound: inspect.BoundArguments, overrides: tuple[str, ...]) -> None:
    """Give `settings.x=y` to the settings and the rest to the command's own configuration.

    A command without a configuration has only settings to change, with or without the prefix.
    """
    if not overrides:
        return
    from voxloop.config import apply_overrides, split_settings

    ours, theirs = split_settings(overrides)
    if "overrides" in inspect.signature(function).parameters:
        bound.arguments["overrides"] = theirs
    else:
        ours = (*ours, *theirs)
    apply_overrides(ours)


def find_command(tokens: Sequence[str]) -> str:
    """Return the name of the command that `tokens` begin with: one word, two for a family's; empty for neither."""
    names = {command.name for command in COMMANDS} | FAMILIES.keys()
    return next((name for name in (" ".join(tokens[:2]), " ".join(tokens[:1])) if name in names), "")


def _complain(message: str, exit_code: int) -> int:
    print(f"voxloop: {' '.join(message.split())}", file=sys.stderr, flush=True)
    return exit_code
