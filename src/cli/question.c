/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Questions of the classic protocol */

#include "cli/question.h"

#include <strings.h>

#include "cli/dialogue.h"

int question_secure(struct dialogue *d, bool *ret)
{
        for (;;) {
                _cleanup_(freep)
                char *answer = NULL;
                int r;

                r = dialogue_ask(d, "Secure? [yes/no] ", &answer);
                if (r <= 0)
                        return r;
                *ret = answer[0] == 0 || strcasecmp(answer, "y") == 0 ||
                       strcasecmp(answer, "yes") == 0 || strcasecmp(answer, "secure") == 0;
                if (*ret || strcasecmp(answer, "n") == 0 || strcasecmp(answer, "no") == 0 ||
                        strcasecmp(answer, "plain") == 0)
                        return 1;
        }
}

int question_number(struct dialogue *d, char **ret)
{
        for (;;) {
                _cleanup_(freep)
                char *number = NULL;
                int r;

                r = dialogue_ask(d, "Your secret number (Enter: random): ", &number);
                if (r <= 0)
                        return r;
                if (strspn(number, "0123456789") != strlen(number))
                        continue;
                *ret = number[0] ? TAKE_PTR(number) : NULL;
                return 1;
        }
}
