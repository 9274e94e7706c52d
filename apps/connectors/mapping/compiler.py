"""A mapping made ready to run: blocks of rows in, inputs of the graph out."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any

from apps.connectors.mapping import expressions
from apps.connectors.mapping.frames import Frame, Layout
from apps.connectors.types import Block, Refusal, RowError
from apps.graph.types import EdgeInput, EntityInput


@dataclass(slots=True)
class Mapped:
    """Inputs made from a block: `rows[i]` is the row number of `inputs[i]`, `parts[i]` the field of the mapping.

    `soft[i]` says that a missing end is no error of its row (an embedded reference of STIX may point outside). Among
    edges, `elsewhere` are the rows that make entities (or failed to), so that each row is counted once.
    """

    inputs: list[Any] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    soft: list[bool] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)
    elsewhere: set[int] = field(default_factory=set)

    def add(self, inputs: Sequence[Any], rows: Sequence[int], part: str) -> None:
        """Add the inputs of one part of the mapping."""
        self.inputs += inputs
        self.rows += rows
        self.parts += [part] * len(inputs)
        self.soft += [False] * len(inputs)


@dataclass(frozen=True, slots=True)
class Tags:
    """The tags that a mapping stamps on what it makes; None leaves what stands, or takes the graph's default."""

    data_class: str | None
    retention_tier: str | None
    redaction_policy: str | None
    purposes: tuple[str, ...] | None
    licence: str | None
    source: str | None

    @classmethod
    def of(cls, document: dict[str, Any], part: dict[str, Any]) -> "Tags":
        """Return the tags of a part: its own, else the document's defaults."""
        found = {**document.get("defaults", {}), **part}
        purposes = found.get("purposes")
        return cls(
            found.get("dataClass"),
            found.get("retentionTier"),
            found.get("redactionPolicy"),
            None if purposes is None else tuple(purposes),
            found.get("licence"),
            found.get("source"),
        )


class _Properties:
    """The properties of a part: columns passed through, then the fields that it names."""

    def __init__(self, part: dict[str, Any], layout: Layout, path: str) -> None:
        passed = part.get("passthrough", False)
        self._whole = layout.columns is None and (passed is True or isinstance(passed, dict))
        self._except = frozenset(passed["except"]) if isinstance(passed, dict) else frozenset()
        named = part.get("properties", {})
        columns: list[str] = []
        if isinstance(passed, list):
            columns = passed
        elif passed and layout.columns is not None:
            columns = [name for name in layout.columns if name not in self._except]
        fields = [
            (name, expressions.value({"column": name}, layout, f"{path}.passthrough"))
            for name in columns
            if name not in named
        ]
        fields += [(name, expressions.value(spec, layout, f"{path}.properties.{name}")) for name, spec in named.items()]
        self._names = tuple(name for name, _ in fields)
        self._values = [expression for _, expression in fields]

    def of(self, frame: Frame) -> tuple[list[Any], bool]:
        """Return a dict, or a Refusal, per row; and whether there is no Refusal."""
        if not self._names:
            return (self._passed(frame) if self._whole else [{} for _ in range(len(frame))]), True
        columns = [expression(frame) for expression in self._values]
        names = self._names
        kinds: set[type] = set()
        for column in columns:
            kinds.update(map(type, column))
        if kinds.isdisjoint((type(None), Refusal)):
            rows: list[Any] = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
        else:
            rows = [_record(names, row) for row in zip(*columns, strict=True)]
        if self._whole:
            rows = [
                row if isinstance(row, Refusal) else {**passed, **row}
                for passed, row in zip(self._passed(frame), rows, strict=True)
            ]
        return rows, Refusal not in kinds

    def _passed(self, frame: Frame) -> list[Any]:
        if not self._except:
            return list(frame.rows)
        left_out = self._except
        return [{name: item for name, item in row.items() if name not in left_out} for row in frame.rows]


