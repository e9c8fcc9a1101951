"""Configuration files: strict, frozen, and clear about what they refuse."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

import yaml
from cyclopts import Parameter
from pydantic import BaseModel, ConfigDict, ValidationError

from voxloop.errors import ConfigError
from voxloop.settings import Settings, get_settings, replace_settings

Overrides = Annotated[
    tuple[str, ...],
    Parameter(
        name="--set",
        negative=(),
        help="Change one value of the configuration file, such as `--set epochs=3`; repeatable, the later wins. "
        "A wrong key names the right ones. `--set settings.ports.mlflow=5001` changes a setting.",
    ),
]
"""The option every command has. A job passes it to `load_config` as it is."""


NAME = re.compile(r"[A-Za-z0-9_-]+")


class StrictModel(BaseModel):
    """A configuration that cannot change once read and knows all of its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, validate_default=True)


Model = TypeVar("Model", bound=BaseModel)


def find_config(*parts: str) -> Path:
    """Return the path of `configs/<parts…>.yaml`.

    Raises:
        ConfigError: There is none; the message lists those there are.
    """
    root = get_settings().project_root / "configs"
    if wrong := [part for part in parts if not NAME.fullmatch(part)]:
        raise ConfigError(
            f"{wrong[0]!r} is no name of a configuration",
            rule="letters, digits, - and _ only: what is judged by must stand in configs/, in the commit",
            remedy="put the file there and name it without its folder and ending",
        )
    path = root.joinpath(*parts[:-1], f"{parts[-1]}.yaml")
    if path.is_file():
        return path
    choices = sorted(file.stem for file in path.parent.glob("*.yaml"))
    raise ConfigError(
        f"no configuration {'/'.join(parts)!r} under {root}",
        rule=f"the choices are {', '.join(choices) or 'none at all'}",
        remedy=_nearest(parts[-1], choices) or "name one of them, or set VOXLOOP_PROJECT_ROOT",
    )


def load_config(model: type[Model], path: Path, overrides: Sequence[str] = ()) -> Model:
    """Read a YAML file into `model`, with `a.b=c` overrides on top.

    Raises:
        ConfigError: The file is missing or malformed, a key is unknown (the nearest right spelling is named), or
            a value breaks its rule.
    """
    return build_config(model, read_mapping(path), overrides, origin=path.name)


def build_config(model: type[Model], values: Mapping[str, Any], overrides: Sequence[str] = (), *, origin: str) -> Model:
    """Make a `model` of plain values with `a.b=c` overrides on top; raises as `load_config`."""
    try:
        return model.model_validate(merge_overrides(model, values, overrides, origin=origin))
    except ValidationError as invalid:
        raise _explain(model, invalid, origin=origin) from None


def merge_overrides(
    model: type[BaseModel], values: Mapping[str, Any], overrides: Sequence[str], *, origin: str
) -> dict[str, Any]:
    """Return `values` with each `a.b=c` of `overrides` put in its place.

    Values are read as YAML: `lr=1e-3`, `speakers=[a, b]`, `name=small`. Later ones win.

    Raises:
        ConfigError: An override without `=`, or a key that `model` does not have.
    """
    merged = _deep_copy(values)
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals:
            raise ConfigError(f"--set {override!r} has no value", rule="it reads a.b=c", remedy=f"try {key}=VALUE")
        check_key(model, key, origin=origin)
        *parents, leaf = key.split(".")
        place = merged
        for parent in parents:
            place[parent] = dict(place.get(parent) or {})
            place = place[parent]
        place[leaf] = _read_value(text, override)
    return merged


def check_key(model: type[BaseModel], key: str, *, origin: str) -> None:
    """Raise `ConfigError` unless the dotted `key` leads to a field of `model`."""
    known = list(dotted_keys(model))
    if not any(fnmatchcase(key, pattern) for pattern in known):
        raise _unknown_key(key, known, origin=origin)


def dotted_keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Yield every key of `model` and of the models inside it, as `a.b`; a key people choose themselves is `*`."""
    for name, field in model.model_fields.items():
        yield prefix + name
        yield from _keys_below(field.annotation, f"{prefix}{name}.")


def resolved(model: BaseModel) -> dict[str, Any]:
    """Return the configuration as plain JSON values, defaults included: what is logged with a run."""
    return model.model_dump(mode="json")


def apply_overrides(overrides: Sequence[str]) -> Settings:
    """Change settings for this process and its children: `ports.mlflow=5001`, `home=/tmp/x`.

    Raises:
        ConfigError: An unknown key or an unacceptable value.
    """
    current = get_settings().model_dump(mode="json", exclude_none=True)
    return replace_settings(merge_overrides(Settings, current, overrides, origin="the settings"))


def split_settings(overrides: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Separate `settings.x=y` (without its prefix) from the overrides of a command's own configuration."""
    ours = tuple(item.removeprefix("settings.") for item in overrides if item.startswith("settings."))
    return ours, tuple(item for item in overrides if not item.startswith("settings."))


def read_mapping(path: Path) -> dict[str, Any]:
    """Return what a YAML file holds.

    Raises:
        ConfigError: It is missing, no YAML, or holds anything but keys.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist", remedy="name a configuration file that does") from None
    except (yaml.YAMLError, UnicodeDecodeError) as malformed:
        raise ConfigError(f"{path} is not YAML: {malformed}", remedy="correct the file") from None
    if not isinstance(values, dict):
        raise ConfigError(
            f"{path} holds {type(values).__name__}, not keys",
            rule="a configuration is a mapping",
            remedy="add keys",
        )
    return values


def _read_value(text: str, override: str) -> object:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(
            f"--set {override!r}: the value is not YAML", rule="it reads a.b=c", remedy="quote the value"
        ) from None


def _explain(model: type[BaseModel], invalid: ValidationError, *, origin: str) -> ConfigError:
    first = invalid.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return _unknown_key(key, list(dotted_keys(model)), origin=origin)
    if first["type"] == "missing":
        return ConfigError(f"{origin} lacks {key!r}", rule="the key has no default", remedy=f"add {key}")
    return ConfigError(
        f"{key} = {first['input']!r} in {origin}" if key else f"{origin}",
        rule=first["msg"],
        remedy=f"correct {key}",
    )


def _nearest(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else ""


def _unknown_key(key: str, known: Sequence[str], *, origin: str) -> ConfigError:
    return ConfigError(
        f"{key!r} is not a key of {origin}",
        rule="unknown keys are refused",
        remedy=_nearest(key, known) or f"the keys are {', '.join(known)}",
    )


def _keys_below(annotation: object, prefix: str) -> Iterator[str]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from dotted_keys(annotation, prefix)
    elif get_origin(annotation) in (dict, Mapping):
        yield f"{prefix}*"
        yield from _keys_below(get_args(annotation)[1], f"{prefix}*.")
    else:  # a union such as `Model | None`
        for argument in get_args(annotation):
            yield from _keys_below(argument, prefix)


def _deep_copy(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _deep_copy(value) if isinstance(value, Mapping) else value for key, value in values.items()}
