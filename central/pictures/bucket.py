"""A bucket of S3 with the pictures of stations, under the same names as in the folder."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

from central.config.bucket import BucketConfig
from edge.errors import ConfigError, OutfeedError
from edge.files import read_regular_file

_CONNECT_S = 5.0
_READ_S = 30.0
_ATTEMPTS = 2
_MAX_CREDENTIALS_BYTES = 1024
_MOST_KEYS = 1000


class BucketError(OutfeedError):
    """The service of the bucket refused a request, or did not answer."""


class PictureBucket:
    """The pictures in a bucket. Any thread may call; every method blocks for the network.

    Keys are ``prefix`` + STATION/JOURNAL/THOUSANDS/NAME. Every method raises BucketError.
    """

    def __init__(self, settings: BucketConfig) -> None:
        """Make a client. Nothing is sent yet. Raises ConfigError for the extra or a file."""
        try:
            import boto3
            from botocore.config import Config
            from botocore.exceptions import BotoCoreError, ClientError
        except ImportError as error:
            raise ConfigError(
                f"bucket: needs {error.name}: pip install 'outfeed[central,s3]'"
            ) from error
        self._settings = settings
        self._failures = (BotoCoreError, ClientError, OSError)
        credentials = _credentials(settings.credentials_file)
        self._client: Any = boto3.client(
            "s3",
            endpoint_url=settings.endpoint,
            region_name=settings.region,
            verify=None if settings.tls_ca is None else str(settings.tls_ca),
            config=Config(
                connect_timeout=_CONNECT_S,
                read_timeout=_READ_S,
                retries={"max_attempts": _ATTEMPTS, "mode": "standard"},
                # Services other than Amazon's know neither the newer checksums nor host names for
                # buckets.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
                s3={"addressing_style": "path"} if settings.endpoint else None,
            ),
            **credentials,
        )

    def put(self, key: str, path: Path) -> None:
        """Store a file. The service compares its content with an MD5. Also raises OSError."""
        data = path.read_bytes()
        digest = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
        self._call("put_object", key, Body=data, ContentMD5=digest, ContentType="image/png")

    def has(self, key: str) -> bool:
        """Return whether there is an object with this key."""
        try:
            self._call("head_object", key)
        except BucketError as error:
            if _status_of(error) == 404:
                return False
            raise
        return True

    def names(self, folder: str) -> list[str]:
        """Return the names of at most 1,000 objects below ``folder``, which ends with a slash."""
        prefix = self._settings.prefix + folder
        answer = self._send("list_objects_v2", Prefix=prefix, MaxKeys=_MOST_KEYS)
        return [str(each["Key"])[len(prefix) :] for each in answer.get("Contents", ())]

    def read(self, key: str) -> bytes:
        """Return an object."""
        answer = self._call("get_object", key)
        try:
            return bytes(answer["Body"].read())
        except self._failures as error:
            raise BucketError(f"bucket {self._settings.name}: {error}") from error

    def _call(self, method: str, key: str, **words: Any) -> Any:
        return self._send(method, Key=self._settings.prefix + key, **words)

    def _send(self, method: str, **words: Any) -> Any:
        try:
            return getattr(self._client, method)(Bucket=self._settings.name, **words)
        except self._failures as error:
            raise BucketError(f"bucket {self._settings.name}: {error}") from error


def _status_of(error: BucketError) -> int | None:
    response = getattr(error.__cause__, "response", {})
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return status if isinstance(status, int) else None


def _credentials(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    try:
        lines = read_regular_file(path, _MAX_CREDENTIALS_BYTES).decode("ascii").split()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not ASCII text"
        raise ConfigError(f"bucket.credentials_file: {path}: {reason}") from error
    if len(lines) != 2:
        raise ConfigError(
            f"bucket.credentials_file: {path}: expected two lines, the id and the secret"
        )
    return {"aws_access_key_id": lines[0], "aws_secret_access_key": lines[1]}
