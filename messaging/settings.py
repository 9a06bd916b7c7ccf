"""Settings of every process, read from the environment: one class, one prefix (``RLHB_``)."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What a process needs to know of its surroundings.

    Every field is the environment variable of the same name in capitals with the prefix ``RLHB_``. The command line builds an
    instance with what its options say; the environment fills in the rest.
    """

    model_config = SettingsConfigDict(env_prefix="RLHB_", frozen=True, extra="ignore", validate_default=True)

    data_dir: Path = Path("rlhb-data")
    """Folder of recordings, decoders and the SQLite database."""
    bus_url: str | None = Field(default=None, repr=False)
    """Redis or Valkey of the lab; None starts one."""
    database_url: str | None = Field(default=None, repr=False)
    """PostgreSQL of the service; None keeps a SQLite file in `data_dir`."""
    host: str = "127.0.0.1"
    """Address the session server listens on."""
    port: int = Field(default=8765, ge=0, le=65535)
    """Port the session server listens on; 0 takes a free one."""
    allowed_hosts: str = ""
    """More names, comma-separated, under which browsers may call the server; loopback names always may."""
    insecure: bool = False
    """Listen on other addresses than loopback without TLS: behind a reverse proxy that has it, or in a network that is trusted."""
    tls_cert: Path | None = None
    """Certificate (chain) of the session server, PEM."""
    tls_key: Path | None = None
    """Its private key, PEM."""
    server_url: str | None = None
    """Where the lab's processes and clients find the session server; None means `host` and `port`."""
    token: str | None = Field(default=None, repr=False)
    """Bearer token of this installation's processes; the server draws one when there is none."""
    require_consent: bool = False
    """Sessions only for subjects whose consent is on file."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    test_data: Path | None = None
    """Folder of the recordings that tests read."""
    test_strict: bool = False
    """A missing component fails its tests instead of skipping them."""

    @field_validator("log_level", mode="before")
    @classmethod
    def _lower_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("token", "database_url", "bus_url", "server_url", mode="after")
    @classmethod
    def _empty_is_none(cls, value: str | None) -> str | None:
        return value or None

    @property
    def http_url(self) -> str:
        """Base address of the session server, without a slash at its end."""
        if self.server_url:
            return self.server_url.rstrip("/")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls_cert else 'http'}://{host}:{self.port}"

    @property
    def websocket_url(self) -> str:
        """Base address of the session server's websockets, without a slash at its end."""
        return "ws" + self.http_url.removeprefix("http")

    @property
    def recordings_dir(self) -> Path:
        """Folder of this installation's recordings."""
        return self.data_dir / "recordings"

    @property
    def decoders_dir(self) -> Path:
        """Folder of the decoder registry."""
        return self.data_dir / "decoders"

    @property
    def protocols_dir(self) -> Path:
        """Folder of the lab's own protocols."""
        return self.data_dir / "protocols"


__all__ = ["Settings"]
