package bench;

import java.net.URI;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.OffsetDateTime;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;

/** Collects rows and inserts them in batches, together with what they add to the balances. */
final class Ledger implements AutoCloseable {
    private static final int BATCH = 1_000;
    private static final String INSERT =
            "INSERT INTO transfers (occurred_at, amount, leg, tenant, actor, currency, event_source, event_id, "
                    + "event_type, cause) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
    private static final String ADD =
            "INSERT INTO balances AS b (tenant, actor, currency, balance) "
                    + "SELECT * FROM unnest(?::text[], ?::text[], ?::text[], ?::bigint[]) "
                    + "ON CONFLICT (tenant, actor, currency) DO UPDATE SET balance = b.balance + excluded.balance";

    private record Account(String tenant, String actor, String currency) implements Comparable<Account> {
        @Override
        public int compareTo(Account other) {
            int order = tenant.compareTo(other.tenant);
            order = order != 0 ? order : actor.compareTo(other.actor);
            return order != 0 ? order : currency.compareTo(other.currency);
        }
    }

    private final Connection connection;
    private final PreparedStatement insert;
    private final PreparedStatement add;
    private final Map<Account, Long> added = new TreeMap<>(); // in one order, so that no two writers deadlock
    private int waiting;

    Ledger(String database) throws SQLException {
        URI address = URI.create(database);
        String[] account = address.getUserInfo().split(":", 2);
        Properties properties = new Properties();
        properties.put("user", account[0]);
        properties.put("password", account[1]);
        properties.put("reWriteBatchedInserts", "true");
        String url = "jdbc:postgresql://" + address.getHost() + ":" + address.getPort() + address.getPath();
        connection = DriverManager.getConnection(url, properties);
        connection.setAutoCommit(false);
        insert = connection.prepareStatement(INSERT);
        add = connection.prepareStatement(ADD);
    }

    /** Adds a row; writes all that wait once there are enough. */
    void add(Event event, int leg, Economy.Gain gain) throws SQLException {
        insert.setObject(1, OffsetDateTime.parse(event.time()));
        insert.setLong(2, gain.amount());
        insert.setInt(3, leg);
        insert.setString(4, event.tenant());
        insert.setString(5, event.subject());
        insert.setString(6, gain.currency());
        insert.setString(7, event.source());
        insert.setString(8, event.id());
        insert.setString(9, event.type());
        insert.setString(10, gain.cause());
        insert.addBatch();
        added.merge(new Account(event.tenant(), event.subject(), gain.currency()), gain.amount(), Long::sum);
        if (++waiting >= BATCH) {
            flush();
        }
    }

    /** Writes what waits, in one transaction. */
    void flush() throws SQLException {
        if (waiting == 0) {
            return;
        }
        insert.executeBatch();
        add.setArray(1, connection.createArrayOf("text", added.keySet().stream().map(Account::tenant).toArray()));
        add.setArray(2, connection.createArrayOf("text", added.keySet().stream().map(Account::actor).toArray()));
        add.setArray(3, connection.createArrayOf("text", added.keySet().stream().map(Account::currency).toArray()));
        add.setArray(4, connection.createArrayOf("bigint", added.values().toArray()));
        add.executeUpdate();
        connection.commit();
        added.clear();
        waiting = 0;
    }

    @Override
    public void close() throws SQLException {
        flush();
        connection.close();
    }
}
