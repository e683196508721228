// Sends orders to Kafka as a platform does that uses Kafka's own client for Java and Avro's own
// writer. The frame is written by hand; the partition is the matter of the client's default
// partitioner. The key is what happened; the order is a shuffled one, always the same.
//
// usage: java -cp JARS Produce.java SETTINGS.json

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collections;
import java.util.List;
import java.util.Properties;
import java.util.Random;
import java.util.concurrent.Future;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class Produce {
    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] arguments) throws Exception {
        JsonNode settings = JSON.readTree(Path.of(arguments[0]).toFile());
        String text = Files.readString(Path.of(settings.get("schema").asText()));
        Schema schema = new Schema.Parser().parse(text);
        int id = register(settings, text);
        List<JsonNode> orders = new ArrayList<>();
        JSON.readTree(Path.of(settings.get("orders").asText()).toFile()).forEach(orders::add);
        Collections.shuffle(orders, new Random(7));

        Properties properties = new Properties();
        properties.put("bootstrap.servers", settings.get("bootstrap").asText());
        String topic = settings.get("topic").asText();
        byte[] feed = "orders".getBytes(StandardCharsets.UTF_8);
        byte[] at = settings.get("received_at").asText().getBytes(StandardCharsets.UTF_8);
        try (KafkaProducer<String, byte[]> producer = new KafkaProducer<>(
                properties, new StringSerializer(), new ByteArraySerializer())) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (JsonNode order : orders) {
                ProducerRecord<String, byte[]> record = new ProducerRecord<>(
                        topic, order.get("action").asText(), framed(id, datum(schema, order)));
                record.headers().add("feed", feed).add("zhibao-received-at", at);
                sent.add(producer.send(record));
            }
            for (Future<RecordMetadata> one : sent) {
                one.get();
            }
        }
        System.out.println(orders.size() + " sent");
    }

    private static int register(JsonNode settings, String schema) throws Exception {
        ObjectNode body = JSON.createObjectNode().put("schema", schema);
        String user = settings.get("user").asText() + ":" + settings.get("password").asText();
        String basic = Base64.getEncoder().encodeToString(user.getBytes(StandardCharsets.UTF_8));
        String subject = settings.get("topic").asText() + "-value";
        String address = settings.get("registry").asText() + "/subjects/" + subject + "/versions";
        HttpRequest request = HttpRequest.newBuilder(URI.create(address))
                .header("Authorization", "Basic " + basic)
                .header("Content-Type", "application/vnd.schemaregistry.v1+json")
                .POST(HttpRequest.BodyPublishers.ofString(body.toString()))
                .build();
        HttpResponse<String> answer =
                HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
        if (answer.statusCode() != 200) {
            throw new IllegalStateException(answer.statusCode() + " " + answer.body());
        }
        return JSON.readTree(answer.body()).get("id").asInt();
    }

    private static byte[] datum(Schema schema, JsonNode order) throws Exception {
        GenericRecord record = new GenericData.Record(schema);
        for (Schema.Field field : schema.getFields()) {
            JsonNode value = order.get(field.name());
            if (value == null || value.isNull()) {
                record.put(field.name(), null);
            } else if (value.isTextual()) {
                record.put(field.name(), value.asText());
            } else if (field.name().equals("countyCode")) {
                record.put(field.name(), value.asInt());
            } else {
                record.put(field.name(), value.asLong());
            }
        }
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(bytes, null);
        new GenericDatumWriter<GenericRecord>(schema).write(record, encoder);
        encoder.flush();
        return bytes.toByteArray();
    }

    private static byte[] framed(int id, byte[] datum) {
        return ByteBuffer.allocate(5 + datum.length).put((byte) 0).putInt(id).put(datum).array();
    }
}
