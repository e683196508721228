package zhibao.bench;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.LongDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler;
import org.apache.kafka.streams.state.Stores;

/**
 * Runs the topology over everything that the topics hold, and writes the counts.
 *
 * <p>Arguments: brokers, prefix of the topics, an id for this run, folder for its state, file for
 * the counts, partitions of the output, threads, and the topics. The property {@code zhibao.orders}
 * says how many orders the counts hold in the end.
 */
public final class Main {
    private static final Duration LOOK = Duration.ofMillis(200);

    private Main() {}

    public static void main(String[] arguments) throws Exception {
        String brokers = arguments[0];
        String prefix = arguments[1];
        String id = arguments[2];
        Path state = Path.of(arguments[3]);
        Path out = Path.of(arguments[4]);
        int partitions = Integer.parseInt(arguments[5]);
        int threads = Integer.parseInt(arguments[6]);
        List<String> topics = List.of(arguments).subList(7, arguments.length);
        String counts = id + "-counts";

        try (Admin admin = Admin.create(Map.of("bootstrap.servers", brokers))) {
            NewTopic topic = new NewTopic(counts, Optional.of(partitions), Optional.empty());
            admin.createTopics(List.of(topic.configs(Map.of("cleanup.policy", "compact"))))
                    .all()
                    .get();
            Map<TopicPartition, Long> ends = ends(admin, topics);
            KafkaStreams streams =
                    new KafkaStreams(
                            topology(topics, prefix.length(), counts),
                            properties(brokers, id, state, threads));
            streams.setUncaughtExceptionHandler(
                    error -> {
                        error.printStackTrace();
                        Runtime.getRuntime().halt(1);
                        return StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse
                                .SHUTDOWN_CLIENT;
                    });
            streams.start();
            while (!isRead(admin, id, ends)) {
                Thread.sleep(LOOK.toMillis());
            }
            // What the last second brought is written before the end.
            Map<String, Long> counted = awaitCounts(brokers, counts, expectedOrders());
            streams.close(Duration.ofSeconds(60));
            write(out, counted);
        }
    }

    private static long expectedOrders() {
        String expected = System.getProperty("zhibao.orders");
        if (expected == null) {
            throw new IllegalArgumentException("expected -Dzhibao.orders=<orders that count>");
        }
        return Long.parseLong(expected);
    }

    private static Topology topology(List<String> topics, int prefixLength, String counts) {
        Topology topology = new Topology();
        topology.addSource(
                "orders",
                Serdes.ByteArray().deserializer(),
                Serdes.ByteArray().deserializer(),
                topics.toArray(String[]::new));
        topology.addProcessor("count-once", () -> new CountOnce(prefixLength), "orders");
        topology.addStateStore(
                Stores.keyValueStoreBuilder(
                                Stores.persistentKeyValueStore(CountOnce.SEEN),
                                Serdes.String(),
                                Serdes.ByteArray())
                        .withLoggingEnabled(Map.of()),
                "count-once");
        topology.addStateStore(
                Stores.keyValueStoreBuilder(
                                Stores.persistentKeyValueStore(CountOnce.COUNTS),
                                Serdes.String(),
                                Serdes.Long())
                        .withCachingEnabled()
                        .withLoggingEnabled(Map.of()),
                "count-once");
        topology.addSink(
                "counts",
                counts,
                Serdes.String().serializer(),
                Serdes.Long().serializer(),
                "count-once");
        return topology;
    }

    /** As the documentation advises for throughput; see benches/README.md. */
    private static Properties properties(String brokers, String id, Path state, int threads) {
        Properties properties = new Properties();
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, id);
        properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, brokers);
        properties.put(StreamsConfig.STATE_DIR_CONFIG, state.toString());
        properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, threads);
        properties.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
        properties.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 64L << 20);
        properties.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 20_000);
        properties.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, Rocks.class);
        consumer(properties, ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        consumer(properties, ConsumerConfig.MAX_POLL_RECORDS_CONFIG, 10_000);
        consumer(properties, ConsumerConfig.FETCH_MIN_BYTES_CONFIG, 1 << 20);
        consumer(properties, ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG, 100);
        consumer(properties, ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG, 4 << 20);
        producer(properties, ProducerConfig.LINGER_MS_CONFIG, 100);
        producer(properties, ProducerConfig.BATCH_SIZE_CONFIG, 512 << 10);
        producer(properties, ProducerConfig.COMPRESSION_TYPE_CONFIG, "lz4");
        producer(properties, ProducerConfig.BUFFER_MEMORY_CONFIG, 128L << 20);
        return properties;
    }

    private static void consumer(Properties properties, String name, Object value) {
        properties.put(StreamsConfig.consumerPrefix(name), value);
    }

    private static void producer(Properties properties, String name, Object value) {
        properties.put(StreamsConfig.producerPrefix(name), value);
    }

    private static Map<TopicPartition, Long> ends(Admin admin, List<String> topics)
            throws Exception {
        Map<TopicPartition, OffsetSpec> asked = new HashMap<>();
        admin.describeTopics(topics)
                .allTopicNames()
                .get()
                .forEach(
                        (name, topic) ->
                                topic.partitions()
                                        .forEach(
                                                partition ->
                                                        asked.put(
                                                                new TopicPartition(
                                                                        name, partition.partition()),
                                                                OffsetSpec.latest())));
        Map<TopicPartition, Long> ends = new HashMap<>();
        admin.listOffsets(asked).all().get().forEach((place, end) -> ends.put(place, end.offset()));
        ends.values().removeIf(end -> end == 0);
        return ends;
    }

    /** Whether everything is read, and committed with what came of it. */
    private static boolean isRead(Admin admin, String group, Map<TopicPartition, Long> ends)
            throws Exception {
        Map<TopicPartition, OffsetAndMetadata> committed =
                admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
        return ends.entrySet().stream()
                .allMatch(
                        end -> {
                            OffsetAndMetadata offset = committed.get(end.getKey());
                            return offset != null && offset.offset() >= end.getValue();
                        });
    }

    /** The counts as a reader of the output has them, once they hold so many orders. */
    private static Map<String, Long> awaitCounts(String brokers, String topic, long orders) {
        Map<String, Object> properties =
                Map.of(
                        "bootstrap.servers", brokers,
                        "isolation.level", "read_committed",
                        "auto.offset.reset", "earliest",
                        "enable.auto.commit", false);
        Map<String, Long> last = new HashMap<>();
        long deadline = System.nanoTime() + Duration.ofSeconds(60).toNanos();
        try (KafkaConsumer<String, Long> reader =
                new KafkaConsumer<>(properties, new StringDeserializer(), new LongDeserializer())) {
            List<TopicPartition> places = new ArrayList<>();
            reader.partitionsFor(topic)
                    .forEach(place -> places.add(new TopicPartition(topic, place.partition())));
            reader.assign(places);
            while (last.values().stream().mapToLong(Long::longValue).sum() < orders
                    && System.nanoTime() < deadline) {
                reader.poll(LOOK).forEach(count -> last.put(count.key(), count.value()));
            }
        }
        Map<String, Long> counts = new TreeMap<>();
        last.forEach((key, n) -> counts.merge(key.substring(key.indexOf(',') + 1), n, Long::sum));
        return Collections.unmodifiableMap(counts);
    }

    private static void write(Path out, Map<String, Long> counts) throws Exception {
        try (PrintWriter writer = new PrintWriter(out.toFile())) {
            counts.forEach((cell, orders) -> writer.println(cell + ',' + orders));
        }
    }
}
