package virga;

import com.amazonaws.services.lambda.runtime.LambdaLogger;
import com.amazonaws.services.lambda.runtime.LambdaRuntime;
import com.amazonaws.services.lambda.runtime.logging.LogLevel;
import java.io.BufferedOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;

/** The logger of user code: each call is one event, in text or JSON. */
final class Log implements LambdaLogger {
    private static final byte LINE_BREAK = 0; /* inside an event; src/runtime/lines.h makes it a newline */

    private final boolean isJson = "JSON".equalsIgnoreCase(System.getenv("AWS_LAMBDA_LOG_FORMAT"));
    private final LogLevel lowest = lowest();
    private final FileOutputStream out = new FileOutputStream(FileDescriptor.out);
    private String requestId;

    /** Replaces System.out and System.err, and makes itself what LambdaRuntime.getLogger() answers. */
    static Log install() throws ReflectiveOperationException {
        System.setOut(stream(FileDescriptor.out));
        System.setErr(stream(FileDescriptor.err));
        Log log = new Log();
        Field logger = LambdaRuntime.class.getDeclaredField("logger");
        logger.setAccessible(true);
        logger.set(null, log);
        return log;
    }

    /* Whatever the locale is: UTF-8, and a line at a time. */
    private static PrintStream stream(FileDescriptor fd) {
        return new PrintStream(new BufferedOutputStream(new FileOutputStream(fd), 8192), true, StandardCharsets.UTF_8);
    }

    private static LogLevel lowest() {
        String level = System.getenv("AWS_LAMBDA_LOG_LEVEL");
        return level == null || level.isEmpty() ? LogLevel.UNDEFINED : LogLevel.fromString(level);
    }

    void begin(String id) {
        requestId = id;
    }

    @Override
    public void log(String message) {
        log(message, LogLevel.UNDEFINED);
    }

    @Override
    public void log(byte[] message) {
        put(message);
    }

    @Override
    public void log(String message, LogLevel level) {
        if (level != LogLevel.UNDEFINED && level.ordinal() < lowest.ordinal()) return;
        if (isJson) put(record(message, level).getBytes(StandardCharsets.UTF_8));
        else if (level == LogLevel.UNDEFINED) put(String.valueOf(message).getBytes(StandardCharsets.UTF_8));
        else put(("[" + level + "] " + message).getBytes(StandardCharsets.UTF_8));
    }

    @Override
    public void log(byte[] message, LogLevel level) {
        log(new String(message, StandardCharsets.UTF_8), level);
    }

    private String record(String message, LogLevel level) {
        StringBuilder record = new StringBuilder("{\"timestamp\":\"");
        DateTimeFormatter format = DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'");
        record.append(format.withZone(ZoneOffset.UTC).format(Instant.now()));
        record.append("\",\"level\":\"").append(level).append("\",\"message\":");
        Json.write(record, String.valueOf(message));
        if (requestId != null) {
            record.append(",\"AWSRequestId\":");
            Json.write(record, requestId);
        }
        return record.append('}').toString();
    }

    private void put(byte[] message) {
        int size = message.length;
        while (size > 0 && (message[size - 1] == '\n' || message[size - 1] == '\r')) size--;
        byte[] event = new byte[size + 1];
        for (int i = 0; i < size; i++) event[i] = message[i] == '\n' ? LINE_BREAK : message[i];
        event[size] = '\n';
        System.out.flush();
        try {
            out.write(event);
        } catch (IOException e) {
            return; /* nobody reads any more: the platform is about to end this process */
        }
    }

    static void flush() {
        System.out.flush();
        System.err.flush();
    }

    void fault(Fault fault) {
        log(fault.logText(), isJson ? LogLevel.ERROR : LogLevel.UNDEFINED);
    }
}
