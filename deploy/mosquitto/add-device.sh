#!/bin/sh
# Gives devices their accounts on a running Mosquitto: reads what `parkgate site apply --json` prints for new devices.
# One role a device, with its own topics and nothing else; its client id is its user name.
set -eu
. "$(dirname "$0")/dynsec.sh"
plain='[A-Za-z0-9._~+/=-]\{1,200\}'

sed -n "s/.*\"username\": *\"\($plain\)\".*\"password\": *\"\($plain\)\".*/\1 \2/p; t
s/.*/? &/p" | while read -r username password || [ -n "$username" ]; do
    site=${username%%.*} device=${username#*.}
    case "$username" in
        *[!a-z0-9.-]* | .* | *. | *.*.* | "$device")
            echo "not a line of \`parkgate site apply --json\` for one device: $username" >&2
            exit 2
            ;;
    esac
    own="parkgate/v1/$site/$device"
    dynsec createRole "$username"
    for topic in event status result; do
        dynsec addRoleACL "$username" publishClientSend "$own/$topic" allow
    done
    for topic in command receipt list list/delta; do
        dynsec addRoleACL "$username" subscribeLiteral "$own/$topic" allow
        dynsec addRoleACL "$username" publishClientReceive "$own/$topic" allow
    done
    account "$username" "$password" "$username"
    echo "$username"
done
