#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes ed25519-points.txt: points on which libraries stumble, from plain arithmetic

    make-ed25519-points.py > ed25519-points.txt

A line is a verdict, a public key in hexadecimal, and what it is. Points with a short coordinate
are found by choosing that coordinate and solving the equation of the curve for the other one.
"""
import random

P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
L = 2**252 + 27742317777372353535851937790883648493
I = pow(2, (P - 1) // 4, P)
R = random.Random("p2pchat points")


def root(w):
    x = pow(w, (P + 3) // 8, P)
    if x * x % P == w:
        return x
    x = x * I % P
    return x if x * x % P == w else None


def x_of(y):
    return root((y * y - 1) * pow(D * y * y + 1, -1, P) % P)


def y_of(x):
    return root((1 + x * x) * pow(1 - D * x * x, -1, P) % P)


def encode(x, y):
    return (y | (x & 1) << 255).to_bytes(32, "little").hex()


def add(a, b):
    k = D * a[0] * b[0] * a[1] * b[1]
    return ((a[0] * b[1] + a[1] * b[0]) * pow(1 + k, -1, P) % P,
            (a[1] * b[1] + a[0] * b[0]) * pow(1 - k, -1, P) % P)


def multiply(n, a):
    sum = (0, 1)
    while n:
        if n & 1:
            sum = add(sum, a)
        a, n = add(a, a), n >> 1
    return sum


def say(verdict, key, what):
    print(f"{verdict} {key} {what}")


def short(n, low, high, verdict):
    """n points whose x, and n whose y, lies in low .. high, with either sign."""
    for name, solve in (("x", y_of), ("y", x_of)):
        found = 0
        while found < n:
            a = R.randrange(low, high)
            b = solve(a)
            if b is None:
                continue
            x, y = (a, b) if name == "x" else (b, a)
            say(verdict, encode(x, y), f"{name}-{a.bit_length()}-bits")
            say(verdict, encode(P - x, y), f"{name}-{a.bit_length()}-bits-negative")
            if name == "x":
                say(verdict, encode(x, P - y), f"x-{a.bit_length()}-bits-below")
            found += 1


print("# Made by make-ed25519-points.py")
for bits in (3, 64, 128, 190):
    short(3, 2, 2**bits, "refuse")
short(3, 2**192 - 1000, 2**192, "refuse")
short(3, 2**191, 2**192, "refuse")
short(6, 2**192, 2**193, "accept")

# Points whose square or other step of the arithmetic is short, but not themselves.
found = 0
while found < 8:
    y = root(R.randrange(2**64))
    x = y and x_of(y)
    if x and min(x, P - x, y) >= 2**192:
        say("accept", encode(x, y), "short-square-of-y")
        found += 1

# All eight points of low order, and their other spellings.
point = None
while point is None or multiply(4, point) == (0, 1):
    y = R.randrange(P)
    x = x_of(y)
    point = x and multiply(L, (x, y))
for n in range(8):
    x, y = multiply(n, point)
    say("refuse", encode(x, y), f"low-order-{n}")
    say("refuse", encode(x ^ 1, y), f"low-order-{n}-other-sign")
for y in range(P, 2**255):
    say("refuse", encode(0, y), f"y-is-p-plus-{y - P}")
    say("refuse", encode(1, y), f"y-is-p-plus-{y - P}-other-sign")

found = 0
while found < 20:
    y = R.randrange(2**192, P)
    if x_of(y) is None:
        say("refuse", encode(found, y), "not-on-the-curve")
        found += 1

B = (x_of(4 * pow(5, -1, P) % P), 4 * pow(5, -1, P) % P)
B = B if B[0] % 2 == 0 else (P - B[0], B[1])
assert multiply(L, B) == (0, 1)
for _ in range(40):
    say("accept", encode(*multiply(R.randrange(1, L), B)), "of-the-group")