class EntityPart:
    """One item of `entities`."""

    def __init__(self, document: dict[str, Any], place: int, layout: Layout) -> None:
        part = document["entities"][place]
        self.path = path = f"entities[{place}]"
        self._kind: str = part["kind"]
        self._when = expressions.condition(part.get("when", []), layout, f"{path}.when")
        self._id = expressions.text(part["id"], layout, f"{path}.id")
        self._name = expressions.text(part["name"], layout, f"{path}.name") if "name" in part else None
        self._properties = _Properties(part, layout, path)
        self._subjects = [
            expressions.text(item, layout, f"{path}.subjectKeys[{i}]")
            for i, item in enumerate(part.get("subjectKeys", []))
        ]
        self._tags = Tags.of(document, part)

    def rows_of(self, frame: Frame) -> list[int]:
        """Return the numbers of the rows that this part makes an entity of, good or bad."""
        chosen = self._when(frame) if self._when else None
        return [number for i, number in enumerate(frame.numbers) if chosen is None or chosen[i]]

    def map(self, frame: Frame, into: Mapped) -> None:
        """Add one EntityInput per row that meets the conditions; a row that cannot be mapped becomes an error."""
        chosen = self._when(frame) if self._when else None
        ids = self._id(frame)
        names: Any = self._name(frame) if self._name else repeat(None, len(frame))
        properties, whole = self._properties.of(frame)
        subjects = _subject_keys([expression(frame) for expression in self._subjects], len(frame))
        numbers: Sequence[int] = frame.numbers
        if not (
            whole
            and chosen is None
            and set(map(type, ids)) == {str}
            and Refusal not in set(map(type, names := list(names)))
        ):
            keep = _sound(frame, chosen, ids, [names, properties], f"{self.path}.id", into)
            numbers = [numbers[i] for i in keep]
            ids = [ids[i] for i in keep]
            names = [names[i] for i in keep] if isinstance(names, list) else repeat(None, len(keep))
            properties = [properties[i] for i in keep]
            subjects = [subjects[i] for i in keep] if isinstance(subjects, list) else subjects
        tags = self._tags
        into.add(
            list(
                map(
                    EntityInput,
                    repeat(self._kind),
                    ids,
                    names,
                    properties,
                    repeat(tags.data_class),
                    repeat(tags.retention_tier),
                    repeat(tags.redaction_policy),
                    repeat(tags.purposes),
                    repeat(tags.licence),
                    repeat(tags.source),
                    subjects,
                )
            ),
            numbers,
            self.path,
        )


class EdgePart:
    """One item of `edges`."""

    def __init__(self, document: dict[str, Any], place: int, layout: Layout) -> None:
        part = document["edges"][place]
        self.path = path = f"edges[{place}]"
        self.kind: str = part["kind"]
        self.acyclic: bool = part.get("acyclic", False)
        self._self_loops: str = "refuse" if self.acyclic else part.get("selfLoops", "keep")
        self._when = expressions.condition(part.get("when", []), layout, f"{path}.when")
        self._id = expressions.text(part["id"], layout, f"{path}.id") if "id" in part else None
        self._from_kind: str = part["from"]["kind"]
        self._to_kind: str = part["to"]["kind"]
        self._from = expressions.text(part["from"]["id"], layout, f"{path}.from.id")
        self._to = expressions.text(part["to"]["id"], layout, f"{path}.to.id")
        self._properties = _Properties(part, layout, path)
        self._tags = Tags.of(document, part)

    def map(self, frame: Frame, into: Mapped) -> None:
        """Add one EdgeInput per row that meets the conditions; a row that cannot be mapped becomes an error."""
        chosen = self._when(frame) if self._when else None
        sources, targets = self._from(frame), self._to(frame)
        ids: Any = self._id(frame) if self._id else [""] * len(frame)
        properties, whole = self._properties.of(frame)
        numbers: Sequence[int] = frame.numbers
        if self._self_loops == "refuse" and self._from_kind == self._to_kind:
            targets = [
                Refusal(
                    "SELF_LOOP",
                    f"{source!r} would be tied to itself by {self.kind!r}",
                    "Remove the row, or set selfLoops to keep.",
                    "",
                )
                if source == target and source is not None
                else target
                for source, target in zip(sources, targets, strict=True)
            ]
        kinds = set(map(type, sources)) | set(map(type, targets)) | set(map(type, ids))
        if not (whole and chosen is None and kinds == {str}):
            keep = _sound(
                frame,
                chosen,
                sources,
                [ids, properties],
                f"{self.path}.from.id",
                into,
                second=(targets, f"{self.path}.to.id"),
            )
            numbers = [numbers[i] for i in keep]
            sources, targets = [sources[i] for i in keep], [targets[i] for i in keep]
            ids, properties = [ids[i] for i in keep], [properties[i] for i in keep]
        tags = self._tags
        into.add(
            list(
                map(
                    EdgeInput,
                    repeat(self.kind),
                    ids,
                    properties,
                    repeat(None),
                    repeat(self._from_kind),
                    sources,
                    repeat(None),
                    repeat(self._to_kind),
                    targets,
                    repeat(tags.data_class),
                    repeat(tags.retention_tier),
                    repeat(tags.redaction_policy),
                    repeat(tags.purposes),
                    repeat(tags.licence),
                    repeat(tags.source),
                )
            ),
            numbers,
            self.path,
        )


