#!/bin/sh
# Prepares a running Mosquitto for the bridges: deny by default, one role for all bridges, one account each. Run it as often as you like.
#   PARKGATE_SHARE_GROUP  the group in which the bridges share the events
#   BRIDGE_IDS            their PARKGATE_BRIDGE_IDs, such as "1 2"
#   BRIDGE_PASSWORD       their password
set -eu
. "$(dirname "$0")/dynsec.sh"
: "${PARKGATE_SHARE_GROUP:?set it to the group in which the bridges share the events}"
: "${BRIDGE_IDS:?set it to the ids of the bridges, separated by spaces}" "${BRIDGE_PASSWORD:?set it to the password of the bridges}"
root=parkgate/v1/+/+

dynsec setDefaultACLAccess publishClientSend deny
dynsec setDefaultACLAccess publishClientReceive deny
dynsec setDefaultACLAccess subscribe deny

dynsec createRole bridge
for topic in event result; do
    # Literal: only this very subscription. Whoever else joined the group would swallow its share of the events.
    dynsec addRoleACL bridge subscribeLiteral "\$share/$PARKGATE_SHARE_GROUP/$root/$topic" allow
    dynsec addRoleACL bridge publishClientReceive "$root/$topic" allow
done
dynsec addRoleACL bridge subscribeLiteral "$root/status" allow
dynsec addRoleACL bridge publishClientReceive "$root/status" allow
for topic in command receipt list list/delta; do
    dynsec addRoleACL bridge publishClientSend "$root/$topic" allow
done
for id in $BRIDGE_IDS; do
    account "parkgate.bridge-$id" "$BRIDGE_PASSWORD" bridge
done
echo "ready for bridges $BRIDGE_IDS in the group $PARKGATE_SHARE_GROUP"
