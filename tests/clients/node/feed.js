// Sends messages to Kafka once more, from the last to the first, without a key: kafkajs then deals
// them out to the partitions in turn.
//
// usage: node feed.js SETTINGS.json
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { createRequire } = require("node:module");

const installed = createRequire(path.join(process.env.ZHIBAO_NODE_CLIENT, "package.json"));
const { Kafka, logLevel } = installed("kafkajs");

const AT_ONCE = 500;

async function main(settings) {
  const lines = fs.readFileSync(settings.messages, "utf8").trim().split("\n");
  const all = lines.map((line) => JSON.parse(line)).reverse();
  const kafka = new Kafka({
    clientId: "node", brokers: settings.bootstrap.split(","), logLevel: logLevel.ERROR,
  });
  const producer = kafka.producer();
  await producer.connect();
  for (let from = 0; from < all.length; from += AT_ONCE) {
    const byTopic = new Map();
    for (const { topic, feed, at, value } of all.slice(from, from + AT_ONCE)) {
      const headers = { feed, "zhibao-received-at": at };
      const message = { key: null, value: Buffer.from(value, "base64"), headers };
      byTopic.set(topic, [...(byTopic.get(topic) ?? []), message]);
    }
    const topicMessages = [...byTopic].map(([topic, messages]) => ({ topic, messages }));
    await producer.sendBatch({ topicMessages });
  }
  await producer.disconnect();
  console.log(`${all.length} sent`);
}

main(JSON.parse(fs.readFileSync(process.argv[2], "utf8"))).catch((error) => {
  console.error(error);
  process.exit(1);
});
