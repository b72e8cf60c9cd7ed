"""Describes a C2PA manifest store, as the library reports it, by a value. Every text in it is a stranger's.

The names of the keys are those of the library's report of a manifest store (c2pa-rs ``Reader::json``).
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from monitor.types import (
    AiUse,
    ContentCredentials,
    CredentialAction,
    CredentialFault,
    CredentialIngredient,
    CredentialState,
)

_MAX_ITEMS: Final = 50  # actions, ingredients, faults each
_MAX_TEXT: Final = 200  # characters
_MAX_PARENTS: Final = 20  # files that were made from each other
_MAX_DEPTH: Final = 12  # of nested statements
_STATES: Final = {"Trusted": CredentialState.TRUSTED, "Valid": CredentialState.VALID}
_KNOWN_TIME: Final = "timeStamp.trusted"
_UNKNOWN_SIGNER: Final = "signingCredential.untrusted"  # no fault: the state says it

# https://cv.iptc.org/newscodes/digitalsourcetype and https://c2pa.org/digitalsourcetype, the most telling first
_AI_USES: Final[Mapping[str, AiUse]] = {
    "trainedAlgorithmicMedia": AiUse.GENERATED,
    "trainedAlgorithmicData": AiUse.GENERATED,
    "compositeWithTrainedAlgorithmicMedia": AiUse.EDITED,
    "compositeSynthetic": AiUse.SYNTHETIC,
}
_BY_WEIGHT: Final = (AiUse.GENERATED, AiUse.EDITED, AiUse.SYNTHETIC, AiUse.NONE)

Json = Mapping[str, Any]


def describe_manifests(store: Json, *, has_signer_list: bool) -> ContentCredentials:
    """The content credentials of a file.

    Args:
        store: the manifest store, as the library reports it after its checks.
        has_signer_list: whether a list of known signers was given.

    Raises:
        ValueError: there is no active manifest.
    """
    manifests = _mapping(store.get("manifests"))
    active = _mapping(manifests.get(_text(store.get("active_manifest"))))
    if not active:
        raise ValueError("it names no manifest of this file")
    lineage = list(_lineage(active, manifests))
    signature = _mapping(active.get("signature_info"))
    state = _STATES.get(_text(store.get("validation_state")), CredentialState.INVALID)
    return ContentCredentials(
        state=state,
        signer=plain_text(signature.get("common_name")),
        organisation=plain_text(signature.get("issuer")),
        signed_at=_time(signature.get("time")),
        has_known_time=_KNOWN_TIME in _passed(_mapping(store.get("validation_results"))),
        claim_generator=_generator(active),
        ai_use=_ai_use(lineage, manifests),
        digital_source_types=_unique(kind for manifest in manifests.values() for kind in _source_types(manifest)),
        actions=_unique(action for manifest in reversed(lineage) for action in _actions(manifest)),
        ingredients=_unique(_ingredient(one, manifests) for one in _mappings(active.get("ingredients"))),
        faults=() if state.is_valid else _unique(_faults(_mapping(store.get("validation_results")))),
        has_signer_list=has_signer_list,
    )


def plain_text(value: object) -> str:
    """A stranger's text in one line without control characters, at most 200 characters; "" if it is no text."""
    if not isinstance(value, str):
        return ""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in value[: 4 * _MAX_TEXT]).split())
    return line if len(line) <= _MAX_TEXT else f"{line[: _MAX_TEXT - 3]}..."


def _lineage(active: Json, manifests: Json) -> Iterator[Json]:
    """The active manifest, that of the file that it was made from, and so on."""
    manifest, seen = active, 0
    while manifest and seen < _MAX_PARENTS:
        yield manifest
        parents = (one for one in _mappings(manifest.get("ingredients")) if one.get("relationship") == "parentOf")
        parent = next(parents, {})
        manifest, seen = _mapping(manifests.get(_text(parent.get("active_manifest")))), seen + 1


def _ai_use(lineage: list[Json], manifests: Json) -> AiUse:
    """The strongest use of AI that the lineage states, or that its parts state: a generated part is an edit."""
    stated = {_AI_USES.get(kind, AiUse.NONE) for manifest in lineage for kind in _source_types(manifest)}
    for manifest in lineage:
        for part in _mappings(manifest.get("ingredients")):
            if part.get("relationship") == "componentOf":
                inner = _mapping(manifests.get(_text(part.get("active_manifest"))))
                uses = {_AI_USES.get(kind, AiUse.NONE) for one in (part, inner) for kind in _source_types(one)}
                stated |= {AiUse.EDITED if use is AiUse.GENERATED else use for use in uses}
    return next(use for use in _BY_WEIGHT if use in stated or use is AiUse.NONE)


