package zhibao.bench;

import com.fasterxml.jackson.databind.ObjectReader;
import java.io.IOException;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * Drops what was counted before, and counts the rest by platform, day and county.
 *
 * <p>Counts are kept for each partition of the input, which is keyed by order: no record is
 * shuffled. What changed is written once a second, and everything after a start, so that the output
 * says what the store says although the two are not written at one moment.
 */
final class CountOnce implements Processor<byte[], byte[], String, Long> {
    static final String SEEN = "seen";
    static final String COUNTS = "counts";
    private static final Duration WRITE_EVERY = Duration.ofSeconds(1);
    private static final byte[] NOTHING = new byte[0];

    private final int prefixLength;
    private final Map<String, Topic> topics = new HashMap<>();
    private final Set<String> changed = new HashSet<>();
    private ProcessorContext<String, Long> context;
    private KeyValueStore<String, byte[]> seen;
    private KeyValueStore<String, Long> counts;

    private record Topic(String platform, ObjectReader reader) {}

    CountOnce(int prefixLength) {
        this.prefixLength = prefixLength;
    }

    @Override
    public void init(ProcessorContext<String, Long> context) {
        this.context = context;
        seen = context.getStateStore(SEEN);
        counts = context.getStateStore(COUNTS);
        try (KeyValueIterator<String, Long> all = counts.all()) {
            while (all.hasNext()) {
                KeyValue<String, Long> count = all.next();
                changed.add(count.key);
            }
        }
        context.schedule(WRITE_EVERY, PunctuationType.WALL_CLOCK_TIME, this::write);
    }

    @Override
    public void process(Record<byte[], byte[]> message) {
        String name = context.recordMetadata().orElseThrow().topic();
        Topic topic = topics.computeIfAbsent(name, this::topic);
        Acceptance accepted;
        try {
            accepted = Acceptance.read(topic.reader, message.value());
        } catch (IOException error) {
            throw new IllegalStateException("expected an order message in " + name, error);
        }
        if (accepted == null
                || seen.putIfAbsent(topic.platform + accepted.order(), NOTHING) != null) {
            return;
        }
        String cell = topic.platform + ',' + accepted.day() + ',' + accepted.county();
        Long count = counts.get(cell);
        counts.put(cell, count == null ? 1 : count + 1);
        changed.add(cell);
    }

    private Topic topic(String name) {
        String platform = name.substring(prefixLength);
        return new Topic(platform, Acceptance.reader(platform));
    }

    private void write(long now) {
        for (String cell : changed) {
            String key = context.taskId().partition() + "," + cell;
            context.forward(new Record<>(key, counts.get(cell), now));
        }
        changed.clear();
    }
}
