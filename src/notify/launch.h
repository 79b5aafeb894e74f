/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Other programs: a conversation is opened in the web page where that is installed, else in a
 * terminal; a file is fetched by the command line, which goes on if the service is restarted.
 */
#include <systemd/sd-bus.h>

/* @system: where the web service would be. @word: of a user or group, or "" for all. 0 or -errno;
 * -ENOENT: there is neither. */
int launch_conversation(sd_bus *system, const char *word);
/* Accepts the file and puts it where this user's downloads are. 0 or -errno: whether it
 * was begun. */
int launch_download(const char *id);
