# shellcheck shell=bash
# What lab-image.sh and gui-image.sh have in common, which make a Debian system in a directory of a cache: made once, and
# again where these scripts change; what is not whole is never at its place. To be sourced by them, which set "packages"
# first. Then:
#
#   image_begin CACHE [--where]   prints the directory and ends the script, if it is there or --where is said; otherwise
#                                 sets "new", the directory to make it in, and "suite" and "mirror", Debian's. Keeps
#                                 others that want the same waiting until the script ends
#   image_system ARGUMENT...      what mmdebstrap makes of the packages in "$new/root", with more arguments for it
#   image_end                     "$new" is whole: puts it at its place, and prints that
#
# Read from the environment: LAB_SUITE, LAB_MIRROR; see lab-image.sh.

image_begin() {
    suite=${LAB_SUITE:-trixie}
    IMAGE=$1/$suite-$(cat "$0" "${BASH_SOURCE[0]}" - <<<"$suite" | sha256sum | cut -c 1-16)
    [ "${2:-}" != --where ] || {
        echo "$IMAGE"
        exit
    }

    mkdir -p "$1"
    exec 9>"$1/lock"
    flock 9
    [ ! -e "$IMAGE/packages" ] || {
        echo "$IMAGE"
        exit
    }
    [ "$(id -u)" -eq 0 ] || {
        echo "${0##*/}: needs root" >&2
        exit 1
    }
    # shellcheck disable=SC2016 # apt's
    mirror=${LAB_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' \
        "Codename: $(. /etc/os-release && echo "${VERSION_CODENAME:-}")" | sed -n 1p)}
    [ -n "$mirror" ] || {
        echo "${0##*/}: apt knows no archive of this machine's own release; set LAB_MIRROR" >&2
        exit 1
    }

    new=$IMAGE.new
    # whoever made this did not come to an end: there is the lock
    rm -rf --one-file-system "$new"
    mkdir "$new"
    trap 'rm -rf --one-file-system "$new"' EXIT
}

# shellcheck disable=SC2154 # packages is the caller's
image_system() {
    mmdebstrap --quiet --mode=root --variant=minbase --include="$(IFS=, && echo "${packages[*]}")" \
        --aptopt='Acquire::Languages "none"' \
        --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        "$@" "$suite" "$new/root" "$mirror" >&2
}

# Last of all the list of packages, since it says that all else is whole
image_end() {
    sync -f "$new"
    mv "$new/versions" "$new/packages"
    mv "$new" "$IMAGE"
    trap - EXIT
    echo "$IMAGE"
}
