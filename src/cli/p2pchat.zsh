#compdef p2pchat
# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of p2pchat for zsh. The program itself knows what may stand where.

_p2pchat() {
        local -a bus given candidates
        local cur=${words[CURRENT]}

        # Options before the command; the completion of names must ask the same bus.
        given=("${(@)words[2,CURRENT]}")
        while (( ${#given} > 1 )) && [[ ${given[1]} == --* ]]; do
                [[ ${given[1]} == --bus=* ]] && bus=("${given[1]}")
                shift given
        done
        if (( ${#given} <= 1 )) && [[ $cur == -* ]]; then
                compadd -- --json --help --version
                compadd -S '' -- --bus=
                return
        fi
        if [[ ${given[1]} == identity && ${given[2]} == (export|import) ]] && (( ${#given} == 3 )); then
                _files
                return
        fi
        if [[ ${given[1]} == join ]] && (( ${#given} == 2 )) && [[ $cur != -* ]]; then
                _hosts
                return
        fi

        # A name is one word, whatever is in it: compadd quotes it. Case does not matter.
        candidates=("${(@f)$(_call_program candidates ${(q)words[1]} ${(q)bus} --complete -- ${(qq)given} 2>/dev/null)}")
        candidates=("${(@)candidates:#}")
        compadd -M 'm:{a-zA-Z}={A-Za-z}' -- "${(@)candidates}"
}

_p2pchat "$@"
