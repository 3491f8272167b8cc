package bench;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The rules of one tenant by event type, in the order of its document; only what the workload's documents use. */
final class Economy {
    /** A fixed amount, or the event's amount divided. */
    record Award(String currency, long fixed, long divisor) {}

    /** A rule; limits are per day, 0 is none, {@code amount} limits xp. */
    record Rule(String name, long minimum, List<Award> awards, long times, long amount) {}

    /** What an event gives. */
    record Gain(String cause, String currency, long amount) {}

    /** How much of a rule's limit an actor has used on a day. */
    interface Used {
        long get(String rule);

        void set(String rule, long value);
    }

    private final Map<String, List<Rule>> rules = new HashMap<>();

    Economy(JsonNode document) {
        for (JsonNode each : document.get("rules")) {
            List<Award> awards = new ArrayList<>();
            each.get("award").fields().forEachRemaining(entry -> {
                JsonNode award = entry.getValue();
                boolean isFixed = award.isNumber();
                awards.add(new Award(
                        entry.getKey(), isFixed ? award.asLong() : 0, isFixed ? 0 : award.get("per").asLong()));
            });
            long minimum = each.path("when").path("value").asLong(0);
            JsonNode limit = each.path("limit");
            Rule rule = new Rule(
                    each.get("id").asText(), minimum, awards, limit.path("times").asLong(0), limit.path("amount").asLong(0));
            rules.computeIfAbsent(each.get("on").asText(), type -> new ArrayList<>()).add(rule);
        }
    }

    /** Returns what an event gives, and uses up the limits of the rules that give it. */
    List<Gain> gains(String type, long amount, Used used) {
        List<Gain> gains = new ArrayList<>(4);
        for (Rule rule : rules.getOrDefault(type, List.of())) {
            if (amount < rule.minimum) {
                continue;
            }
            if (rule.times > 0) {
                long before = used.get(rule.name);
                if (before >= rule.times) {
                    continue;
                }
                used.set(rule.name, before + 1);
            }
            for (Award award : rule.awards) {
                long points = award.divisor > 0 ? amount / award.divisor : award.fixed;
                if (rule.amount > 0 && award.currency.equals("xp")) {
                    long before = used.get(rule.name);
                    points = Math.min(points, rule.amount - before);
                    if (points > 0) {
                        used.set(rule.name, before + points);
                    }
                }
                if (points > 0) {
                    gains.add(new Gain(rule.name, award.currency, points));
                }
            }
        }
        return gains;
    }
}
