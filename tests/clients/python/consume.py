"""Reads order events as a consumer does that uses Confluent's client for Python.

The schema of each frame comes from the registry, by its number and without a token. Ends when it
has seen so many different events, or after a minute; prints how many of each kind it saw.

usage: consume.py SETTINGS.json
"""

import json
import sys
import time

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext


def main(path):
    with open(path, encoding="utf-8") as file:
        settings = json.load(file)
    topic = settings["topic"]
    deserializer = AvroDeserializer(SchemaRegistryClient({"url": settings["registry"]}))
    consumer = Consumer(
        {
            "bootstrap.servers": settings["bootstrap"],
            "group.id": topic,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )
    partitions = consumer.list_topics(topic, 30).topics[topic].partitions
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    context = SerializationContext(topic, MessageField.VALUE)
    kinds, until = {}, time.monotonic() + 60
    while len(kinds) < settings["expected"] and time.monotonic() < until:
        message = consumer.poll(1)
        if message is None:
            continue
        if message.error():
            sys.exit(f"expected records, found {message.error()}")
        event = deserializer(message.value(), context)
        kinds[event["event_id"]] = event["kind"]
    consumer.close()
    found = list(kinds.values())
    print(json.dumps({kind: found.count(kind) for kind in sorted(set(found))}))


main(sys.argv[1])
