"""The settings of a daemon from a TOML file, then the environment, then flags: the later come before the earlier.

Deciding is pure (`Settings.resolve`): given what each source says, it gives the whole
configuration with the source of every value, or the one sentence that tells which source
says what is wrong. Only `Settings.read` opens a file.

A setting `udp_port` is `udp_port` in the file, `PREFIX_UDP_PORT` in the environment and
`--udp-port` as a flag; `key` of the section `[tls]` is `PREFIX_TLS__KEY` and `--tls-key`. Text
of the environment and of flags is read as the setting's type: a list has commas between,
and nothing at all (`PREFIX_NETNS=`) takes an optional setting back to none.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from triptych.daemon.declared import Setting, sections_of, settings_of
from triptych.errors import InputError

C = TypeVar("C", bound=msgspec.Struct)

DEFAULT = "default"
"""The source of a value that nobody gave."""


class Wrong(NamedTuple):
    """A setting (or a section) whose value cannot be used, and what would be right."""

    key: str
    remedy: str


class Effective(NamedTuple):
    """One setting as it counts, for people: no secret is in `value`."""

    setting: str
    value: object
    source: str


class Resolved(Generic[C]):
    """A configuration, and where each of its values came from; `wrong` are those that cannot be used."""

    def __init__(
        self, config: C, effective: tuple[Effective, ...], wrong: tuple[Wrong, ...], names: Mapping[str, str]
    ) -> None:
        self.config = config
        self.effective = effective
        self.wrong = wrong
        self._names = names

    def sentence(self, wrong: Wrong) -> str:
        """Where a wrong value came from, the setting, the value and what would be right."""
        shown = {item.setting: item.value for item in self.effective}
        if wrong.key in shown:
            return f"{self._names.get(wrong.key, wrong.key)} {shown[wrong.key]!r}: {wrong.remedy}"
        return f"{wrong.key}: {wrong.remedy}"


class _Given(NamedTuple):
    value: Any
    source: str
    name: str
    """What to call the value in a message: where it is, and by which name there."""


class Settings(Generic[C]):
    """What can be set for one daemon.

    `kind` declares it, `prefix` begins its variables (`TRIPTYCH_AGENT_`), `path` is the file that is
    read when no other is named, if it is there; `check` yields what is wrong with a configuration
    whose types are right.
    """

    def __init__(self, kind: type[C], prefix: str, path: Path, check: Callable[[C], Iterable[Wrong]]) -> None:
        self.kind = kind
        self.prefix = prefix
        self.path = path
        self.all = settings_of(kind)
        self._sections = sections_of(kind)
        self._by_key = {setting.key: setting for setting in self.all}
        self._check = check

    @property
    def config_variable(self) -> str:
        """The variable that names another file."""
        return f"{self.prefix}CONFIG"

    def read(self, path: Path | None, environment: Mapping[str, str], flags: Mapping[str, str]) -> Resolved[C]:
        """The configuration by the file at `path` (None: named by the environment, or the usual one), and the rest.

        `flags` are texts by the key of their setting. InputError names the source, the
        setting, the value and what would be right.
        """
        return _right(self.look(path, environment, flags))

    def look(self, path: Path | None, environment: Mapping[str, str], flags: Mapping[str, str]) -> Resolved[C]:
        """The same with every value that cannot be used in `wrong`; InputError for what is no value at all."""
        named = environment.get(self.config_variable)
        chosen = path or (Path(named) if named else None)
        file = _load(chosen or self.path, needed=chosen is not None)
        return self._resolved(file, chosen or self.path, environment, flags)

    def resolve(
        self, file: Mapping[str, Any], path: Path, environment: Mapping[str, str], flags: Mapping[str, str]
    ) -> Resolved[C]:
        """Pure: the configuration by what a file, the environment and flags say. InputError."""
        return _right(self._resolved(file, path, environment, flags))

    def _resolved(
        self, file: Mapping[str, Any], path: Path, environment: Mapping[str, str], flags: Mapping[str, str]
    ) -> Resolved[C]:
        given = dict(self._file(file, path))
        given |= dict(self._environment(environment))
        for key, text in flags.items():
            flag = self._by_key[key].flag
            given[key] = _Given(_from_text(self._by_key[key], text, flag), flag, flag)
        config = self._build(given, path)
        names = {key: item.name for key, item in given.items()}
        return Resolved(config, tuple(self._effective(config, given)), tuple(self._check(config)), names)

    def _file(self, file: Mapping[str, Any], path: Path) -> Iterator[tuple[str, _Given]]:
        for name, value in file.items():
            if name not in self._sections:
                yield self._from_file(name, value, path)
            elif not isinstance(value, dict):
                raise InputError(f"{path}: {name}: is a section; write [{name}] and its settings below")
            else:
                for inner, part in value.items():
                    yield self._from_file(f"{name}.{inner}", part, path)

    def _from_file(self, key: str, value: Any, path: Path) -> tuple[str, _Given]:
        setting = self._by_key.get(key)
        if setting is None:
            # Not the value: whoever mistook the name of a setting may have put a secret there.
            raise InputError(f"{path}: {key}: is no setting; {_nearest(key, self._by_key)}")
        where = f"{path}: {key}"
        return key, _Given(_converted(setting, value, where), str(path), where)

    def _environment(self, environment: Mapping[str, str]) -> Iterator[tuple[str, _Given]]:
        variables = {setting.variable(self.prefix): setting for setting in self.all}
        for name, text in environment.items():
            if not name.startswith(self.prefix) or name == self.config_variable:
                continue
            setting = variables.get(name)
            if setting is None:
                raise InputError(f"{name}: is no setting; {_nearest(name, variables)}")
            yield setting.key, _Given(_from_text(setting, text, name), name, name)

    def _build(self, given: Mapping[str, _Given], path: Path) -> C:
        values: dict[str, Any] = {}
        begun = {key.partition(".")[0] for key in given if "." in key}
        for setting in self.all:
            section, _, name = setting.key.rpartition(".")
            if setting.key in given:
                (values.setdefault(section, {}) if section else values)[name] = given[setting.key].value
            elif setting.default is msgspec.NODEFAULT and (not section or section in begun):
                there = f"{name} in [{section}] of {path}" if section else f"{name} in {path}"
                raise InputError(
                    f"{setting.key}: is missing; give {there}, {setting.variable(self.prefix)} or {setting.flag}"
                )
        for section in begun:
            values[section] = self._sections[section](**values[section])
        return self.kind(**values)

    def _effective(self, config: C, given: Mapping[str, _Given]) -> Iterator[Effective]:
        for setting in self.all:
            source = given[setting.key].source if setting.key in given else DEFAULT
            yield Effective(setting.key, _shown(_value(config, setting.key)), source)


def _right(resolved: Resolved[C]) -> Resolved[C]:
    """The same; InputError for the first value that cannot be used."""
    for wrong in resolved.wrong:
        raise InputError(resolved.sentence(wrong))
    return resolved


def _load(path: Path, *, needed: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode())
    except FileNotFoundError as error:
        if not needed:
            return {}
        raise InputError(f"{path}: there is no such file; give another with --config") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; give another with --config") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8 text: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: {error}") from error


def _from_text(setting: Setting, text: str, where: str) -> Any:
    """What the environment or a flag says, as the setting's type."""
    if not text and setting.optional:
        return None
    parts = [part.strip() for part in text.split(",") if part.strip()] if setting.base is tuple else text
    return _converted(setting, parts, where, strict=False)


def _converted(setting: Setting, value: Any, where: str, *, strict: bool = True) -> Any:
    try:
        return msgspec.convert(value, setting.kind, dec_hook=_path, strict=strict)
    except (msgspec.ValidationError, ValueError) as error:
        raise InputError(f"{where} {_shown(value)!r}: give {setting.noun}") from error


def _path(kind: type, value: object) -> object:
    """A value of a type that TOML does not have. A daemon's working directory is nobody's: a path is absolute."""
    if kind is Path and isinstance(value, str) and value.startswith("/"):
        return Path(value)
    raise ValueError(value)


def _value(config: msgspec.Struct, key: str) -> Any:
    section, _, name = key.rpartition(".")
    owner = getattr(config, section) if section else config
    return None if owner is None else getattr(owner, name)


def _shown(value: Any) -> Any:
    """A value as people may see it: a password in an address is hidden."""
    if isinstance(value, str):
        return re.sub(r"(?<=//)[^/@]*(?=@)", "***", value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple | list):
        return [_shown(item) for item in value]
    return value


def _nearest(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, names, 1)
    return f"did you mean {near[0]}?" if near else "--help lists all"
