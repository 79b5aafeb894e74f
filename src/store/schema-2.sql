-- SPDX-License-Identifier: LGPL-2.1-or-later
-- What version 2 adds: native peers.

-- The sender's id of a message that came from a native peer.
ALTER TABLE message ADD COLUMN origin BLOB;
CREATE UNIQUE INDEX message_origin ON message (peer, origin) WHERE origin IS NOT NULL;

-- The number in the stream to a native peer, 0 for none.
ALTER TABLE queue ADD COLUMN stream_number INTEGER NOT NULL DEFAULT 0;

-- What is sealed here, under the records key, is so for its tag: one wrong bit in a number would
-- have messages taken for delivered that are not.

-- The stream to a native peer.
CREATE TABLE stream (
        peer INTEGER PRIMARY KEY,
        sealed BLOB NOT NULL -- stream, given, oldest
);

-- How far a stream from a native peer was taken, in the order in which they were first told.
CREATE TABLE stream_mark (
        number INTEGER PRIMARY KEY,
        sealed BLOB NOT NULL, -- number
        peer INTEGER NOT NULL,
        stream INTEGER NOT NULL -- 64 random bits
);
CREATE UNIQUE INDEX stream_mark_stream ON stream_mark (peer, stream);

CREATE TABLE refused (
        place INTEGER PRIMARY KEY,
        sealed BLOB NOT NULL, -- number, reason
        peer INTEGER NOT NULL,
        stream INTEGER NOT NULL,
        number INTEGER NOT NULL
);
CREATE UNIQUE INDEX refused_number ON refused (peer, stream, number);

-- Origins of messages that were erased because of their age, as a keyed hash: a sender that was
-- restored from a backup sends them again. In the order of erasing.
CREATE TABLE erased (
        number INTEGER PRIMARY KEY,
        peer INTEGER NOT NULL,
        hash BLOB NOT NULL,
        time INTEGER NOT NULL
);
CREATE UNIQUE INDEX erased_hash ON erased (peer, hash);

PRAGMA user_version = 2;
