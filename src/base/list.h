/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once
/*
 * Intrusive doubly linked list
 *
 * A struct list is a link inside an element or the head of a list; an unlinked one points to
 * itself. Elements are found again with container_of().
 */
#include <stdbool.h>
#include <stddef.h>

struct list {
        struct list *prev, *next;
};

static inline void list_init(struct list *l)
{
        l->prev = l->next = l;
}

static inline bool list_is_empty(const struct list *l)
{
        return l->next == l;
}

/* Puts @item, which must be unlinked, at the end of @head. */
static inline void list_append(struct list *head, struct list *item)
{
        item->prev = head->prev;
        item->next = head;
        head->prev->next = item;
        head->prev = item;
}

/* The same at its beginning. */
static inline void list_prepend(struct list *head, struct list *item)
{
        list_append(head->next, item);
}

/* Takes @item out of whatever list it is in; harmless when it is in none. */
static inline void list_remove(struct list *item)
{
        item->prev->next = item->next;
        item->next->prev = item->prev;
        list_init(item);
}

static inline struct list *list_first(const struct list *head)
{
        return list_is_empty(head) ? NULL : head->next;
}

#define list_for_each(i, head) for (struct list *i = (head)->next; i != (head); i = i->next)
#define list_for_each_safe(i, head)                                                                \
        for (struct list *i = (head)->next, *i##_next = i->next; i != (head);                      \
                i = i##_next, i##_next = i->next)
