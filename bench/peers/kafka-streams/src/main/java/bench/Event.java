package bench;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;

/** The part of an event that is used. */
@JsonIgnoreProperties(ignoreUnknown = true)
public record Event(String id, String source, String type, String subject, String tenant, String time, Data data) {
    /** The part of the payload that rules look at. */
    @JsonIgnoreProperties(ignoreUnknown = true)
    public record Data(long amount) {}
}
