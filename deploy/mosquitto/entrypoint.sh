#!/bin/sh
# Starts Mosquitto; on the very first start makes the dynamic-security file with the administrator in it.
# What devices are refused is told to the bridges (refused.awk). The broker says in its log who published or subscribed where they may not
# only with a line for each message: BROKER_COUNTS_DENIED=yes has them written, counted and left out of what is passed on.
# Where the certificates' folder has devices-ca.crt, a device needs a certificate of it as well; what devices.crl lists is refused.
set -eu
: "${BROKER_ADMIN_PASSWORD:?set it to the password that administers the broker}"
conf=${MOSQUITTO_CONF:-/mosquitto/config/mosquitto.conf}
accounts=${MOSQUITTO_ACCOUNTS:-/mosquitto/data/dynamic-security.json}
certificates=${MOSQUITTO_CERTIFICATES:-/mosquitto/certificates}
umask 077
if [ ! -s "$accounts" ]; then
    mosquitto_ctrl dynsec init "$accounts" admin "$BROKER_ADMIN_PASSWORD" >/dev/null
fi
here=$(mktemp -d)
cp "$conf" "$here/mosquitto.conf"
# The devices' listener is the last in the file: what follows is about it.
if [ -s "$certificates/devices-ca.crt" ]; then
    printf '\ncafile %s/devices-ca.crt\nrequire_certificate true\n' "$certificates" >>"$here/mosquitto.conf"
    if [ -s "$certificates/devices.crl" ]; then
        printf 'crlfile %s/devices.crl\n' "$certificates" >>"$here/mosquitto.conf"
    fi
fi
if [ "${BROKER_COUNTS_DENIED:-no}" = yes ]; then
    printf '\nlog_type debug\nlog_type subscribe\n' >>"$here/mosquitto.conf"
fi
# In a shell of its own, which does not wait for it: the broker waits for whoever reads its log.
tell='said=$(cat); mosquitto_pub -h 127.0.0.1 -p "$BROKER_PORT" -u parkgate.refused -i parkgate.refused -P "$BROKER_ADMIN_PASSWORD" -q 1 -t parkgate/broker/refused -m "$said" </dev/null >/dev/null 2>&1 &'
export BROKER_PORT="${BROKER_PORT:-1883}" BROKER_ADMIN_PASSWORD
# One kind of awk waits for a full buffer unless it is told.
interactive=$(awk -W version 2>&1 </dev/null | grep -q '^mawk' && echo '-W interactive' || :)
mkfifo "$here/log"
# shellcheck disable=SC2086
awk $interactive -v tell="$tell" -f "${0%/*}/refused.awk" <"$here/log" &
exec mosquitto -c "$here/mosquitto.conf" 2>"$here/log"
