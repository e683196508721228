package zhibao.bench;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import java.io.IOException;
import java.util.Map;

/** That an order was accepted: all that a count needs. */
record Acceptance(String order, int day, int county) {
    private static final long HOHHOT_MS = 8 * 3_600_000L;
    private static final long DAY_MS = 86_400_000L;

    /** A message of one platform, which tells of an acceptance or of something else. */
    interface Message {
        /** The acceptance, or null. */
        Acceptance accepted();
    }

    private static final ObjectMapper MAPPER = new ObjectMapper();
    private static final Map<String, ObjectReader> READERS =
            Map.of(
                    "caocao-chuxing", MAPPER.readerFor(Caocao.class),
                    "didi-chuxing", MAPPER.readerFor(Didi.class),
                    "meituan", MAPPER.readerFor(Meituan.class),
                    "eleme", MAPPER.readerFor(Eleme.class),
                    "jd-miaosong", MAPPER.readerFor(Jd.class),
                    "sf-tongcheng", MAPPER.readerFor(Sf.class));

    /** How a platform's messages are read. */
    static ObjectReader reader(String platform) {
        return READERS.get(platform);
    }

    /** What a message tells, or null where it is of no acceptance. */
    static Acceptance read(ObjectReader reader, byte[] json) throws IOException {
        Message message = reader.readValue(json);
        return message.accepted();
    }

    private static int dayOf(long epochMs) {
        return (int) Math.floorDiv(epochMs + HOHHOT_MS, DAY_MS);
    }

    /** Of a date's digits, in Hohhot's time: {@code 20260705…} or {@code 2026-07-05…}. */
    private static int dayOf(String text) {
        boolean dashed = text.charAt(4) == '-';
        int year = Integer.parseInt(text, 0, 4, 10);
        int month = Integer.parseInt(text, dashed ? 5 : 4, dashed ? 7 : 6, 10);
        int day = Integer.parseInt(text, dashed ? 8 : 6, dashed ? 10 : 8, 10);
        // Days since 1970 by the calendar's rule, without an object for each message.
        int y = month <= 2 ? year - 1 : year;
        int era = Math.floorDiv(y, 400);
        int ofEra = y - era * 400;
        int ofYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
        return era * 146_097 + ofEra * 365 + ofEra / 4 - ofEra / 100 + ofYear - 719_468;
    }

    @JsonIgnoreProperties(ignoreUnknown = true)
    record Caocao(
            @JsonProperty("MsgType") String type,
            @JsonProperty("OrderId") String order,
            @JsonProperty("DistributeTime") String at,
            @JsonProperty("Address") String county)
            implements Message {
        @Override
        public Acceptance accepted() {
            return type.equals("order_match")
                    ? new Acceptance(order, dayOf(at), Integer.parseInt(county))
                    : null;
        }
    }

    @JsonIgnoreProperties(ignoreUnknown = true)
    record Didi(String event, Order order, Time time, Place place) implements Message {
        @JsonIgnoreProperties(ignoreUnknown = true)
        record Order(String id) {}

        @JsonIgnoreProperties(ignoreUnknown = true)
        record Time(String accept) {}

        @JsonIgnoreProperties(ignoreUnknown = true)
        record Place(Area accept) {}

        @JsonIgnoreProperties(ignoreUnknown = true)
        record Area(String adcode) {}

        @Override
        public Acceptance accepted() {
            return event.equals("ORDER_ACCEPTED")
                    ? new Acceptance(
                            order.id, dayOf(time.accept), Integer.parseInt(place.accept.adcode))
                    : null;
        }
    }

    @JsonIgnoreProperties(ignoreUnknown = true)
    record Meituan(int status, String orderViewId, long acceptTime, int adcode)
            implements Message {
        @Override
        public Acceptance accepted() {
            return status == 20 ? new Acceptance(orderViewId, dayOf(acceptTime), adcode) : null;
        }
    }

    @JsonIgnoreProperties(ignoreUnknown = true)
    record Eleme(
            String state,
            @JsonProperty("order_no") String order,
            @JsonProperty("taken_at") long at,
            String district)
            implements Message {
        @Override
        public Acceptance accepted() {
            return state.equals("RIDER_TAKEN")
                    ? new Acceptance(order, dayOf(at), Integer.parseInt(district))
                    : null;
        }
    }

    @JsonIgnoreProperties(ignoreUnknown = true)
    record Jd(
            @JsonProperty("order_status") int status,
            @JsonProperty("order_id") String order,
            @JsonProperty("accept_time") long at,
            @JsonProperty("city_code") String county)
            implements Message {
        @Override
        public Acceptance accepted() {
            return status == 2
                    ? new Acceptance(order, dayOf(at * 1000), Integer.parseInt(county))
                    : null;
        }
    }

    @JsonIgnoreProperties(ignoreUnknown = true)
    record Sf(
            @JsonProperty("order_status") int status,
            @JsonProperty("sf_order_id") String order,
            @JsonProperty("take_time") String at,
            Region region)
            implements Message {
        @JsonIgnoreProperties(ignoreUnknown = true)
        record Region(String code) {}

        @Override
        public Acceptance accepted() {
            return status == 10
                    ? new Acceptance(order, dayOf(at), Integer.parseInt(region.code))
                    : null;
        }
    }
}
