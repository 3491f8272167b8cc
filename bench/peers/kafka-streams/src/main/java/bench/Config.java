package bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.io.IOException;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.streams.StreamsConfig;

/** What the bench tells this peer, read from the file that BENCH_CONFIG names. */
public record Config(
        String broker,
        String topic,
        String group,
        String database,
        String state,
        String boards,
        int partitions,
        Map<String, JsonNode> economies) {

    /** Reads the file. */
    static Config read() throws IOException {
        return new ObjectMapper().readValue(new File(System.getenv("BENCH_CONFIG")), Config.class);
    }

    /** The settings of Kafka Streams: its defaults, and where its things are. */
    Properties properties() {
        Properties properties = new Properties();
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, group);
        properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, broker);
        properties.put(StreamsConfig.STATE_DIR_CONFIG, state);
        properties.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        return properties;
    }
}
