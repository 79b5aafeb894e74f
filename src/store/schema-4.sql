-- SPDX-License-Identifier: LGPL-2.1-or-later
-- What version 4 adds: files.

-- Transfers, in the order in which they began. A row tells by itself which it is, so that salvage
-- needs no other row to open it.
CREATE TABLE transfer (
        place INTEGER PRIMARY KEY,
        id BLOB NOT NULL, -- 16 bytes
        sealed BLOB NOT NULL -- under the records key
);
CREATE UNIQUE INDEX transfer_id ON transfer (id);

PRAGMA user_version = 4;
