#!/bin/sh
# Starts Mosquitto; on the very first start makes the dynamic-security file with the administrator in it.
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
exec mosquitto -c "$here/mosquitto.conf"
