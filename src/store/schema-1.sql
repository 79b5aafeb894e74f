-- SPDX-License-Identifier: LGPL-2.1-or-later
-- The tables of version 1; later versions add to them, each in a file of its own, and a new
-- database goes through all of them. Sealed columns hold a nonce, the sealed bytes and their tag
-- (seal.c).
-- The order of creation is part of the format: store_salvage() puts a fresh first page, which tells
-- where the tables begin, in the place of a damaged one. It also knows the rows of each table by
-- how many columns they have and of what kind: no two tables may be alike in that.

-- username; check: a constant that tells whether the secret is the right one
CREATE TABLE setting (
        name TEXT PRIMARY KEY,
        value BLOB NOT NULL -- sealed under the records key
) WITHOUT ROWID;

-- One row: the newest sequence ever given, and the newest one that the log file has.
CREATE TABLE mark (
        number INTEGER PRIMARY KEY CHECK (number = 1),
        sequence INTEGER NOT NULL,
        logged INTEGER NOT NULL
);

-- A peer is also a conversation.
CREATE TABLE peer (
        number INTEGER PRIMARY KEY,
        heard INTEGER NOT NULL DEFAULT 0,
        key BLOB,   -- the conversation's, sealed under the wrapping key; NULL until it has messages
        record BLOB -- sealed under the records key
);

CREATE TABLE message (
        sequence INTEGER PRIMARY KEY,
        id BLOB NOT NULL,
        peer INTEGER NOT NULL,
        direction INTEGER NOT NULL,
        security INTEGER NOT NULL,
        state INTEGER NOT NULL,
        time INTEGER NOT NULL,
        done INTEGER, -- when it was delivered, given up or received; NULL while it waits
        sealed BLOB NOT NULL -- name, address and text, under the conversation's key
);
CREATE UNIQUE INDEX message_id ON message (id);
CREATE INDEX message_peer ON message (peer); -- and by sequence, which is the row's number
CREATE INDEX message_done ON message (done) WHERE done IS NOT NULL;

-- What waits for its peer, by the sequence of its message.
CREATE TABLE queue (
        sequence INTEGER PRIMARY KEY,
        size INTEGER NOT NULL,
        size_sent INTEGER NOT NULL,
        number BLOB -- the user's own private number, sealed under the conversation's key
);

INSERT INTO mark (number, sequence, logged) VALUES (1, 0, 0);
PRAGMA user_version = 1;
