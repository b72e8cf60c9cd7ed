"""What a person typed: which kind of source it means, and how it is shown without its secrets.

A kind of source is one ``SourceKind``. Its own file defines it, and ``monitor/media/sources/__init__.py`` registers it;
everything else that depends on the kind asks the value.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from monitor.errors import UsageError
from monitor.media.failures import FailureCauses
from monitor.media.sources.source import Source
from monitor.settings import SourceSettings
from monitor.system.masking import mask, printable


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceKind:
    """What the program knows of one kind of source.

    >>> from monitor.media.sources import DemoSource
    >>> kind = SourceKind(
    ...     name="loop", prefix="loop", form="loop:", example="loop:", open=lambda address, settings: DemoSource(1.0)
    ... )
    >>> kind.is_remote, kind.is_isolated
    (True, True)

    An address is a URL (``schemes``), a name before a colon (``prefix``), or a path (``is_path``). The defaults are
    the careful ones: a kind that says nothing is checked as a remote one, and decoded in a process of its own.
    """

    name: str  # the ``kind`` of its SourceInfo
    form: str  # how help lists it: "rtsp://"
    example: str  # a whole address
    open: Callable[["Address", SourceSettings], Source]  # raises SourceError or UsageError
    schemes: Mapping[str, int | None] = field(
        default_factory=dict
    )  # -> default TCP port; None: do not ask the host first
    prefix: str = ""
    is_path: bool = False  # what has no scheme and no prefix of another kind; one kind is
    is_remote: bool = True  # its host is checked before a browser may have it opened
    may_come_back: bool = False  # after a failure: it is tried again, even if it was never open
    is_isolated: bool = True  # decoded in a process of its own: everything but what this program draws itself
    failures: FailureCauses = field(default_factory=FailureCauses)
    choice: str = ""  # the dashboard offers the example under this name; "": its address is typed


@dataclass(frozen=True, slots=True)
class Address:
    """Where frames come from."""

    kind: SourceKind
    target: str  # what follows the prefix, or the whole URL or path; may hold secrets
    name: str  # masked: fit to be shown and stored

    @property
    def path(self) -> Path | None:
        """The file or folder of this machine; None: it is none."""
        return Path(self.target) if self.kind.is_path else None

    @classmethod
    def of(cls, url: str | Path) -> "Address":
        """Understand what was typed.

        Raises:
            UsageError: no kind of source has this scheme.
        """
        if isinstance(url, Path):
            return cls(kind=next(kind for kind in kinds() if kind.is_path), target=str(url), name=printable(url))
        scheme, _, rest = url.partition(":")
        scheme = scheme.lower()
        for kind in kinds():
            if kind.prefix == scheme != "":
                target = rest.strip()
                name = f"{scheme}:{target}" if target else scheme
                return cls(kind=kind, target=target, name=mask(name) if kind.is_remote else name)
        found = next((kind for kind in kinds() if scheme in kind.schemes), None)
        if found is not None and found.is_path:
            return cls.of(Path(url2pathname(unquote(urlsplit(url).path))))
        if found is not None and not rest.startswith("//"):
            raise UsageError(f"an address of {scheme}: begins with {scheme}://, with two slashes")
        if not rest.startswith("//") or len(scheme) < 2:  # a drive letter is no scheme
            return cls.of(Path(url))
        if found is None:
            raise UsageError(f"{mask(url)}: {scheme}:// is no source this program knows; use {known_forms()}")
        return cls(kind=found, target=url, name=mask(url))


_registered: dict[str, SourceKind] = {}


def register(kind: SourceKind) -> None:
    """Make a kind known: from now on its addresses are understood and help lists it.

    Raises:
        ValueError: no address can mean it, or another kind has its name, scheme or prefix.
    """
    spellings = {*kind.schemes, *filter(None, [kind.prefix])}
    if not spellings and not kind.is_path:
        raise ValueError(f"the source kind {kind.name} has neither a scheme nor a prefix: no address can mean it")
    for other in _registered.values():
        taken = spellings & {*other.schemes, other.prefix}
        if taken or kind.name == other.name or (kind.is_path and other.is_path):
            raise ValueError(f"the source kind {kind.name} is written like {other.name}: choose another name or scheme")
    _registered[kind.name] = kind


def kinds() -> Sequence[SourceKind]:
    """All kinds in the order of their registration, paths last."""
    return sorted(_registered.values(), key=lambda kind: kind.is_path)


def known_forms() -> str:
    """How addresses begin, for a sentence: ``rtsp://, webcam:, or a path``."""
    return _listed([kind.form for kind in kinds()])


def known_examples() -> str:
    """One whole address of each kind, for a sentence."""
    return _listed([kind.example for kind in kinds()])


def _listed(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])}, or {words[-1]}"
