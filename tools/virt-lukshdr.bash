# bash completion for virt-lukshdr                                        -*- shell-script -*-
# Commands and options are read from --help, so that they are those of the installed tool; names of
# pools, volumes and domains are asked of the daemon that the command line names.

_virt_lukshdr_virsh() {
    virsh -q "${_virt_lukshdr_uri[@]}" "$@" 2>/dev/null
}

_virt_lukshdr_volumes() {
    local pool
    _virt_lukshdr_virsh pool-list --name | while read -r pool; do
        [ -z "$pool" ] || _virt_lukshdr_virsh vol-list "$pool" | awk -v pool="$pool" 'NF { print pool "/" $1 }'
    done
}

_virt_lukshdr() {
    local typed=() cur prev='' command='' number=0 i words='' valued=' ' reply
    local _virt_lukshdr_uri=()

    # Not COMP_WORDS: readline breaks words at colons and equals signs, which URIs and options have.
    read -ra typed <<<"${COMP_LINE:0:COMP_POINT}"
    case ${COMP_LINE:0:COMP_POINT} in
        *[[:space:]]) typed+=("") ;;
    esac
    cur=${typed[-1]}

    for ((i = 1; i < ${#typed[@]} - 1; i++)); do
        case ${typed[i]} in
            -c | --connect)
                i=$((i + 1))
                _virt_lukshdr_uri=(-c "${typed[i]}")
                ;;
            --connect=*) _virt_lukshdr_uri=(-c "${typed[i]#*=}") ;;
            -*)
                # its value, unless that is what is being completed
                if [[ $valued == *" ${typed[i]} "* ]] && [ $((i + 1)) -lt $((${#typed[@]} - 1)) ]; then
                    i=$((i + 1))
                fi
                ;;
            *)
                if [ -z "$command" ]; then
                    command=${typed[i]}
                    valued=" $(virt-lukshdr "$command" --help 2>/dev/null | grep '=' |
                        grep -oE -- '^ +(-[a-z], )?--[a-z-]+' | grep -oE -- '--?[a-z][a-z-]*' | tr '\n' ' ')"
                else
                    number=$((number + 1))
                fi
                ;;
        esac
    done
    case $cur in
        --*=*) prev=${cur%%=*} cur=${cur#*=} ;;
        *) [ ${#typed[@]} -lt 3 ] || prev=${typed[-2]} ;;
    esac

    case $command,$prev in
        ,-c | ,--connect) return ;;
        chain,--format | chain,-f) words='args qmp json domain commandline dot tree' ;;
        convert,--format | convert,-f) words='raw qcow2' ;;
        list,--pool | list,-p) words=$(_virt_lukshdr_virsh pool-list --name) ;;
        convert,--header) words="$(_virt_lukshdr_virsh pool-list --name) $(_virt_lukshdr_volumes)" ;;
        chain,--header | link,--replica) words=$(_virt_lukshdr_volumes) ;;
        *,--secret) words=$(_virt_lukshdr_virsh secret-list | awk 'NF { print $1 }') ;;
        *,*-file | *,--master-key)
            compopt -o default
            return
            ;;
        *)
            case $command,$number,$cur in
                ,*,-*) words=$(virt-lukshdr --help 2>/dev/null | grep -oE -- '--?[a-z][a-z-]*' | sort -u) ;;
                ,*) words=$(virt-lukshdr --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\)  *[^ [].*/\1/p') ;;
                *,-*) words=$(virt-lukshdr "$command" --help 2>/dev/null | grep -oE -- '--[a-z][a-z-]*' | sort -u) ;;
                attach,0,* | detach,0,*) words=$(_virt_lukshdr_virsh list --all --name) ;;
                header-*,1,*)
                    compopt -o default
                    return
                    ;;
                check,0,*) words="$(_virt_lukshdr_virsh pool-list --name) $(_virt_lukshdr_volumes)" ;;
                list,*) ;;
                *) words=$(_virt_lukshdr_volumes) ;;
            esac
            ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
    # readline takes what stands behind the last colon for the word
    if [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]]; then
        for i in "${!COMPREPLY[@]}"; do
            reply=${COMPREPLY[i]}
            COMPREPLY[i]=${reply#"${cur%"${cur##*:}"}"}
        done
    fi
}

complete -F _virt_lukshdr virt-lukshdr
