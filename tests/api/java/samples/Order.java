package samples;

import java.math.BigDecimal;
import java.time.Instant;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;

public class Order {
    public enum State { OPEN, PAID }

    /** Made by its constructor only, as records are. */
    public static class Place {
        private final String street;
        private final int number;

        public Place(String street, int number) {
            this.street = street;
            this.number = number;
        }

        public String getStreet() {
            return street;
        }

        public int getNumber() {
            return number;
        }
    }

    private String name;
    private boolean urgent;
    private State state;
    private List<Order> parts;
    private Map<Integer, Double> prices;
    private Place place;
    private Date date;
    private Instant instant;
    private UUID id;
    private byte[] bytes;
    private int[] numbers;
    private BigDecimal exact;
    private Optional<String> maybe = Optional.empty();
    private String secret = "never told";
    public long open;

    public String getName() { return name; }
    public void setName(String name) { this.name = name; }
    public boolean isUrgent() { return urgent; }
    public void setUrgent(boolean urgent) { this.urgent = urgent; }
    public State getState() { return state; }
    public void setState(State state) { this.state = state; }
    public List<Order> getParts() { return parts; }
    public void setParts(List<Order> parts) { this.parts = parts; }
    public Map<Integer, Double> getPrices() { return prices; }
    public void setPrices(Map<Integer, Double> prices) { this.prices = prices; }
    public Place getPlace() { return place; }
    public void setPlace(Place place) { this.place = place; }
    public Date getDate() { return date; }
    public void setDate(Date date) { this.date = date; }
    public Instant getInstant() { return instant; }
    public void setInstant(Instant instant) { this.instant = instant; }
    public UUID getId() { return id; }
    public void setId(UUID id) { this.id = id; }
    public byte[] getBytes() { return bytes; }
    public void setBytes(byte[] bytes) { this.bytes = bytes; }
    public int[] getNumbers() { return numbers; }
    public void setNumbers(int[] numbers) { this.numbers = numbers; }
    public BigDecimal getExact() { return exact; }
    public void setExact(BigDecimal exact) { this.exact = exact; }
    public Optional<String> getMaybe() { return maybe; }
    public void setMaybe(Optional<String> maybe) { this.maybe = maybe; }
}
