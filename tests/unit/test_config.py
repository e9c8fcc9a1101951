from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field, ValidationError

from voxloop.config import StrictModel, find_config, load_config, resolved, split_settings
from voxloop.errors import ConfigError
from voxloop.settings import Settings


class Optimiser(StrictModel):
    learning_rate: float = Field(default=1e-3, gt=0)
    steps: int = 10


class Recipe(StrictModel):
    name: str
    optimiser: Optimiser = Optimiser()
    tables: dict[str, list[str]] = Field(default_factory=dict)
    others: dict[str, Optimiser] = Field(default_factory=dict)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text("name: small\noptimiser:\n  learning_rate: 0.01\n", encoding="utf-8")
    return path


def test_the_file_is_read_and_defaults_are_kept(recipe: Path) -> None:
    config = load_config(Recipe, recipe)
    assert (config.name, config.optimiser.learning_rate, config.optimiser.steps) == ("small", 0.01, 10)


def test_an_override_changes_one_value_and_keeps_its_neighbours(recipe: Path) -> None:
    config = load_config(Recipe, recipe, ["optimiser.steps=3", "tables.train=[a, b]"])
    assert (config.optimiser.steps, config.optimiser.learning_rate) == (3, 0.01)
    assert config.tables == {"train": ["a", "b"]}
    assert load_config(Recipe, recipe, ["others.mine.steps=3"]).others["mine"].steps == 3


def test_the_later_override_wins(recipe: Path) -> None:
    assert load_config(Recipe, recipe, ["name=a", "name=b"]).name == "b"


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["optimiser.learning_rte=1"], "did you mean 'optimiser.learning_rate'?"),
        (["optimser.steps=1"], "did you mean 'optimiser.steps'?"),
        (["zzz=1"], "the keys are name, optimiser"),
        (["others.mine.stepps=1"], "'others.mine.stepps' is not a key of recipe.yaml"),
        (
            ["optimiser.learning_rate=-1"],
            "optimiser.learning_rate = -1 in recipe.yaml; Input should be greater than 0",
        ),
        (["optimiser.steps"], "has no value; it reads a.b=c"),
        (["name={"], "the value is not YAML"),
    ],
)
def test_a_wrong_override_is_named_with_its_rule_and_remedy(recipe: Path, overrides: list[str], expected: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_config(Recipe, recipe, overrides)
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: a\noptimizer: {}\n", "did you mean 'optimiser'?"),
        ("optimiser: {}\n", "lacks 'name'"),
        ("- a\n", "holds list, not keys"),
        ("", "holds NoneType, not keys"),
        ("a: [", "is not YAML"),
    ],
)
def test_a_wrong_file_is_named_with_its_rule_and_remedy(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load_config(Recipe, path)
    assert expected in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load_config(Recipe, tmp_path / "none.yaml")


def test_a_configuration_is_frozen(recipe: Path) -> None:
    config = load_config(Recipe, recipe)
    with pytest.raises(ValidationError, match="frozen"):
        config.name = "other"  # type: ignore[misc]


def test_the_resolved_configuration_holds_the_defaults(recipe: Path) -> None:
    assert resolved(load_config(Recipe, recipe)) == {
        "name": "small",
        "optimiser": {"learning_rate": 0.01, "steps": 10},
        "tables": {},
        "others": {},
    }


def test_settings_are_told_apart_from_the_configuration() -> None:
    assert split_settings(["settings.home=/x", "a.b=c"]) == (("home=/x",), ("a.b=c",))


def test_an_unknown_configuration_lists_the_choices(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from voxloop.settings import get_settings

    folder = tmp_path / "project" / "configs" / "tasks"
    folder.mkdir(parents=True)
    (folder / "smoke.yaml").write_text("a: 1\n", encoding="utf-8")
    monkeypatch.setenv("VOXLOOP_PROJECT_ROOT", str(tmp_path / "project"))
    get_settings.cache_clear()
    assert find_config("tasks", "smoke") == folder / "smoke.yaml"
    with pytest.raises(ConfigError, match="did you mean 'smoke'"):
        find_config("tasks", "smok")


@pytest.mark.parametrize("name", ["../emotion", "/tmp/lenient", "emotion.severe", "a/b", ""])
def test_a_configuration_is_named_not_placed(settings: Settings, name: str) -> None:
    """A policy from outside configs/ would judge by what is in no commit; `emotion.severe` once read `emotion`."""
    with pytest.raises(ConfigError, match="is no name of a configuration"):
        find_config("gates", name)
