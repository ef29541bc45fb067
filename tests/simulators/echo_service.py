"""A stand-in for the service, run as a program: an embedded broker, and a bridge that knows no rules but a few.

    python echo_service.py broker PORT | bridge PORT | both PORT

It opens for everybody, but asks every fifth plate at an exit to pay, and refuses what has no plate. It answers an event
with its command first and then its receipt, as the real bridge does. A payment is a message on `fake/pay`.
"""

import asyncio
import hashlib
import logging
import os
import select
import socket
import sys
import threading
import time
from datetime import timedelta

import paho.mqtt.client as mqtt
from amqtt.broker import Broker

from controllers.adapters import native
from controllers.commands import Action, Command, PayPrompt, Reason, Receipt
from controllers.events import Kind


def say(line):
    os.write(1, f"{line}\n".encode())  # one write: two threads speak here


def pays(plate):
    return hashlib.sha256(plate.encode()).digest()[0] % 5 == 0


def command(event, action, reason, at=None, pay=None, suffix=""):
    limit = (at or event.at) + timedelta(seconds=8 if at else 12)
    return Command(
        id=f"{event.id}{suffix}", action=action, lane=event.lane, event=event.id, reason=reason,
        expires_at=limit, ttl_ms=8000, pay=pay,
    )  # fmt: skip


def decide(event):
    if event.kind is not Kind.PLATE or event.buffered or event.opening is not None:
        return None
    if event.plate is None:
        return command(event, Action.SHOW, Reason.UNREADABLE)
    if event.lane.startswith("out") and pays(event.plate):
        return command(event, Action.SHOW, Reason.PAYMENT_DUE, pay=PayPrompt(url="https://pay.invalid/x", fen=400))
    return command(event, Action.OPEN, Reason.TEMPORARY)


class Bridge:
    def __init__(self, port):
        self.client = client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, "bridge", protocol=mqtt.MQTTv311, manual_ack=True
        )
        client.max_inflight_messages_set(0)
        client.max_queued_messages_set(0)
        client.on_socket_open = lambda _c, _u, sock: sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.on_socket_register_write = lambda *_: None
        self.batch, self.events = [], {}
        client.on_message = lambda _c, _u, message: self.batch.append(message)
        client.on_connect = lambda *_: client.subscribe(
            [("parkgate/v1/+/+/event", 1), ("parkgate/v1/+/+/result", 1), ("fake/pay", 1)]
        )
        client.on_subscribe = lambda *_: say("BRIDGE READY")
        client.connect("127.0.0.1", port)

    def run(self):
        client, sock, misc = self.client, self.client.socket(), time.monotonic()
        client.loop_write()
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        while True:
            if poll.poll(1000):
                while True:
                    client.loop_read()
                    if len(self.batch) >= 200 or not poll.poll(0):
                        break
            self.answer()
            client.loop_write()
            if time.monotonic() - misc > 1:
                misc = time.monotonic()
                client.loop_misc()

    def answer(self):
        batch, self.batch = self.batch, []
        receipts = {}
        for message in batch:
            if message.topic == "fake/pay":
                self.paid(message.payload.decode().split("|"))
                continue
            address = native.address(message.topic)
            place = (address.site, address.device)
            events, results = receipts.setdefault(place, ([], []))
            if address.channel == "result":
                results.append(native.decode_result(message.payload).command)
                continue
            event = native.decode_event(address, message.payload)
            events.append(event.id)
            if (answer := decide(event)) is not None:
                if answer.action is Action.SHOW:
                    self.events[place, event.id] = event
                self.client.publish(native.topic(*place, "command"), native.encode(answer), qos=1)
        for place, (events, results) in receipts.items():
            receipt = Receipt(events=tuple(events), results=tuple(results))
            self.client.publish(native.topic(*place, "receipt"), native.encode(receipt), qos=1)
        for message in batch:
            self.client.ack(message.mid, 1)

    def paid(self, words):
        from datetime import datetime

        site, device, event_id, at = words
        event = self.events[(site, device), event_id]
        answer = command(event, Action.OPEN, Reason.PAID, at=datetime.fromisoformat(at), suffix="-paid")
        self.client.publish(native.topic(site, device, "command"), native.encode(answer), qos=1)


async def broker(port, then=None):
    plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    listener = {"type": "tcp", "bind": f"127.0.0.1:{port}", "max_connections": 1000}
    await Broker({"listeners": {"default": listener}, "plugins": plugins}).start()
    say("BROKER READY")
    if then is not None:
        threading.Thread(target=then, daemon=True).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    role, listening = sys.argv[1], int(sys.argv[2])
    logging.disable(logging.CRITICAL)
    if role == "bridge":
        Bridge(listening).run()
    asyncio.run(broker(listening, (lambda: Bridge(listening).run()) if role == "both" else None))
