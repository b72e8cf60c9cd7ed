"""Parses an address into a kind of source and a name without secrets.

Each kind of source is one ``SourceKind``, defined in its own file and registered in
``monitor/media/sources/__init__.py``. All other code reads the properties of a kind from this value.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from monitor.errors import UsageError
from monitor.media.failures import FailureCauses
from monitor.media.sources.source import Source
from monitor.media.sources.typed_url import read_url, unknown_path_advice
from monitor.settings import SourceSettings
from monitor.system.masking import mask, printable, strip_blanks


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceKind:
    """The properties of one kind of source.

    >>> from monitor.media.sources import DemoSource
    >>> kind = SourceKind(
    ...     name="loop", prefix="loop", form="loop:", example="loop:", open=lambda address, settings: DemoSource(1.0)
    ... )
    >>> kind.is_remote, kind.is_isolated
    (True, True)

    An address is a URL (``schemes``), a name before a colon (``prefix``), or a path (``is_path``). The defaults are
    the safe ones: a kind is checked as remote, and decoded in a separate process.
    """

    name: str  # stored as ``kind`` in SourceInfo
    form: str  # the spelling in help texts: "rtsp://"
    example: str  # a complete address
    open: Callable[["Address", SourceSettings], Source]  # raises SourceError or UsageError
    schemes: Mapping[str, int | None] = field(
        default_factory=dict
    )  # -> default TCP port; None: do not check the host first
    prefix: str = ""
    is_path: bool = False  # any text without a scheme or prefix of another kind; only one kind is a path
    is_remote: bool = True  # the host is checked before a browser user may open the address
    may_come_back: bool = False  # a failed source is retried, even if it was never open
    is_isolated: bool = True  # decoded in a separate process; False only for pictures drawn by this program
    failures: FailureCauses = field(default_factory=FailureCauses)
    choice: str = ""  # name of the example in the dashboard; "": the user types the address


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed address."""

    kind: SourceKind
    target: str  # the text after the prefix, or the whole URL or path; may hold secrets
    name: str  # masked: safe to show and store

    @property
    def path(self) -> Path | None:
        """The local file or folder; None: the source is not local."""
        return Path(self.target) if self.kind.is_path else None

    @classmethod
    def of(cls, url: str | Path) -> "Address":
        """Parse a typed address.

        Blanks around an address are ignored, unless they belong to the name of a file.

        Raises:
            UsageError: no kind of source has this scheme, the host or the port is impossible, or the text is no path
                but looks like a camera's host or number.
        """
        if isinstance(url, Path):
            return cls(kind=next(kind for kind in kinds() if kind.is_path), target=str(url), name=printable(url))
        typed, url = url, strip_blanks(url)
        scheme, _, rest = url.partition(":")
        scheme = scheme.lower()
        for kind in kinds():
            if kind.prefix == scheme != "":
                target = rest.strip()
                name = f"{scheme}:{target}" if target else scheme
                return cls(kind=kind, target=target, name=mask(name) if kind.is_remote else name)
        found = next((kind for kind in kinds() if scheme in kind.schemes), None)
        if found is not None and found.is_path:
            from urllib.request import url2pathname  # with its web clients, which few processes need

            return cls.of(Path(url2pathname(unquote(urlsplit(url).path))))
        if found is not None and not rest.startswith("//"):
            raise UsageError(f"an address of {scheme}: begins with {scheme}://, with two slashes")
        if not rest.startswith("//") or len(scheme) < 2:  # a drive letter is not a scheme
            return cls.of(_path(typed))
        if found is None:
            raise UsageError(f"{mask(url)}: {scheme}:// is no source this program knows; use {known_forms()}")
        return cls(kind=found, target=read_url(url, example=found.example), name=mask(url))


def _path(text: str) -> Path:
    """The path that a text means; a text that is no existing path loses the blanks around it."""
    if _exists(Path(text)):
        return Path(text)
    path = Path(strip_blanks(text))
    if not _exists(path) and (advice := unknown_path_advice(strip_blanks(text))):
        raise UsageError(f"{printable(path)}: {advice}")
    return path


def _exists(path: Path) -> bool:
    try:
        return os.path.lexists(path)
    except ValueError:  # a zero byte
        return False


_registered: dict[str, SourceKind] = {}


def register(kind: SourceKind) -> None:
    """Register a kind, so that its addresses are understood and listed in help texts.

    Raises:
        ValueError: the kind has no spelling, or shares its name, scheme or prefix with another kind.
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
    """The spellings of all kinds, for a sentence: ``rtsp://, webcam:, or a path``."""
    return _join([kind.form for kind in kinds()])


def known_examples() -> str:
    """One complete address of each kind, for a sentence."""
    return _join([kind.example for kind in kinds()])


def _join(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])}, or {words[-1]}"