def _source_types(manifest: Json) -> Iterator[str]:
    """The last parts of the digital source types in the statements of a manifest, or of an ingredient."""
    for assertion in [*_mappings(manifest.get("assertions")), {"data": _own_type(manifest)}]:
        for address in _find_types(assertion.get("data"), depth=0):
            yield _last_part(address)


def _own_type(ingredient: Json) -> Json:
    return {key: ingredient[key] for key in ("digital_source_type", "digitalSourceType") if key in ingredient}


def _find_types(value: object, *, depth: int) -> Iterator[str]:
    """All values of ``digitalSourceType``, also in IPTC metadata (``Iptc4xmpExt:DigitalSourceType``)."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if str(key).lower().replace("_", "").endswith("digitalsourcetype") and isinstance(inner, str):
                yield inner
            else:
                yield from _find_types(inner, depth=depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _find_types(inner, depth=depth + 1)


def _last_part(address: object) -> str:
    return plain_text(_text(address).rstrip("/").rpartition("/")[2])


def _actions(manifest: Json) -> Iterator[CredentialAction]:
    generator = _generator(manifest)
    for assertion in _mappings(manifest.get("assertions")):
        if not _text(assertion.get("label")).startswith("c2pa.actions"):
            continue
        data = _mapping(assertion.get("data"))
        agents = data.get("softwareAgents")
        for action in _mappings(data.get("actions")):
            parameters = _mapping(action.get("parameters"))
            yield CredentialAction(
                action=plain_text(action.get("action")) or "unknown",
                software=_agent(action, agents if isinstance(agents, list) else []) or generator,
                when=plain_text(action.get("when")),
                digital_source_type=_last_part(action.get("digitalSourceType")),
                description=plain_text(action.get("description") or parameters.get("description")),
            )


def _agent(action: Json, agents: list[Any]) -> str:
    """The program of an action: its own text or value, or one of a list."""
    agent, index = action.get("softwareAgent"), action.get("softwareAgentIndex")
    if isinstance(index, int) and 0 <= index < len(agents):
        agent = agent or agents[index]
    return _program(agent) if isinstance(agent, Mapping) else plain_text(agent)


def _generator(manifest: Json) -> str:
    """The program that wrote a manifest: "Photo Editor 3.1"."""
    named = (_program(one) for one in _mappings(manifest.get("claim_generator_info")))
    return next(filter(None, named), "") or plain_text(manifest.get("claim_generator"))


def _program(info: Json) -> str:
    return plain_text(" ".join(filter(None, (_text(info.get("name")), _text(info.get("version"))))))


def _ingredient(ingredient: Json, manifests: Json) -> CredentialIngredient:
    own = _mapping(manifests.get(_text(ingredient.get("active_manifest"))))
    signature = _mapping(own.get("signature_info"))
    return CredentialIngredient(
        title=plain_text(ingredient.get("title")) or "unnamed",
        format=plain_text(ingredient.get("format")),
        relationship=plain_text(ingredient.get("relationship")),
        signer=plain_text(signature.get("common_name")) or plain_text(signature.get("issuer")),
    )


def _faults(results: Json) -> Iterator[CredentialFault]:
    """The failed checks of the active manifest, then those of the files used for it."""
    deltas = _mappings(results.get("ingredientDeltas"))
    checks = [results.get("activeManifest"), *(delta.get("validationDeltas") for delta in deltas)]
    for check in checks:
        for failure in _mappings(_mapping(check).get("failure")):
            if failure.get("code") != _UNKNOWN_SIGNER:
                yield CredentialFault(plain_text(failure.get("code")), plain_text(failure.get("explanation")))


def _passed(results: Json) -> set[str]:
    """The codes of the passed checks of the active manifest."""
    return {_text(one.get("code")) for one in _mappings(_mapping(results.get("activeManifest")).get("success"))}


def _time(value: object) -> datetime | None:
    """A time with its zone; None if it is none."""
    try:
        moment = datetime.fromisoformat(_text(value))
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _unique(values: Iterable[Any]) -> tuple[Any, ...]:
    """The first values without repetitions and blanks, in order."""
    found: dict[Any, None] = {}
    for value in values:
        if value:
            found[value] = None
        if len(found) == _MAX_ITEMS:
            break
    return tuple(found)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _mapping(value: object) -> Json:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: object) -> list[Json]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
