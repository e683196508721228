"""Sends messages to Kafka once more, as a platform might that has another system send a day again.

Their order is another one, keys are made up, and the partition is the matter of a partitioner that
is not the hub's (librdkafka's FNV-1a).

usage: feed.py SETTINGS.json
"""

import base64
import json
import random
import sys

from confluent_kafka import Producer


def main(path):
    with open(path, encoding="utf-8") as file:
        settings = json.load(file)
    with open(settings["messages"], encoding="utf-8") as file:
        messages = [json.loads(line) for line in file]
    chance = random.Random(settings["seed"])
    chance.shuffle(messages)
    producer = Producer(
        {"bootstrap.servers": settings["bootstrap"], "partitioner": "fnv1a_random"}
    )
    failed = []
    for message in messages:
        producer.produce(
            message["topic"],
            base64.b64decode(message["value"]),
            key=str(chance.randrange(1000)),
            headers={"feed": message["feed"], "zhibao-received-at": message["at"]},
            on_delivery=lambda error, _: failed.append(error) if error else None,
        )
        producer.poll(0)
    if producer.flush(60) or failed:
        sys.exit(f"expected every message to be taken, found {failed[:3]}")
    print(f"{len(messages)} sent")


main(sys.argv[1])
