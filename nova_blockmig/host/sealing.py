# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Inline content, encrypted for one nova-compute process.

The process that receives has a key pair, whose private key is never written
anywhere. The process that sends makes a key pair for each migration. What
both can compute (ECDH on P-256), and nobody who sees the two public keys,
goes through HKDF-SHA256 with the names of the instance and the disk; the
result encrypts this one disk with AES-256-GCM. No key is used twice, so the
nonce is constant.

P-256 and AES-GCM rather than X25519 and ChaCha20: hosts in FIPS mode have
them as well.
"""

import dataclasses

from cryptography import exceptions
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import aead
from cryptography.hazmat.primitives.kdf import hkdf

_CURVE = ec.SECP256R1()
_NONCE = bytes(12)
_LABEL = b'nova-blockmig inline content 2'


class CannotOpen(Exception):
    """What was sealed for this process cannot be read.

    It was altered, or belongs to another disk or instance.
    """


class BadKey(Exception):
    """A public key that is none."""


@dataclasses.dataclass(frozen=True)
class Context:
    """What a sealed content belongs to.

    :ivar instance: its UUID.
    :ivar disk: the file's name in the instance directory.
    """

    instance: str
    disk: str

    def to_bytes(self) -> bytes:
        """Different for different contexts, whatever is in the names."""
        names = (self.instance.encode(), self.disk.encode())
        return b''.join(len(n).to_bytes(4, 'big') + n for n in names)


class KeyPair:
    """The keys of one process, or of one migration at its source."""

    def __init__(self) -> None:
        self._private = ec.generate_private_key(_CURVE)

    @property
    def public_key(self) -> bytes:
        """33 bytes: the compressed point of X9.62."""
        return _to_bytes(self._private.public_key())

    def seal(self, recipient: bytes, context: Context, data: bytes) -> bytes:
        """Encrypt what only the owner of a public key is to read.

        :param recipient: the public key. A key pair seals one content for
            each recipient and context.
        :raises BadKey: it is none.
        """
        key = self._shared(recipient, self.public_key + recipient, context)
        return aead.AESGCM(key).encrypt(_NONCE, data, None)

    def open(self, sender: bytes, context: Context, sealed: bytes) -> bytes:
        """Decrypt what was sealed for this key pair.

        :param sender: the public key of the pair that sealed it.
        :raises CannotOpen: it was not, or not in this context.
        """
        try:
            key = self._shared(sender, sender + self.public_key, context)
            return aead.AESGCM(key).decrypt(_NONCE, sealed, None)
        except (BadKey, exceptions.InvalidTag) as exc:
            raise CannotOpen() from exc

    def _shared(
        self, public_key: bytes, salt: bytes, context: Context
    ) -> bytes:
        try:
            peer = ec.EllipticCurvePublicKey.from_encoded_point(
                _CURVE, public_key
            )
        except ValueError as exc:
            raise BadKey() from exc
        return hkdf.HKDF(
            algorithm=hashes.SHA256(),
            length=32,
            salt=salt,
            info=_LABEL + context.to_bytes(),
        ).derive(self._private.exchange(ec.ECDH(), peer))


def _to_bytes(public_key: ec.EllipticCurvePublicKey) -> bytes:
    return public_key.public_bytes(
        serialization.Encoding.X962,
        serialization.PublicFormat.CompressedPoint,
    )
