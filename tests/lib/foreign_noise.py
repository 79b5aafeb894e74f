# SPDX-License-Identifier: LGPL-2.1-or-later
"""A foreign Noise peer: Debian's python3-dissononce, with what it lacks for Rekey()

That library (0.34) makes 48 bytes of new key, tag included, and starts its nonces anew; the
framework (revision 34, 4.2 and 11.3) wants the first 32 bytes, and the nonces to go on.
"""
from dissononce.cipher.chachapoly import ChaChaPolyCipher
from dissononce.dh.x25519.private import PrivateKey
from dissononce.dh.x25519.x25519 import X25519DH
from dissononce.extras.dh.dangerous.dh_nogen import NoGenDH
from dissononce.hash.sha256 import SHA256Hash
from dissononce.processing.handshakepatterns.interactive.XX import XXHandshakePattern
from dissononce.processing.impl.cipherstate import CipherState
from dissononce.processing.impl.handshakestate import HandshakeState
from dissononce.processing.impl.symmetricstate import SymmetricState


class Cipher(CipherState):
    def rekey(self):
        self._key = self._cipher.encrypt(self._key, 2**64 - 1, b"", bytes(32))[:32]


class Peer:
    """One side of XX. Keys are made when none are given (tests with fixed vectors give them)."""

    def __init__(self, initiator, prologue, static=None, ephemeral=None):
        dh = X25519DH()
        self.initiator = initiator
        self.static = dh.generate_keypair(static and PrivateKey(static))
        if ephemeral:
            dh = NoGenDH(dh, PrivateKey(ephemeral))
        state = SymmetricState(Cipher(ChaChaPolyCipher()), SHA256Hash())
        self.handshake = HandshakeState(state, dh)
        self.handshake.initialize(XXHandshakePattern(), initiator, prologue, s=self.static)
        self.send = self.receive = None

    def _took(self, ciphers):
        if ciphers:
            ciphers = [self._own(c) for c in ciphers]
            self.send, self.receive = ciphers if self.initiator else ciphers[::-1]

    @staticmethod
    def _own(cipher):
        cipher.__class__ = Cipher
        return cipher

    def write(self, payload):
        message = bytearray()
        self._took(self.handshake.write_message(payload, message))
        return bytes(message)

    def read(self, message):
        payload = bytearray()
        self._took(self.handshake.read_message(message, payload))
        return bytes(payload)

    def write_with_hash(self, make_payload):
        """The payload is made of h as it is just before it."""
        state = self.handshake.symmetricstate
        seal, message = state.encrypt_and_hash, bytearray()

        def intercept(plain):
            if plain == self.static.public.data:  # the token s, which comes first
                return seal(plain)
            return seal(make_payload(self.hash))

        state.encrypt_and_hash = intercept
        try:
            self._took(self.handshake.write_message(b"", message))
        finally:
            del state.encrypt_and_hash
        return bytes(message)

    def read_with_hash(self, message):
        """The payload, and h as it was just before it."""
        state = self.handshake.symmetricstate
        opened, before, payload = state.decrypt_and_hash, [], bytearray()

        def intercept(sealed):
            before.append(self.hash)
            return opened(sealed)

        state.decrypt_and_hash = intercept
        try:
            self._took(self.handshake.read_message(message, payload))
        finally:
            del state.decrypt_and_hash
        return bytes(payload), before[-1]

    @property
    def hash(self):
        return self.handshake.symmetricstate.get_handshake_hash()

    def seal(self, plain):
        return self.send.encrypt_with_ad(b"", plain)

    def open(self, sealed):
        return self.receive.decrypt_with_ad(b"", sealed)