class TableMapper:
    """Runs the mapping of a delimited or JSON Lines source."""

    def __init__(
        self, document: dict[str, Any], columns: tuple[str, ...] | None, types: tuple[str, ...] | None
    ) -> None:
        nulls = frozenset(document.get("options", {}).get("nulls", [""] if columns is not None else []))
        self._layout = Layout(columns, types, nulls)
        self._entities = [
            EntityPart(document, place, self._layout) for place in range(len(document.get("entities", [])))
        ]
        self._edges = [EdgePart(document, place, self._layout) for place in range(len(document.get("edges", [])))]
        self.acyclic_kinds = frozenset(part.kind for part in self._edges if part.acyclic)
        self.has_entities = bool(self._entities)
        self.has_edges = bool(self._edges)

    def entities(self, block: Block) -> Mapped:
        """Return the entities of a block."""
        frame, mapped = self._layout.frame(block), Mapped()
        for part in self._entities:
            part.map(frame, mapped)
        return mapped

    def edges(self, block: Block) -> Mapped:
        """Return the edges of a block."""
        frame, mapped = self._layout.frame(block), Mapped()
        for part in self._edges:
            part.map(frame, mapped)
        for entity in self._entities:
            mapped.elsewhere.update(entity.rows_of(frame))
        return mapped


def _sound(
    frame: Frame,
    chosen: list[bool] | None,
    keys: Sequence[Any],
    others: list[Any],
    path: str,
    into: Mapped,
    second: tuple[Sequence[Any], str] | None = None,
) -> list[int]:
    """Return the places of rows that are chosen and have everything; record an error for the others."""
    keep: list[int] = []
    needed = [(keys, path), *([second] if second else [])]
    for place, number in enumerate(frame.numbers):
        if chosen is not None and not chosen[place]:
            continue
        wrong = _wrong(place, needed, others)
        if wrong is None:
            keep.append(place)
        else:
            refusal, part = wrong
            into.errors.append(
                RowError(
                    number,
                    refusal.code,
                    refusal.message,
                    refusal.mend,
                    column=refusal.column,
                    part=part or path.split(".")[0],
                )
            )
    return keep


def _wrong(place: int, needed: list[tuple[Sequence[Any], str]], others: list[Any]) -> tuple[Refusal, str] | None:
    for column, path in needed:
        if isinstance(column[place], Refusal):
            return column[place], path
        if not column[place]:
            return Refusal(
                "MISSING_ID",
                "the row has no value for the id",
                "Fill the column in, or leave such rows out with `when`.",
                "",
            ), path
    for column in others:
        if isinstance(column, list) and isinstance(column[place], Refusal):
            return column[place], ""
    return None


def _record(names: tuple[str, ...], row: Sequence[Any]) -> Any:
    for item in row:
        if isinstance(item, Refusal):
            return item
    return {name: item for name, item in zip(names, row, strict=True) if item is not None}


def _subject_keys(columns: list[Sequence[Any]], size: int) -> Any:
    if not columns:
        return repeat(None, size)
    return [tuple(item for item in row if isinstance(item, str)) for row in zip(*columns, strict=True)]
