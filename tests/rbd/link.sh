#!/bin/bash
# An image on Ceph and a header that exist become a linked volume, and two volumes again.

# shellcheck disable=SC2317 # many functions are called by way of try
. "$(dirname "$0")/lib/images.sh"

TEXT="what nobody on the cluster may know: $RANDOM $RANDOM"
SECRET="<secret type='passphrase' uuid='$SECRET_UUID'/>"

try "a daemon with a header pool and a pool on Ceph starts" images_start || finish
rbd create images/hand --size 16M
header_of "$DAEMON_DIR/template" && "$DAEMON_IN" cp "$DAEMON_DIR/template" "$VAULT/hand.luks"
into hand "$VAULT/hand.luks" "$TEXT"
for pool in images vault; do virsh pool-refresh $pool; done
unchanged "without a secret" "<secret>" create_in images <<<"$(link_xml existing hand hand.luks)"
unchanged "an image that does not exist" "no storage vol" create_in images <<<"$(link_xml existing none hand.luks "$SECRET")"
image=$(rbd export images/hand - --no-progress | sha256sum)
try "an image and a header are linked" create_in images <<<"$(link_xml existing hand hand.luks "$SECRET")"
try "either shows the other" is_linked hand
same "what was written is there" "$(out_of hand "$VAULT/hand.luks")" "$TEXT"
try "they are unlinked" create_in images <<<"$(link_xml unlink hand hand.luks)"
try "the image is plain" is_plain hand
same "no link is registered" "$(links)" ""
same "of the image nothing was written" "$(rbd export images/hand - --no-progress | sha256sum)" "$image"
same "what was written is there" "$(out_of hand "$VAULT/hand.luks")" "$TEXT"
try "the plain image is deleted" virsh vol-delete hand images
try "and the header" virsh vol-delete hand.luks vault
nothing_left "that"
same "no image is left" "$(rbd ls images)" ""
finish
