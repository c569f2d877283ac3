"""Defines blocks, and registers them by id.

    class SentencesInput(BlockInput):
        text: str

    @block("text.sentences", title="Sentences", description="Splits a text into its sentences.")
    def sentences(data: SentencesInput) -> Outputs:
        return {"sentences": [...]}

A block is a plain function that runs in a block process. It gets its validated input, and returns a list of JSON values
for each output name. It may raise any exception; the message of a BlockError is for people. It uses neither the
database nor Django, so that a block process starts fast. A project adds blocks by naming their modules in
`settings.EXECUTIONS["BLOCK_MODULES"]`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema

from executions.validation import sentences

OWN_MODULES = tuple(f"executions.blocks.{name}" for name in ("text", "insight", "census", "table", "profile"))

Outputs = dict[str, list[Any]]
Input = TypeVar("Input", bound="BlockInput")


class BlockInput(BaseModel):
    """The base of every block's input. Refuses unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BlockError(Exception):
    """A block cannot do its work. The message is for people."""


@dataclass(frozen=True)
class LongText:
    """Marks a text input that is pasted or uploaded, with its limit: `csv: Annotated[str, LongText(256 * 1024,
    ".csv")]`."""

    max_bytes: int  # of UTF-8
    accept: str = "text/*"  # the `accept` attribute of the file input

    def check(self, text: str) -> str:
        size = len(text.encode())
        if size > self.max_bytes:
            raise ValueError(f"it is {size / 1024:,.0f} KB long; {self.max_bytes // 1024} KB are the most.")
        return text

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))


@dataclass(frozen=True)
class Folder:
    """Marks an input that is the path of a project folder: `folder: Annotated[str, Folder()]`."""


Kind = LongText | Folder | type
PLAIN: tuple[type[str | int | float | bool], ...] = (str, int, float, bool)


@dataclass(frozen=True)
class Field:
    """One input of a block. A field that takes a list gets all values of its links; any other field takes exactly one.
    `kind` says which form field it needs: a mark, or one of PLAIN; None if no form field can hold it."""

    name: str
    title: str
    description: str
    is_required: bool
    default: Any
    takes_list: bool
    kind: Kind | None


@dataclass(frozen=True)
class Block:
    id: str
    title: str
    description: str
    input_model: type[BlockInput]
    function: Callable[[Any], Outputs]

    @property
    def fields(self) -> dict[str, Field]:
        """The inputs by name, in the order of the model."""
        return {
            name: Field(
                name=name,
                title=field.title or name.replace("_", " ").capitalize(),
                description=field.description or "",
                is_required=field.is_required(),
                default=None if field.is_required() else field.get_default(call_default_factory=True),
                takes_list=_takes_list(field.annotation),
                kind=_kind(field),
            )
            for name, field in self.input_model.model_fields.items()
        }

    def run(self, data: dict[str, Any]) -> Outputs:
        """Validates the input, calls the function, and checks the outputs. Raises BlockError, and the errors of the
        function."""
        try:
            validated = self.input_model.model_validate(data)
        except ValidationError as error:
            raise BlockError("; ".join(sentences(error))) from None
        outputs = self.function(validated)
        if not isinstance(outputs, dict) or not all(isinstance(values, list) for values in outputs.values()):
            raise BlockError(f'The block "{self.id}" must return a list for each name, and did not.')
        return outputs


_blocks: dict[str, Block] = {}
_loaded: set[str] = set()


def block(
    block_id: str, *, title: str, description: str
) -> Callable[[Callable[[Input], Outputs]], Callable[[Input], Outputs]]:
    """Registers the decorated function and returns it unchanged. Its only parameter is annotated with a BlockInput."""

    def register(function: Callable[[Input], Outputs]) -> Callable[[Input], Outputs]:
        hints = [hint for name, hint in get_type_hints(function).items() if name != "return"]
        if len(hints) != 1 or not (isinstance(hints[0], type) and issubclass(hints[0], BlockInput)):
            raise TypeError(f"{function.__qualname__} must take one argument, annotated with a BlockInput.")
        known = _blocks.get(block_id)
        if known is not None and known.function.__module__ != function.__module__:
            raise ValueError(f'There is a block "{block_id}" already, in {known.function.__module__}.')
        _blocks[block_id] = Block(block_id, title, description, hints[0], function)
        return function

    return register


def load(modules: Iterable[str] = ()) -> None:
    """Imports our own block modules and these, which registers their blocks. A repeat is cheap."""
    for module in (*OWN_MODULES, *modules):
        if module not in _loaded:
            import_module(module)
            _loaded.add(module)


def find_block(block_id: str) -> Block | None:
    """The block with this id, or None."""
    _load_configured()
    return _blocks.get(block_id)


def all_blocks() -> list[Block]:
    """All blocks, sorted by id."""
    _load_configured()
    return [_blocks[block_id] for block_id in sorted(_blocks)]


def _load_configured() -> None:
    if not _loaded:  # a block process has no settings; it has called load() before
        from executions.conf import limits

        load(limits.BLOCK_MODULES)


def _takes_list(annotation: Any) -> bool:
    if get_origin(annotation) in (Union, UnionType):
        return any(_takes_list(each) for each in get_args(annotation))
    return annotation is list or get_origin(annotation) is list


def _kind(field: FieldInfo) -> Kind | None:
    for mark in field.metadata:
        if isinstance(mark, LongText | Folder):
            return mark
    return next((plain for plain in PLAIN if field.annotation is plain), None)
