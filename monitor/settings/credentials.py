"""Settings of content credentials (C2PA): known signers, and the signature of exports."""

import re
from typing import Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from monitor.settings.values import ExpandedPath, StageSettings

_ADDRESS: Final = re.compile(r"https?://[^\s@]+")

SigningAlgorithm = Literal["es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519"]


class CredentialSettings(StageSettings):
    """Content credentials (C2PA): known signers, and the signature of exports."""

    trusted_signers: ExpandedPath | None = Field(
        None,
        description="File (PEM) with the certificates of the authorities whose signers count as known, such as the "
        "C2PA trust list. Default: no signer counts as known.",
    )
    certificates: ExpandedPath | None = Field(
        None,
        description="File (PEM) with the certificate that signs the clips, pictures and report.pdf of exports, then "
        "those of its issuers. Default: exports are not signed.",
    )
    private_key: ExpandedPath | None = Field(
        None, description="File (PEM, PKCS#8, without a password) with the private key of that certificate."
    )
    algorithm: SigningAlgorithm = Field(
        "es256", description="Algorithm of the key: es256, es384, es512, ps256, ps384, ps512 or ed25519."
    )
    time_stamp_url: str = Field(
        "",
        description="Address of a time-stamp authority (RFC 3161) that is asked at each signature. "
        "Default: signatures have no time stamp, and nothing is sent.",
    )

    @field_validator("time_stamp_url")
    @classmethod
    def _without_secret(cls, url: str) -> str:
        if url and not _ADDRESS.fullmatch(url):
            raise ValueError("must be an http:// or https:// address without a user name")
        return url

    @property
    def can_sign(self) -> bool:
        """Whether exports are signed."""
        return self.certificates is not None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.certificates is None) != (self.private_key is None):
            raise ValueError("certificates and private_key must be given together")
        return self
