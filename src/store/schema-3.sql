-- SPDX-License-Identifier: LGPL-2.1-or-later
-- What version 3 adds: the ledger.

-- Blocks of the chains of networks; height 0 is the genesis of one. Each row tells by itself where it
-- belongs, so that salvage needs no other row to open it. Without the index a block is found by
-- nothing but a walk through pages that are full of blocks.
CREATE TABLE block (
        place INTEGER PRIMARY KEY,
        network BLOB NOT NULL, -- 32 bytes, the hash of its genesis
        height INTEGER NOT NULL,
        sealed BLOB NOT NULL -- when it became part of the chain here, and its bytes
);
CREATE UNIQUE INDEX block_height ON block (network, height);
CREATE INDEX block_genesis ON block (network) WHERE height = 0;

PRAGMA user_version = 3;
