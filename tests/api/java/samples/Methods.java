package samples;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.LambdaLogger;
import com.amazonaws.services.lambda.runtime.events.SQSEvent;
import com.amazonaws.services.lambda.runtime.logging.LogLevel;
import helper.Helper;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.List;
import java.util.Map;

public class Methods {
    static int calls;

    public Order order(Order order) {
        return order;
    }

    public Object types(Map<String, List<Order>> orders) {
        return orders.get("all").get(0).getClass().getName();
    }

    public String pick(String text) {
        return "one";
    }

    public String pick(String text, Context context) {
        return "two of " + context.getFunctionName();
    }

    public String pick(String text, String other) {
        return "never";
    }

    public static int add(int[] numbers) {
        int sum = 0;
        for (int number : numbers) sum += number;
        return sum;
    }

    public int version() {
        return Runtime.version().feature();
    }

    public void nothing() {}

    public String jar(String text) {
        return Helper.shout(text);
    }

    public void copy(InputStream in, OutputStream out) throws IOException {
        out.write(in.readAllBytes());
        out.write('!');
    }

    public long heap() {
        return Runtime.getRuntime().maxMemory() >> 20;
    }

    public int deep(int n) {
        return ++calls < 0 ? 0 : n == 0 ? calls : deep(n) + 1;
    }

    public void caused(String text) {
        throw new IllegalStateException("outer", new RuntimeException("inner"));
    }

    public Object event(SQSEvent event) {
        SQSEvent.Message first = event.getRecords().get(0);
        return List.of(first.getEventSourceArn(), first.getSent());
    }

    public void logs(String text, Context context) {
        LambdaLogger logger = context.getLogger();
        logger.log("debug " + text, LogLevel.DEBUG);
        logger.log("warn " + text, LogLevel.WARN);
        logger.log("plain " + text);
    }
}
