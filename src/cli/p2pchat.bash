# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of p2pchat for bash. The program itself knows what may stand where.

_p2pchat()
{
        local cur=${COMP_WORDS[COMP_CWORD]} words=("${COMP_WORDS[@]:1:COMP_CWORD}") candidate
        local bus=()

        # A name with its address is one word to us, three to bash.
        if declare -F _get_comp_words_by_ref >/dev/null; then
                local line cword
                _get_comp_words_by_ref -n '@:=' -w line -c cur -i cword
                words=("${line[@]:1:cword}")
        fi
        # Options before the command; the completion of names must ask the same bus.
        while [[ ${#words[@]} -gt 1 && ${words[0]} == --* ]]; do
                [[ ${words[0]} == --bus=* ]] && bus=("${words[0]}")
                words=("${words[@]:1}")
        done
        if [[ ${#words[@]} -le 1 && $cur == -* ]]; then
                mapfile -t COMPREPLY < <(compgen -W '--json --bus= --help --version' -- "$cur")
                [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace
                return
        fi

        if [[ ${words[0]} == identity && ${words[1]} == @(export|import) && ${#words[@]} -eq 3 ]]; then
                mapfile -t COMPREPLY < <(compgen -f -- "$cur")
                compopt -o filenames 2>/dev/null
                return
        fi

        if [[ ${words[0]} == file && ${words[1]} == @(send|accept) && ${#words[@]} -eq 4 && $cur != -* ]]; then
                mapfile -t COMPREPLY < <(compgen -f -- "$cur")
                compopt -o filenames 2>/dev/null
                return
        fi

        if [[ ${words[0]} == join && ${#words[@]} -eq 2 && $cur != -* ]]; then
                mapfile -t COMPREPLY < <(compgen -A hostname -- "$cur")
                return
        fi

        # Names come from others: each is quoted, so that none is more than a word.
        COMPREPLY=()
        while IFS= read -r candidate; do
                COMPREPLY+=("$(printf '%q' "$candidate")")
        done < <("$1" "${bus[@]}" --complete -- "${words[@]}" 2>/dev/null)

        # bash replaces only what stands behind its last word break.
        if [[ $cur == *[@:]* && $COMP_WORDBREAKS == *[@:]* ]]; then
                local prefix=${cur%"${cur##*[@:]}"}
                COMPREPLY=("${COMPREPLY[@]#"$prefix"}")
        fi
}

complete -F _p2pchat p2pchat
