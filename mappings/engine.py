# SPDX-License-Identifier: EUPL-1.2
"""Runs mappings: a declared document in, the target's document out, with what was lost and by which versions.

Everything is read and checked once, at load, and the rules are written as one function when the first message comes
(mappings/joint.py). The output is a function of document, `now` and the files: made again later, it comes out the same.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from mappings.case_view import CASE_VIEW
from mappings.codebook import Codebook, CodebookShelf
from mappings.contradiction import contradictions
from mappings.functions import Moment, Unfit, host_functions, translate
from mappings.joint import Joint
from mappings.lineage import coverage, flat, plain_path
from mappings.mapping_file import Compiled, Engine, IgnoreText, Rule, compile_rules, read_mapping_file
from mappings.plain_run import NotPlain
from mappings.shape import Path as Place
from mappings.shape import Read, Shape, prune, shape_of, under, union
from mappings.survey import Place as Watched
from mappings.survey import Survey
from schakel import jsonata
from schakel.errors import ConfigurationError, Finding, Unmappable
from schakel.feedback import FEEDBACK
from schakel.jsonata import JsonataError
from schakel.message import Answer, Referral
from schakel.notices import NOTICE
from schakel.strict_yaml import fault

VIEWS: Final = frozenset({CASE_VIEW, FEEDBACK, NOTICE})  # what outgoing mappings read
LANGUAGE: Final = "schakel-mapping/1"
HERE: Final = Path(__file__).parent
MAX_ITEMS: Final = 250  # of one `each`: a household has sixty members at the most
MAX_EVALUATIONS: Final = 20_000  # per message
MAX_SECONDS: Final = 1.0  # of the processor, per message: a household of sixty takes a tenth of it
MAX_FINDINGS: Final = 50
_LIMIT_CODES: Final = frozenset({"D1011", "D1012", "D2015", "U1001", "U1006"})  # depth, time, sequence, size, steps
CAUSES: Final = ("mapping-limit", "mapping-error", "not-in-schema", "contradiction", "unknown-code")


@dataclass(frozen=True, slots=True)
class Mapped:
    """What came out. `losses`: paths of the source that hold something nobody reads; a list shows as `[]`."""

    document: dict[str, Any]
    losses: tuple[str, ...]
    versions: dict[str, str]


@dataclass(frozen=True, slots=True)
class CompiledMapping:
    """A loaded mapping; safe to share between threads. `covered`: what is read or ignored, None when not known."""

    name: str
    version: str
    format: str
    replaces: str | None  # in whose place it stands, for the sources that name it
    reads_kind: str | None  # outbound: the kind of document it reads, e.g. `case-view@1`
    writes: str
    folder: Path
    rules: tuple[Rule, ...]
    ignored: tuple[IgnoreText, ...]
    books: Mapping[str, Codebook]
    shape: Shape
    covered: Read | None
    versions: dict[str, str]
    watched: Watched  # shape and `covered` together, for each place of a document
    functions: Mapping[str, Callable[..., Any]]
    moment: Moment  # what `functions` take for now
    joint: Joint | None  # the rules as one function; None for an engine that cannot tell what it reads
    also: Mapping[str, str] = field(default_factory=dict)  # other representations of the output: name → format

    def apply(self, document: Mapping[str, Any], *, now: datetime) -> Mapped:
        """The target's document. Raises Unmappable with every finding (limit breaches stop at once)."""
        root = document if document.__class__ is dict else dict(document)
        survey = Survey()
        survey.look(root, self.watched)
        if survey.misfits:
            raise Unmappable("not-in-schema", *(_misfit(place, rule) for place, rule in survey.misfits.items()))
        self.moment.now = now
        if survey.fractions:
            root = one_kind_of_number(root)
        run = _Run(root=root, functions=self.functions, now=now)
        out = run.at_once(self.joint) if self.joint is not None else None
        if out is None:
            out = run.rules(self.rules, _Scope(item=run.root, parent=None, index=None, path=""))
        if run.findings:
            cause = min((cause for cause, _ in run.findings), key=CAUSES.index)
            raise Unmappable(cause, *(finding for _, finding in run.findings[:MAX_FINDINGS]))
        return Mapped(document=out, losses=tuple(sorted(survey.losses)), versions=dict(self.versions))


