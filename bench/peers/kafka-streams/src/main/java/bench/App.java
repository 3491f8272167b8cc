package bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.Stores;

/**
 * Kafka Streams: the Processor API over RocksDB stores with changelogs, default settings, JDBC batch inserts.
 *
 * <p>Advice of its documentation that it follows: caches on the stores, which spare RocksDB and the changelogs repeated
 * writes of a key (memory management; the DSL has them on by default, the Processor API on request); one sub-topology,
 * so that nothing is repartitioned. pgjdbc's documentation: {@code reWriteBatchedInserts}. The JVM's settings are its
 * defaults.
 *
 * <p>What it does not promise: offsets are committed apart from the rows, so a crash can lose the rows of a tenth of a
 * second, or add to the balances in PostgreSQL twice. Its state is counted at least once.
 */
public final class App {
    private App() {}

    /** Runs until SIGTERM, then leaves the boards for the bench to check. */
    public static void main(String[] arguments) throws IOException {
        System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "warn");
        Config config = Config.read();
        KafkaStreams streams = new KafkaStreams(topology(config), config.properties());
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            writeBoards(streams, Path.of(config.boards()));
            streams.close();
        }));
        streams.start();
    }

    private static Topology topology(Config config) {
        Topology topology = new Topology();
        topology.addSource(
                "events", Serdes.ByteArray().deserializer(), Serdes.ByteArray().deserializer(), config.topic());
        topology.addProcessor("game", () -> new Game(config), "events");
        for (String store : Game.STORES) {
            topology.addStateStore(
                    Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(store), Serdes.String(), Serdes.Long())
                            .withCachingEnabled(),
                    "game");
        }
        return topology;
    }

    private static void writeBoards(KafkaStreams streams, Path file) {
        var query = StoreQueryParameters.fromNameAndType("scores", QueryableStoreTypes.<String, Long>keyValueStore());
        ObjectMapper mapper = new ObjectMapper();
        try (BufferedWriter lines = Files.newBufferedWriter(file);
                KeyValueIterator<String, Long> scores = streams.store(query).all()) {
            while (scores.hasNext()) {
                KeyValue<String, Long> score = scores.next();
                List<Object> line = new ArrayList<>(Arrays.asList(score.key.split("\\|")));
                line.add(score.value);
                lines.write(mapper.writeValueAsString(line));
                lines.newLine();
            }
        } catch (IOException error) {
            error.printStackTrace();
        }
    }
}
