// Sends orders to Kafka as a platform does that uses kafkajs, with the schema registry's client of
// the same house. The partition is the matter of kafkajs' default partitioner. The key is the
// driver; the order is the reverse of the file's.
//
// usage: node produce.js SETTINGS.json
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { createRequire } = require("node:module");

const installed = createRequire(path.join(process.env.ZHIBAO_NODE_CLIENT, "package.json"));
const { Kafka, logLevel } = installed("kafkajs");
const { SchemaRegistry, SchemaType } = installed("@kafkajs/confluent-schema-registry");

async function main(settings) {
  const orders = JSON.parse(fs.readFileSync(settings.orders, "utf8")).reverse();
  const schema = fs.readFileSync(settings.schema, "utf8");
  const registry = new SchemaRegistry({
    host: settings.registry,
    auth: { username: settings.user, password: settings.password },
  });
  const subject = { subject: `${settings.topic}-value`, compatibility: "BACKWARD_TRANSITIVE" };
  const { id } = await registry.register({ type: SchemaType.AVRO, schema }, subject);

  const kafka = new Kafka({
    clientId: "node", brokers: settings.bootstrap.split(","), logLevel: logLevel.ERROR,
  });
  const producer = kafka.producer();
  await producer.connect();
  const headers = { feed: "orders", "zhibao-received-at": String(settings.received_at) };
  const messages = [];
  for (const order of orders) {
    const value = await registry.encode(id, order);
    messages.push({ key: order.driverId ?? "nobody", value, headers });
  }
  await producer.send({ topic: settings.topic, messages });
  await producer.disconnect();
  console.log(`${messages.length} sent`);
}

main(JSON.parse(fs.readFileSync(process.argv[2], "utf8"))).catch((error) => {
  console.error(error);
  process.exit(1);
});
