"""The text form of pipelines: passes read from it and printed back to it.

A pipeline is steps between commas, a step is a name and its options in braces:
`structure, importance{criterion=magnitude}, search{budget=20ms, exact}, recover{lsq}`.
Options are the fields of the pass: `some-key=value` for the field `some_key`. A flag's name alone sets
it, any other value alone is that of the first field; `a|b` is a tuple and `()` the empty one, `none` is
None, and text that holds marks or blanks stands in double quotes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import MISSING, Field, fields
from typing import get_type_hints

from prunec.errors import InputError, PassError, PrunecError
from prunec.passbase import Pass
from prunec.pipeline.syntax import Atom, RawOption, RawStep, misread, read_steps
from prunec.pipeline.values import read_value, write_value


def parse(text: str, find: Callable[[str], type[Pass]]) -> tuple[Pass, ...]:
    """Read a pipeline.

    Args:
        text: the pipeline.
        find: the pass class of a name; raises `InputError` for a name it does not know.

    Raises:
        InputError: with the column: a mark is out of place, or a pass, an option or a value is not known.
    """
    return tuple(_build(step, find) for step in read_steps(text))


def to_text(passes: Iterable[Pass]) -> str:
    """Print a pipeline so that `parse` reads equal passes: every option by name, defaults left out."""
    return ", ".join(pass_text(step) for step in passes)


def pass_text(step: Pass) -> str:
    """Print one step."""
    kinds = _kinds(type(step))
    options = []
    for item in _option_fields(type(step)):
        value = getattr(step, item.name)
        if _is_default(item, value):
            continue
        flag = kinds[item.name] is bool and value is True
        options.append(_key(item) if flag else f"{_key(item)}={write_value(value, kinds[item.name])}")
    return f"{step.name}{{{', '.join(options)}}}" if options else step.name


def required_options(kind: type[Pass]) -> list[str]:
    """The options, by their names in pipelines, that have no default."""
    return [_key(item) for item in _option_fields(kind) if item.default is MISSING and item.default_factory is MISSING]


def _option_fields(kind: type[Pass]) -> list[Field[object]]:
    return [item for item in fields(kind) if item.init]


def _kinds(kind: type[Pass]) -> dict[str, object]:
    """The types of the fields, by field name."""
    try:
        return get_type_hints(kind)
    except NameError as error:
        raise PassError(
            f"an option type of pass `{kind.name}` cannot be resolved ({error})", "import it at run time"
        ) from error


def _key(item: Field[object]) -> str:
    return item.name.rstrip("_").replace("_", "-")


def _is_default(item: Field[object], value: object) -> bool:
    default = item.default if item.default_factory is MISSING else item.default_factory()
    return type(value) is type(default) and value == default


def _build(step: RawStep, find: Callable[[str], type[Pass]]) -> Pass:
    try:
        kind = find(step.name)
    except InputError as error:
        raise misread(error.what, step.column, error.fix) from error
    known = {_key(item): item for item in _option_fields(kind)}
    kinds = {key: _kinds(kind)[item.name] for key, item in known.items()}
    values: dict[str, object] = {}
    for option in step.options:
        key, value = _read_option(step, option, kinds)
        if key in values:
            raise misread(f"`{step.name}` is given `{key}` twice", option.column, "give it once")
        values[key] = value
    for key in required_options(kind):
        if key not in values:
            raise misread(f"`{step.name}` lacks `{key}`", step.column, f"write `{step.name}{{{key}=...}}`")
    return _construct(step, kind, {known[key].name: value for key, value in values.items()})


def _read_option(step: RawStep, option: RawOption, kinds: dict[str, object]) -> tuple[str, object]:
    """The option that is meant and its value."""
    listed = f"its options are {', '.join(kinds)}" if kinds else "it takes no options"
    atom = option.atoms[0]
    if option.key is not None:
        key = option.key.replace("_", "-")
        if key not in kinds:
            raise misread(f"`{step.name}` has no option `{option.key}`", option.column, listed)
    elif option.atoms == (Atom(atom.text, quoted=False),) and kinds.get(atom.text) is bool:
        return atom.text, True
    elif kinds:
        key = next(iter(kinds))
    else:
        raise misread(f"`{step.name}` is given `{atom.text}`", option.column, listed)
    try:
        return key, read_value(option.atoms, kinds[key])
    except ValueError as error:
        given = "|".join(item.text for item in option.atoms)
        raise misread(f"`{key}` of `{step.name}` is `{given}`", option.column, f"it takes {error}") from error


def _construct(step: RawStep, kind: type[Pass], values: dict[str, object]) -> Pass:
    try:
        return kind(**values)
    except PrunecError as error:
        raise misread(error.what, step.column, error.fix) from error
    except (TypeError, ValueError) as error:
        raise misread(f"`{step.name}` refuses its options ({error})", step.column, "change them") from error
