package samples;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;

/** Its types are known in a subclass only. */
public abstract class Base<T> implements RequestHandler<T, String> {
    public static class OfOrders extends Base<Order> {
        @Override
        public String handleRequest(Order order, Context context) {
            return order.getName();
        }
    }

    public static class Open<T> extends Base<T> {
        @Override
        public String handleRequest(T input, Context context) {
            return null;
        }
    }

    public static class Hidden extends Base<Order> {
        Hidden(int unused) {}

        @Override
        public String handleRequest(Order order, Context context) {
            return null;
        }
    }

    public static class Static extends Base<Order> {
        static final int wrong = Integer.parseInt("wrong");

        @Override
        public String handleRequest(Order order, Context context) {
            return null;
        }
    }
}
