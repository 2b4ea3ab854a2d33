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
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command='' number=0 i words=''
    local _virt_lukshdr_uri=()

    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            -c | --connect)
                i=$((i + 1))
                _virt_lukshdr_uri=(-c "${COMP_WORDS[i]}")
                ;;
            -*) ;;
            *)
                if [ -z "$command" ]; then
                    command=${COMP_WORDS[i]}
                else
                    number=$((number + 1))
                fi
                ;;
        esac
    done

    case $prev in
        --format)
            [ "$command" = chain ] && words='args qmp json domain commandline dot tree' || words='raw qcow2'
            ;;
        --pool) words=$(_virt_lukshdr_virsh pool-list --name) ;;
        --header | --replica) words=$(_virt_lukshdr_volumes) ;;
        --secret) words=$(_virt_lukshdr_virsh secret-list | awk 'NF { print $1 }') ;;
        *-file | --master-key)
            compopt -o default
            return
            ;;
        *)
            case $command,$number,$cur in
                ,*,-*) words=$(virt-lukshdr --help 2>/dev/null | grep -oE -- '--?[a-z][a-z-]*' | sort -u) ;;
                ,*) words=$(virt-lukshdr --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p') ;;
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
}

complete -F _virt_lukshdr virt-lukshdr
