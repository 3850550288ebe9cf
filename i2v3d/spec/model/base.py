"""What all models of the language share: strictness, quantity types, and how a field is documented."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema

from i2v3d.spec import units
from i2v3d.spec.suggest import hint_for


def wrong(message: str, hint: str = "") -> PydanticCustomError:
    """Returns the error that a validator raises; `validate.py` makes a Problem of it."""
    return PydanticCustomError("spec", "{message}", {"message": message, "hint": hint})


class SpecPart(BaseModel):
    """A mapping of the language: unknown keys are errors that say which key was probably meant.

    Attributes:
        short_key: The field that a value which is no mapping is put into (`mesh: lathe`), or None.
        short_schemas: JSON schemas of further short forms, those that `shorten` takes.
        one_of: Fields of which exactly one must be given, or empty.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)
    short_key: ClassVar[str | None] = None
    short_schemas: ClassVar[tuple[dict[str, Any], ...]] = ()
    one_of: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def known_keys(cls) -> tuple[str, ...]:
        """Returns the keys that a spec may write here."""
        return tuple(info.alias or name for name, info in cls.model_fields.items())

    @classmethod
    def shorten(cls, value: Any) -> Any:
        """Returns the mapping that a short form stands for; what is none is returned as it is."""
        if cls.short_key is not None and not isinstance(value, dict | BaseModel) and value is not None:
            return {cls.short_key: value}
        return value

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Adds the short forms, so that an editor accepts them."""
        reference = handler(schema)
        definition = handler.resolve_ref_schema(reference)
        short = list(cls.short_schemas)
        if cls.short_key is not None:
            field = definition["properties"][cls.short_key]
            short.append({key: value for key, value in field.items() if key not in ("default", "title")})
        if short and "anyOf" not in definition:
            whole = dict(definition)
            definition.clear()
            definition.update({"description": whole.pop("description", ""), "anyOf": [whole, *short]})
        return reference

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, value: Any, handler: ModelWrapValidatorHandler[SpecPart]) -> SpecPart:
        value = cls.shorten(value)
        if not isinstance(value, dict | BaseModel):
            raise wrong(f"expected a mapping, got {units.describe(value)}", f"its keys: {', '.join(cls.known_keys())}")
        try:
            part = handler(value)
        except ValidationError as error:
            lines = [cls._explained(line) for line in error.errors(include_url=False)]
            raise ValidationError.from_exception_data(cls.__name__, lines) from None
        given = [name for name in cls.one_of if getattr(part, name) is not None]
        if cls.one_of and len(given) != 1:
            names = ", ".join(f"`{cls.model_fields[name].alias or name}`" for name in cls.one_of)
            what = f"both `{given[0]}` and `{given[1]}` are given" if given else "nothing is given"
            raise wrong(what, f"give one of {names}")
        return part

    @classmethod
    def _explained(cls, line: Any) -> InitErrorDetails:
        location, kind, value = line["loc"], line["type"], line["input"]
        error: PydanticCustomError | str = kind
        context = dict(line.get("ctx", {}))
        if kind == "extra_forbidden" and len(location) == 1:
            key = str(location[0])
            error = wrong(f"unknown key `{key}`", hint_for(key, cls.known_keys(), label="known keys"))
        elif kind == "missing" and len(location) == 1:
            error = wrong(f"`{location[0]}` is missing", cls._example(str(location[0])))
        elif kind == "spec":
            error = wrong(context["message"], context["hint"])
        details = InitErrorDetails(type=error, loc=location, input=value)
        if isinstance(error, str):
            details["ctx"] = context
        return details

    @classmethod
    def _example(cls, key: str) -> str:
        for name, info in cls.model_fields.items():
            if (info.alias or name) == key and info.examples:
                return f"for example `{key}: {as_flow(info.examples[0])}`"
        return ""


def as_flow(value: Any) -> str:
    """Returns a plain value as YAML of one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {as_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(as_flow(item) for item in value) + "]"
    return str(value)


def documented(
    default: Any,
    description: str,
    *,
    unit: str | None = None,
    examples: tuple[Any, ...] = (),
    alias: str | None = None,
    **bounds: Any,
) -> Any:
    """Returns a field with everything the JSON schema says of it. `...` as default makes it required."""
    return Field(
        default,
        description=description,
        examples=list(examples) or None,
        alias=alias,
        json_schema_extra={"unit": unit} if unit else None,
        **bounds,
    )


def _quantity(dimension: units.Dimension) -> Callable[[Any], float]:
    def parse(value: Any) -> float:
        try:
            return dimension.parse(value)
        except units.UnitError as error:
            raise wrong(error.message, error.hint) from error

    return parse


def _parsed(parse: Callable[[Any], Any], kind: type[Any]) -> Callable[[Any], Any]:
    def checked(value: Any) -> Any:
        if isinstance(value, kind):
            return value
        try:
            return parse(value)
        except units.UnitError as error:
            raise wrong(error.message, error.hint) from error

    return checked


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(f"expected a number, got {units.describe(value)}")
    if not math.isfinite(value):
        raise wrong(f"{value} is not a finite number")
    return float(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value % 1 != 0:
        raise wrong(f"expected a whole number, got {units.describe(value)}")
    return int(value)


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise wrong(f"expected text, got {units.describe(value)}")
    return str(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        hint = "in YAML 1.2 `yes`, `no`, `on` and `off` are texts" if value in ("yes", "no", "on", "off") else ""
        raise wrong(f"expected true or false, got {units.describe(value)}", hint)
    return value


def _listed(lengths: tuple[int, ...], what: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if not isinstance(value, list | tuple) or len(value) not in lengths:
            raise wrong(f"expected {what}, got {units.describe(value)}")
        return tuple(value)

    return check


def positive(value: float) -> float:
    """Returns the value.

    Raises:
        PydanticCustomError: It is not above zero.
    """
    if not value > 0:
        raise wrong(f"{value:g} is not above 0")
    return value


def in_range(low: float, high: float, hint: str = "") -> AfterValidator:
    """Returns a check that low <= value <= high, in the field's base unit."""

    def check(value: float) -> float:
        if not low <= value <= high:
            side = f"below {low:g}" if value < low else f"above {high:g}"
            raise wrong(f"{value:g} is {side}", hint or f"give {low:g} to {high:g}")
        return value

    return AfterValidator(check)


class Word:
    """Annotation of a field that holds one of a few words; `aliases` are other spellings."""

    def __init__(self, *choices: str, label: str = "one of", **aliases: str) -> None:
        self.choices = choices
        self.label = label
        self.aliases = aliases

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Checks the word."""
        return core_schema.no_info_plain_validator_function(self._check)

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Lists the words."""
        return {"enum": [*self.choices, *self.aliases]}

    def _check(self, value: Any) -> str:
        if not isinstance(value, str):
            raise wrong(f"expected a word, got {units.describe(value)}", f"{self.label}: {', '.join(self.choices)}")
        found = self.aliases.get(value, value)
        if found not in self.choices:
            raise wrong(f"`{value}` is not known here", hint_for(value, self.choices, label=self.label))
        return found


class AlsoAccepts:
    """Annotation of a field whose validator takes further forms: their JSON schemas."""

    def __init__(self, *schemas: dict[str, Any]) -> None:
        self.schemas = schemas

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Lists the further forms beside the field's own."""
        own = handler(schema)
        return {"anyOf": [*(own["anyOf"] if set(own) == {"anyOf"} else [own]), *self.schemas]}


# A value may be a variable, which is filled in before values are checked.
_VARIABLE = {"type": "string", "pattern": r"^\$\{\s*[A-Za-z_][A-Za-z0-9_]*\s*\}$"}


def _or_variable(*schemas: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [*schemas, _VARIABLE]})


def _schema(dimension: units.Dimension) -> WithJsonSchema:
    pattern = "|".join(sorted(filter(None, dimension.factors), key=len, reverse=True))
    text = {"type": "string", "pattern": rf"^\s*[-+]?[0-9.]+([eE][-+]?[0-9]+)?\s*({pattern})?\s*$"}
    return _or_variable({"type": "number"}, text)


Length = Annotated[float, PlainValidator(_quantity(units.LENGTH)), _schema(units.LENGTH)]
Angle = Annotated[float, PlainValidator(_quantity(units.ANGLE)), _schema(units.ANGLE)]
Duration = Annotated[float, PlainValidator(_quantity(units.TIME)), _schema(units.TIME)]
Mass = Annotated[float, PlainValidator(_quantity(units.MASS)), _schema(units.MASS)]
Share = Annotated[float, PlainValidator(_quantity(units.SHARE)), _schema(units.SHARE)]
Number = Annotated[float, PlainValidator(_number), _or_variable({"type": "number"})]
Count = Annotated[int, PlainValidator(_count), _or_variable({"type": "integer"})]
Text = Annotated[str, PlainValidator(_text), WithJsonSchema({"type": ["string", "number"]})]
Flag = Annotated[bool, PlainValidator(_flag), _or_variable({"type": "boolean"})]

_TIMED = {"type": "string", "pattern": r"^\s*[0-9.]+([eE][-+]?[0-9]+)?\s*(f|frames?|s|ms|min|%)?\s*$"}
_ROWS = {"type": "string", "pattern": r"^\s*[-+]?[0-9.]+\s*(px|%)?\s*$"}
MomentField = Annotated[
    units.Moment,
    PlainValidator(_parsed(units.parse_moment, units.Moment)),
    PlainSerializer(units.Moment.as_written, return_type=str),
    _or_variable({"type": "number", "minimum": 0}, _TIMED),
]
RowField = Annotated[
    units.Row,
    PlainValidator(_parsed(units.parse_row, units.Row)),
    _or_variable({"type": "number"}, _ROWS),
]

PointPair = Annotated[tuple[Number, Number], BeforeValidator(_listed((2,), "a point `[x, y]`"))]
BoxEdges = Annotated[
    tuple[Number, Number, Number, Number],
    BeforeValidator(_listed((4,), "a box `[left, top, right, bottom]`")),
]
LengthVector = Annotated[tuple[Length, Length, Length], BeforeValidator(_listed((3,), "three lengths `[x, y, z]`"))]
AngleVector = Annotated[tuple[Angle, Angle, Angle], BeforeValidator(_listed((3,), "three angles `[x, y, z]`"))]
NumberVector = Annotated[tuple[Number, Number, Number], BeforeValidator(_listed((3,), "three numbers `[x, y, z]`"))]
FilePath = Annotated[str, PlainValidator(_text), WithJsonSchema({"type": "string"})]


def _is_list(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        raise wrong(f"expected a list, got {units.describe(value)}", "write one entry a line, each after `- `")
    return value


def _is_mapping(value: Any) -> Any:
    if not isinstance(value, dict):
        raise wrong(f"expected a mapping of names, got {units.describe(value)}", "write `name: ...`, one a line")
    return value


AsList = BeforeValidator(_is_list)
AsMapping = BeforeValidator(_is_mapping)
