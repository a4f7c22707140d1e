"""Publishes a file's messages as fast as the broker takes them, QoS 1: `PORT FILE`; a line on stdin begins.

FILE is a pickle of (topic, payload) pairs, so that nothing is encoded while the time runs. Prints a line when
every message has been acknowledged.
"""

import pickle
import sys
import threading
from pathlib import Path

import paho.mqtt.client as mqtt


def main() -> None:
    port, frames = int(sys.argv[1]), pickle.loads(Path(sys.argv[2]).read_bytes())
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="burst")
    client.max_inflight_messages_set(100)
    connected, all_taken, taken = threading.Event(), threading.Event(), 0

    def acknowledged(*_: object) -> None:
        nonlocal taken
        taken += 1
        if taken == len(frames):
            all_taken.set()

    client.on_connect = lambda *_: connected.set()
    client.on_publish = acknowledged
    client.connect("127.0.0.1", port)
    client.loop_start()
    connected.wait(10)
    print("ready", flush=True)
    sys.stdin.readline()
    for topic, payload in frames:
        client.publish(topic, payload, qos=1)
    all_taken.wait(300)
    print(taken, flush=True)
    client.disconnect()


if __name__ == "__main__":
    main()
