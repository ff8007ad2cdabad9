"""The values in designs, and what all pydantic models of designs have in common."""

import math
from collections.abc import Callable
from typing import Annotated, NoReturn

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, PlainValidator

from sweepctl.spec import Value
from sweepctl.strict_json import INT64_MAX


class RuleError(ValueError):
    """A rule that a value inside the validated one breaks, at a path from there."""

    def __init__(self, rule: str, *path: int | str) -> None:
        """Keep the rule and the path to the value; the text has both."""
        super().__init__(f"{'.'.join(map(str, path))}: {rule}")
        self.rule = rule
        self.path = path


def reject(rule: str) -> NoReturn:
    """Raise an error that pydantic reports for the value that it validates."""
    raise ValueError(rule)


def _scalar(value: object) -> Value:
    # A union of types would report one error for each of its members.
    if not isinstance(value, Value):
        reject("must be a number, a string, true, false or null")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _number(value)
    return value


def _number(value: object) -> float:
    # Integers are compared first: isfinite raises an error of its own for thousands of digits.
    if isinstance(value, int) and not isinstance(value, bool) and -INT64_MAX - 1 <= value <= INT64_MAX:
        return value
    if not isinstance(value, float) or not math.isfinite(value):
        reject("must be a finite number, and an integer must fit in signed 64 bits")
    return value


def _some(values: list[Value]) -> list[Value]:
    if not values:
        reject("must have at least one value")
    return values


Scalar = Annotated[Value, PlainValidator(_scalar, json_schema_input_type=Value)]
# Not a union of two types: the literal's type is kept, and there is one error, not two.
Number = Annotated[int | float, PlainValidator(_number, json_schema_input_type=int | float)]
Integer = Annotated[int, Field(ge=-INT64_MAX - 1, le=INT64_MAX)]
Count = Annotated[int, Field(ge=1, le=INT64_MAX)]
Values = Annotated[list[Scalar], AfterValidator(_some)]


class Strict(BaseModel):
    """Accepts exactly its fields, of exactly their types."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)


def only_key(value: object) -> str | None:
    """Return pydantic's tag for an object of one key; its brackets mark it as not part of a path (`path_of`)."""
    keys = list(value if isinstance(value, dict) else type(value).model_fields if isinstance(value, BaseModel) else ())
    return f"[{keys[0]}]" if len(keys) == 1 else None


def one_of(tag_of: Callable[[object], str | None], name: str, rule: str) -> Discriminator:
    """Choose the member of a union by its tag, so that an error is about the intended member only."""
    return Discriminator(tag_of, custom_error_type=name, custom_error_message=rule)
