package bench;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * A store that is filled from a topic, to be recovered from its changelog: with default settings, as in {@link App}.
 *
 * <p>Says "held N" for every so many records that it has put, and "ready" once its tasks run, their state restored.
 */
public final class Store {
    private Store() {}

    /** Runs until SIGTERM. */
    public static void main(String[] arguments) throws IOException {
        System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "warn");
        Config config = Config.read();
        AtomicLong held = new AtomicLong();
        Topology topology = new Topology();
        topology.addSource(
                "profiles", Serdes.ByteArray().deserializer(), Serdes.ByteArray().deserializer(), config.topic());
        topology.addProcessor("put", () -> new Put(held), "profiles");
        topology.addStateStore(
                Stores.keyValueStoreBuilder(
                                Stores.persistentKeyValueStore("profiles"), Serdes.ByteArray(), Serdes.ByteArray())
                        .withCachingEnabled(),
                "put");
        KafkaStreams streams = new KafkaStreams(topology, config.properties());
        streams.setStateListener((now, before) -> {
            if (now == KafkaStreams.State.RUNNING) {
                System.out.println("ready");
            }
        });
        Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
        streams.start();
    }

    private static final class Put implements Processor<byte[], byte[], Void, Void> {
        private final AtomicLong held;
        private KeyValueStore<byte[], byte[]> store;

        Put(AtomicLong held) {
            this.held = held;
        }

        @Override
        public void init(ProcessorContext<Void, Void> context) {
            store = context.getStateStore("profiles");
            context.schedule(
                    Duration.ofMillis(500),
                    PunctuationType.WALL_CLOCK_TIME,
                    now -> System.out.println("held " + held.get() + ";"));
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            store.put(record.key(), record.value());
            held.incrementAndGet();
        }
    }
}
