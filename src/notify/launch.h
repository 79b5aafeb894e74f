/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Opening a conversation: the web page where it is installed, else a terminal with a chat in it
 */
#include <systemd/sd-bus.h>

/* @system: where the web service would be. @word: of a user or group, or "" for all. 0 or -errno;
 * -ENOENT: there is neither. */
int launch_conversation(sd_bus *system, const char *word);
