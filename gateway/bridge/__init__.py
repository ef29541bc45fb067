"""The doors of the devices: MQTT client, intake, the worker that drains it."""
