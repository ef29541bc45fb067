# Sourced by setup.sh and add-device.sh: talks to the dynamic-security plugin of a running Mosquitto.
: "${BROKER_ADMIN_PASSWORD:?set it to the password that administers the broker}"
broker_host=${BROKER_HOST:-127.0.0.1}
broker_port=${BROKER_PORT:-1883}

# One command. mosquitto_ctrl exits 0 whatever the broker answers, so its words decide. "already exists" is fine.
dynsec() {
    said=$(mosquitto_ctrl -h "$broker_host" -p "$broker_port" -u admin -P "$BROKER_ADMIN_PASSWORD" dynsec "$@" 2>&1) || {
        echo "$said" >&2
        return 1
    }
    case "$said" in
        *"already exists"*) return 0 ;;
        *[Ee]rror*)
            echo "$1 $2: $said" >&2
            return 1
            ;;
    esac
}

# A client bound to the client id of its own name; for one that exists, the password is set anew.
account() {
    dynsec createClient "$1" -c "$1" -p "$2"
    case "$said" in *"already exists"*) dynsec setClientPassword "$1" "$2" ;; esac
    mosquitto_ctrl -h "$broker_host" -p "$broker_port" -u admin -P "$BROKER_ADMIN_PASSWORD" dynsec getClient "$1" 2>/dev/null |
        grep -q "Roles:.* $3 " || dynsec addClientRole "$1" "$3"
}
