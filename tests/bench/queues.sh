# shellcheck shell=bash
# shellcheck disable=SC2034 # bench.sh reads LEAST and MEDIAN
# A guest's disk whose queues several iothreads serve (<iothreads> in its <driver>): qcow2 without the host's
# cache, linked, with attached LUKS and plain. See bench.sh. Both daemons have a guest that runs, and in turn
# bench-queues reads and writes there, on each of four vCPUs at once, whatever the number of queues. A value is
# the time of one run in the guest, all four together.
#
# The guests are emulated, and on the same processors as their iothreads. The plain disk says what that costs
# by itself.

. "$(dirname "${BASH_SOURCE[0]}")/../lib/guest.sh"

QUEUES_VCPUS=4

# queues_disk TARGET KIND QUEUES: XML of the disk with the volume of that kind, each queue with an iothread of its own.
queues_disk() {
    local i mapping='' secret=
    [ "$2" != attached ] || secret=$SECRET_UUID
    for ((i = 0; i < $3; i++)); do
        mapping+="<iothread id='$((i + 1))'><queue id='$i'/></iothread>"
    done
    disk_xml "$1" "$DATA/bench-$2-256.qcow2" qcow2 "$secret" |
        sed "s|<driver name='qemu' \(.*\)/>|<driver name='qemu' \1 cache='none' io='native' queues='$3'><iothreads>$mapping</iothreads></driver>|"
}

# queues_program: adds bench-queues to what the guests of the daemon in use start with. Linux unpacks one archive
# after the other.
queues_program() {
    local root=$DAEMON_DIR/queues
    [ ! -e "$root" ] || return 0
    mkdir -p "$root/bin" && cp "$BENCH/bench-queues" "$root/bin/" &&
        (cd "$root" && find . | cpio --quiet -o -H newc -R 0:0 | gzip -1) >>"$DAEMON_DIR/guests/initramfs"
}

# queues_boot SIDE QUEUES DISK...: a guest with these disks and as many iothreads.
queues_boot() {
    local side=$1 queues=$2 file said
    shift 2
    on "$side"
    file=$DAEMON_DIR/guests/queues.xml
    said=$({
        guest_xml queues "$@" |
            sed "s|<vcpu>1</vcpu>|<vcpu>$QUEUES_VCPUS</vcpu><iothreads>$queues</iothreads>|" >"$file" &&
            queues_program && virsh define "$file" && guest_start queues
    } 2>&1) || {
        echo "$said" >&2
        bench_fail "no guest with $queues queues ($side)"
    }
    # requests next to each other would become one
    said=$(guest_run queues "$(queues_settings "$queues")" 2>&1) || {
        echo "$said" >&2
        bench_fail "the guest's disks have not $queues queues ($side)"
    }
}

# queues_settings QUEUES: what is done in the guest first.
queues_settings() {
    # shellcheck disable=SC2016 # the guest's
    printf 'for block in /sys/block/vd*; do
    echo 2 >$block/queue/nomerges || exit
    [ "$(ls $block/mq | wc -l)" = %d ] || exit
done' "$1"
}

# queues_run KIND OPERATION KIB COUNT: microseconds. COUNT requests on each vCPU.
queues_run() {
    local target=vda us
    on stock
    case $1 in
        plain) target=vdb ;;
        generated) on ours ;;
    esac
    us=$(guest_run queues "bench-queues \$(disk $target) $2 $(($3 * 1024)) $4 $QUEUES_VCPUS" 2>&1) || {
        echo "$us" >&2
        return 1
    }
    echo "$us"
}

# queues_cpu: what each iothread of our guest has used of the processor, microseconds, a line each.
queues_cpu() {
    on ours
    # shellcheck disable=SC2016 # the inner shell's
    "$DAEMON_IN" sh -c 'for pid in $(pgrep -f "^/[^ ]*qemu-system.* guest=queues,.*$1/"); do
        grep -h "(IO iothread" "/proc/$pid/task/"*/stat; done' sh "$DAEMON_DIR" |
        awk -v tick="$(getconf CLK_TCK)" '{
            key = $0; sub(/\) .*/, "", key); sub(/.*iothread/, "", key)
            sub(/.*\) /, ""); print key, ($12 + $13) * 1000000 / tick }' | sort -n | cut -d ' ' -f 2
}

