#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""core/crypto against the published vectors that Debian packages (python3-cryptography-vectors)

    test-crypto-vectors.py CRYPTO-DRIVER

Skipped when the package is not installed.
"""
import re
import subprocess
import sys

try:
    import cryptography_vectors
except ImportError:
    print("1..0 # SKIP python3-cryptography-vectors is not installed")
    sys.exit(77)

FOLDER = list(cryptography_vectors.__path__)[0]
asked = []


def ask(question, expected, *values):
    """@values are bytes; the answers are compared in one go at the end."""
    words = [v.hex() or "-" for v in values]
    asked.append((" ".join([question, *words]), expected.hex() or "-" if isinstance(expected, bytes)
                  else expected))


def records(path):
    """The groups of 'NAME = value' lines of a file, which begin with COUNT."""
    record = {}
    for line in open(f"{FOLDER}/{path}", encoding="ascii"):
        m = re.match(r"([A-Za-z_]+)\s*=\s*(.*)", line.strip())
        if not m:
            continue
        if m[1] == "COUNT" and record:
            yield record
            record = {}
        record[m[1].upper()] = m[2]
    yield record


def data(text):
    text = text.strip()
    return text[1:-1].encode() if text.startswith('"') else bytes.fromhex(text)


def x25519():
    for r in records("asymmetric/X25519/rfc7748.txt"):
        ask("x25519", data(r["OUTPUT_U"]), data(r["INPUT_SCALAR"]), data(r["INPUT_U"]))


def ed25519():
    for line in open(f"{FOLDER}/asymmetric/Ed25519/sign.input", encoding="ascii"):
        secret, public, message, signed, _ = line.split(":")
        seed, public, message = (bytes.fromhex(v) for v in (secret[:64], public, message))
        signature = bytes.fromhex(signed)[:64]
        ask("sign", public + signature, seed, message)
        ask("verify", "0", public, message, signature)
        ask("verify", "2", public, message + b"x", signature)


def hkdf():
    for r in records("KDF/rfc-5869-HKDF-SHA256.txt"):
        info = data(r["INFO"])
        if 0 not in info:  # ours is text
            size = bytes([int(r["L"])])
            ask("hkdf", data(r["OKM"]), data(r["SALT"]), data(r["IKM"]), info, size)


def chacha():
    for name in ("openssl.txt", "boringssl.txt"):
        for r in records(f"ciphers/ChaCha20Poly1305/{name}"):
            key = data(r["KEY"])
            nonce = data(r.get("NONCE", r.get("IV")))
            associated = data(r.get("AD", r.get("AAD")))
            plain = data(r.get("IN", r.get("PLAINTEXT")))
            sealed = data(r.get("CT", r.get("CIPHERTEXT"))) + data(r["TAG"])
            if len(nonce) != 12 or r.get("RESULT") == "CIPHERFINAL_ERROR":
                continue
            if len(sealed) != len(plain) + 16:  # shortened tags, which we never take
                ask("open", "refused", key, nonce, associated, sealed)
                continue
            ask("seal", sealed, key, nonce, associated, plain)
            ask("open", plain, key, nonce, associated, sealed)
            bad = bytearray(sealed)
            bad[len(bad) // 2] ^= 0x10
            ask("open", "refused", key, nonce, associated, bytes(bad))


def main():
    for number, part in enumerate((x25519, ed25519, hkdf, chacha), 1):
        asked.clear()
        part()
        answers = subprocess.run([sys.argv[1]], input="\n".join(q for q, _ in asked) + "\n",
                                 stdout=subprocess.PIPE, check=True, text=True).stdout.split()
        assert len(answers) == len(asked) > 0, (len(answers), len(asked))
        for (question, expected), answer in zip(asked, answers):
            assert answer == expected, f"{question}\n  expected {expected}\n  answered {answer}"
        print(f"ok {number} - {part.__name__}: {len(asked)} questions", flush=True)
    print("1..4")


main()
