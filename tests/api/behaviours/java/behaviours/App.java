package behaviours;

import com.amazonaws.services.lambda.runtime.ClientContext;
import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.io.File;
import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

public class App implements RequestHandler<Map<String, Object>, Object> {
    static int count;

    static {
        System.out.println("said while starting");
    }

    public static class Custom extends RuntimeException {
        public Custom(String message) {
            super(message);
        }
    }

    @Override
    public Object handleRequest(Map<String, Object> event, Context context) {
        count++;
        try {
            return doing(event, context);
        } catch (IOException | InterruptedException e) {
            throw new RuntimeException(e);
        }
    }

    private Object doing(Map<String, Object> event, Context context) throws IOException, InterruptedException {
        switch ((String) event.get("do")) {
            case "echo":
                return event.get("value");
            case "none":
                return null;
            case "context":
                return context(context);
            case "remaining":
                int first = context.getRemainingTimeInMillis();
                Thread.sleep(20);
                return Arrays.asList(first, context.getRemainingTimeInMillis());
            case "env":
                return System.getenv();
            case "trace":
                return System.getProperty("com.amazonaws.xray.traceHeader");
            case "raise":
                throw new Custom((String) event.get("message"));
            case "exit":
                System.exit((Integer) event.get("code"));
                return null;
            case "kill":
                new ProcessBuilder("/bin/sh", "-c", "kill -9 $PPID").start();
                Thread.sleep(10000);
                return null;
            case "sleep":
                Thread.sleep((Integer) event.get("ms"));
                return count;
            case "oom":
                List<byte[]> held = new ArrayList<>();
                for (;;) held.add(new byte[8 << 20]);
            case "big":
                return "x".repeat((Integer) event.get("size"));
            case "size":
                return ((String) event.get("value")).length();
            case "print":
                for (Object line : (List<?>) event.get("lines")) {
                    System.out.println(line);
                    System.err.println(line);
                }
                return null;
            case "event":
                context.getLogger().log((String) event.get("text"));
                return null;
            case "count":
                return count;
            case "tmp":
                boolean had = new File("/tmp/kept").exists();
                Files.writeString(Path.of("/tmp/kept"), "x");
                return had;
            case "write":
                try {
                    Files.writeString(Path.of((String) event.get("path")), "");
                    return null;
                } catch (FileSystemException e) {
                    return e.getReason();
                }
            case "place":
                return place();
            case "bad":
                Map<String, Object> circle = new HashMap<>();
                circle.put("self", circle);
                return circle;
            default:
                throw new IllegalArgumentException(event.toString());
        }
    }

    private static Map<String, Object> context(Context context) {
        Map<String, Object> told = new HashMap<>();
        ClientContext client = context.getClientContext();
        told.put("id", context.getAwsRequestId());
        told.put("arn", context.getInvokedFunctionArn());
        told.put("name", context.getFunctionName());
        told.put("version", context.getFunctionVersion());
        told.put("memory", context.getMemoryLimitInMB());
        told.put("group", context.getLogGroupName());
        told.put("stream", context.getLogStreamName());
        told.put("client", client == null ? null : client.getCustom());
        told.put("identity", context.getIdentity() == null ? null : context.getIdentity().getIdentityId());
        return told;
    }

    private static Map<String, Object> place() throws IOException {
        Map<String, Object> told = new HashMap<>();
        told.put("cwd", new File("").getAbsolutePath());
        told.put("zone", ZonedDateTime.now().format(DateTimeFormatter.ofPattern("xx")));
        told.put("pid", ProcessHandle.current().pid());
        told.put("uid", Files.getAttribute(Path.of("/proc/self"), "unix:uid"));
        return told;
    }
}
