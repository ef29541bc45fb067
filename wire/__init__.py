"""What both ends of the wire share, devices and service: how the MQTT client library is driven."""