def load_mapping(folder: Path, codebooks: CodebookShelf, *, engine: Engine = "jlens") -> CompiledMapping:
    """The mapping of a folder, compiled. Raises ConfigurationError naming file, rule and fault.

    `engine="jsonatapy"` is the fallback for run time: without read-set, so nothing is known of losses.
    """
    text = read_mapping_file(folder)
    file = f"{folder.name}/mapping.yaml"
    books = {name: codebooks.get(name, place=file) for name in text.codebooks}
    moment, version = Moment(), f"{text.mapping}@{text.version}"
    functions = host_functions(books, moment, version)
    rules = compile_rules(text.rules, file, books, functions, engine)
    before, _, after = text.writes.rpartition(" -> ")
    shape = _shape(folder, before or None)
    covered: Read | None = None
    if engine == "jlens":
        covered = {}
        for rule in rules:
            covered = union(covered, coverage(rule, shape, ((),), ()))
        for ignored in text.ignore:
            covered = union(covered, under(plain_path(ignored.path), True))
    versions = {"mapping": version, "language": LANGUAGE}
    versions["engine"] = _engine_version(engine)
    versions |= {f"codebook:{name}": book.version for name, book in sorted(books.items())}
    return CompiledMapping(
        name=text.mapping,
        version=text.version,
        format=text.format,
        replaces=text.replaces,
        reads_kind=before or None,
        writes=after,
        folder=folder,
        rules=rules,
        ignored=tuple(text.ignore),
        books=books,
        shape=shape,
        covered=covered,
        versions=versions,
        watched=Watched(shape, True if covered is None else covered),
        functions=functions,
        moment=moment,
        joint=Joint(rules, functions, books, shape) if engine == "jlens" else None,
        also=dict(text.also),
    )


def load_mappings(
    root: Path = HERE, *, codebooks: CodebookShelf, engine: Engine = "jlens"
) -> dict[str, CompiledMapping]:
    """Every mapping under `root`, by name. Raises ConfigurationError with the faults of all of them."""
    loaded: dict[str, CompiledMapping] = {}
    faults: list[Finding] = []
    for folder in mapping_folders(root):
        try:
            mapping = load_mapping(folder, codebooks, engine=engine)
        except ConfigurationError as error:
            faults.extend(error.findings)
        else:
            loaded[mapping.name] = mapping
            for name, other in mapping.also.items():
                loaded[name] = replace(mapping, name=name, format=other)
    if faults:
        raise ConfigurationError(*faults)
    return loaded


def mapping_folders(root: Path = HERE) -> tuple[Path, ...]:
    """The folders that hold a `mapping.yaml`, by name."""
    return tuple(sorted(path.parent for path in root.glob("*/mapping.yaml")))


def to_referral(document: Mapping[str, Any]) -> Referral:
    """The mapped document as the heart's noun. Raises Unmappable("contradiction") naming each place and rule."""
    try:
        return Referral.model_validate(document)
    except ValidationError as error:
        raise Unmappable("contradiction", *contradictions(error)) from None


def to_answer(document: Mapping[str, Any]) -> Answer:
    """As `to_referral`, for what a mapping made of an answer."""
    try:
        return Answer.model_validate(document)
    except ValidationError as error:
        raise Unmappable("contradiction", *contradictions(error)) from None


def _engine_version(engine: Engine) -> str:
    if engine == "jlens":
        return jsonata.ENGINE
    from schakel.jsonata_fallback import ENGINE

    return ENGINE


def _shape(folder: Path, reads_kind: str | None) -> Shape:
    if reads_kind is not None and reads_kind in VIEWS:
        return _view_shape(reads_kind)
    try:
        return shape_of(json.loads((folder / "schema.json").read_bytes()))
    except (OSError, ValueError, LookupError) as error:
        text = f"the schema of the source cannot be read ({type(error).__name__})"
        raise ConfigurationError(fault(f"{folder.name}/schema.json", "schema", text)) from None


