"""Frozen dataclasses to JSON data and back, by annotation: `str int float bool`, tuples, nested records, `X | None`."""

from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

Record = TypeVar("Record")


def to_json(value: Any) -> Any:
    """Return a record as JSON data; tuples become lists."""
    if is_dataclass(value):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [to_json(item) for item in value]
    return value


def from_json(kind: type[Record], data: Any) -> Record:
    """Build a record from what `to_json` gave; unknown keys are ignored.

    Raises `ValueError` when a field is missing or of another type.
    """
    made: Record = _build(kind, data, kind.__name__)
    return made


def _build(kind: Any, data: Any, place: str) -> Any:
    """Build a value of the annotated kind."""
    if get_origin(kind) is UnionType and NoneType in get_args(kind):
        if data is None:
            return None
        kind = next(inner for inner in get_args(kind) if inner is not NoneType)
    if is_dataclass(kind):
        if not isinstance(data, dict):
            raise ValueError(f"{place} must be an object, not {data!r}")
        hints = get_type_hints(kind)
        missing = [field.name for field in fields(kind) if field.name not in data]
        if missing:
            raise ValueError(f"{place} lacks {', '.join(missing)}")
        values = {f.name: _build(hints[f.name], data[f.name], f"{place}.{f.name}") for f in fields(kind)}
        return kind(**values)  # type: ignore[operator]
    if get_origin(kind) is tuple:
        inner = get_args(kind)
        if not isinstance(data, list | tuple):
            raise ValueError(f"{place} must be a list, not {data!r}")
        if len(inner) == 2 and inner[1] is Ellipsis:
            return tuple(_build(inner[0], item, f"{place}[{n}]") for n, item in enumerate(data))
        if len(inner) != len(data):
            raise ValueError(f"{place} must have {len(inner)} entries, not {len(data)}")
        return tuple(_build(k, item, f"{place}[{n}]") for n, (k, item) in enumerate(zip(inner, data, strict=True)))
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if not isinstance(data, kind) or (kind is int and isinstance(data, bool)):
        raise ValueError(f"{place} must be {kind.__name__}, not {data!r}")
    return data
