package behaviours;

public class Breaks {
    public Breaks() {
        throw new IllegalStateException("no start");
    }

    public Object handle(Object event) {
        return event;
    }
}