def one_kind_of_number(value: Any) -> Any:
    """As the engine has numbers, so that what it need not look at comes out the same: 5.0 is 5."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, dict):
        return {name: one_kind_of_number(each) for name, each in value.items()}
    return [one_kind_of_number(each) for each in value] if isinstance(value, list | tuple) else value


@cache
def _view_shape(kind: str) -> Shape:
    """Several mappings read the same kind. The schema is kept beside them (a test holds it to the nouns): to make it of
    them anew would take a fifteenth of the start."""
    return shape_of(json.loads((HERE / "views" / f"{kind.partition('@')[0]}.schema.json").read_bytes()))


def _misfit(place: str, rule: str) -> Finding:
    return Finding(
        place=place,
        rule=rule,
        nl=f"Het bericht wijkt bij {place} af van wat de bron heeft vastgelegd.",
        en=f"At {place} the message differs from what the source has declared.",
    )


# -- running -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Scope:
    """The input of an expression and what its variables stand for. `path`: where the output goes, with positions."""

    item: Any
    parent: Any
    index: int | None
    path: str


@dataclass(slots=True)
class _Run:
    """One message on its way through the rules."""

    root: dict[str, Any]
    functions: Mapping[str, Callable[..., Any]]
    now: datetime
    findings: list[tuple[str, Finding]] = field(default_factory=list)
    evaluations: int = 0
    deadline: float | None = None  # not of a busy machine's clock; from the first evaluation, as asking costs a call
    roots: dict[int, Any] = field(default_factory=dict)  # the document cut to an expression's read-set, by expression

    def at_once(self, joint: Joint) -> dict[str, Any] | None:
        """All rules as one function. None: something is to be said about one of them, and that takes `rules`."""
        try:
            return joint.apply(
                self.root, now=self.now, ask=self._ask_in_time, most_items=MAX_ITEMS, most=MAX_EVALUATIONS
            )
        except NotPlain:
            return None

    def rules(self, rules: Sequence[Rule], scope: _Scope) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for rule in rules:
            place = f"{scope.path}.{rule.target}".strip(".").removesuffix("[]")
            try:
                if rule.when is not None and not self._evaluate(rule.when, scope, test=True):
                    continue
                self._put(out, rule, self._value(rule, scope, place, out))
            except Unfit as error:
                self._note(rule, place, error.cause, error.rule)
            except JsonataError as error:
                cause = "mapping-limit" if error.code in _LIMIT_CODES else "mapping-error"
                self._note(rule, place, cause, f"jsonata {error}")
                if cause == "mapping-limit":
                    raise Unmappable(cause, self.findings[-1][1]) from None
        return out

    def _value(self, rule: Rule, scope: _Scope, place: str, out: Mapping[str, Any]) -> Any:
        """What the rule gives for its target: None is nothing; a list target gets a list."""
        value = self._evaluate(rule.value, scope)
        if value is None:
            return None
        if rule.rules:
            value = self._items(rule, scope, place, _listed(value), len(_at(out, rule.to) or ()) if rule.many else 0)
        if rule.many:
            values = [each for each in _listed(value) if each is not None]
            return [self._coded(rule, each) for each in values] or None
        if isinstance(value, list | tuple):
            if rule.rules and len(value) <= 1:
                return value[0] if value else None
            raise Unfit("mapping-error", "a single target gets a list")
        return self._coded(rule, value)

    def _items(self, rule: Rule, scope: _Scope, place: str, items: Sequence[Any], start: int) -> list[Any]:
        if len(items) > MAX_ITEMS:
            raise JsonataError("D2015", None)
        made: list[dict[str, Any]] = []
        for index, item in enumerate(items):
            path = f"{place}[{start + len(made)}]" if rule.many else place
            one = self.rules(rule.rules, _Scope(item=item, parent=scope.item, index=index, path=path))
            if one:
                made.append(one)
        return made

    def _coded(self, rule: Rule, value: Any) -> Any:
        return value if rule.code is None or value is None else translate(rule.code, value, now=self.now)

    def _evaluate(self, compiled: Compiled, scope: _Scope, *, test: bool = False) -> Any:
        self.evaluations += 1
        if self.evaluations > MAX_EVALUATIONS:
            raise JsonataError("U1006", None)
        value = self._ask_in_time(compiled, scope.item, scope.parent, scope.index)
        if test and value is not True and value is not False:
            raise JsonataError("not-boolean", None)
        return value

    def _ask_in_time(self, compiled: Compiled, item: Any, parent: Any, index: int | None) -> Any:
        """What the engine makes of one expression. Raises JsonataError, also when the message's time is over, and
        Unfit."""
        used = time.thread_time()
        if self.deadline is None:
            self.deadline = used + MAX_SECONDS
        if used > self.deadline:
            raise JsonataError("U1006", None)
        return self._ask(compiled, item, parent, index)

    def _ask(self, compiled: Compiled, item: Any, parent: Any, index: int | None) -> Any:
        bindings: dict[str, Any] = {name: self.functions[name] for name in compiled.functions}
        if "index" in compiled.variables and index is not None:
            bindings["index"] = index
        if "parent" in compiled.variables:
            bindings["parent"] = prune(parent, True if compiled.reads_parent is None else compiled.reads_parent)
        if "root" in compiled.variables:
            bindings["root"] = self._root(compiled)
        return compiled.expression.evaluate(item, bindings, now=self.now)

    def _root(self, compiled: Compiled) -> Any:
        """A binding is converted whole at every evaluation; the read-set keeps that small."""
        if compiled.reads_root is None:
            return self.root
        key = id(compiled)
        if key not in self.roots:
            self.roots[key] = prune(self.root, compiled.reads_root)
        return self.roots[key]

    def _put(self, out: dict[str, Any], rule: Rule, value: Any) -> None:
        if value is None:
            return
        if not rule.to:
            if not isinstance(value, dict):
                raise Unfit("mapping-error", "the whole output is an object")
            out.update(value)
            return
        here = out
        for name in rule.to[:-1]:
            here = here.setdefault(name, {})
        last = rule.to[-1]
        if rule.many:
            here.setdefault(last, []).extend(value)
        elif last in here:
            raise Unfit("mapping-error", "two rules give this target a value")
        else:
            here[last] = value

    def _note(self, rule: Rule, place: str, cause: str, what: str) -> None:
        sources = ", ".join(sorted({".".join(path) for path, _ in flat(rule.value.reads)})) or "-"
        finding = Finding(
            place=place or rule.target,
            rule=f"{rule.label}: {what}",
            nl=_NL[cause].format(place=place, sources=sources),
            en=_EN[cause].format(place=place, sources=sources),
        )
        self.findings.append((cause, finding))


_NL: Final = {
    "unknown-code": "De code voor {place} (in de bron: {sources}) staat niet in de codelijst.",
    "contradiction": "De waarde voor {place} (in de bron: {sources}) kan niet kloppen.",
    "mapping-error": "De vertaling van {place} (in de bron: {sources}) lukt niet: de mapping heeft onderhoud nodig.",
    "mapping-limit": "De vertaling van {place} (in de bron: {sources}) is te groot of duurt te lang.",
}
_EN: Final = {
    "unknown-code": "The code for {place} (in the source: {sources}) is not in the codebook.",
    "contradiction": "The value for {place} (in the source: {sources}) cannot be right.",
    "mapping-error": "Mapping {place} (in the source: {sources}) fails: the mapping needs maintenance.",
    "mapping-limit": "Mapping {place} (in the source: {sources}) is too large or takes too long.",
}


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _at(out: Mapping[str, Any], path: Place) -> Any:
    here: Any = out
    for name in path:
        here = here.get(name) if isinstance(here, Mapping) else None
    return here
