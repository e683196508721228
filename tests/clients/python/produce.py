"""Sends orders to Kafka as a platform does that uses Confluent's client for Python.

Schema and frame are the matter of its AvroSerializer, the partition that of the client's default
partitioner. The key is the order's number; the order is that of the file.

usage: produce.py SETTINGS.json
"""

import json
import sys

from confluent_kafka import Producer
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext


def main(path):
    with open(path, encoding="utf-8") as file:
        settings = json.load(file)
    with open(settings["orders"], encoding="utf-8") as file:
        orders = json.load(file)
    with open(settings["schema"], encoding="utf-8") as file:
        schema = file.read()
    registry = SchemaRegistryClient(
        {
            "url": settings["registry"],
            "basic.auth.user.info": f"{settings['user']}:{settings['password']}",
        }
    )
    serializer = AvroSerializer(registry, schema)
    producer = Producer({"bootstrap.servers": settings["bootstrap"]})
    failed = []

    def delivered(error, _message):
        if error is not None:
            failed.append(str(error))

    context = SerializationContext(settings["topic"], MessageField.VALUE)
    headers = [
        ("feed", "orders"),
        ("zhibao-received-at", str(settings["received_at"])),
    ]
    for order in orders:
        producer.produce(
            settings["topic"],
            key=order["orderNo"],
            value=serializer(order, context),
            headers=headers,
            on_delivery=delivered,
        )
    left = producer.flush(30)
    if failed or left:
        sys.exit(f"expected all delivered, found {left} waiting and {failed}")
    print(f"{len(orders)} sent")


main(sys.argv[1])
