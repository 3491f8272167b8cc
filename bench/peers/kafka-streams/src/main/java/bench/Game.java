package bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import java.io.IOException;
import java.sql.SQLException;
import java.time.DayOfWeek;
import java.time.Duration;
import java.time.LocalDate;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;

/** One task: counts the events of one partition, one at a time. */
final class Game implements Processor<byte[], byte[], Void, Void> {
    static final List<String> STORES = List.of("seen", "used", "balances", "scores");

    // A batch of rows that is not full waits no longer than this.
    private static final Duration FLUSH = Duration.ofMillis(100);

    private final Config config;
    private final Map<String, Economy> economies = new HashMap<>();
    private final Map<String, String> weeks = new HashMap<>();
    private final ObjectReader reader = new ObjectMapper().readerFor(Event.class);
    private KeyValueStore<String, Long> seen;
    private KeyValueStore<String, Long> used;
    private KeyValueStore<String, Long> balances;
    private KeyValueStore<String, Long> scores;
    private Ledger ledger;

    Game(Config config) {
        this.config = config;
        config.economies().forEach((tenant, document) -> economies.put(tenant, new Economy(document)));
    }

    @Override
    public void init(ProcessorContext<Void, Void> context) {
        seen = context.getStateStore("seen");
        used = context.getStateStore("used");
        balances = context.getStateStore("balances");
        scores = context.getStateStore("scores");
        try {
            ledger = new Ledger(config.database());
        } catch (SQLException error) {
            throw new IllegalStateException(error);
        }
        context.schedule(FLUSH, PunctuationType.WALL_CLOCK_TIME, now -> flush());
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        try {
            count(reader.readValue(record.value()));
        } catch (IOException | SQLException error) {
            throw new IllegalStateException(error);
        }
    }

    @Override
    public void close() {
        try {
            ledger.close();
        } catch (SQLException error) {
            throw new IllegalStateException(error);
        }
    }

    private void count(Event event) throws SQLException {
        if (seen.putIfAbsent(event.tenant() + '|' + event.source() + '|' + event.id(), 1L) != null) {
            return;
        }
        String day = event.time().substring(0, 10);
        String actor = event.tenant() + '|' + event.subject();
        List<Economy.Gain> gains =
                economies.get(event.tenant()).gains(event.type(), event.data().amount(), new Economy.Used() {
                    @Override
                    public long get(String rule) {
                        return read(used, actor + '|' + rule + '|' + day);
                    }

                    @Override
                    public void set(String rule, long value) {
                        used.put(actor + '|' + rule + '|' + day, value);
                    }
                });
        int leg = 0;
        long score = 0;
        for (Economy.Gain gain : gains) {
            add(balances, actor + '|' + gain.currency(), gain.amount());
            score += gain.currency().equals("xp") ? gain.amount() : 0;
            ledger.add(event, leg++, gain);
        }
        if (score > 0) {
            String week = weeks.computeIfAbsent(day, Game::weekOf);
            add(scores, event.tenant() + "|daily|" + day + '|' + event.subject(), score);
            add(scores, event.tenant() + "|weekly|" + week + '|' + event.subject(), score);
        }
    }

    private void flush() {
        try {
            ledger.flush();
        } catch (SQLException error) {
            throw new IllegalStateException(error);
        }
    }

    private static void add(KeyValueStore<String, Long> store, String key, long amount) {
        store.put(key, read(store, key) + amount);
    }

    private static long read(KeyValueStore<String, Long> store, String key) {
        Long value = store.get(key);
        return value == null ? 0 : value;
    }

    private static String weekOf(String day) {
        return LocalDate.parse(day).with(DayOfWeek.MONDAY).toString();
    }
}
