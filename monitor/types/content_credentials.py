"""Content credentials (C2PA): signed statements in a file about its origin. They never change a verdict on a face."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar, Final

from monitor.types.formatting import count
from monitor.types.serialise import Serialisable

_SHOWN: Final = 6  # actions in a sentence


class CredentialState(StrEnum):
    """The result of reading the content credentials of a file."""

    NONE = "NONE"  # the file has none
    TRUSTED = "TRUSTED"  # valid, and the signer is on the list of known signers
    VALID = "VALID"  # valid, but the signer is not on the list, or there is no list
    INVALID = "INVALID"  # a check failed
    UNREADABLE = "UNREADABLE"  # present, but could not be read
    REMOTE = "REMOTE"  # kept at an address, from which the program does not fetch them
    NOT_CHECKED = "NOT_CHECKED"  # the file may have some, but this system cannot read them

    @property
    def is_valid(self) -> bool:
        """Whether the signature belongs to the file as it is."""
        return self in (CredentialState.TRUSTED, CredentialState.VALID)


class AiUse(StrEnum):
    """The use of generative AI that the content credentials of a file state."""

    NONE = "NONE"  # they state none; this does not mean that there was none
    GENERATED = "GENERATED"  # the whole was made by generative AI
    EDITED = "EDITED"  # parts were made or changed by generative AI
    SYNTHETIC = "SYNTHETIC"  # parts are computer-made, by AI or by other programs

    @property
    def in_words(self) -> str:
        """Text for people: "the file was made by generative AI"; "" for none."""
        return _AI_IN_WORDS[self]


_AI_IN_WORDS: Final = {
    AiUse.NONE: "",
    AiUse.GENERATED: "the file was made by generative AI",
    AiUse.EDITED: "parts of the file were made or changed by generative AI",
    AiUse.SYNTHETIC: "parts of the file were made by a computer, perhaps by generative AI",
}

_ACTIONS_IN_WORDS: Final = {
    "c2pa.color_adjustments": "colours adjusted",
    "c2pa.dubbed": "dubbed",
    "c2pa.orientation": "turned",
    "c2pa.placed": "another file placed in it",
    "c2pa.redacted": "a statement removed",
    "c2pa.removed": "a part removed",
}

_RELATIONSHIPS: Final = {
    "parentOf": "the file that it was made from",
    "componentOf": "a part of it",
    "inputTo": "an input of the program that made it",
}

_FAULTS_IN_WORDS: Final = {
    "assertion.dataHash.mismatch": "the file was changed after it was signed",
    "assertion.bmffHash.mismatch": "the file was changed after it was signed",
    "assertion.boxesHash.mismatch": "the file was changed after it was signed",
    "assertion.collectionHash.mismatch": "the file was changed after it was signed",
    "assertion.hashedURI.mismatch": "a statement was changed after it was signed",
    "assertion.missing": "a signed statement is missing",
    "assertion.undeclared": "a statement was added after the signature",
    "claim.missing": "the signed claim is missing",
    "claimSignature.missing": "the signature is missing",
    "claimSignature.mismatch": "the signature does not fit the statements",
    "claimSignature.outsideValidity": "the signer's certificate was not valid at the time of signing",
    "ingredient.hashedURI.mismatch": "the credentials of the file that it was made from were changed",
    "ingredient.manifest.mismatch": "the credentials of the file that it was made from were changed",
    "manifest.multipleParents": "it names several files that it was made from",
    "signingCredential.expired": "the signer's certificate had expired",
    "signingCredential.invalid": "the signer's certificate is not one for content credentials",
    "signingCredential.ocsp.revoked": "the signer's certificate was revoked",
    "timeStamp.mismatch": "the time stamp does not fit the signature",
    "timeStamp.outsideValidity": "the time stamp's certificate was not valid",
}


@dataclass(frozen=True, slots=True)
class CredentialAction(Serialisable):
    """An action on the file, as its content credentials state it."""

    action: str  # "c2pa.created", "c2pa.cropped", ...; other names are a vendor's own
    software: str = ""  # the program that took it; "": not stated
    when: str = ""  # as stated, usually ISO 8601; "": not stated
    digital_source_type: str = ""  # last part of the stated IPTC address: "trainedAlgorithmicMedia"; "": not stated
    description: str = ""  # as stated, in its author's words
    _shown: ClassVar = {"in_words": 0}

    @property
    def in_words(self) -> str:
        """Text for people: "cropped with Photo Editor 3"."""
        plain = self.action.removeprefix("c2pa.").replace("_", " ").replace(".", " ")
        words = _ACTIONS_IN_WORDS.get(self.action, plain)
        return f"{words} with {self.software}" if self.software else words


@dataclass(frozen=True, slots=True)
class CredentialIngredient(Serialisable):
    """Another file that was used for the file, as its content credentials state it."""

    title: str  # its name, or "unnamed"
    format: str = ""  # MIME type; "": not stated
    relationship: str = ""  # parentOf: the file was made from it; componentOf: it is a part; inputTo: a program read it
    signer: str = ""  # of its own content credentials; "": it has none, or they have no name
    _shown: ClassVar = {"in_words": 0}

    @property
    def in_words(self) -> str:
        """Text for people: "beach.jpg (the file that it was made from, signed by Ada)"."""
        facts = [_RELATIONSHIPS.get(self.relationship, self.relationship), self.signer and f"signed by {self.signer}"]
        known = ", ".join(filter(None, facts))
        return f"{self.title} ({known})" if known else self.title


@dataclass(frozen=True, slots=True)
class CredentialFault(Serialisable):
    """A failed check of content credentials."""

    code: str  # of the C2PA specification: "assertion.dataHash.mismatch"
    explanation: str = ""  # by the library that checked it
    _shown: ClassVar = {"in_words": 0}

    @property
    def in_words(self) -> str:
        """Text for people: "the file was changed after it was signed"."""
        return _FAULTS_IN_WORDS.get(self.code) or self.explanation or self.code


@dataclass(frozen=True, slots=True)
class ContentCredentials(Serialisable):
    """Signed statements in a file about its origin (C2PA). All of them are claims of the signer."""

    state: CredentialState  # none, valid, invalid, ...
    signer: str = ""  # common name in the signer's certificate; "": not stated
    organisation: str = ""  # organisation in the signer's certificate; "": not stated
    signed_at: datetime | None = None  # from the signature's time stamp, UTC; None: it has none
    has_known_time: bool = False  # whether the authority of the time stamp is known too
    claim_generator: str = ""  # the program that wrote the credentials; "": not stated
    ai_use: AiUse = AiUse.NONE  # use of generative AI that they state
    digital_source_types: tuple[str, ...] = ()  # last parts of all stated IPTC addresses, also of the files used for it
    actions: tuple[CredentialAction, ...] = ()  # the oldest first, with those on the files that it was made from
    ingredients: tuple[CredentialIngredient, ...] = ()  # other files that were used for it
    faults: tuple[CredentialFault, ...] = ()  # the failed checks of invalid credentials
    reason: str = ""  # why they were not read; of remote ones, their address, masked
    has_signer_list: bool = False  # whether the setting credentials.trusted_signers gave a list of known signers
    _shown: ClassVar = {"in_words": 0}

    @property
    def in_words(self) -> str:
        """Sentences for people who do not know the format; they follow the name of the file."""
        return " ".join(filter(None, self._sentences()))

    @property
    def signer_in_words(self) -> str:
        """The signer: "Jane Doe (Example News)"; "an unnamed signer" without a name."""
        names = list(dict.fromkeys(filter(None, (self.signer, self.organisation))))
        if not names:
            return "an unnamed signer"
        return f"{names[0]} ({names[1]})" if len(names) > 1 else names[0]

    def _sentences(self) -> list[str]:
        match self.state:
            case CredentialState.NONE:
                return ["This file carries no content credentials. Most files have none: this says nothing about it."]
            case CredentialState.NOT_CHECKED:
                return [f"This file may carry content credentials, but they cannot be read here: {self.reason}."]
            case CredentialState.UNREADABLE:
                return [f"This file carries content credentials, but they could not be read: {self.reason}."]
            case CredentialState.REMOTE:
                where = f" ({self.reason})" if self.reason else ""
                return [
                    f"The content credentials of this file are kept at an address{where}. The program does not fetch "
                    "them."
                ]
            case CredentialState.INVALID:
                return [*self._invalid(), self._ai_sentence(), self._actions_sentence()]
        return [self._signed(), self._known(), self._ai_sentence(), self._actions_sentence()]

    def _signed(self) -> str:
        when = "without a time stamp"
        if self.signed_at is not None:
            when = f"on {self.signed_at.astimezone(UTC):%Y-%m-%d at %H:%M} UTC"
            if not self.has_known_time:
                when += " (time stamp of an unknown authority)"
        return f"This file carries content credentials, signed by {self.signer_in_words} {when}."

    def _known(self) -> str:
        if self.state is CredentialState.TRUSTED:
            return "The signature is valid, and the signer is on the list of known signers."
        why = "is not on the list of known signers"
        if not self.has_signer_list:
            why = "could not be compared with a list of known signers, because none is set"
        return f"The signature is valid, but the signer {why}: anyone can sign with any name."

    def _invalid(self) -> list[str]:
        faults = "; ".join(dict.fromkeys(fault.in_words for fault in self.faults)) or "a check failed"
        return [
            f"This file carries content credentials, but they are not valid: {faults}.",
            f"They name {self.signer_in_words} as their signer. Do not rely on what they say.",
        ]

    def _ai_sentence(self) -> str:
        return f"They say that {self.ai_use.in_words}." if self.ai_use.in_words else ""

    def _actions_sentence(self) -> str:
        if not self.actions:
            return ""
        words = list(dict.fromkeys(action.in_words for action in self.actions))
        more = f" and {count(len(words) - _SHOWN, 'other action')}" if len(words) > _SHOWN else ""
        return f"Actions that they list: {', '.join(words[:_SHOWN])}{more}."