# queues_row ROUNDS OPERATION KIB COUNT
queues_row() {
    local rounds=$1 round i us took=('' '' '') kinds=(plain attached generated) size="$3 KiB"
    [ "$3" -lt 1024 ] || size="$(($3 / 1024)) MiB"
    for ((round = 0; round < rounds; round++)); do
        for i in 0 1 2; do
            us=$(queues_run "${kinds[i]}" "$2" "$3" "$4") || bench_fail "a guest's disk does not work"
            took[i]+=$us$'\n'
        done
    done
    of_rounds "${took[@]}"
    row "$2, $size, attached : linked" 1 2 1
    row "$2, $size, plain : linked" 0 2
}

# queues_busy BEFORE AFTER: of the linked disk's iothreads, two lists of queues_cpu, that which did most and that which
# did least. That all of them encrypt is what is measured here.
queues_busy() {
    local used
    used=$(paste <(echo "$1") <(echo "$2") | awk '{ print $2 - $1 }' | sort -n)
    LEAST=("$(tail -n 1 <<<"$used")" "$(head -n 1 <<<"$used")")
    MEDIAN=("${LEAST[@]}")
    [ "${LEAST[1]}" -gt $((LEAST[0] / 10)) ] || bench_fail "of the iothreads some do nothing: $(xargs <<<"$used") us"
    row "processor, busiest : idlest linked iothread" 0 1
}

# queues_reason: why it cannot be measured here, or nothing.
queues_reason() {
    if ! libvirt_since 10.0; then
        echo "libvirt $(virsh --version) cannot give the queues of a disk to several iothreads"
    elif ! qemu-system-x86_64 -device virtio-blk-pci,help 2>/dev/null | grep -q iothread-vq-mapping; then
        echo "this QEMU cannot give the queues of a disk to several iothreads"
    elif [ ! -x "$BENCH/bench-queues" ]; then
        echo "there is no C library to link statically"
    elif ! guest_build; then
        echo "there is no kernel for the guest, and it cannot be downloaded"
    fi
}

# bench_queues ROUNDS QUEUES...
bench_queues() {
    local rounds=$1 queues side kind before reason
    shift
    on ours
    reason=$(queues_reason)
    if [ -n "$reason" ]; then
        printf '\nQueues of several iothreads: not measured, %s\n' "$reason"
        return
    fi
    for kind in stock:plain stock:attached ours:generated; do
        on "${kind%:*}"
        virsh vol-create data "$(xml_file qcow2 "${kind#*:}")" >/dev/null || bench_fail "no volume for a guest"
    done
    for queues; do
        on stock
        queues_boot stock "$queues" "$(queues_disk vda attached "$queues")" "$(queues_disk vdb plain "$queues")"
        on ours
        queues_boot ours "$queues" "$(queues_disk vda generated "$queues")"
        # from now on nothing has to be allocated, and the guests know their way
        for kind in plain attached generated; do
            queues_run "$kind" write 1024 64 >/dev/null || bench_fail "a guest's disk cannot be written to"
        done
        section "guest, qcow2, no host's cache, queues: $queues" "" ""
        before=$(queues_cpu)
        queues_row "$rounds" write 64 512
        queues_row "$rounds" read 64 512
        queues_row "$rounds" write 1024 32
        queues_row "$rounds" read 1024 32
        [ "$queues" -eq 1 ] || queues_busy "$before" "$(queues_cpu)"
        for side in stock ours; do
            on "$side"
            guest_stop queues >/dev/null 2>&1 || bench_fail "a guest does not end ($side)"
        done
    done
    on stock
    { virsh vol-delete bench-plain-256.qcow2 data && virsh vol-delete bench-attached-256.qcow2 data; } >/dev/null
    on ours
    virsh vol-delete bench-generated-256.qcow2 data >/dev/null
}
