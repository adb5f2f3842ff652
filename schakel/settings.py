# SPDX-License-Identifier: EUPL-1.2
"""Settings: name, default, one sentence; read from the environment (`SCHAKEL_…`) once, at start."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from schakel.errors import ConfigurationError, Finding


class Settings(BaseSettings):
    """Every setting of the hub; docs/settings.md lists them (a test holds the two together)."""

    model_config = SettingsConfigDict(env_prefix="SCHAKEL_", frozen=True, hide_input_in_errors=True)

    home: Annotated[Path, Field(description="Folder of database and keys, made by `schakel init`.")] = Path(
        "schakel-home"
    )
    database_url: Annotated[
        str, Field(description="`postgresql://…` (password by `passfile=`); empty: SQLite in home.")
    ] = ""
    database_password_file: Annotated[
        Path | None, Field(description="File with the database's password, instead of one in the URL.")
    ] = None
    broker_url: Annotated[str, Field(description="Empty: no broker server; the hub rings its own bell.")] = ""
    broker_password_file: Annotated[
        Path | None, Field(description="File with the broker's password, instead of one in the URL.")
    ] = None
    broker_ca_file: Annotated[
        Path | None, Field(description="Certificates (PEM) to trust with amqps; empty: the system's.")
    ] = None
    broker_cert_file: Annotated[
        Path | None, Field(description="Our certificate (PEM) for a broker that asks for one.")
    ] = None
    broker_key_file: Annotated[Path | None, Field(description="The key (PEM) of that certificate.")] = None
    key_file: Annotated[Path | None, Field(description="Master keys (mode 0600). Empty: `keys.json` in home.")] = None
    region: Annotated[str, Field(description="Name of a region that comes with the product, or a folder.")] = (
        "haaglanden"
    )
    region_overlay: Annotated[Path | None, Field(description="A folder whose files are laid over the region's.")] = None
    host: Annotated[str, Field(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Field(description="Port to listen on.", ge=0, le=65535)] = 8420
    public_url: Annotated[str, Field(description="How partners reach the hub; stands in references.")] = (
        "http://127.0.0.1:8420"
    )
    max_body: Annotated[int, Field(description="Largest request body in bytes; more is 413.")] = 1_048_576
    body_timeout: Annotated[float, Field(description="Seconds in which a body must have come; later is 408.")] = 15.0
    answer_timeout: Annotated[
        float, Field(description="Seconds in which a request has its answer; later is 503, and send again.", gt=0)
    ] = 30.0
    header_timeout: Annotated[float, Field(description="Seconds in which headers must have come; later closes.")] = 10.0
    requests_per_minute: Annotated[int, Field(description="Requests a partner may make in a minute; more is 429.")] = (
        1200
    )
    waiting_limit: Annotated[int, Field(description="Referrals that may wait for a commit; more is 503.")] = 2000
    validate_fhir: Annotated[bool, Field(description="Full FHIR validation of inbound bundles.")] = True
    stuf_schemas: Annotated[
        Path | None, Field(description="Folder of the StUF-Jeugdzorg schemas; validates inbound.")
    ] = None
    watch_address: Annotated[
        str, Field(description="`host:port` for `/metrics`, `/livez` and `/readyz`, for eyes inside only; empty: none.")
    ] = ""
    drop_folder: Annotated[
        Path | None, Field(description="Folder with a folder per source for dropped files; empty: no file drop.")
    ] = None
    webhook_networks: Annotated[
        str,
        Field(
            description="Networks (CIDR, by commas) beside the public internet in which webhooks may be; loopback only"
            " when the URL itself says so."
        ),
    ] = "127.0.0.0/8,::1/128"
    send_timeout: Annotated[
        float, Field(description="Seconds a webhook has to answer; later is a failed attempt.", gt=0, le=55)
    ] = 30.0
    alarm_secret: Annotated[
        SecretStr, Field(description="Secret (`whsec_…`) that signs alarm webhooks; empty: unsigned.")
    ] = SecretStr("")
    smtp_host: Annotated[str, Field(description="Mail server for alarms; empty: no mail.")] = ""
    smtp_port: Annotated[int, Field(description="Port of the mail server.")] = 25
    smtp_user: Annotated[str, Field(description="User at the mail server.")] = ""
    smtp_password: Annotated[SecretStr, Field(description="Password at the mail server.")] = SecretStr("")
    smtp_tls: Annotated[bool, Field(description="STARTTLS to the mail server.")] = True
    mail_from: Annotated[str, Field(description="Sender of alarm mails.")] = "schakel@localhost"
    log_level: Annotated[str, Field(description="debug, info, warning or error.")] = "info"
    failpoint: Annotated[
        str, Field(description="For tests: the name of the point at which the process kills itself.")
    ] = ""

    @property
    def database(self) -> str:
        """URL of the database, with the password from its file. Raises ConfigurationError when that cannot be read."""
        url = self.database_url or f"sqlite:///{self.home / 'schakel.sqlite'}"
        return url if self.database_password_file is None else _with_password(url, self.database_password_file)

    @property
    def database_file(self) -> Path:
        """The SQLite file when no other database is named."""
        url = self.database_url
        return Path(url.removeprefix("sqlite:///")) if url else self.home / "schakel.sqlite"

    @property
    def keys(self) -> Path:
        return self.key_file or self.home / "keys.json"


def _with_password(url: str, file: Path) -> str:
    try:
        password = file.read_text(encoding="utf-8").strip("\r\n")
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError(
            Finding(
                "SCHAKEL_DATABASE_PASSWORD_FILE",
                "database:password-file",
                "Dit bestand is er niet of niet te lezen",
                "This file is absent or cannot be read",
            )
        ) from None
    parts = urlsplit(url)
    user, host = quote(unquote(parts.username or ""), safe=""), parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}"))
