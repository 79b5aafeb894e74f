-- SPDX-License-Identifier: LGPL-2.1-or-later
-- What version 5 adds: groups.

-- A message of a group is a row of message whose direction is 2 more than that of others: what is
-- sealed in it is of another form (message.c), and its origin is a hash of lane and number under a
-- key of ours. It is not done before all members have it, and never in the queue.
CREATE INDEX message_told ON message (peer) WHERE direction = 2 AND done IS NULL;

-- A group is a conversation: its number is one of those of peers, and the row of that number there
-- has its key. What is sealed here is so under the records key.
CREATE TABLE team (
        number INTEGER PRIMARY KEY,
        muted INTEGER NOT NULL DEFAULT 0, -- until when
        sealed BLOB NOT NULL -- id, state, inviter, membership
);

-- Wishes to leave.
CREATE TABLE team_leave (
        place INTEGER PRIMARY KEY,
        hash BLOB NOT NULL, -- of group and member, under a key of ours
        team INTEGER NOT NULL,
        sealed BLOB NOT NULL
);
CREATE UNIQUE INDEX team_leave_hash ON team_leave (hash);
CREATE INDEX team_leave_team ON team_leave (team);

-- How far lanes were taken, whatever became of their messages.
CREATE TABLE team_lane (
        place INTEGER PRIMARY KEY,
        hash BLOB NOT NULL, -- of group and lane, likewise
        team INTEGER NOT NULL,
        version INTEGER NOT NULL,
        sealed BLOB NOT NULL -- author, stream, version, number
);
CREATE UNIQUE INDEX team_lane_hash ON team_lane (hash);
CREATE INDEX team_lane_team ON team_lane (team, version);

PRAGMA user_version = 5;
