/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Names and limits of the D-Bus interface
 *
 * What both ends of the bus must agree on. The members, with their prose, are in
 * dbus/org.example.P2PChat.xml.
 */

#define P2PCHAT_BUS_NAME "org.example.P2PChat"
#define P2PCHAT_BUS_PATH "/org/example/P2PChat"
#define P2PCHAT_BUS_INTERFACE "org.example.P2PChat"
#define P2PCHAT_BUS_GROUPS_INTERFACE "org.example.P2PChat.Groups"
#define P2PCHAT_BUS_RING_INTERFACE "org.example.P2PChat.Ring"
#define P2PCHAT_BUS_LEDGER_INTERFACE "org.example.P2PChat.Ledger"
#define P2PCHAT_BUS_FILES_INTERFACE "org.example.P2PChat.Files"
#define P2PCHAT_BUS_IDENTITY_INTERFACE "org.example.P2PChat.Identity"
/* Of p2pchat-web: its bus name and its one interface, at the same path. */
#define P2PCHAT_WEB_BUS_NAME "org.example.P2PChat.Web"
#define P2PCHAT_BUS_ERROR_PREFIX "org.example.P2PChat.Error."

/* Signatures of the rows of ListUsers, of all history pages, of Diagnose, of the groups' List, of
 * the files' List, of Find, of the ledger's Get and List, and of Pending. */
#define P2PCHAT_BUS_USER_ROW "sssstss"
#define P2PCHAT_BUS_MESSAGE_ROW "tsssstsssss"
#define P2PCHAT_BUS_CHECK_ROW "sss"
#define P2PCHAT_BUS_GROUP_ROW "sssas"
#define P2PCHAT_BUS_FOUND_ROW "ssas"
#define P2PCHAT_BUS_NAME_ROW "sstss"
#define P2PCHAT_BUS_PENDING_ROW "sst"
#define P2PCHAT_BUS_FILE_ROW "sssttss"

/* A page of history ends at the caller's limit, at this many rows or at this many bytes,
 * whichever comes first, but never before its first row. */
#define P2PCHAT_BUS_PAGE_ROWS_MAX 1000U
#define P2PCHAT_BUS_PAGE_SIZE_MAX (1024U * 1024U)

/* Calls of one uid that may wait for an answer at a time, and searches. A caller keeps as many
 * in flight at most: the broker ends the patience at 128 per connection. */
#define P2PCHAT_BUS_CALLS_MAX 64U
#define P2PCHAT_BUS_SEARCHES_MAX 1U

/* How long SendMessage waits for something better than "queued". */
#define P2PCHAT_BUS_WAIT_USEC (3U * 1000U * 1000U)

/* Before that, a user who is not near is looked up in the ring, for so long at most. */
#define P2PCHAT_BUS_LOOK_UP_USEC (20U * 1000U * 1000U)

/* A caller's wait-usec above this is cut to it. */
#define P2PCHAT_BUS_WAIT_USEC_MAX (3600U * 1000U * 1000ULL)

/* The longest text of a message, in bytes. */
#define P2PCHAT_BUS_TEXT_SIZE_MAX (60U * 1024U)
