/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counting frames, finding packets */
#include "core/session/frame.h"

bool flow_count(struct flow *f, uint8_t type, size_t size)
{
        bool rotate;

        f->n_frames++;
        f->size += size;
        if (frame_is_message(type))
                rotate = ++f->n_messages % ROTATION_MESSAGES == 0;
        else {
                f->other_size += size;
                rotate = f->other_size >= ROTATION_OTHER_SIZE;
                if (rotate)
                        f->other_size = 0;
        }
        f->n_rotations += rotate;
        return rotate;
}

bool packet_peek(const uint8_t *data, size_t left, size_t *ret_size)
{
        *ret_size = 0;
        if (left < PACKET_HEAD_SIZE)
                return false;
        *ret_size = (size_t)data[0] << 8 | data[1];
        return left - PACKET_HEAD_SIZE >= *ret_size;
}
