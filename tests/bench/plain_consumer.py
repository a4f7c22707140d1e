"""What a county would write itself: MQTT payload → one row, committed, then acknowledged. `PORT DSN`.

No check of what came, no duplicate known, no receipt to the sender, no worklist: the least that is durable.
"""

import sys

import paho.mqtt.client as mqtt
import psycopg


def main() -> None:
    port, dsn = int(sys.argv[1]), sys.argv[2]
    database = psycopg.connect(dsn)
    rows = database.cursor()

    def subscribe(client: mqtt.Client, *_: object) -> None:
        client.subscribe("mt/1/+/up/+", qos=1)

    def keep(client: mqtt.Client, _: object, message: mqtt.MQTTMessage) -> None:
        rows.execute("INSERT INTO plain (topic, body) VALUES (%s, %b)", (message.topic, message.payload))
        database.commit()
        client.ack(message.mid, message.qos)

    client = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION2, client_id="plain", clean_session=False, manual_ack=True
    )
    client.on_connect, client.on_message = subscribe, keep
    client.connect("127.0.0.1", port)
    client.loop_forever()


if __name__ == "__main__":
    main()
