#!/bin/sh
# Starts Mosquitto; on the very first start makes the dynamic-security file with the administrator in it.
set -eu
: "${BROKER_ADMIN_PASSWORD:?set it to the password that administers the broker}"
conf=${MOSQUITTO_CONF:-/mosquitto/config/mosquitto.conf}
accounts=${MOSQUITTO_ACCOUNTS:-/mosquitto/data/dynamic-security.json}
umask 077
if [ ! -s "$accounts" ]; then
    mosquitto_ctrl dynsec init "$accounts" admin "$BROKER_ADMIN_PASSWORD" >/dev/null
fi
exec mosquitto -c "$conf"
