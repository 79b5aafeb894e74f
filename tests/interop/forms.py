# SPDX-License-Identifier: LGPL-2.1-or-later
"""How classic programs encrypt, written a second time.

Each form turns the shared secret (a number) and a text into the value that stands in the JSON
object, and back. Nothing here is taken from the C code: both follow the same description, so a
mistake in one of them shows. Without arguments it prints values for the unit tests.
"""
import base64
import hashlib
import os

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes


def des(key, mode):
    """Single DES is triple DES with the same key three times."""
    return Cipher(algorithms.TripleDES(key * 3), mode)


def des3(key, mode):
    return Cipher(algorithms.TripleDES(key), mode)


def aes(key, mode):
    return Cipher(algorithms.AES(key), mode)


def pad(data, size):
    n = size - len(data) % size
    return data + bytes([n]) * n


def unpad(data, size):
    n = data[-1] if data else 0
    if not 1 <= n <= size or data[-n:] != bytes([n]) * n:
        raise ValueError("padding")
    return data[:-n]


def sha(s):
    return hashlib.sha256(str(s).encode()).digest()


class Block:
    """A block cipher with its rule for the key and for the first block."""

    def __init__(self, make, key, size, iv=None, write="base64"):
        self.make, self.key, self.size, self.iv, self.write = make, key, size, iv, write

    def cipher(self, secret, iv):
        key = self.key(secret)
        if self.iv is None:
            return self.make(key, modes.ECB())
        if self.iv == "zero":
            iv = bytes(self.size)
        elif self.iv == "key":
            iv = key
        return self.make(key, modes.CBC(iv))

    def encrypt(self, secret, text, iv=None):
        iv = iv or os.urandom(self.size)
        e = self.cipher(secret, iv).encryptor()
        data = e.update(pad(text.encode(), self.size)) + e.finalize()
        return SHAPES[self.write][0]((iv if self.iv == "prefix" else b"") + data)

    def decrypt(self, secret, value):
        data = SHAPES[self.write][1](value)
        iv = b""
        if self.iv == "prefix":
            iv, data = data[:self.size], data[self.size:]
        d = self.cipher(secret, iv).decryptor()
        return unpad(d.update(data) + d.finalize(), self.size).decode()


class Token:
    def __init__(self, key, wrapped=False):
        self.key, self.wrapped = key, wrapped

    def fernet(self, secret):
        return Fernet(base64.urlsafe_b64encode(self.key(secret)))

    def encrypt(self, secret, text, iv=None):
        token = self.fernet(secret).encrypt(text.encode())
        return base64.b64encode(token).decode() if self.wrapped else token.decode()

    def decrypt(self, secret, value):
        token = base64.b64decode(value) if self.wrapped else value.encode()
        return self.fernet(secret).decrypt(token).decode()


SHAPES = {
    "base64": (lambda d: base64.b64encode(d).decode(), base64.b64decode),
    "lines": (lambda d: base64.encodebytes(d).decode(), base64.b64decode),
    "hex": (lambda d: d.hex(), bytes.fromhex),
    "list": (list, bytes),
}

FORMS = {
    "sp24": Block(des3, lambda s: str(s).ljust(24).encode(), 8),
    "zero-left-24-3des-ecb": Block(des3, lambda s: str(s).zfill(24).encode(), 8),
    "zero-right-24-3des-ecb": Block(des3, lambda s: str(s).ljust(24, "0").encode(), 8),
    "zero-right-8-des-cbc": Block(des, lambda s: str(s).ljust(8, "0").encode(), 8, "zero"),
    "zero-left-8-des-cbc": Block(des, lambda s: str(s).zfill(8).encode(), 8, "zero"),
    "zero-left-8-des-cbc-iv-key": Block(des, lambda s: str(s).zfill(8).encode(), 8, "key"),
    "big-endian-8-des-ecb": Block(des, lambda s: s.to_bytes(8, "big"), 8),
    "sha256-8-des-ecb": Block(des, lambda s: sha(s)[:8], 8),
    "sha256-24-3des-ecb": Block(des3, lambda s: sha(s)[:24], 8),
    "zero-right-16-aes-ecb": Block(aes, lambda s: str(s).ljust(16, "0").encode(), 16),
    "sha256-aes-256-ecb": Block(aes, sha, 16),
    "sha256-aes-256-cbc": Block(aes, sha, 16, "zero"),
    "sha256-aes-256-cbc-prefix": Block(aes, sha, 16, "prefix"),
    "sha256-fernet": Token(sha),
    "sha256-fernet-wrapped": Token(sha, wrapped=True),
    "big-endian-32-fernet": Token(lambda s: s.to_bytes(32, "big")),
}

# The same ciphers in other dress.
FORMS["sp24-hex"] = Block(des3, FORMS["sp24"].key, 8, write="hex")
FORMS["sp24-lines"] = Block(des3, FORMS["sp24"].key, 8, write="lines")
FORMS["zero-left-8-des-cbc-list"] = Block(
    des, FORMS["zero-left-8-des-cbc"].key, 8, "zero", write="list")
FORMS["sha256-8-des-ecb-hex"] = Block(des, FORMS["sha256-8-des-ecb"].key, 8, write="hex")


if __name__ == "__main__":
    for name, form in FORMS.items():
        value = form.encrypt(13, "Merhaba dünya", bytes(range(form.size))
                             if isinstance(form, Block) else None)
        assert form.decrypt(13, value) == "Merhaba dünya"
        print(name, value)
    for secret in (0, 1, 7, 18):
        print("sp24", secret, FORMS["sp24"].encrypt(secret, "Merhaba dünya"))
    print("long", FORMS["sha256-fernet"].encrypt(10**97 + 3, "Merhaba dünya"))
    print("long", FORMS["sha256-aes-256-ecb"].encrypt(10**97 + 3, "Merhaba dünya"))
    print("be8 1", FORMS["big-endian-8-des-ecb"].encrypt(1, "Merhaba dünya"))
