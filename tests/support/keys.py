"""Keys for tests, always the same, so that a failure can be repeated."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge.bundle.keys import key_id, public_of, public_text

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
# As station.toml and --trust take them.
TRUST = public_text(public_of(KEY))
OTHER_TRUST = public_text(public_of(OTHER_KEY))
KEY_ID, OTHER_KEY_ID = key_id(public_of(KEY)), key_id(public_of(OTHER_KEY))
